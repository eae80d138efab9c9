"""The settings of the trainer: TRAINER_* variables, read once. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from stargate_trainer.exits import Exit, TrainerError

HEADS = 4
"""Attention heads of the model; its width is divided among them."""
_PREFIX = "TRAINER_"


@dataclass(frozen=True)
class Settings:
    seed: int = 1
    batch_size: int = 16
    """Windows of text per rank and step."""
    context: int = 32
    """Length of a window, in bytes."""
    width: int = 32
    layers: int = 1
    learning_rate: float = 0.0
    """0 takes the strategy's own."""
    step_seconds: float = 0.0
    """Each step lasts at least this long: a training slow enough to interrupt."""
    rendezvous_seconds: float = 300.0
    """How long a rank waits at the start for rank 0's address and for all the others."""
    collective_seconds: float = 60.0
    """How long a rank waits in a step for the others before it gives up."""


def settings(environ: Mapping[str, str]) -> Settings:
    known = {_PREFIX + each.name.upper(): each for each in fields(Settings)}
    asked = {name: text for name, text in environ.items() if name.startswith(_PREFIX)}
    for name in asked:
        if name not in known:
            raise _wrong(f"{name}: there is no such setting; there are {', '.join(known)}")
    found = Settings(**{known[name].name: _value(name, text) for name, text in asked.items()})
    if found.width % HEADS:
        raise _wrong(f"TRAINER_WIDTH: must be a multiple of {HEADS}, not {found.width}")
    return found


def _value(name: str, text: str) -> Any:
    kind = type(getattr(Settings, name.removeprefix(_PREFIX).lower()))
    try:
        value = kind(text)
    except ValueError:
        raise _wrong(f"{name}: {text!r} is not {_NAMES[kind]}") from None
    if not _LOWEST.get(name, 0) <= value < float("inf"):
        raise _wrong(f"{name}: must be at least {_LOWEST.get(name, 0)}, not {text}")
    return value


_NAMES = {int: "a whole number", float: "a number"}
_LOWEST = dict.fromkeys(
    [_PREFIX + name for name in ("BATCH_SIZE", "CONTEXT", "WIDTH", "LAYERS", "COLLECTIVE_SECONDS")],
    1,
)


def _wrong(message: str) -> TrainerError:
    return TrainerError(Exit.MISCONFIGURED, message)
