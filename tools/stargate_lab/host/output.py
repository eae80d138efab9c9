"""The last lines of a failed program's output, for error messages."""

import subprocess

LINES = 20


def last_lines(done: "subprocess.CompletedProcess[str]", lines: int = LINES) -> str:
    """The ends of stdout and stderr: Docker prints a step's failure on one, its summary on the other."""
    streams = [(stream or "").strip() for stream in (done.stdout, done.stderr)]
    return "\n".join(end for stream in streams if (end := tail(stream, lines)))


def tail(text: str, lines: int = LINES) -> str:
    return "\n".join(text.splitlines()[-lines:])
