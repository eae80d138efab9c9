"""Agreement among the ranks, over torch's own collectives: the only module that needs torch.

A preempted rank alone gets SIGTERM. A checkpoint needs every rank at the same step, so all ask at
the same step whether any of them is to stop.
"""

import importlib
from typing import Any


def any_rank(told: bool, world_size: int) -> bool:
    """A collective: every rank must call it equally often."""
    if world_size == 1:
        return told
    torch: Any = importlib.import_module("torch")
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        raise RuntimeError(
            "ranks agree through torch.distributed: call init_process_group first, or ask"
            " worker.stopping and let your own collective agree"
        )
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    flag = torch.tensor([int(told)], dtype=torch.int32, device=device)
    distributed.all_reduce(flag, op=distributed.ReduceOp.MAX)
    return bool(flag.item())
