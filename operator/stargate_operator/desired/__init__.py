"""What should stand in the cluster: job + runtime + class -> manifests. Pure."""
