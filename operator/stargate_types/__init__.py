"""The custom resources of the group stargate.dev/v1alpha1 as pydantic models: the source of truth.

`make manifests` generates the CRDs in `crds/` from these models, and the operator reads and writes
its status through them. The models import nothing but pydantic, read no clock and do no I/O. No model
imports `crd`, which generates the files.
"""

from stargate_types.accelerator import AcceleratorClass, AcceleratorClassSpec
from stargate_types.block import ComputeBlock, ComputeBlockSpec, ComputeBlockStatus
from stargate_types.job import StargateJob, StargateJobSpec
from stargate_types.runtime import StargateRuntime, StargateRuntimeSpec
from stargate_types.status import StargateJobStatus

GROUP = "stargate.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

__all__ = [
    "API_VERSION",
    "GROUP",
    "VERSION",
    "AcceleratorClass",
    "AcceleratorClassSpec",
    "ComputeBlock",
    "ComputeBlockSpec",
    "ComputeBlockStatus",
    "StargateJob",
    "StargateJobSpec",
    "StargateJobStatus",
    "StargateRuntime",
    "StargateRuntimeSpec",
]
