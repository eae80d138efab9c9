"""Specs that the API server accepts (minimal and full), and many that it must refuse.

A bad spec has a description (`what`), the field that the refusal must name, and words that it must
contain. `changes` are applied to a good object of the kind, by dotted path; GONE removes a field.
"""

import copy
from typing import Any, NamedTuple

Json = dict[str, Any]

GONE = object()

GOOD: dict[str, Json] = {
    "StargateJob": {
        "apiVersion": "stargate.dev/v1alpha1",
        "kind": "StargateJob",
        "metadata": {"name": "materia"},
        "spec": {
            "modelName": "materia",
            "datasetPath": "stargate_storage://datasets/materia",
            "epochs": 100,
            "acceleratorType": "stargate_silicon_v2",
            "resourceAllocation": {
                "nodes": 4,
                "gpuEquivalentsPerNode": 8,
                "memoryGbPerNode": 256,
            },
            "optimizationStrategy": "distributed_adam_optimized",
            "checkpointIntervalEpochs": 5,
        },
    },
    "StargateRuntime": {
        "apiVersion": "stargate.dev/v1alpha1",
        "kind": "StargateRuntime",
        "metadata": {"name": "good"},
        "spec": {"image": "trainer:1"},
    },
    "AcceleratorClass": {
        "apiVersion": "stargate.dev/v1alpha1",
        "kind": "AcceleratorClass",
        "metadata": {"name": "good"},
        "spec": {"acceleratorType": "good", "resourceName": "example.com/good"},
    },
    "ComputeBlock": {
        "apiVersion": "stargate.dev/v1alpha1",
        "kind": "ComputeBlock",
        "metadata": {"name": "good"},
        "spec": {},
    },
}


class Bad(NamedTuple):
    kind: str
    what: str
    changes: Json
    field: str
    words: str

    @property
    def manifest(self) -> Json:
        return changed(GOOD[self.kind], self.changes)


def changed(manifest: Json, changes: Json) -> Json:
    result = copy.deepcopy(manifest)
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
        if value is GONE:
            del place[last]
    return result


def job(what: str, changes: Json, field: str, words: str) -> Bad:
    return Bad("StargateJob", what, changes, field, words)


def runtime(what: str, changes: Json, field: str, words: str) -> Bad:
    return Bad("StargateRuntime", what, changes, field, words)


def accelerator(what: str, changes: Json, field: str, words: str) -> Bad:
    return Bad("AcceleratorClass", what, changes, field, words)


def block(what: str, changes: Json, field: str, words: str) -> Bad:
    return Bad("ComputeBlock", what, changes, field, words)


def of_template(what: str, field: str, value: Any, named: str, words: str) -> Bad:
    return job(what, {f"spec.template.{field}": value}, f"spec.template.{named}", words)


def env(**entry: Any) -> list[Json]:
    return [{"name": "A", **entry}]


CLAIM = {"persistentVolumeClaim": {"claimName": "data"}}
HOST = {"hostPath": {"path": "/data"}}
NFS = {"nfs": {"server": "nfs", "path": "/data"}}
LONG_NAME = "a" * 51

