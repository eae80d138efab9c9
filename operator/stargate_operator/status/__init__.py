"""Builds the status of a job: conditions, counts, progress, checkpoints, goodput. Pure."""
