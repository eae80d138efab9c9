"""What a worker mounts: the job's and runtime's volumes, its URIs' storage, /dev/shm, a token."""

from typing import Any

from stargate_operator.constants import (
    REPORT_AUDIENCE,
    TOKEN_DIRECTORY,
    TOKEN_EXPIRATION_SECONDS,
)
from stargate_operator.model.blueprint import Blueprint
from stargate_types import StargateJob
from stargate_types.base import Model
from stargate_types.runtime import Storage

Entry = dict[str, Any]

_SHM_PATH = "/dev/shm"


def volumes(job: StargateJob, blueprint: Blueprint) -> list[Entry]:
    template, runtime = job.spec.template, blueprint.runtime.spec
    named = {each.name: each for each in runtime.volumes or ()}
    extra = {each.name: each for each in (template and template.volumes) or ()}
    return [
        *(_wire(each) for each in (named | extra).values()),
        *(_storage_volume(name, each) for name, each in _mounted_storage(job, blueprint)),
        *([] if _mounts_shm(job, blueprint) else [_shared_memory(job, blueprint)]),
        _token(),
    ]


def volume_mounts(job: StargateJob, blueprint: Blueprint) -> list[Entry]:
    template, runtime = job.spec.template, blueprint.runtime.spec
    by_path = {each.mount_path: each for each in runtime.volume_mounts or ()}
    by_path |= {each.mount_path: each for each in (template and template.volume_mounts) or ()}
    return [
        *(_wire(each) for each in by_path.values()),
        *(
            {"name": name, "mountPath": each.mount_path}
            for name, each in _mounted_storage(job, blueprint)
        ),
        *(
            []
            if _mounts_shm(job, blueprint)
            else [{"name": "stargate-shm", "mountPath": _SHM_PATH}]
        ),
        {"name": "stargate-token", "mountPath": TOKEN_DIRECTORY, "readOnly": True},
    ]


def _wire(part: Model) -> Entry:
    return part.model_dump(by_alias=True, exclude_none=True)


def _mounted_storage(job: StargateJob, blueprint: Blueprint) -> list[tuple[str, Storage]]:
    """The runtime's storage volumes that one of the job's URIs refers to."""
    uris = [
        job.spec.dataset_path,
        blueprint.checkpoint_base,
        job.spec.checkpoint.restore_from or "",
    ]
    schemes = {uri.partition("://")[0] for uri in uris}
    return [
        (f"stargate-storage-{index}", storage)
        for index, storage in enumerate(blueprint.runtime.spec.storage or ())
        if storage.volume and storage.scheme in schemes
    ]


def _storage_volume(name: str, storage: Storage) -> Entry:
    assert storage.volume is not None
    return {"name": name, **_wire(storage.volume)}


def _mounts_shm(job: StargateJob, blueprint: Blueprint) -> bool:
    template, runtime = job.spec.template, blueprint.runtime.spec
    mounts = [*(runtime.volume_mounts or ()), *((template and template.volume_mounts) or ())]
    return any(each.mount_path.rstrip("/") == _SHM_PATH for each in mounts)


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
