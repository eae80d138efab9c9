"""The example on kind, and what the chart brings for it: one object of each kind."""

from functools import cache

import yaml

from stargate_lab import chart, trial
from stargate_lab.api import Json


@cache
def _documents() -> tuple[str, ...]:
    """As text: who reads them may change what was read."""
    files = [trial.STORAGE, trial.JOB]
    applied = [each for file in files for each in yaml.safe_load_all(file.read_text())]
    return tuple(map(yaml.safe_dump, [*applied, *chart.defaults(trial.VALUES)]))


def example() -> dict[str, Json]:
    return {each["kind"]: each for each in map(yaml.safe_load, _documents())}
