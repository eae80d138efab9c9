"""The cost of counting free capacity in the operator: CPU per event and per count, and memory.

The objects are as large as in a cloud: 30 labels a node, ten pods of others on each node. They arrive as
bytes, as from a watch, and pass through the operator's decoder, store, fleet, count and status. Nothing
else runs in the process, so the memory is that of the accounting.

    python bench/compute.py [--nodes 5000] [--foreign 50000] [--blocks 1]
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "operator")]

import msgspec  # noqa: E402

from stargate_operator.informers.foreign_pods import ForeignPod, ForeignPodStore, WireForeignPod  # noqa: E402
from stargate_operator.informers.nodes import NodeStore, WireNode, node_of  # noqa: E402
from stargate_operator.informers.pod_requests import requests_of  # noqa: E402
from stargate_operator.informers.pod_wire import number  # noqa: E402
from stargate_operator.placement.fleet import Fleet  # noqa: E402
from stargate_types import (  # noqa: E402
    AcceleratorClass,
    AcceleratorClassSpec,
    ComputeBlock,
    ComputeBlockSpec,
    ComputeBlockStatus,
)
from stargate_types.base import ObjectMeta  # noqa: E402

DEVICE = "stargate.dev/silicon-v2"
ROWS = 20
SILICON = AcceleratorClass(
    metadata=ObjectMeta(name="stargate-silicon-v2", uid="class-uid", generation=1),
    spec=AcceleratorClassSpec(
        accelerator_type="stargate_silicon_v2", resource_name=DEVICE, watts_per_device=500
    ),
)


def main() -> None:
    options = _options()
    fleet = Fleet(time.monotonic)
    nodes, foreign = NodeStore(fleet.node_changed), ForeignPodStore(fleet.held)
    print(f"{options.nodes} nodes, {options.foreign} pods of others, {options.blocks} blocks")
    before = _resident()
    _feed("node", _nodes(options.nodes), lambda raw: nodes.put(node_of(_decode_node(raw))))
    _feed("pod of others", _pods(options), lambda raw: _put(foreign, raw))
    gc.collect()
    print(f"memory: {_resident() - before:.1f} MiB on top of {before:.0f} MiB")
    _count(fleet, options.blocks)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--foreign", type=int, default=50_000)
    parser.add_argument("--blocks", type=int, default=1)
    return parser.parse_args()


_decode_node = msgspec.json.Decoder(WireNode).decode
_decode_pod = msgspec.json.Decoder(WireForeignPod).decode


def _put(store: ForeignPodStore, raw: bytes) -> None:
    wire = _decode_pod(raw)
    held = ForeignPod(
        version=number(wire.metadata.resource_version),
        node=sys.intern(wire.spec.node_name),
        requests=requests_of(wire.spec),
    )
    store.put(wire.metadata.uid, held)


def _feed(what: str, objects: Iterator[bytes], take: Callable[[bytes], None]) -> None:
    spent, count = 0.0, 0
    for raw in objects:
        started = time.process_time()
        take(raw)
        spent += time.process_time() - started
        count += 1
    print(f"{what}: {spent / max(1, count) * 1e6:.0f} us CPU each")


def _count(fleet: Fleet, blocks: int) -> None:
    drawn = [_block("cluster")] + [
        _block(f"row-{i}", node_selector={"example.com/row": f"row-{i}"}) for i in range(blocks - 1)
    ]
    started = time.process_time()
    for block in drawn:
        status = fleet.count(block, SILICON, fresh=0).capacity()
    spent = time.process_time() - started
    print(f"count of {len(drawn)} blocks: {spent * 1000:.0f} ms CPU")
    print(f"the last one: {status.nodes} nodes, status of {len(status.model_dump_json())} bytes")


def _block(name: str, **spec: Any) -> ComputeBlock:
    return ComputeBlock(
        metadata=ObjectMeta(name=name, uid=f"{name}-uid", generation=1, resource_version="1"),
        spec=ComputeBlockSpec(**spec),
        status=ComputeBlockStatus(),
    )


def _nodes(count: int) -> Iterator[bytes]:
    for i in range(count):
        labels = {f"example.com/label-{k}": f"value-{k}-{i % 7}" for k in range(28)}
        labels |= {"kubernetes.io/hostname": f"node-{i:05d}", "example.com/row": f"row-{i % ROWS}"}
        capacity = {"cpu": "64", "memory": "528482304Ki", "pods": "110", DEVICE: "8"}
        images = [{"names": [f"registry.example.com/image@sha256:{k:064d}"]} for k in range(50)]
        yield msgspec.json.encode(
            {
                "metadata": {
                    "name": f"node-{i:05d}",
                    "uid": f"8d2b5c1e-0000-4000-8000-{i:012d}",
                    "resourceVersion": str(i + 1),
                    "labels": labels,
                },
                "spec": {"providerID": f"cloud:///{i}"},
                "status": {
                    "allocatable": capacity,
                    "capacity": capacity,
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "images": images,
                },
            }
        )


def _pods(options: argparse.Namespace) -> Iterator[bytes]:
    """Pods of ten kinds, like those of daemons; one in fifty has devices."""
    for i in range(options.foreign):
        requests = {"cpu": f"{100 + 10 * (i % 10)}m", "memory": f"{64 * (1 + i % 10)}Mi"}
        if i % 50 == 0:
            requests[DEVICE] = str(1 + i % 3)
        container = {
            "name": "main",
            "image": "registry.example.com/daemon:1",
            "env": [{"name": f"VARIABLE_{k}", "value": "x" * 20} for k in range(10)],
            "resources": {"requests": requests, "limits": requests},
        }
        yield msgspec.json.encode(
            {
                "metadata": {
                    "name": f"daemon-{i}",
                    "namespace": "others",
                    "uid": f"77777777-0000-4000-8000-{i:012d}",
                    "resourceVersion": str(i + 1),
                    "labels": {"app": "daemon", "controller-revision-hash": f"{i % 9}"},
                },
                "spec": {
                    "nodeName": f"node-{i % options.nodes:05d}",
                    "containers": [container],
                },
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
            }
        )


def _resident() -> float:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
