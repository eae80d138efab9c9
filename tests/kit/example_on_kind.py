"""The objects of the kind example and the defaults that the chart applies for it, one of each kind."""

from functools import cache

import yaml

from stargate_lab.cluster import chart
from stargate_lab.cluster.api import Json
from stargate_lab.commands import kind_example


@cache
def _documents() -> tuple[str, ...]:
    """The objects as text, because a test may change the objects that it gets."""
    files = [kind_example.STORAGE, kind_example.JOB]
    applied = [document for file in files for document in yaml.safe_load_all(file.read_text())]
    return tuple(map(yaml.safe_dump, [*applied, *chart.defaults(kind_example.VALUES)]))


def example() -> dict[str, Json]:
    return {each["kind"]: each for each in map(yaml.safe_load, _documents())}
