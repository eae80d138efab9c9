"""Checking a training config: each problem names the field and says what would be right."""

from collections import OrderedDict
from typing import Any

import pytest

from stargate_api import InvalidConfig
from stargate_api._client.training_config import as_spec, read, read_manifest
from tests.unit.api.scripted_server import ARTICLE, SPEC, config


def allocation(**changes: Any) -> dict[str, Any]:
    return {**ARTICLE["resource_allocation"], **changes}


def complaints(found: Any) -> list[str]:
    with pytest.raises(InvalidConfig) as caught:
        read(found)
    return [str(problem) for problem in caught.value.problems]


def test_article_config_becomes_a_spec_without_defaults() -> None:
    assert as_spec(read(ARTICLE)) == SPEC


def test_camel_case_config_becomes_the_same_spec() -> None:
    assert as_spec(read(SPEC)) == SPEC


def test_extra_spec_fields_are_accepted_in_either_style() -> None:
    more = {
        "restart_policy": {"max_restarts": 3},
        "template": {"env": [{"name": "A", "value": ""}]},
    }
    found = as_spec(read(config(**more)))
    assert found["restartPolicy"] == {"maxRestarts": 3}
    assert found["template"] == {"env": [{"name": "A", "value": ""}]}


def test_any_mapping_and_sequence_are_accepted() -> None:
    found = as_spec(read(OrderedDict(config(template={"command": ("python", "train.py")}))))
    assert found["template"]["command"] == ["python", "train.py"]


WRONG: list[tuple[dict[str, Any], str]] = [
    (config(epochs="100"), "epochs: must be a whole number; it is the text '100'"),
    (config(epochs=1.5), "epochs: must be a whole number; it is 1.5"),
    (config(epochs=True), "epochs: must be a whole number; it is true"),
    (config(epochs=0), "epochs: must be at least 1; it is 0"),
    (config(model_name=3), "model_name: must be text; it is 3"),
    (config(model_name=None), "model_name: must be text; it is null"),
    (config(resource_allocation=8), "resource_allocation: must be a dictionary; it is 8"),
    (
        config(resource_allocation=allocation(nodes=100_000)),
        "resource_allocation.nodes: must be at most 99,999; it is 100,000",
    ),
    (
        config(resource_allocation=allocation(gpu_equivalents=8)),
        "resource_allocation.gpu_equivalents: is unknown; did you mean gpu_equivalents_per_node?",
    ),
    (
        config(dataset_path="/data"),
        "dataset_path: must be a URI without white space, such as s3://bucket/folder;"
        " it is the text '/data'",
    ),
    (config(modl_name="x"), "modl_name: is unknown; did you mean model_name?"),
    (config(modelName="x"), "model_name: is given twice: the same as modelName"),
    (config(suspend="no"), "suspend: must be true or false; it is the text 'no'"),
    (config(template={"command": "python"}), "template.command: must be a list"),
    (
        config(rendezvous={"hostnames": "Some"}),
        "rendezvous.hostnames: must be 'Rank0' or 'All'; it is the text 'Some'",
    ),
    (config(x={1, 2}), "x: must be text, a number, true or false, a list or a dictionary, not set"),
    (config(epochs=float("nan")), "epochs: must be a finite number; it is nan"),
    (config(template={"env": [{1: 2}]}), "template.env[0]: has a key that is not text: 1"),
]


@pytest.mark.parametrize(("found", "complaint"), WRONG, ids=[words for _, words in WRONG])
def test_wrong_field_is_named_with_its_fix(found: dict[str, Any], complaint: str) -> None:
    assert complaints(found) == [complaint]


def test_missing_field_is_described() -> None:
    without = {key: value for key, value in ARTICLE.items() if key != "epochs"}
    assert complaints(without) == ["epochs: is missing: number of epochs to train"]
    without = {key: value for key, value in ARTICLE.items() if key != "dataset_path"}
    assert complaints(without)[0].startswith("dataset_path: is missing: URI of the data set.")


def test_all_problems_are_reported_together() -> None:
    with pytest.raises(InvalidConfig) as caught:
        read(config(epochs="100", modl="x", dataset_path="here"))
    assert str(caught.value).splitlines()[0] == "the training config is not valid, for 3 reasons:"
    assert len(caught.value.problems) == 3


def test_camel_case_config_gets_camel_case_problems() -> None:
    assert complaints({**SPEC, "epoch": 3}) == ["epoch: is unknown; did you mean epochs?"]
    wrong = {**SPEC, "dataset": "s3://x"}
    assert complaints(wrong) == ["dataset: is unknown; did you mean datasetPath?"]


def test_unknown_key_without_a_match_lists_all_keys() -> None:
    (said,) = complaints(config(xyzzy=1))
    assert said.startswith("xyzzy: is unknown; known here: accelerator_type, ")


def test_config_that_is_not_a_dictionary_is_refused() -> None:
    assert complaints("job.yaml") == ["it must be a dictionary, not str"]


def test_problem_in_the_template_hides_its_value() -> None:
    (said,) = complaints(config(template={"env": [{"name": "A=hunter2", "value": "hunter2"}]}))
    assert "hunter2" not in said


def test_manifest_problem_names_the_spec_field() -> None:
    manifest = {"apiVersion": "stargate.dev/v1alpha1", "kind": "StargateJob", "spec": {**SPEC}}
    assert as_spec(read_manifest(manifest)) == SPEC
    manifest["spec"] = {**SPEC, "epochs": "1"}
    with pytest.raises(InvalidConfig, match=r"spec\.epochs: must be a whole number"):
        read_manifest(manifest)


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({"apiVersion": "v1", "kind": "Pod"}, "StargateJob, not v1 Pod"),
        ({"apiVersion": "stargate.dev/v1alpha1", "kind": "StargateJob"}, "spec: is missing"),
    ],
)
def test_manifest_of_another_kind_is_refused(manifest: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidConfig, match=said):
        read_manifest(manifest)
