"""The trainable part of the text side: two transformer layers that give frozen token features word order and context."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reverie.layers.attention import attend
from reverie.layers.norms import LayerNorm
from reverie.layers.precision import Linear


def sinusoids(positions: Tensor, width: int, longest: float = 10_000.0) -> Tensor:
    """Sinusoidal features of any real numbers [...] -> [... width], cosines first (DDPM's order)."""
    rates = torch.exp(-math.log(longest) * torch.arange(width // 2, dtype=torch.float32, device=positions.device) / (width // 2))
    angles = positions[..., None].float() * rates
    return torch.cat([angles.cos(), angles.sin()], -1)


class RefinerLayer(nn.Module):
    """Pre-norm self-attention and feed-forward over a text. x [B S D], mask bool [B S] -> [B S D]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.qkv, self.out = LayerNorm(width), Linear(width, 3 * width), Linear(width, width)
        self.norm2, self.wide, self.narrow = LayerNorm(width), Linear(width, 2 * width), Linear(2 * width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).unbind(2)
        x = x + self.out(attend(q, k, v, mask[:, None, None]).flatten(2))
        return x + self.narrow(F.gelu(self.wide(self.norm2(x)), approximate="tanh"))


class TextRefiner(nn.Module):
    """Frozen token features [B S F] with their mask [B S] -> text states [B 1+S D] and their mask [B 1+S].

    A learned token stands in front, so that an empty prompt (the unconditional one) is that token alone.
    """

    def __init__(self, text_width: int, width: int, heads: int, num_layers: int = 2) -> None:
        super().__init__()
        self.project = Linear(text_width, width)
        self.start = nn.Parameter(torch.zeros(width))
        self.blocks = nn.ModuleList([RefinerLayer(width, heads) for _ in range(num_layers)])
        self.norm = LayerNorm(width)

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        words = self.project(features) + 0.1 * sinusoids(torch.arange(features.shape[1], device=features.device), self.start.numel()).to(features.dtype)
        x = torch.cat([self.start.to(words.dtype).expand(len(words), 1, -1), words], 1)
        mask = torch.cat([mask.new_ones(len(mask), 1), mask], 1)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x), mask


def pad_texts(features: list[Tensor], width: int) -> tuple[Tensor, Tensor]:
    """Token features of several texts as [B S F] with a bool mask [B S]; S is the longest of them."""
    longest = max((len(f) for f in features), default=0)
    padded = torch.stack([F.pad(f, (0, 0, 0, longest - len(f))) for f in features]) if longest else torch.zeros(len(features), 0, width)
    return padded, torch.tensor([[i < len(f) for i in range(longest)] for f in features], dtype=torch.bool).reshape(len(features), longest)
