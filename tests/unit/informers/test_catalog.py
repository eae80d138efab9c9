"""The catalogue takes what is newer, and says what concerns the jobs."""

from typing import Any

from stargate_operator.informers.catalog import Catalogue
from stargate_types import ComputeBlock
from tests.builders import NOW, compute_block


def body(block: ComputeBlock, version: int = 1, counted: bool = False) -> dict[str, Any]:
    found = block.model_dump(by_alias=True, mode="json", exclude_none=True)
    found["metadata"]["resourceVersion"] = str(version)
    if counted:
        found["status"]["observedTime"] = NOW.isoformat()
    return found


def test_a_count_of_our_own_concerns_no_job() -> None:
    catalogue = Catalogue()
    assert catalogue.put_block(body(compute_block()))
    assert not catalogue.put_block(body(compute_block(), 2, counted=True))
    assert catalogue.blocks[0].status.observed_time == NOW


def test_what_is_stated_anew_does() -> None:
    catalogue = Catalogue()
    catalogue.put_block(body(compute_block()))
    assert catalogue.put_block(body(compute_block(pue=1.3), 2))


def test_and_so_does_what_somebody_else_counts() -> None:
    catalogue = Catalogue()
    catalogue.put_block(body(compute_block(accounting="External")))
    assert catalogue.put_block(body(compute_block(accounting="External"), 2, counted=True))


def test_a_late_word_changes_nothing() -> None:
    catalogue = Catalogue()
    catalogue.put_block(body(compute_block(), 7, counted=True))
    assert not catalogue.put_block(body(compute_block(pue=2), 5))
    assert catalogue.blocks[0].spec.pue is None


def test_energy_goes_by_the_gang_s_own_block_else_by_the_whole_cluster_s() -> None:
    catalogue = Catalogue()
    assert catalogue.pue_in(None) == 1.0
    catalogue.put_block(body(compute_block(pue=1.4)))
    catalogue.put_block(body(compute_block("row-a", pue=1.1)))
    catalogue.put_block(body(compute_block("row-b")))
    found = [catalogue.pue_in(name) for name in (None, "row-a", "row-b", "gone")]
    assert found == [1.4, 1.1, 1.4, 1.4]
