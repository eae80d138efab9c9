"""Paths of the lab: the repository, the cache of the tools, the state of running clusters."""

import os
from pathlib import Path

REPO = Path(__file__).resolve().parents[3]
TOOLS = REPO / "tools"
RUN_DIR = REPO / ".run"


def cache_dir() -> Path:
    """A folder outside of the clone, so that a second clone does not build Kubernetes again."""
    if own := os.environ.get("STARGATE_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "stargate"
