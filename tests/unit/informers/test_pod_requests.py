"""The requests of a pod, as the scheduler counts them."""

from typing import Any

from tests.unit.placement.machines import DEVICE, asked


def init(cpu: str, *, stays: bool = False) -> dict[str, Any]:
    container: dict[str, Any] = {"resources": {"requests": {"cpu": cpu}}}
    return {**container, "restartPolicy": "Always"} if stays else container


def test_requests_of_containers_are_added() -> None:
    found = asked([{"cpu": "500m", DEVICE: "2"}, {"cpu": "1", "memory": "1G"}])
    assert found == {"cpu": 1500, DEVICE: 2, "memory": 1_000_000_000}


def test_init_containers_count_one_by_one() -> None:
    assert asked([{"cpu": "1"}], initContainers=[init("3"), init("2")])["cpu"] == 3000


def test_sidecar_counts_beside_all_later_containers() -> None:
    staying = [init("1", stays=True), init("3")]
    assert asked([{"cpu": "2"}], initContainers=staying)["cpu"] == 4000
    assert asked([{"cpu": "5"}], initContainers=staying)["cpu"] == 6000


def test_overhead_is_added() -> None:
    assert asked([{"cpu": "1"}], overhead={"cpu": "250m"})["cpu"] == 1250


def test_requests_of_the_whole_pod_replace_its_containers() -> None:
    found = asked([{"cpu": "1", DEVICE: "1"}], resources={"requests": {"cpu": "4"}})
    assert found == {"cpu": 4000, DEVICE: 1}


def test_fraction_is_rounded_up() -> None:
    assert asked([{"memory": "1500m"}])["memory"] == 2


def test_resources_that_limit_no_gang_are_not_kept() -> None:
    assert asked([{"ephemeral-storage": "1G"}]) == {}


def test_equal_requests_are_one_object() -> None:
    assert asked([{"cpu": "1"}]) is asked([{"cpu": "1"}])
