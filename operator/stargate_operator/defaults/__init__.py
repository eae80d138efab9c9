"""The defaults of an install: runtimes, classes and blocks that the leader applies from a folder."""
