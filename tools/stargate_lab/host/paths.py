"""Where the lab reads and writes: the repository, the tools' cache, the state of running planes."""

import os
from pathlib import Path

REPO = Path(__file__).resolve().parents[3]
TOOLS = REPO / "tools"
RUN_DIR = REPO / ".run"


def cache_dir() -> Path:
    """Outlives the clone, so that a second clone does not build Kubernetes again."""
    if own := os.environ.get("STARGATE_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "stargate"
