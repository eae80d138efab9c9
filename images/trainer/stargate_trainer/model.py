"""The model: a small causal transformer over bytes."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from stargate_trainer.settings import HEADS

BYTES = 256
_DROPOUT = 0.1


class LanguageModel(nn.Module):
    """Predicts the next byte: from windows of shape (batch, context), logits of shape
    (batch, context, 256)."""

    def __init__(self, *, context: int, width: int, layers: int) -> None:
        super().__init__()
        self.bytes = nn.Embedding(BYTES, width)
        self.places = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(_Block(context, width) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, BYTES)
        self.register_buffer("place", torch.arange(context), persistent=False)

    def forward(self, window: Tensor) -> Tensor:
        """The logits of the byte that follows each byte of the window."""
        seen = self.bytes(window) + self.places(self.place)
        return self.head(self.norm(self.blocks(seen)))


class _Block(nn.Module):
    def __init__(self, context: int, width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = _Attention(context, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            nn.Dropout(_DROPOUT),
        )

    def forward(self, seen: Tensor) -> Tensor:
        seen = seen + self.attention(self.attention_norm(seen))
        return seen + self.mlp(self.mlp_norm(seen))


class _Attention(nn.Module):
    def __init__(self, context: int, width: int) -> None:
        super().__init__()
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.out = nn.Sequential(nn.Linear(width, width), nn.Dropout(_DROPOUT))
        future = torch.full((context, context), -math.inf).triu(1)
        self.register_buffer("future", future, persistent=False)

    def forward(self, seen: Tensor) -> Tensor:
        batch, context, width = seen.shape
        heads = self.queries_keys_values(seen).view(batch, context, 3, HEADS, width // HEADS)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-2, -1) / math.sqrt(width // HEADS)
        weights = functional.softmax(scores + self.future, dim=-1)
        return self.out((weights @ value).transpose(1, 2).reshape(batch, context, width))


def surprise(logits: Tensor, following: Tensor) -> Tensor:
    """The mean cross entropy in nats per byte. `following` has the shape (batch, context)."""
    return functional.cross_entropy(logits.reshape(-1, BYTES), following.reshape(-1))
