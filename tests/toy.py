"""A run that takes milliseconds: two small matrices learn to turn random rows around. For tests of the trainer itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reverie.data.sampling import numbers_of
from reverie.randomness import generator
from reverie.training.distributed import World
from reverie.training.loop import Stretch, TrainingConfig, train

Spoil = Callable[[int, Tensor], Tensor]  # (number of a sample, its loss) -> its loss


class Toy(nn.Module):
    """Rows of eight numbers through two matrices (Muon's) and a scale (AdamW's)."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(8, 12), nn.Linear(12, 8)])
        self.scale = nn.Parameter(torch.ones(8))

    def forward(self, rows: Tensor) -> Tensor:
        return self.scale * self.blocks[1](self.blocks[0](rows).tanh())


def toy(
    folder: Path,
    world: World,
    stretch: Stretch | None = None,
    spoil: Spoil | None = None,
    used: list[int] | None = None,
    watch: Callable[[nn.Module], None] | None = None,
    about: dict[str, Any] | None = None,
    **settings: Any,
):  # type: ignore[no-untyped-def]
    """Train one in `folder`; returns what `train` does. `spoil` changes losses, `used` gets the numbers of the samples, `watch` the network before each part."""

    def objective(network: nn.Module, numbers: range, seed: int) -> tuple[Tensor, float, dict[str, tuple[float, float]]]:
        rows = torch.from_numpy(np.stack([generator(seed, n, 1).standard_normal(8, np.float32) for n in numbers]))
        losses = (network(rows) - rows.flip(1)).square().mean(1)
        if watch is not None:
            watch(network)
        if used is not None:
            used.extend(numbers)
        if spoil is not None:
            losses = torch.stack([spoil(n, loss) for n, loss in zip(numbers, losses, strict=True)])
        return losses.sum(), len(numbers), {"odd": (float(sum(n % 2 for n in numbers)), len(numbers)), "tokens": (len(numbers), 0.0), "flops": (1000.0 * len(numbers), 0.0)}

    torch.manual_seed(0)
    values = {"num_steps": 20, "batch_size": 4, "learning_rate": 1e-2, "muon_learning_rate": 1e-2, "warmup_steps": 2, "log_every": 1, "checkpoint_minutes": 1000.0, **settings}
    config = TrainingConfig(**values)
    return train(
        network=Toy(), objective=objective, batch_at=lambda batch, part, parts: numbers_of(batch, config.batch_size, part, parts), config=config,
        folder=folder, about=about or {"network": "toy"}, world=world, stretch=stretch or Stretch(),
    )  # fmt: skip
