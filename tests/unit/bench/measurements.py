"""Measurements with defaults: `took(5.0, contender="floor")`."""

from typing import Any

from bench.record import START, Measurement, Writes

MIB = 2**20


def took(
    seconds: float,
    contender: str = "operator",
    *,
    size: int = 500,
    phase: str = START,
    cpu: float = 0.1,
    **more: Any,
) -> Measurement:
    """`cpu` in seconds, the contender's own."""
    return Measurement(
        contender=contender,
        size=size,
        round=1,
        phase=phase,
        seconds=seconds,
        moments=more.pop("moments", {}),
        cpu={"self": cpu, "kube-apiserver": 1.0},
        **more,
    )


def wrote(contender: str = "operator", *, size: int = 500, **accepted: int) -> Writes:
    named = {key.replace("__", " ").replace("_", "-"): n for key, n in accepted.items()}
    return Writes(contender=contender, size=size, phase=START, accepted=named)
