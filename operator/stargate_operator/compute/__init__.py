"""What the cluster has of accelerators, how much of it is free, and where a gang is put."""
