"""The parts of a pod that a job or a runtime may set: an allow-list, never a raw PodSpec.

Field names and meanings are those of core/v1, so a manifest looks like that of any other pod.
"""

from typing import Annotated, Literal

from pydantic import Field

from stargate_types.base import Model, Quantity, Rule
from stargate_types.pod_environment import EnvVar
from stargate_types.strings import AbsolutePath, DnsLabel, ImageName, ObjectName, Words


class PersistentVolumeClaimSource(Model):
    """A PersistentVolumeClaim in the job's namespace."""

    claim_name: ObjectName = Field(description="A claim in the job's namespace.")
    read_only: bool = Field(default=False, description="Mount it read-only.")


class CsiSource(Model):
    """An inline volume of a CSI driver."""

    driver: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="Name of the CSI driver."
    )
    read_only: bool = Field(default=False, description="Mount it read-only.")
    volume_attributes: Annotated[
        dict[str, Annotated[str, Field(max_length=1024)]], Field(max_length=32)
    ] = Field(default_factory=dict, description="Attributes handed to the driver.")


class EmptyDirSource(Model):
    """An empty directory that is deleted with the pod."""

    medium: Literal["", "Memory"] = Field(
        default="",
        description="Empty for the node's disk; Memory for a tmpfs, which counts against the memory"
        " limit.",
    )
    size_limit: Quantity | None = Field(default=None, description="Largest size of the directory.")


class ConfigMapVolumeSource(Model):
    """A ConfigMap whose keys are files."""

    name: ObjectName = Field(description="Name of the ConfigMap in the job's namespace.")
    optional: bool = Field(default=False, description="True if the ConfigMap may be absent.")


class SecretVolumeSource(Model):
    """A Secret whose keys are files."""

    secret_name: ObjectName = Field(description="Name of the Secret in the job's namespace.")
    optional: bool = Field(default=False, description="True if the Secret may be absent.")


class HostPathSource(Model):
    """A path on the node."""

    path: AbsolutePath = Field(description="Path on the node.")


class NfsSource(Model):
    """An NFS export."""

    server: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="Host name or address of the NFS server."
    )
    path: AbsolutePath = Field(description="Path that the server exports.")
    read_only: bool = Field(default=False, description="Mount it read-only.")


class VolumeSource(Model):
    """Volumes that the restricted Pod Security level allows."""

    persistent_volume_claim: PersistentVolumeClaimSource | None = Field(
        default=None, description="A claim in the job's namespace."
    )
    csi: CsiSource | None = Field(default=None, description="An inline CSI volume.")
    empty_dir: EmptyDirSource | None = Field(
        default=None, description="A directory that lives and dies with the pod."
    )
    config_map: ConfigMapVolumeSource | None = Field(
        default=None, description="A ConfigMap's keys."
    )
    secret: SecretVolumeSource | None = Field(default=None, description="A Secret's keys.")


class Volume(VolumeSource):
    """A volume that a job may add to its workers."""

    rules = (
        Rule(
            "[has(self.persistentVolumeClaim), has(self.csi), has(self.emptyDir),"
            " has(self.configMap), has(self.secret)].exists_one(x, x)",
            "volumes: an entry must set exactly one of persistentVolumeClaim, csi, emptyDir,"
            " configMap, secret",
        ),
        Rule(
            "!self.name.startsWith('stargate-')",
            "volumes: names that start with stargate- belong to the operator; choose another name",
            ".name",
            "FieldValueForbidden",
        ),
    )
    name: DnsLabel = Field(description="Name that volumeMounts refer to.")


class RuntimeVolume(VolumeSource):
    """A volume that a runtime may add to its workers."""

    rules = (
        Rule(
            "[has(self.persistentVolumeClaim), has(self.csi), has(self.emptyDir),"
            " has(self.configMap), has(self.secret), has(self.hostPath), has(self.nfs)]"
            ".exists_one(x, x)",
            "volumes: an entry must set exactly one of persistentVolumeClaim, csi, emptyDir,"
            " configMap, secret, hostPath, nfs",
        ),
        Rule(
            "!self.name.startsWith('stargate-')",
            "volumes: names that start with stargate- belong to the operator; choose another name",
            ".name",
            "FieldValueForbidden",
        ),
    )
    name: DnsLabel = Field(description="Name that volumeMounts refer to.")
    host_path: HostPathSource | None = Field(
        default=None, description="A path on the node; needs podSecurity Unrestricted."
    )
    nfs: NfsSource | None = Field(
        default=None, description="An NFS export; needs podSecurity Unrestricted."
    )


class VolumeMount(Model):
    """The path at which a container sees a volume."""

    rules = (
        Rule(
            "!self.mountPath.startsWith('/var/run/secrets/stargate.dev')",
            "volumeMounts: /var/run/secrets/stargate.dev holds the token that the worker reports"
            " with; choose another mountPath",
            ".mountPath",
            "FieldValueForbidden",
        ),
    )
    name: DnsLabel = Field(description="Name of the volume.")
    mount_path: AbsolutePath = Field(description="Absolute path inside the container.")
    sub_path: Annotated[str, Field(max_length=4096)] | None = Field(
        default=None, description="Path inside the volume; its root by default."
    )
    read_only: bool = Field(default=False, description="Mount it read-only.")


class InitContainer(Model):
    """A container that runs to its end before the worker starts."""

    rules = (
        Rule(
            "self.name != 'worker'",
            "initContainers: the name worker belongs to the training container; choose another",
            ".name",
            "FieldValueForbidden",
        ),
    )
    name: DnsLabel = Field(description="Name of the container; `worker` is taken.")
    image: ImageName = Field(description="Image to run before the worker starts.")
    command: Words | None = Field(default=None, description="Entry point; the image's by default.")
    args: Words | None = Field(default=None, description="Arguments of the entry point.")
    env: Annotated[list[EnvVar], Field(max_length=100)] | None = Field(
        default=None,
        description="Environment of this container.",
        json_schema_extra={"key": "name"},
    )
    volume_mounts: Annotated[list[VolumeMount], Field(max_length=32)] | None = Field(
        default=None,
        description="Volumes of the pod mounted into this container.",
        json_schema_extra={"key": "mountPath"},
    )


class Toleration(Model):
    """Taints that workers tolerate."""

    rules = (
        Rule(
            "self.operator == 'Equal' || !has(self.value) || self.value == ''",
            "tolerations: value must be absent where operator is Exists",
            ".value",
        ),
        Rule(
            "self.operator == 'Exists' || (has(self.key) && self.key != '')",
            "tolerations: key is required where operator is Equal",
            ".key",
            "FieldValueRequired",
        ),
        Rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "tolerations: tolerationSeconds needs effect NoExecute",
            ".tolerationSeconds",
        ),
    )
    key: Annotated[str, Field(max_length=317)] | None = Field(
        default=None, description="Taint key; empty with operator Exists matches all."
    )
    operator: Literal["Exists", "Equal"] = Field(
        default="Equal", description="How key and value are compared with the taint's."
    )
    value: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="Taint value, for operator Equal."
    )
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Taint effect; all effects where absent."
    )
    toleration_seconds: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Seconds to stay after a NoExecute taint; for ever where absent."
    )
