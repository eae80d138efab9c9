"""The targets, judged by measurements."""

import pytest

from bench.record import DELETION, RESTART, START, Measurement, Writes
from bench.targets import Target, ratio, targets
from tests.unit.bench.measurements import MIB, took, wrote


def _target(what: str, measured: list[Measurement], counted: list[Writes] | None = None) -> Target:
    [found] = [each for each in targets(measured, counted or []) if each.what.startswith(what)]
    return found


@pytest.mark.parametrize(
    ("phase", "seconds", "met"),
    [
        (START, 11.5, True),
        (START, 11.6, False),
        (RESTART, 10.5, True),
        (RESTART, 10.6, False),
        (DELETION, 12.0, True),
        (DELETION, 12.1, False),
    ],
)
def test_times_are_promised_as_multiples_of_the_floors(
    phase: str, seconds: float, met: bool
) -> None:
    measured = [took(10.0, "floor", phase=phase), took(seconds, phase=phase)]
    assert _target(f"{phase}, ×", measured).met is met


def test_rounds_are_compared_by_their_medians() -> None:
    measured = [*(took(s) for s in (1.0, 2.0, 90.0)), *(took(s, "floor") for s in (0.5, 1.0, 1.5))]
    assert ratio(measured, 500, START, of="operator", to="floor") == 2.0


def test_missing_measurement_has_no_ratio() -> None:
    assert ratio([took(1.0)], 500, START, of="operator", to="floor") is None


def test_cpu_is_promised_for_each_pod() -> None:
    assert _target("CPU per pod at start", [took(1.0, cpu=0.14)]).value == pytest.approx(0.28)
    assert not _target("CPU per pod at start", [took(1.0, cpu=0.16)]).met


def test_memory_is_judged_by_its_worst_round() -> None:
    measured = [took(1.0, peak_rss_bytes=100 * MIB), took(1.0, peak_rss_bytes=130 * MIB)]
    assert _target("peak memory", measured) == Target("peak memory", 500, 130, 120, "MiB")


def test_cost_of_pods_hardly_grows_with_gang() -> None:
    measured = [took(1.0, cpu=0.1), took(9.0, size=5000, cpu=1.3)]
    growth = _target("CPU per pod, start", measured)
    assert growth.value == pytest.approx(1.3)
    assert not growth.met


def test_a_gang_costs_one_write_for_each_pod() -> None:
    counted = [wrote(stargate_operator__create__pods=500, stargate_operator__create__events=9)]
    assert _target("writes to a pod", [], counted).value == 1.0


def test_pod_patch_is_a_second_write() -> None:
    counted = [wrote(stargate_operator__create__pods=500, stargate_operator__patch__pods=1)]
    assert not _target("writes to a pod", [], counted).met
