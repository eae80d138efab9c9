"""Wrong settings are refused with a message; right ones have their effect."""

import pytest
from pydantic import ValidationError

from stargate_operator.model.scope import EVERYWHERE, Scope
from stargate_operator.settings import Settings


@pytest.mark.parametrize("empty", ["", " ", ","])
def test_no_watched_namespace_means_all(empty: str) -> None:
    assert Settings(watch_namespaces=empty).scope == EVERYWHERE


def test_repeated_watched_namespaces_count_once() -> None:
    scope = Settings(watch_namespaces="team-a, team-b,team-a,").scope
    assert scope == Scope(("team-a", "team-b"))
    assert "team-b" in scope
    assert "team" not in scope


@pytest.mark.parametrize("name", ["Team", "team_a", "-a", "a-", "a.b", "*", "a" * 64, "a b"])
def test_bad_namespace_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValidationError, match="cannot be a namespace") as refused:
        Settings(watch_namespaces=f"team-a,{name}")
    (error,) = refused.value.errors()
    assert error["loc"] == ("watch_namespaces",)
    assert repr(name) in error["msg"]
