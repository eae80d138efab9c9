"""Manifests of the objects that a gang needs, made from job, runtime and class. Pure."""
