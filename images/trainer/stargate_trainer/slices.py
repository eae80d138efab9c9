"""A model's weights as one vector, cut into as many equal slices as there are ranks.

Each rank saves its own slice, so a checkpoint is as large as the model, however many ranks there
are, and no rank has to hold or write it alone.
"""

import hashlib

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters


class Slices:
    def __init__(self, model: nn.Module) -> None:
        self._parameters = list(model.parameters())
        self._size = sum(each.numel() for each in self._parameters)
        self._rank = torch.distributed.get_rank()
        self._world_size = torch.distributed.get_world_size()
        self.length = -(-self._size // self._world_size)

    def weights(self) -> Tensor:
        return self._mine(parameters_to_vector(self._parameters).detach())

    def gradients(self) -> Tensor:
        return self._mine(parameters_to_vector([_gradient(each) for each in self._parameters]))

    def spread(self, mine: Tensor) -> None:
        """Every rank sends its slice to all others; the slices become the model's weights."""
        all_slices = [torch.empty_like(mine) for _ in range(self._world_size)]
        torch.distributed.all_gather(all_slices, mine)
        vector_to_parameters(torch.cat(all_slices)[: self._size], self._parameters)

    def digest(self) -> str:
        """SHA-256 of all weights, equal for two trainings with equal results."""
        vector = parameters_to_vector(self._parameters).detach()
        return hashlib.sha256(bytes(vector.view(torch.uint8).tolist())).hexdigest()

    def _mine(self, vector: Tensor) -> Tensor:
        """The last slice is filled up with zeros, which no optimizer here ever changes."""
        mine = torch.zeros(self.length)
        found = vector[self._rank * self.length : (self._rank + 1) * self.length]
        mine[: found.numel()] = found
        return mine


def _gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None, "every parameter takes part in every step"
    return parameter.grad
