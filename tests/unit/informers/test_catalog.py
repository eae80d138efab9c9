"""The catalog takes newer versions and says which changes concern jobs."""

from typing import Any

from stargate_operator.informers.catalog import Catalog
from stargate_types import ComputeBlock
from tests.kit.builders import NOW, compute_block


def body(block: ComputeBlock, version: int = 1, counted: bool = False) -> dict[str, Any]:
    found = block.model_dump(by_alias=True, mode="json", exclude_none=True)
    found["metadata"]["resourceVersion"] = str(version)
    if counted:
        found["status"]["observedTime"] = NOW.isoformat()
    return found


def test_count_of_our_own_concerns_no_job() -> None:
    catalog = Catalog()
    assert catalog.put_block(body(compute_block()))
    assert not catalog.put_block(body(compute_block(), 2, counted=True))
    assert catalog.blocks[0].status.observed_time == NOW


def test_changed_spec_of_a_block_concerns_jobs() -> None:
    catalog = Catalog()
    catalog.put_block(body(compute_block()))
    assert catalog.put_block(body(compute_block(pue=1.3), 2))


def test_external_count_of_a_block_concerns_jobs() -> None:
    catalog = Catalog()
    catalog.put_block(body(compute_block(accounting="External")))
    assert catalog.put_block(body(compute_block(accounting="External"), 2, counted=True))


def test_older_version_is_ignored() -> None:
    catalog = Catalog()
    catalog.put_block(body(compute_block(), 7, counted=True))
    assert not catalog.put_block(body(compute_block(pue=2), 5))
    assert catalog.blocks[0].spec.pue is None


def test_pue_comes_from_block_or_from_cluster() -> None:
    catalog = Catalog()
    assert catalog.pue_in(None) == 1.0
    catalog.put_block(body(compute_block(pue=1.4)))
    catalog.put_block(body(compute_block("row-a", pue=1.1)))
    catalog.put_block(body(compute_block("row-b")))
    found = [catalog.pue_in(name) for name in (None, "row-a", "row-b", "gone")]
    assert found == [1.4, 1.1, 1.4, 1.4]
