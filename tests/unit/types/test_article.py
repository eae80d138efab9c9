"""The article's training config is a valid spec, with the same field names and no others."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from stargate_types import StargateJob, StargateJobSpec

EXAMPLES = Path(__file__).parents[3] / "examples"

ARTICLE = {
    "modelName": "Stargate-Materia-v3",
    "datasetPath": "stargate_storage://massive_multi_modal_dataset_2026",
    "epochs": 100,
    "acceleratorType": "stargate_silicon_v2",
    "resourceAllocation": {
        "nodes": 5000,
        "gpuEquivalentsPerNode": 8,
        "memoryGbPerNode": 256,
    },
    "optimizationStrategy": "distributed_adam_optimized",
    "checkpointIntervalEpochs": 5,
}


def test_article_config_maps_one_to_one() -> None:
    spec = StargateJobSpec.model_validate(ARTICLE)
    assert spec.model_dump(by_alias=True, exclude_unset=True) == ARTICLE


def test_example_has_only_the_article_s_fields() -> None:
    manifest = yaml.safe_load((EXAMPLES / "stargate-materia-v3.yaml").read_text())
    assert manifest["spec"] == ARTICLE
    assert StargateJob.model_validate(manifest).key == "default/stargate-materia-v3"


@pytest.mark.parametrize("field", ARTICLE)
def test_every_article_field_is_required(field: str) -> None:
    without = {name: value for name, value in ARTICLE.items() if name != field}
    with pytest.raises(ValidationError, match=field):
        StargateJobSpec.model_validate(without)
