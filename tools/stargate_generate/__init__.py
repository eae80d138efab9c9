"""Writes the parts of the repository that follow from its code; `make manifests` runs each module."""
