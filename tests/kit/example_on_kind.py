"""The example on kind, and what the chart brings for it: one object of each kind."""

from functools import cache

import yaml

from stargate_lab.cluster import chart
from stargate_lab.cluster.api import Json
from stargate_lab.commands import kind_example


@cache
def _documents() -> tuple[str, ...]:
    """As text: who reads them may change what was read."""
    files = [kind_example.STORAGE, kind_example.JOB]
    applied = [each for file in files for each in yaml.safe_load_all(file.read_text())]
    return tuple(map(yaml.safe_dump, [*applied, *chart.defaults(kind_example.VALUES)]))


def example() -> dict[str, Json]:
    return {each["kind"]: each for each in map(yaml.safe_load, _documents())}
