"""The whole state of a run as one value: what a checkpoint holds, and nothing else decides how a run goes on.

Batches, noise levels and noise are functions of the seed and the number of the sample, so the data's state is one cursor.
"""

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from reverie.training.distributed import full, local
from reverie.training.health import Health

Figures = dict[str, tuple[float, float]]  # (sum, weight) by name: the mean is sum / weight


@dataclass
class State:
    """step: steps done; cursor: batches used (more than steps after a rollback); decay_from: the step at which the rate begins to
    fall; tally: figures since the last line of metrics.
    """

    network: nn.Module
    averaged: dict[str, Tensor]
    optimizers: list[torch.optim.Optimizer]
    decay_from: int
    step: int = 0
    cursor: int = 0
    health: Health = field(default_factory=Health)
    tally: Figures = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by name, sharing memory with what it names."""
        names: dict[Tensor, str] = {parameter: name for name, parameter in self.network.named_parameters()}
        out = {f"network/{name}": value for name, value in self.network.state_dict().items()}
        out |= {f"average/{name}": value for name, value in self.averaged.items()}
        for number, optimizer in enumerate(self.optimizers):
            for parameter, slots in optimizer.state.items():
                out |= {f"optimizer{number}/{names[parameter]}/{key}": value for key, value in slots.items()}
        return out

    def notes(self) -> dict[str, Any]:
        """Everything that is not a tensor, as JSON values."""
        return {"step": self.step, "cursor": self.cursor, "decay_from": self.decay_from, "health": asdict(self.health), "tally": self.tally}

    def restore(self, notes: dict[str, Any]) -> None:
        """Take back what `notes` gave."""
        self.step, self.cursor, self.decay_from = notes["step"], notes["cursor"], notes["decay_from"]
        self.health = Health(**notes["health"])
        self.tally = {name: (total, weight) for name, (total, weight) in notes["tally"].items()}

    def is_finite(self) -> bool:
        """Whether this process's share holds nothing but numbers."""
        return all(bool(local(value).isfinite().all()) for value in self.tensors().values())

    def digest(self) -> str:
        """Sixteen hexadecimal digits that name every value of the state, however many processes hold it (all of them have to ask)."""
        total = hashlib.sha256(repr((self.step, self.cursor, self.decay_from, self.health)).encode())
        for name, value in sorted(self.tensors().items()):
            whole = full(value).detach().cpu().contiguous()
            total.update(f"{name}{list(whole.shape)}{whole.dtype}".encode())
            total.update(whole.flatten().view(torch.uint8).numpy().tobytes())
        return total.hexdigest()[:16]
