"""A config for `submit_training_job`, as a user writes it."""

from typing import Any


def config(nodes: int = 2, **changes: Any) -> dict[str, Any]:
    return {
        "model_name": "Stargate-Materia-v3",
        "dataset_path": "stargate_storage://massive_multi_modal_dataset_2026",
        "epochs": 100,
        "accelerator_type": "stargate_silicon_v2",
        "resource_allocation": {
            "nodes": nodes,
            "gpu_equivalents_per_node": 8,
            "memory_gb_per_node": 256,
        },
        "optimization_strategy": "distributed_adam_optimized",
        "checkpoint_interval_epochs": 5,
        **changes,
    }
