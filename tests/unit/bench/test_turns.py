"""The order in which contenders are measured."""

from bench.__main__ import turns

ALL = ("floor", "operator", "job-raised", "job")


def test_jobs_take_fewer_rounds_and_order_alternates() -> None:
    order = [f"{number} {name}" for number, name in turns(ALL, rounds=3, job_rounds=1)]
    assert order == [
        "1 floor",
        "1 operator",
        "1 job-raised",
        "1 job",
        "2 operator",
        "2 floor",
        "3 floor",
        "3 operator",
    ]
