"""StargateRuntime: the software a job runs on."""

from typing import Annotated, Literal

from pydantic import Field

from stargate_types.base import Model, ObjectMeta, Quantity, Rule, text
from stargate_types.pod_environment import EnvFromSource, EnvVar, ObjectReference
from stargate_types.podparts import (
    CsiSource,
    HostPathSource,
    InitContainer,
    NfsSource,
    PersistentVolumeClaimSource,
    RuntimeVolume,
    VolumeMount,
)
from stargate_types.strings import ImageName, MountPath, ObjectName, Uri, Words

UnixId = Annotated[int, Field(ge=1, le=2_147_483_647)]


class StorageVolume(Model):
    """The volume that holds a scheme's data sets and checkpoints."""

    rules = (
        Rule(
            "[has(self.persistentVolumeClaim), has(self.csi), has(self.hostPath), has(self.nfs)]"
            ".exists_one(x, x)",
            "spec.storage: volume must set exactly one of persistentVolumeClaim, csi, hostPath,"
            " nfs",
        ),
    )
    persistent_volume_claim: PersistentVolumeClaimSource | None = Field(
        default=None, description="A claim in the job's namespace."
    )
    csi: CsiSource | None = Field(default=None, description="An inline CSI volume.")
    host_path: HostPathSource | None = Field(
        default=None, description="A path on the node; needs podSecurity Unrestricted."
    )
    nfs: NfsSource | None = Field(
        default=None, description="An NFS export; needs podSecurity Unrestricted."
    )


class Storage(Model):
    """Meaning of a URI scheme: a mounted volume, or another prefix that fsspec understands."""

    rules = (
        Rule(
            "has(self.volume) == has(self.mountPath) && has(self.volume) != has(self.uriPrefix)",
            "spec.storage: an entry has either volume and mountPath, or uriPrefix",
        ),
        Rule(
            "!has(self.uriPrefix) || !self.uriPrefix.startsWith(self.scheme + '://')",
            "spec.storage: uriPrefix must not have the scheme of its own entry",
            ".uriPrefix",
        ),
    )
    scheme: Annotated[
        str,
        text(
            "^[A-Za-z][A-Za-z0-9+._-]*$",
            "must be a URI scheme without ://, such as stargate_storage",
            max_length=63,
        ),
    ] = Field(description="The scheme, without ://, such as stargate_storage.")
    volume: StorageVolume | None = Field(
        default=None, description="A volume in which scheme://x is the folder x."
    )
    mount_path: MountPath | None = Field(
        default=None, description="Path at which the worker sees that volume."
    )
    uri_prefix: Uri | None = Field(
        default=None, description="scheme://x means <uriPrefix>/x, such as s3://bucket."
    )


class RuntimeCheckpoint(Model):
    """Folder for checkpoints of jobs that name none."""

    uri_prefix: Uri = Field(
        description="Folder for checkpoints; a job's are under"
        " <uriPrefix>/<namespace>/<name>-<uid>."
    )