WORKER: Json = {
    "image": "ghcr.io/acme/trainer:1@sha256:0",
    "imagePullPolicy": "Always",
    "imagePullSecrets": [{"name": "pull"}],
    "command": ["python", "-m", "train"],
    "args": ["--verbose", ""],
    "env": [
        {"name": "A", "value": ""},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ],
    "envFrom": [{"prefix": "X_", "configMapRef": {"name": "c"}}],
    "cpu": 4,
    "ephemeralStorage": "1.5Gi",
    "initContainers": [{"name": "fetch", "image": "i", "command": ["true"]}],
    "terminationGracePeriodSeconds": 120,
}
VOLUMES_OF_A_JOB: list[Json] = [
    {"name": "a", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
    {"name": "b", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
    {"name": "c", "csi": {"driver": "d", "volumeAttributes": {"k": "v"}}},
    {"name": "d", "configMap": {"name": "c"}},
    {"name": "e", "secret": {"secretName": "s"}},
]
MOUNTS: list[Json] = [
    {"name": "a", "mountPath": "/a"},
    {"name": "b", "mountPath": "/b", "subPath": "x", "readOnly": True},
]

FULL: dict[str, Json] = {
    "StargateJob": {
        "metadata.name": "a" * 50,
        "spec.steps": 500_000,
        "spec.runtime": "default",
        "spec.checkpoint": {"uri": "s3://b/c", "retain": 2, "restoreFrom": "s3://b/old/40"},
        "spec.restartPolicy.maxRestarts": 0,
        "spec.scheduling.startTimeoutSeconds": 60,
        "spec.scheduling.placement": {
            "computeBlock": "row-a",
            "maxLatencyMs": 0.5,
            "topologyKey": "topology.kubernetes.io/zone",
        },
        "spec.hang": {"reportTimeoutSeconds": 600},
        "spec.rendezvous.hostnames": "All",
        "spec.suspend": True,
        "spec.activeDeadlineSeconds": 3600,
        "spec.ttlSecondsAfterFinished": 0,
        "spec.template": {
            **WORKER,
            "labels": {"team": "", "acme.dev/cost-centre": "42_a"},
            "annotations": {"acme.dev/note": "anything at all"},
            "serviceAccountName": "trainer",
            "priorityClassName": "high",
            "volumes": VOLUMES_OF_A_JOB,
            "volumeMounts": MOUNTS,
        },
    },
    "StargateRuntime": {
        "spec": {
            **WORKER,
            "isDefault": True,
            "sharedMemory": "32Gi",
            "volumes": [*VOLUMES_OF_A_JOB, {"name": "f", **HOST}, {"name": "g", **NFS}],
            "volumeMounts": MOUNTS,
            "podSecurity": "Unrestricted",
            "runAsUser": 1000,
            "fsGroup": 1000,
            "allowedServiceAccounts": ["trainer"],
            "allowedPriorityClasses": ["high", "low"],
            "logLinesInStatus": False,
            "checkpoint": {"uriPrefix": "stargate_storage://checkpoints"},
            "storage": [
                {"scheme": "stargate_storage", "volume": CLAIM, "mountPath": "/stargate"},
                {"scheme": "home", "volume": HOST, "mountPath": "/home"},
                {"scheme": "nfs", "volume": NFS, "mountPath": "/nfs"},
                {"scheme": "lake", "uriPrefix": "s3://lake"},
            ],
        }
    },
    "AcceleratorClass": {
        "spec.gpuEquivalentsPerDevice": 2,
        "spec.extraResources": {"rdma/hca": 1, "example.com/nic": "2"},
        "spec.nodeSelector": {"example.com/pool": "a_1", "spot": ""},
        "spec.tolerations": [
            {"operator": "Exists"},
            {"key": "k", "value": "v", "effect": "NoExecute", "tolerationSeconds": 60},
        ],
        "spec.wattsPerDevice": 700,
    },
    "ComputeBlock": {
        "spec": {
            "nodeSelector": {"topology.kubernetes.io/zone": "a"},
            "maxLatencyMs": 0.5,
            "bandwidthGbps": 400,
            "pue": 1.12,
            "accounting": "External",
        }
    },
}

NAMES = [
    job(
        "name of 51 characters",
        {"metadata.name": LONG_NAME},
        "metadata.name: Invalid",
        "at most 50",
    ),
    job("name with a dot", {"metadata.name": "v1.5"}, "metadata.name", "letters, digits and '-'"),
    job("name with a digit first", {"metadata.name": "3d"}, "metadata.name", "with a letter"),
    job("name in capitals", {"metadata.name": "Materia"}, "metadata.name", "lower case"),
    runtime("name with _", {"metadata.name": "a_b"}, "metadata.name", "lower case alphanumeric"),
    accelerator("name with _", {"metadata.name": "a_b"}, "metadata.name", "lower case"),
    block("name in capitals", {"metadata.name": "Cluster"}, "metadata.name", "lower case"),
]

ARTICLE = [
    job("no spec", {"spec": GONE}, "spec", "Required value"),
    job("no model", {"spec.modelName": GONE}, "spec.modelName", "Required value"),
    job("empty model", {"spec.modelName": ""}, "spec.modelName", "at least 1 chars"),
    job("blank model", {"spec.modelName": " "}, "spec.modelName", "without white space at its"),
    job("model of two lines", {"spec.modelName": "a\nb"}, "spec.modelName", "one line"),
    job("long model", {"spec.modelName": "m" * 254}, "spec.modelName", "more than 253"),
    job("model is a number", {"spec.modelName": 3}, "spec.modelName", "of type string"),
    job("no data set", {"spec.datasetPath": GONE}, "spec.datasetPath", "Required value"),
    job("data set is a path", {"spec.datasetPath": "/data"}, "spec.datasetPath", "must be a URI"),
    job("data set is empty", {"spec.datasetPath": "s3://"}, "spec.datasetPath", "such as s3://"),
    job("blank in URI", {"spec.datasetPath": "s3://a b"}, "spec.datasetPath", "without white"),
    job("long URI", {"spec.datasetPath": "s3://" + "x" * 2048}, "spec.datasetPath", "than 2048"),
    job("no epochs", {"spec.epochs": GONE}, "spec.epochs", "Required value"),
    job("zero epochs", {"spec.epochs": 0}, "spec.epochs", "greater than or equal to 1"),
    job("half an epoch", {"spec.epochs": 1.5}, "spec.epochs", "of type integer"),
    job("epochs in words", {"spec.epochs": "many"}, "spec.epochs", "of type integer"),
    job("too many epochs", {"spec.epochs": 10**8}, "spec.epochs", "less than or equal to 10000000"),
    job("zero steps", {"spec.steps": 0}, "spec.steps", "greater than or equal to 1"),
    job("half a step", {"spec.steps": 1.5}, "spec.steps", "of type integer"),
    job(
        "too many steps", {"spec.steps": 10**13}, "spec.steps", "less than or equal to 10000000000"
    ),
    job("no hardware", {"spec.acceleratorType": GONE}, "spec.acceleratorType", "Required value"),
    job("hardware with /", {"spec.acceleratorType": "a/b"}, "spec.acceleratorType", "letters, dig"),
    job("no size", {"spec.resourceAllocation": GONE}, "spec.resourceAllocation", "Required value"),
    job(
        "no nodes",
        {"spec.resourceAllocation.nodes": 0},
        "spec.resourceAllocation.nodes",
        "greater than or equal to 1",
    ),
    job(
        "six digits of nodes",
        {"spec.resourceAllocation.nodes": 100_000},
        "spec.resourceAllocation.nodes",
        "less than or equal to 99999",
    ),
    job(
        "GPU equivalents missing",
        {"spec.resourceAllocation.gpuEquivalentsPerNode": GONE},
        "spec.resourceAllocation.gpuEquivalentsPerNode",
        "Required value",
    ),
    job(
        "negative GPU equivalents",
        {"spec.resourceAllocation.gpuEquivalentsPerNode": -8},
        "spec.resourceAllocation.gpuEquivalentsPerNode",
        "greater than or equal to 1",
    ),
    job(
        "memory as a quantity",
        {"spec.resourceAllocation.memoryGbPerNode": "256G"},
        "spec.resourceAllocation.memoryGbPerNode",
        "of type integer",
    ),
    job(
        "no optimizer",
        {"spec.optimizationStrategy": ""},
        "spec.optimizationStrategy",
        "at least 1 chars",
    ),
    job(
        "no checkpoint interval",
        {"spec.checkpointIntervalEpochs": 0},
        "spec.checkpointIntervalEpochs",
        "greater than or equal to 1",
    ),
    job(
        "a checkpoint after the end",
        {"spec.checkpointIntervalEpochs": 101},
        "spec.checkpointIntervalEpochs",
        "must be at most spec.epochs",
    ),
]

OPTIONS = [
    job("runtime with /", {"spec.runtime": "ns/rt"}, "spec.runtime", "must be the name of an obj"),
    job("no URI", {"spec.checkpoint.uri": "here"}, "spec.checkpoint.uri", "must be a URI"),
    job("keep one", {"spec.checkpoint.retain": 1}, "spec.checkpoint.retain", "or equal to 2"),
    job("keep 11", {"spec.checkpoint.retain": 11}, "spec.checkpoint.retain", "or equal to 10"),
    job(
        "bad warm start",
        {"spec.checkpoint.restoreFrom": "x"},
        "spec.checkpoint.restoreFrom",
        "a URI",
    ),
    job(
        "negative restarts",
        {"spec.restartPolicy.maxRestarts": -1},
        "spec.restartPolicy.maxRestarts",
        "greater than or equal to 0",
    ),
    job(
        "too many restarts",
        {"spec.restartPolicy.maxRestarts": 1001},
        "spec.restartPolicy.maxRestarts",
        "less than or equal to 1000",
    ),
    job(
        "empty placement",
        {"spec.scheduling.placement": {}},
        "spec.scheduling.placement",
        "must state computeBlock, maxLatencyMs or topologyKey",
    ),
    job(
        "a block in capitals",
        {"spec.scheduling.placement.computeBlock": "Row-A"},
        "spec.scheduling.placement.computeBlock",
        "must be the name of an object",
    ),
    job(
        "negative latency",
        {"spec.scheduling.placement.maxLatencyMs": -1},
        "spec.scheduling.placement.maxLatencyMs",
        "equal to 0",
    ),
    job(
        "a topology that is no label",
        {"spec.scheduling.placement.topologyKey": "my zone"},
        "spec.scheduling.placement.topologyKey",
        "must be a name of at most 63",
    ),
    job(
        "unknown placement field",
        {"spec.scheduling.placement.block": "row-a"},
        "spec.scheduling.placement.block",
        "unknown field",
    ),
    job(
        "no time to start",
        {"spec.scheduling.startTimeoutSeconds": 0},
        "spec.scheduling.startTimeoutSeconds",
        "greater than or equal to 1",
    ),
    job(
        "hang after no time",
        {"spec.hang": {"reportTimeoutSeconds": 0}},
        "spec.hang.reportTimeoutSeconds",
        "greater than or equal to 1",
    ),
    job(
        "hang without a timeout",
        {"spec.hang": {}},
        "spec.hang.reportTimeoutSeconds",
        "Required value",
    ),
    job(
        "hang timeout too short for all ranks",
        {"spec.hang": {"reportTimeoutSeconds": 151}, "spec.resourceAllocation.nodes": 5000},
        "spec.hang.reportTimeoutSeconds",
        "must be at least spec.resourceAllocation.nodes / 33",
    ),
    job(
        "unknown hostnames mode",
        {"spec.rendezvous.hostnames": "Some"},
        "spec.rendezvous.hostnames",
        'supported values: "Rank0", "All"',
    ),
    job("suspend in words", {"spec.suspend": "yes"}, "spec.suspend", "of type boolean"),
    job(
        "no time before the deadline",
        {"spec.activeDeadlineSeconds": 0},
        "spec.activeDeadlineSeconds",
        "greater than or equal to 1",
    ),
    job(
        "negative time to live",
        {"spec.ttlSecondsAfterFinished": -1},
        "spec.ttlSecondsAfterFinished",
        "greater than or equal to 0",
    ),
    job("unknown field", {"spec.gpus": 8}, "spec.gpus", "unknown field"),
    job("misspelt field", {"spec.modelname": "m"}, "spec.modelname", "unknown field"),
    job(
        "unknown nested field",
        {"spec.resourceAllocation.gpus": 8},
        "spec.resourceAllocation.gpus",
        "unknown field",
    ),
]

TEMPLATE = [
    of_template("image with a blank", "image", "a b", "image", "without white space"),
    of_template("odd pull policy", "imagePullPolicy", "Maybe", "imagePullPolicy", '"IfNotPresent"'),
    of_template("command as a string", "command", "python", "command", "of type array"),
    of_template("number as argument", "args", [1], "args[0]", "of type string"),
    of_template("CPU in words", "cpu", "four", "cpu", "should match"),
    of_template("negative CPU", "cpu", -1, "cpu", "greater than or equal to 0"),
    of_template("odd unit", "ephemeralStorage", "10GB", "ephemeralStorage", "should match"),
    of_template(
        "operator's variable", "env", [{"name": "STARGATE_RANK"}], "env[0].name", "set by the op"
    ),
    of_template(
        "torchrun variable", "env", [{"name": "PET_NNODES"}], "env[0].name", "another name"
    ),
    of_template(
        "index variable", "env", [{"name": "JOB_COMPLETION_INDEX"}], "env[0].name", "another name"
    ),
    of_template("variable with =", "env", [{"name": "A=B"}], "env[0].name", "without '='"),
    of_template("variable twice", "env", [*env(), *env()], "env[1]", "Duplicate value"),
    of_template(
        "too many variables",
        "env",
        [{"name": f"A{i}"} for i in range(257)],
        "env",
        "must have at most 256 items",
    ),
    of_template(
        "value twice",
        "env",
        env(value="1", valueFrom={"fieldRef": {"fieldPath": "metadata.name"}}),
        "env[0]",
        "either value or valueFrom",
    ),
    of_template(
        "value without source", "env", env(valueFrom={}), "env[0].valueFrom", "exactly one of"
    ),
    of_template(
        "value from two places",
        "env",
        env(
            valueFrom={
                "secretKeyRef": {"name": "s", "key": "k"},
                "configMapKeyRef": {"name": "c", "key": "k"},
            }
        ),
        "env[0].valueFrom",
        "exactly one of",
    ),
    of_template(
        "secret without key",
        "env",
        env(valueFrom={"secretKeyRef": {"name": "s"}}),
        "env[0].valueFrom.secretKeyRef.key",
        "Required value",
    ),
    of_template(
        "keys without source", "envFrom", [{}], "envFrom[0]", "exactly one of configMapRef"
    ),
    of_template(
        "operator's prefix",
        "envFrom",
        [{"prefix": "STARGATE_", "configMapRef": {"name": "c"}}],
        "envFrom[0].prefix",
        "must not start with STARGATE_",
    ),
    of_template(
        "reserved label",
        "labels",
        {"stargate.dev/rank": "0"},
        "labels",
        "belong to the operator",
    ),
    of_template("odd label", "labels", {"team": "a b"}, "labels[team]", "letters, digits"),
    of_template("odd label key", "labels", {"my team": "a"}, "labels", "every key must be a name"),
    of_template(
        "too many labels",
        "labels",
        {f"k{i}": "v" for i in range(33)},
        "labels",
        "must have at most 32",
    ),
    of_template(
        "reserved annotation",
        "annotations",
        {"stargate.dev/x": ""},
        "annotations",
        "belong to the operator",
    ),
    of_template(
        "no grace",
        "terminationGracePeriodSeconds",
        0,
        "terminationGracePeriodSeconds",
        "greater than or equal to 1",
    ),
    of_template(
        "bad account name", "serviceAccountName", "A", "serviceAccountName", "the name of an"
    ),
    of_template("field of a pod spec", "nodeName", "node-1", "nodeName", "unknown field"),
    of_template("privileges", "securityContext", {}, "securityContext", "unknown field"),
    of_template(
        "init container with reserved name",
        "initContainers",
        [{"name": "worker", "image": "i"}],
        "initContainers[0].name",
        "belongs to the training container",
    ),
    of_template(
        "init container without image",
        "initContainers",
        [{"name": "fetch"}],
        "initContainers[0].image",
        "Required value",
    ),
    of_template(
        "operator's variable in an init container",
        "initContainers",
        [{"name": "fetch", "image": "i", "env": [{"name": "STARGATE_RANK"}]}],
        "initContainers[0].env[0].name",
        "set by the operator",
    ),
]

VOLUMES = [
    of_template("no source", "volumes", [{"name": "v"}], "volumes[0]", "exactly one of"),
    of_template(
        "two sources",
        "volumes",
        [{"name": "v", "emptyDir": {}, **CLAIM}],
        "volumes[0]",
        "exactly one of",
    ),
    of_template(
        "host path in a job",
        "volumes",
        [{"name": "v", **HOST}],
        "volumes[0].hostPath",
        "unknown field",
    ),
    of_template(
        "operator's volume",
        "volumes",
        [{"name": "stargate-token", "emptyDir": {}}],
        "volumes[0].name",
        "belong to the operator",
    ),
    of_template(
        "claim of another namespace",
        "volumes",
        [{"name": "v", "persistentVolumeClaim": {"claimName": "data", "namespace": "other"}}],
        "volumes[0].persistentVolumeClaim.namespace",
        "unknown field",
    ),
    of_template(
        "odd size",
        "volumes",
        [{"name": "v", "emptyDir": {"sizeLimit": "big"}}],
        "volumes[0].emptyDir.sizeLimit",
        "should match",
    ),
    of_template(
        "odd medium",
        "volumes",
        [{"name": "v", "emptyDir": {"medium": "Disk"}}],
        "volumes[0].emptyDir.medium",
        '"Memory"',
    ),
    of_template(
        "relative mount",
        "volumeMounts",
        [{"name": "v", "mountPath": "data"}],
        "volumeMounts[0].mountPath",
        "must be an absolute path",
    ),
    of_template(
        "mount over the report token",
        "volumeMounts",
        [{"name": "v", "mountPath": "/var/run/secrets/stargate.dev/x"}],
        "volumeMounts[0].mountPath",
        "choose another mountPath",
    ),
    of_template(
        "two mounts on one path",
        "volumeMounts",
        [{"name": "v", "mountPath": "/data"}, {"name": "w", "mountPath": "/data"}],
        "volumeMounts[1]",
        "Duplicate value",
    ),
]

RUNTIMES = [
    runtime(
        "default without a checkpoint prefix",
        {"spec.isDefault": True},
        "spec.checkpoint",
        "required of a default runtime",
    ),
    runtime(
        "checkpoint without a prefix",
        {"spec.checkpoint": {}},
        "spec.checkpoint.uriPrefix",
        "Required value",
    ),
    runtime(
        "host path under restricted",
        {"spec.volumes": [{"name": "v", **HOST}]},
        "spec.volumes",
        "need spec.podSecurity Unrestricted",
    ),
    runtime(
        "NFS under restricted",
        {"spec.volumes": [{"name": "v", **NFS}]},
        "spec.volumes",
        "need spec.podSecurity Unrestricted",
    ),
    runtime(
        "storage on the host under restricted",
        {"spec.storage": [{"scheme": "s", "volume": HOST, "mountPath": "/s"}]},
        "spec.storage",
        "need spec.podSecurity Unrestricted",
    ),
    runtime(
        "storage without volume or prefix",
        {"spec.storage": [{"scheme": "s"}]},
        "spec.storage[0]",
        "either volume and mountPath, or uriPrefix",
    ),
    runtime(
        "storage with volume and prefix",
        {
            "spec.storage": [
                {"scheme": "s", "volume": CLAIM, "mountPath": "/s", "uriPrefix": "s3://b"}
            ]
        },
        "spec.storage[0]",
        "either volume and mountPath, or uriPrefix",
    ),
    runtime(
        "storage without mount path",
        {"spec.storage": [{"scheme": "s", "volume": CLAIM}]},
        "spec.storage[0]",
        "either volume and mountPath, or uriPrefix",
    ),
    runtime(
        "storage on two volumes",
        {
            "spec.podSecurity": "Unrestricted",
            "spec.storage": [{"scheme": "s", "volume": {**HOST, **NFS}, "mountPath": "/s"}],
        },
        "spec.storage[0].volume",
        "exactly one of persistentVolumeClaim, csi, hostPath, nfs",
    ),
    runtime(
        "storage that refers to itself",
        {"spec.storage": [{"scheme": "s", "uriPrefix": "s://x"}]},
        "spec.storage[0].uriPrefix",
        "scheme of its own entry",
    ),
    runtime(
        "scheme with ://",
        {"spec.storage": [{"scheme": "s3://", "uriPrefix": "s3://b"}]},
        "spec.storage[0].scheme",
        "a URI scheme without ://",
    ),
    runtime(
        "scheme twice",
        {"spec.storage": [{"scheme": "s", "uriPrefix": "s3://b"}] * 2},
        "spec.storage[1]",
        "Duplicate value",
    ),
    runtime(
        "two schemes on one path",
        {
            "spec.storage": [
                {"scheme": "a", "volume": CLAIM, "mountPath": "/s"},
                {"scheme": "b", "volume": CLAIM, "mountPath": "/s"},
            ]
        },
        "spec.storage",
        "no two schemes may share a mountPath",
    ),
    runtime(
        "storage over a mount",
        {
            "spec.volumes": [{"name": "v", **CLAIM}],
            "spec.volumeMounts": [{"name": "v", "mountPath": "/s"}],
            "spec.storage": [{"scheme": "a", "volume": CLAIM, "mountPath": "/s"}],
        },
        "spec.storage",
        "must not be one of spec.volumeMounts",
    ),
    runtime(
        "mount of no volume",
        {"spec.volumeMounts": [{"name": "v", "mountPath": "/v"}]},
        "spec.volumeMounts",
        "must name one of spec.volumes",
    ),
    runtime("odd security", {"spec.podSecurity": "Lax"}, "spec.podSecurity", '"Unrestricted"'),
    runtime("root user", {"spec.runAsUser": 0}, "spec.runAsUser", "greater than or equal to 1"),
    runtime(
        "negative shared memory", {"spec.sharedMemory": "-1Gi"}, "spec.sharedMemory", "should match"
    ),
    runtime(
        "account twice",
        {"spec.allowedServiceAccounts": ["a", "a"]},
        "spec.allowedServiceAccounts[1]",
        "Duplicate value",
    ),
    runtime(
        "class in capitals",
        {"spec.allowedPriorityClasses": ["High"]},
        "spec.allowedPriorityClasses[0]",
        "must be the name of an object",
    ),
    runtime(
        "operator's variable",
        {"spec.env": [{"name": "STARGATE_RANK", "value": "0"}]},
        "spec.env[0].name",
        "set by the operator",
    ),
    runtime(
        "init container with reserved name",
        {"spec.initContainers": [{"name": "worker", "image": "i"}]},
        "spec.initContainers[0].name",
        "belongs to the training container",
    ),
    runtime("unknown field", {"spec.privileged": True}, "spec.privileged", "unknown field"),
]

CLASSES = [
    accelerator(
        "no type", {"spec.acceleratorType": GONE}, "spec.acceleratorType", "Required value"
    ),
    accelerator("no resource", {"spec.resourceName": GONE}, "spec.resourceName", "Required value"),
    accelerator("no domain", {"spec.resourceName": "gpu"}, "spec.resourceName", "nvidia.com/gpu"),
    accelerator(
        "not extended",
        {"spec.resourceName": "kubernetes.io/gpu"},
        "spec.resourceName",
        "no extended resources",
    ),
    accelerator(
        "nothing per device",
        {"spec.gpuEquivalentsPerDevice": 0},
        "spec.gpuEquivalentsPerDevice",
        "greater than or equal to 1",
    ),
    accelerator(
        "the same resource again",
        {"spec.extraResources": {"example.com/good": 1}},
        "spec.extraResources",
        "must not repeat spec.resourceName",
    ),
    accelerator(
        "half a device",
        {"spec.extraResources": {"example.com/rdma": "500m"}},
        "spec.extraResources.example.com/rdma",
        "should match",
    ),
    accelerator(
        "extra without domain",
        {"spec.extraResources": {"rdma": 1}},
        "spec.extraResources",
        "every key must be the name of an extended resource",
    ),
    accelerator(
        "bad selector value",
        {"spec.nodeSelector": {"pool": "a b"}},
        "spec.nodeSelector",
        "letters, digits",
    ),
    accelerator(
        "toleration with too much",
        {"spec.tolerations": [{"operator": "Exists", "value": "x"}]},
        "spec.tolerations[0].value",
        "must be absent where operator is Exists",
    ),
    accelerator(
        "toleration without key",
        {"spec.tolerations": [{"value": "x"}]},
        "spec.tolerations[0].key",
        "required where operator is Equal",
    ),
    accelerator(
        "toleration of unknown effect",
        {"spec.tolerations": [{"key": "k", "effect": "Never"}]},
        "spec.tolerations[0].effect",
        '"NoExecute"',
    ),
    accelerator(
        "toleration seconds without NoExecute",
        {"spec.tolerations": [{"key": "k", "tolerationSeconds": 5}]},
        "spec.tolerations[0].tolerationSeconds",
        "needs effect NoExecute",
    ),
    accelerator(
        "too many tolerations",
        {"spec.tolerations": [{"operator": "Exists"}] * 17},
        "spec.tolerations",
        "must have at most 16 items",
    ),
    accelerator(
        "negative watts", {"spec.wattsPerDevice": -1}, "spec.wattsPerDevice", "or equal to 0"
    ),
]

BLOCKS = [
    block("no spec", {"spec": GONE}, "spec", "Required value"),
    block("PUE below 1", {"spec.pue": 0.9}, "spec.pue", "greater than or equal to 1"),
    block("PUE in words", {"spec.pue": "good"}, "spec.pue", "of type number"),
    block("negative latency", {"spec.maxLatencyMs": -1}, "spec.maxLatencyMs", "equal to 0"),
    block("negative bandwidth", {"spec.bandwidthGbps": -1}, "spec.bandwidthGbps", "equal to 0"),
    block(
        "too many selector labels",
        {"spec.nodeSelector": {f"k{i}": "v" for i in range(17)}},
        "spec.nodeSelector",
        "must have at most 16",
    ),
    block(
        "bad selector key",
        {"spec.nodeSelector": {"a b": "v"}},
        "spec.nodeSelector",
        "every key must",
    ),
    block(
        "unknown accounting",
        {"spec.accounting": "Nobody"},
        "spec.accounting",
        'supported values: "Operator", "External"',
    ),
    block("unknown field", {"spec.nodes": 5}, "spec.nodes", "unknown field"),
]

BAD_SPECS = [*NAMES, *ARTICLE, *OPTIONS, *TEMPLATE, *VOLUMES, *RUNTIMES, *CLASSES, *BLOCKS]
