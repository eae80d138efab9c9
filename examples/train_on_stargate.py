"""Train a model on Stargate from Python: submit a job, read its status, ask what is free."""

import stargate_api

client = stargate_api.Client(api_key="YOUR_API_KEY")

training_config = {
    "model_name": "Stargate-Materia-v3",
    "dataset_path": "stargate_storage://massive_multi_modal_dataset_2026",
    "epochs": 100,
    "accelerator_type": "stargate_silicon_v2",
    "resource_allocation": {
        "nodes": 5000,
        "gpu_equivalents_per_node": 8,
        "memory_gb_per_node": 256,
    },
    "optimization_strategy": "distributed_adam_optimized",
    "checkpoint_interval_epochs": 5,
}

job_id = client.submit_training_job(training_config)
print(f"Job submitted: {job_id}")

status = client.get_job_status(job_id)
print(f"State: {status['state']}")
print(f"Progress: {status.get('progress', 0)} %")

blocks = client.query_available_compute(min_nodes=100, max_latency_ms=5)
print(f"Compute blocks with 100 free nodes within 5 ms: {len(blocks)}")
