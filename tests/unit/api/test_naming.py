"""A job's name consists of the model's name, made legal, and a short hash of the request id."""

import re

import pytest

from stargate_api._client.naming import job_name, short_hash

LEGAL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


@pytest.mark.parametrize(
    ("model", "begins"),
    [
        ("Stargate-Materia-v3", "stargate-materia-v3-"),
        ("meta-llama/Llama 3.1 70B", "meta-llama-llama-3-1-70b-"),
        ("7b", "job-7b-"),
        ("模型", "job-"),
        ("-", "job-"),
        ("x" * 200, "x" * 41 + "-"),
        ("a" * 40 + "--b", "a" * 40 + "-"),
    ],
)
def test_job_name_is_legal_and_contains_the_model(model: str, begins: str) -> None:
    name = job_name(model, "id")
    assert name == begins + short_hash("id")
    assert len(name) <= 50
    assert LEGAL.fullmatch(name)


def test_same_request_gives_the_same_name() -> None:
    assert job_name("m", "a") == job_name("m", "a")
    assert job_name("m", "a") != job_name("m", "b")
