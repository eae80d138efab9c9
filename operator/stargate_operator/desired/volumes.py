"""The volumes of a worker: those of job and runtime, the storage of its URIs, /dev/shm, a token."""

from stargate_operator.constants import (
    REPORT_AUDIENCE,
    TOKEN_DIRECTORY,
    TOKEN_EXPIRATION_SECONDS,
)
from stargate_operator.desired.environment import Entry, wire
from stargate_operator.model.blueprint import Blueprint
from stargate_types import StargateJob
from stargate_types.runtime import Storage

_SHM_PATH = "/dev/shm"


def volumes(job: StargateJob, blueprint: Blueprint) -> list[Entry]:
    return [
        *(wire(volume) for volume in blueprint.template.volumes),
        *(_storage_volume(name, each) for name, each in _mounted_storage(job, blueprint)),
        *([] if _mounts_shm(blueprint) else [_shared_memory(job, blueprint)]),
        _token(),
    ]


def volume_mounts(job: StargateJob, blueprint: Blueprint) -> list[Entry]:
    return [
        *(wire(mount) for mount in blueprint.template.volume_mounts),
        *(
            {"name": name, "mountPath": each.mount_path}
            for name, each in _mounted_storage(job, blueprint)
        ),
        *([] if _mounts_shm(blueprint) else [{"name": "stargate-shm", "mountPath": _SHM_PATH}]),
        {"name": "stargate-token", "mountPath": TOKEN_DIRECTORY, "readOnly": True},
    ]


def _mounted_storage(job: StargateJob, blueprint: Blueprint) -> list[tuple[str, Storage]]:
    """The runtime's storage volumes that one of the job's URIs refers to. The checkpoint to resume from
    may lie elsewhere than the next ones: the runtime's storage may have changed since."""
    restored = job.status.checkpoints and job.status.checkpoints.restored_from
    uris = [
        job.spec.dataset_path,
        blueprint.checkpoint_base,
        job.spec.checkpoint.restore_from or "",
        restored.uri if restored else "",
    ]
    schemes = {uri.partition("://")[0] for uri in uris}
    return [
        (f"stargate-storage-{index}", storage)
        for index, storage in enumerate(blueprint.runtime.spec.storage or ())
        if storage.volume and storage.scheme in schemes
    ]


def _storage_volume(name: str, storage: Storage) -> Entry:
    assert storage.volume is not None
    return {"name": name, **wire(storage.volume)}


def _mounts_shm(blueprint: Blueprint) -> bool:
    mounts = blueprint.template.volume_mounts
    return any(mount.mount_path.rstrip("/") == _SHM_PATH for mount in mounts)


def _shared_memory(job: StargateJob, blueprint: Blueprint) -> Entry:
    half = f"{job.spec.resource_allocation.memory_gb_per_node * 500}M"
    size = blueprint.runtime.spec.shared_memory or half
    return {"name": "stargate-shm", "emptyDir": {"medium": "Memory", "sizeLimit": size}}


def _token() -> Entry:
    source = {
        "audience": REPORT_AUDIENCE,
        "expirationSeconds": TOKEN_EXPIRATION_SECONDS,
        "path": "token",
    }
    return {"name": "stargate-token", "projected": {"sources": [{"serviceAccountToken": source}]}}
