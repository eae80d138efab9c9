"""A file has one object that an install may apply, or is refused with the reason."""

import json

import pytest

from stargate_operator.defaults.manifest import BadDefaultError, read
from tests.unit.defaults.fake_server import SILICON, text


def test_default_has_kind_name_and_spec() -> None:
    default = read(text().encode())
    assert str(default) == "AcceleratorClass silicon"
    assert default.path == "/apis/stargate.dev/v1alpha1/acceleratorclasses/silicon"
    assert default.spec == SILICON


def test_body_has_the_spec_as_annotation() -> None:
    body = json.loads(read(text().encode()).body())
    assert "resourceVersion" not in body["metadata"]
    installed = body["metadata"]["annotations"]["stargate.dev/installed-spec"]
    assert json.loads(installed) == body["spec"] == SILICON


def test_null_field_is_left_out() -> None:
    default = read(text(spec={"a": None, "b": [{"c": None, "d": 1}]}).encode())
    assert default.spec == {"b": [{"d": 1}]}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "no YAML"),
        ("a: b: c", "no YAML"),
        ("\x00", "no YAML"),
        ("", "states 0 objects"),
        ("word", "one each"),
        (f"{text()}---\n{text()}", "states 2 objects"),
        (text(kind="StargateJob"), "'StargateJob' of 'stargate.dev/v1alpha1'"),
        (text(apiVersion="v1"), "of 'v1'"),
        (text(spec=None), "no spec"),
        (text(name=""), "must be a name"),
        (text(name="../stargatejobs"), "must be a name"),
        (text(metadata={"name": "x", "labels": {}}), "and nothing else"),
        (text(metadata=None), "must be a name"),
    ],
)
def test_bad_file_is_refused_with_its_reason(content: str, why: str) -> None:
    with pytest.raises(BadDefaultError, match=why):
        read(content.encode())


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(BadDefaultError, match="no YAML"):
        read(b"\xff\xfe\xff")
