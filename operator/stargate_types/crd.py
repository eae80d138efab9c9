"""Generates the CustomResourceDefinitions from the models.

`python -m stargate_types.crd crds/` writes one file for each kind; `make manifests` calls it. The schema
of a kind comes from `openapi.py`.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from stargate_types import (
    GROUP,
    VERSION,
    AcceleratorClass,
    ComputeBlock,
    StargateJob,
    StargateRuntime,
)
from stargate_types.base import Model
from stargate_types.openapi import openapi_schema

Json = dict[str, Any]

HEADER = "# Generated from operator/stargate_types by `make manifests`; edit the models instead.\n"


class Column(NamedTuple):
    """A column of `kubectl get`; `wide` ones only show with `-o wide`."""

    name: str
    type: str
    path: str
    description: str
    wide: bool = False

    def manifest(self) -> Json:
        """The entry of `additionalPrinterColumns`."""
        return {
            "name": self.name,
            "type": self.type,
            "jsonPath": self.path,
            "description": self.description,
            "priority": int(self.wide),
        }


AGE = Column("Age", "date", ".metadata.creationTimestamp", "Time since it was created.")


class Kind(NamedTuple):
    """The properties of a kind's CRD that its model does not hold."""

    model: type[Model]
    plural: str
    short_name: str
    columns: tuple[Column, ...]
    namespaced: bool = False
    categories: tuple[str, ...] = ("stargate",)
    selectable: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The kind in a manifest, such as StargateJob."""
        return self.model.__name__

    @property
    def crd_name(self) -> str:
        """Name of the CRD object."""
        return f"{self.plural}.{GROUP}"

    @property
    def has_status(self) -> bool:
        """True if the kind has a status, and with it the status subresource."""
        return "status" in self.model.model_fields


JOB = Kind(
    StargateJob,
    "stargatejobs",
    "sj",
    columns=(
        Column("Phase", "string", ".status.phase", "Phase of the job."),
        Column("Ready", "integer", ".status.workers.ready", "Workers that are ready."),
        Column("Desired", "integer", ".status.workers.desired", "Workers wanted.", wide=True),
        Column("Epoch", "integer", ".status.progress.epoch", "Epochs completed."),
        Column("Step", "integer", ".status.progress.step", "Optimizer steps completed.", wide=True),
        Column("Percent", "number", ".status.progress.percent", "Training completed, in percent."),
        Column(
            "Checkpoint",
            "integer",
            '.status.checkpoints.history[?(@.state=="Complete")].epoch',
            "Epoch of the latest complete checkpoint.",
        ),
        Column("Restarts", "integer", ".status.restarts", "Attempts ended by a failure."),
        AGE,
        Column("Attempt", "integer", ".status.attempt", "The current attempt.", wide=True),
        Column("Model", "string", ".spec.modelName", "The model that is trained.", wide=True),
        Column("Accelerator", "string", ".spec.acceleratorType", "The hardware.", wide=True),
        Column("Runtime", "string", ".spec.runtime", "The runtime that it names.", wide=True),
    ),
    namespaced=True,
    categories=("all", "stargate"),
    selectable=(".spec.acceleratorType", ".spec.runtime", ".status.phase"),
)
RUNTIME = Kind(
    StargateRuntime,
    "stargateruntimes",
    "srt",
    columns=(
        Column("Default", "boolean", ".spec.isDefault", "True if jobs get it by default."),
        Column("Image", "string", ".spec.image", "Image of the worker."),
        Column("Security", "string", ".spec.podSecurity", "Pod Security of the worker."),
        Column(
            "Checkpoints",
            "string",
            ".spec.checkpoint.uriPrefix",
            "Folder for checkpoints.",
            wide=True,
        ),
        AGE,
    ),
    selectable=(".spec.isDefault",),
)
ACCELERATOR = Kind(
    AcceleratorClass,
    "acceleratorclasses",
    "acc",
    columns=(
        Column("Type", "string", ".spec.acceleratorType", "The name that jobs use."),
        Column(
            "Resource",
            "string",
            ".spec.resourceName",
            "Resource that the device plugin advertises.",
        ),
        Column(
            "Equivalents",
            "integer",
            ".spec.gpuEquivalentsPerDevice",
            "GPU equivalents of one device.",
        ),
        Column("Watts", "integer", ".spec.wattsPerDevice", "Power of one device.", wide=True),
        AGE,
    ),
    selectable=(".spec.acceleratorType",),
)
BLOCK = Kind(
    ComputeBlock,
    "computeblocks",
    "cb",
    columns=(
        Column("Accelerators", "string", ".status.accelerators[*].acceleratorType", "Types."),
        Column("Nodes", "string", ".status.accelerators[*].nodes", "Usable nodes of each type."),
        Column("Free", "string", ".status.accelerators[*].freeNodes", "Free nodes of each type."),
        Column("Latency", "number", ".spec.maxLatencyMs", "Latency between two nodes, in ms."),
        Column("Bandwidth", "number", ".spec.bandwidthGbps", "Bandwidth of each node, in Gbit/s."),
        Column("PUE", "number", ".spec.pue", "Power usage effectiveness."),
        Column("Counted", "date", ".status.observedTime", "Age of the count.", wide=True),
        AGE,
    ),
)
KINDS = (JOB, RUNTIME, ACCELERATOR, BLOCK)


def definition(kind: Kind) -> Json:
    """The CustomResourceDefinition of a kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": _names(kind),
            "versions": [_version(kind)],
        },
    }


def _names(kind: Kind) -> Json:
    return {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
        "shortNames": [kind.short_name],
        "categories": list(kind.categories),
    }


def _version(kind: Kind) -> Json:
    version: Json = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [column.manifest() for column in kind.columns],
        "schema": {"openAPIV3Schema": openapi_schema(kind.model)},
    }
    if kind.has_status:
        version["subresources"] = {"status": {}}
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    return version


class _Dumper(yaml.SafeDumper):
    """Writes no YAML anchors: a repeated part of a schema is written out each time."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def file_name(kind: Kind) -> str:
    """Name of the kind's file in `crds/`."""
    return f"{GROUP}_{kind.plural}.yaml"


def to_yaml(kind: Kind) -> str:
    """Content of the kind's file in `crds/`."""
    body: str = yaml.dump(
        definition(kind), Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True
    )
    return HEADER + body


def main(arguments: list[str]) -> None:
    """Writes a file for each kind into the directory that the first argument names."""
    directory = Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        (directory / file_name(kind)).write_text(to_yaml(kind))


if __name__ == "__main__":
    main(sys.argv[1:])
