"""The logs of a cluster that failed, copied to where they outlive it.

`down` deletes a cluster's directory, and a message that names a deleted file helps nobody.
"""

import shutil
import traceback

from stargate_lab.cluster.control_plane import ControlPlane


def explain(error: Exception, plane: ControlPlane) -> str:
    """One sentence: the cause, and the directory that now holds the logs and the whole error."""
    kept = plane.run_dir / f"{plane.name}-logs"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for log in plane.directory.rglob("*.log"):
        shutil.copy(log, kept / log.name)
    (kept / "error.txt").write_text("".join(traceback.format_exception(error)))
    return f"{cause(error)}; the logs are in {kept}"


def cause(error: Exception) -> str:
    """The first line of the message; what a program printed is on the lines after it."""
    first = str(error).strip().partition("\n")[0]
    return first.rstrip(":. ") or type(error).__name__
