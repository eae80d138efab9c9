"""The kubelet's expansion, by the examples of its specification."""

import pytest

from tests.kit.kubelet_environment import expand

KNOWN = {"A": "a", "EMPTY": "", "B": "$(A)"}


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("$(A)", "a"),
        ("$(A)$(A)", "aa"),
        ("x-$(A)-y", "x-a-y"),
        ("$(EMPTY)", ""),
        ("$(B)", "$(A)"),
        ("$(NONE)", "$(NONE)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$a"),
        ("$$$$", "$$"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("f($(A))", "f(a)"),
        ("$($(A))", "$($(A))"),
        ("", ""),
    ],
)
def test_kubelet_expands_references(text: str, seen: str) -> None:
    assert expand(text, KNOWN) == seen
