"""Caches of the cluster's objects, and the watches that fill them."""
