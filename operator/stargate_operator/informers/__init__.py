"""Caches of what the cluster last told, and the watches that fill them."""
