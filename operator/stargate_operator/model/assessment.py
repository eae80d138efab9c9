"""The placer's answer for one gang, as a value that a decision can look at."""

from dataclasses import dataclass

from stargate_operator.model.blueprint import Blueprint, Refusal


@dataclass(frozen=True)
class Assessment:
    """How a gang fits into the cluster at one moment. The placer makes one in each pass of a job.

    `blueprint` is what the attempt's pods are made from, with the compute block that the gang is put
    into, or why there is none. `has_room` says that a gang which waits for room would find nodes for
    all its ranks now. `never_fits` says why the gang cannot have all its nodes whatever else runs; it
    is empty if it can, or if the scheduler has found a node for each rank so far.
    """

    blueprint: Blueprint | Refusal
    has_room: bool = False
    never_fits: str = ""
