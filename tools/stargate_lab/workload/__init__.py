"""Simulated trainers: what runs in a worker pod, and what its kubelet does for it."""
