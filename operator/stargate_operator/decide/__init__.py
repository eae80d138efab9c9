"""Decides what happens to a job next: one policy per file, pure, the clock handed in."""
