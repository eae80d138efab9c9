"""The end of a failed program's output: what an error message quotes."""

import subprocess

LINES = 20


def last_lines(done: "subprocess.CompletedProcess[str]", lines: int = LINES) -> str:
    """Of stdout, then of stderr: a build prints the failure on one and its own summary on the other."""
    streams = [(stream or "").strip() for stream in (done.stdout, done.stderr)]
    return "\n".join(end for stream in streams if (end := tail(stream, lines)))


def tail(text: str, lines: int = LINES) -> str:
    return "\n".join(text.splitlines()[-lines:])
