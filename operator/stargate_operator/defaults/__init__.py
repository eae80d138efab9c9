"""What an install brings: runtimes, classes and blocks that the leader applies from a folder."""
