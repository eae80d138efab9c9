"""Times as Kubernetes writes them."""

from datetime import datetime


def second_of(stamp: str) -> float:
    """Seconds since the epoch."""
    return datetime.fromisoformat(stamp).timestamp()
