"""What the resource says of the job: conditions, counts, progress, checkpoints, goodput. Pure."""
