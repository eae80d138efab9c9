"""Simulated trainers: the program in a worker pod, and the kubelet's part for it."""
