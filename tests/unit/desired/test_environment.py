"""The environment of a worker: its identity, its resume point and its address for reports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stargate_operator.desired.environment import environment
from stargate_types import StargateRuntime
from stargate_types.pod_environment import EnvVar, EnvVarSource, KeySelector
from stargate_types.podparts import PersistentVolumeClaimSource
from stargate_types.runtime import Storage, StorageVolume
from stargate_types.worker_template import WorkerTemplate
from tests.kit.builders import TARGET, GivenJob, blueprint, job, runtime
from tests.kit.kubelet_environment import expanded

FUSE = Storage(
    scheme="stargate_storage",
    volume=StorageVolume(persistent_volume_claim=PersistentVolumeClaimSource(claim_name="data")),
    mount_path="/data",
)
S3 = Storage(scheme="stargate_storage", uri_prefix="s3://stargate-storage")


def told(
    wanted: GivenJob | None = None,
    *,
    attempt: int = 1,
    rank: str = "3",
    runtime_: StargateRuntime | None = None,
) -> dict[str, str]:
    wanted = wanted or job()
    entries = environment(
        wanted,
        blueprint(wanted, runtime_=runtime_),
        attempt=attempt,
        rank=rank,
        target=TARGET,
    )
    names = [each["name"] for each in entries]
    assert len(names) == len(set(names))
    return expanded(entries)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STARGATE_JOB", "train"),
        ("STARGATE_NAMESPACE", "team-a"),
        ("STARGATE_ATTEMPT", "2"),
        ("STARGATE_RANK", "3"),
        ("STARGATE_WORLD_SIZE", "4"),
        ("STARGATE_MODEL_NAME", "stargate-materia-v3"),
        ("STARGATE_DATASET_URI", "stargate_storage://datasets/materia-v3"),
        ("STARGATE_EPOCHS", "100"),
        ("STARGATE_STEPS", ""),
        ("STARGATE_ACCELERATOR_TYPE", "stargate_silicon_v2"),
        ("STARGATE_GPU_EQUIVALENTS", "8"),
        ("STARGATE_MEMORY_GB", "256"),
        ("STARGATE_OPTIMIZATION_STRATEGY", "distributed_adam_optimized"),
        ("STARGATE_CHECKPOINT_INTERVAL_EPOCHS", "5"),
        ("STARGATE_CHECKPOINT_RETAIN", "3"),
        ("STARGATE_GRACE_PERIOD_SECONDS", "30"),
        (
            "STARGATE_CHECKPOINT_URI",
            "s3://bucket/checkpoints/team-a/train-8d2b5c1e/attempt-2",
        ),
        (
            "STARGATE_REPORT_URL",
            "https://reports.stargate.svc:8443/apis/stargate.dev/v1alpha1/namespaces/team-a"
            "/stargatejobs/train/report",
        ),
        ("STARGATE_REPORT_CA", "-----CA-----"),
        ("STARGATE_REPORT_TOKEN_FILE", "/var/run/secrets/stargate.dev/token"),
        ("PET_NNODES", "4"),
        ("PET_NPROC_PER_NODE", "8"),
        ("PET_NODE_RANK", "3"),
        ("PET_MASTER_ADDR", "train-2-0.train.team-a.svc"),
        ("PET_MASTER_PORT", "29500"),
        ("JOB_COMPLETION_INDEX", "3"),
    ],
)
def test_worker_environment_describes_job_and_rank(name: str, value: str) -> None:
    assert told(attempt=2)[name] == value


def test_worker_is_told_grace_period_of_its_job() -> None:
    patient = job(template=WorkerTemplate(termination_grace_period_seconds=600))
    assert told(patient)["STARGATE_GRACE_PERIOD_SECONDS"] == "600"


def test_missing_resume_point_is_set_to_empty_values() -> None:
    resume = {name: value for name, value in told().items() if name.startswith("STARGATE_RESUME")}
    assert resume == {
        "STARGATE_RESUME_EPOCH": "0",
        "STARGATE_RESUME_STEP": "",
        "STARGATE_RESUME_URI": "",
        "STARGATE_RESUME_PATH": "",
    }


def test_later_attempt_is_told_its_resume_point() -> None:
    given = job().running(2).saved(40).restored(40, "stargate_storage://c/epoch-40")
    found = told(given, attempt=2, runtime_=runtime(storage=[S3]))
    assert (found["STARGATE_RESUME_EPOCH"], found["STARGATE_RESUME_STEP"]) == ("40", "")
    assert found["STARGATE_RESUME_URI"] == "stargate_storage://c/epoch-40"
    assert found["STARGATE_RESUME_PATH"] == "s3://stargate-storage/c/epoch-40"


@pytest.mark.parametrize("step", [0, 3000])
def test_later_attempt_is_told_its_resume_step(step: int) -> None:
    found = told(job(epochs=1, steps=9000).restored(0, "s3://b/c", step))
    assert (found["STARGATE_RESUME_EPOCH"], found["STARGATE_RESUME_STEP"]) == ("0", str(step))
    assert found["STARGATE_STEPS"] == "9000"


def test_warm_start_resumes_at_epoch_0() -> None:
    found = told(job().restored(None, "s3://other/epoch-90"))
    assert (found["STARGATE_RESUME_EPOCH"], found["STARGATE_RESUME_STEP"]) == ("0", "")


@pytest.mark.parametrize(
    ("storage", "path"),
    [
        ([], "stargate_storage://datasets/materia-v3"),
        ([S3], "s3://stargate-storage/datasets/materia-v3"),
        ([FUSE], "/data/datasets/materia-v3"),
    ],
    ids=["unspoken of", "another prefix", "a volume"],
)
def test_runtime_storage_maps_uri_scheme_to_path(storage: list[Storage], path: str) -> None:
    found = told(runtime_=runtime(storage=storage))
    assert found["STARGATE_DATASET_PATH"] == path
    assert found["STARGATE_DATASET_URI"] == "stargate_storage://datasets/materia-v3"


def test_environment_of_job_replaces_that_of_runtime() -> None:
    template = WorkerTemplate(env=[EnvVar(name="A", value="job"), EnvVar(name="C", value="job")])
    runtimes = runtime(env=[EnvVar(name="A", value="runtime"), EnvVar(name="B", value="runtime")])
    found = told(job(template=template), runtime_=runtimes)
    assert (found["A"], found["B"], found["C"]) == ("job", "runtime", "job")


@pytest.mark.parametrize("name", ["STARGATE_RANK", "PET_NODE_RANK", "JOB_COMPLETION_INDEX"])
def test_operator_variables_win_over_job_and_runtime(name: str) -> None:
    """The schema refuses it already; this holds even where an old object slipped through."""
    lie = EnvVar(name=name, value="666")
    found = told(job(template=WorkerTemplate(env=[lie])), runtime_=runtime(env=[lie]))
    assert found[name] == "3"


def test_variables_may_refer_to_the_operator_s() -> None:
    entry = EnvVar(
        name="MASTER_ADDR", value="tcp://$(STARGATE_MASTER_ADDR):$(STARGATE_MASTER_PORT)"
    )
    found = told(job(template=WorkerTemplate(env=[entry])), attempt=2)
    assert found["MASTER_ADDR"] == "tcp://train-2-0.train.team-a.svc:29500"


WORDS = st.text(
    st.sampled_from("$()aA_=-.STARGATE{}\\"), min_size=1, max_size=24
) | st.sampled_from(["$(STARGATE_JOB)", "$$", "$$(STARGATE_RANK)", "a$", "${HOME}", "$(", "$()"])


@given(model=WORDS, data=WORDS, strategy=WORDS, folder=WORDS, resumed=WORDS)
def test_worker_sees_the_words_of_the_spec_unchanged(
    model: str, data: str, strategy: str, folder: str, resumed: str
) -> None:
    words = {
        "STARGATE_MODEL_NAME": model,
        "STARGATE_DATASET_URI": f"s3://{data}",
        "STARGATE_DATASET_PATH": f"s3://{data}",
        "STARGATE_OPTIMIZATION_STRATEGY": strategy,
        "STARGATE_RESUME_URI": f"s3://{resumed}",
        "STARGATE_RESUME_PATH": f"s3://{resumed}",
    }
    given_job = job(
        checkpoint_uri=f"s3://{folder}",
        model_name=model,
        dataset_path=f"s3://{data}",
        optimization_strategy=strategy,
    ).restored(5, f"s3://{resumed}")
    base = blueprint(given_job).checkpoint_base

    found = told(given_job)

    assert {name: found[name] for name in words} == words
    assert found["STARGATE_CHECKPOINT_URI"] == f"{base}/attempt-1"


def test_environment_values_may_come_from_references() -> None:
    source = EnvVarSource(secret_key_ref=KeySelector(name="wandb", key="token"))
    wanted = job(template=WorkerTemplate(env=[EnvVar(name="WANDB_API_KEY", value_from=source)]))
    entries = environment(wanted, blueprint(wanted), attempt=1, rank="0", target=TARGET)
    assert {
        "name": "WANDB_API_KEY",
        "valueFrom": {"secretKeyRef": {"name": "wandb", "key": "token", "optional": False}},
    } in entries