class StargateRuntimeSpec(Model):
    """The software: image, command, environment, storage, and what its jobs are allowed."""

    rules = (
        Rule(
            "!self.isDefault || has(self.checkpoint)",
            "spec.checkpoint.uriPrefix is required of a default runtime: a job that names no"
            " runtime names no place for checkpoints either",
            ".checkpoint",
            "FieldValueRequired",
        ),
        Rule(
            "self.podSecurity == 'Unrestricted' || !has(self.volumes)"
            " || self.volumes.all(v, !has(v.hostPath) && !has(v.nfs))",
            "spec.volumes: hostPath and nfs need spec.podSecurity Unrestricted",
            ".volumes",
            "FieldValueForbidden",
        ),
        Rule(
            "self.podSecurity == 'Unrestricted' || !has(self.storage)"
            " || self.storage.all(s, !has(s.volume)"
            " || (!has(s.volume.hostPath) && !has(s.volume.nfs)))",
            "spec.storage: hostPath and nfs need spec.podSecurity Unrestricted",
            ".storage",
            "FieldValueForbidden",
        ),
        Rule(
            "!has(self.volumeMounts) || self.volumeMounts.all(m, has(self.volumes)"
            " && self.volumes.exists(v, v.name == m.name))",
            "spec.volumeMounts: every entry must name one of spec.volumes",
            ".volumeMounts",
        ),
        Rule(
            "!has(self.storage) || self.storage.all(s, !has(s.mountPath)"
            " || self.storage.exists_one(o, has(o.mountPath) && o.mountPath == s.mountPath))",
            "spec.storage: no two schemes may share a mountPath",
            ".storage",
        ),
        Rule(
            "!has(self.storage) || !has(self.volumeMounts) || self.storage.all(s,"
            " !has(s.mountPath) || !self.volumeMounts.exists(m, m.mountPath == s.mountPath))",
            "spec.storage: a mountPath must not be one of spec.volumeMounts",
            ".storage",
        ),
    )
    is_default: bool = Field(
        default=False, description="True if jobs that name no runtime get this one."
    )
    image: ImageName | None = Field(
        default=None, description="Image of the worker; without it every job must name one."
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None, description="When the image is pulled; the cluster's rule by default."
    )
    image_pull_secrets: Annotated[list[ObjectReference], Field(max_length=16)] | None = Field(
        default=None,
        description="Secrets of the job's namespace for pulling images.",
        json_schema_extra={"key": "name"},
    )
    command: Words | None = Field(default=None, description="Entry point; the image's by default.")
    args: Words | None = Field(default=None, description="Arguments of the entry point.")
    env: Annotated[list[EnvVar], Field(max_length=256)] | None = Field(
        default=None, description="Environment of every worker.", json_schema_extra={"key": "name"}
    )
    env_from: Annotated[list[EnvFromSource], Field(max_length=16)] | None = Field(
        default=None, description="ConfigMaps and Secrets whose keys become environment."
    )
    cpu: Quantity | None = Field(
        default=None, description="CPU of each worker, request and limit; unset by default."
    )
    ephemeral_storage: Quantity | None = Field(
        default=None, description="Scratch space of each worker, request and limit."
    )
    shared_memory: Quantity | None = Field(
        default=None,
        description="Size of /dev/shm, which is memory-backed and counts against the worker's"
        " memory; half of that memory by default.",
    )
    volumes: Annotated[list[RuntimeVolume], Field(max_length=32)] | None = Field(
        default=None, description="Volumes of every worker.", json_schema_extra={"key": "name"}
    )
    volume_mounts: Annotated[list[VolumeMount], Field(max_length=32)] | None = Field(
        default=None,
        description="Paths at which the worker sees the volumes.",
        json_schema_extra={"key": "mountPath"},
    )
    init_containers: Annotated[list[InitContainer], Field(max_length=8)] | None = Field(
        default=None,
        description="Containers that run to their end before the worker starts.",
        json_schema_extra={"key": "name"},
    )
    termination_grace_period_seconds: Annotated[int, Field(ge=1, le=3600)] | None = Field(
        default=None, description="Seconds a worker gets to save after SIGTERM; 30 by default."
    )
    pod_security: Literal["Restricted", "Unrestricted"] = Field(
        default="Restricted",
        description="Restricted makes workers pass the restricted Pod Security level.",
    )
    run_as_user: UnixId | None = Field(
        default=None, description="User id of the workers; the image's by default."
    )
    fs_group: UnixId | None = Field(
        default=None, description="Group that owns mounted volumes; unset by default."
    )
    allowed_service_accounts: Annotated[list[ObjectName], Field(max_length=64)] | None = Field(
        default=None,
        description="ServiceAccounts that jobs may name; `default` is always allowed.",
        json_schema_extra={"unique": True},
    )
    allowed_priority_classes: Annotated[list[ObjectName], Field(max_length=64)] | None = Field(
        default=None,
        description="PriorityClasses that jobs may name; none by default.",
        json_schema_extra={"unique": True},
    )
    log_lines_in_status: bool = Field(
        default=True,
        description="True if the attempt's message shows a failed worker's last log lines.",
    )
    checkpoint: RuntimeCheckpoint | None = Field(
        default=None, description="Folder for checkpoints of jobs that name none."
    )
    storage: Annotated[list[Storage], Field(max_length=16)] | None = Field(
        default=None,
        description="Meaning of URI schemes in dataset paths and checkpoint URIs.",
        json_schema_extra={"key": "scheme"},
    )


class StargateRuntime(Model):
    """The software a job runs on."""

    metadata: ObjectMeta = ObjectMeta()
    spec: StargateRuntimeSpec = Field(description="The software.")
