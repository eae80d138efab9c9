"""Lets the ranks agree to stop, through torch's collectives. The only module that needs torch.

Only a preempted rank gets SIGTERM. A checkpoint needs every rank at the same step, so all ranks ask
at the same step whether one of them must stop.
"""

import importlib
from typing import Any


def any_rank(value: bool, world_size: int) -> bool:
    """True if the value is true on any rank. A collective: every rank must call it equally often.

    Raises RuntimeError where torch.distributed has no process group.
    """
    if world_size == 1:
        return value
    torch: Any = importlib.import_module("torch")
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        raise RuntimeError(
            "ranks agree through torch.distributed: call init_process_group first, or read"
            " worker.stopping and combine it with a collective of your own"
        )
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    flag = torch.tensor([int(value)], dtype=torch.int32, device=device)
    distributed.all_reduce(flag, op=distributed.ReduceOp.MAX)
    return bool(flag.item())
