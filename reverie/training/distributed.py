"""One process or many: the processes that torchrun started, sums over all of them, networks in shards (FSDP2, torch.fully_shard).

    torchrun --standalone --nproc-per-node 2 -m -- reverie.cli train transformer ...

One process alone is a group of one and takes the same path, except that nothing is cut into shards. CPUs with gloo; no GPU yet.
"""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

PATIENCE = timedelta(minutes=60)  # for a process that draws a sheet or writes a large checkpoint while the others wait


@dataclass(frozen=True)
class World:
    """The processes of a run: which one this is, and how many there are."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and talks."""
        return self.rank == 0

    def sum(self, values: Sequence[float]) -> list[float]:
        """The sum over all processes, value by value, in float64."""
        total = torch.tensor(values, dtype=torch.float64)
        if self.size > 1:
            dist.all_reduce(total)
        return total.tolist()

    def all(self, mine: bool) -> bool:
        """Whether it is so in every process."""
        return self.sum([float(not mine)])[0] == 0

    def from_first(self, value: float) -> float:
        """The first process's value, everywhere."""
        return self.sum([value if self.first else 0.0])[0]

    def on_first(self, action: Callable[[], float | None]) -> float:
        """Let the first process act; the others wait, and all return its number. If it fails (OSError, ValueError), all of them raise."""
        error: OSError | ValueError | None = None
        value = None
        if self.first:
            try:
                value = action()
            except (OSError, ValueError) as problem:
                error = problem
        if not self.all(error is None):
            raise error or OSError("the first process says why")
        return self.from_first(value or 0.0)


@contextmanager
def start() -> Iterator[World]:
    """Join the processes that torchrun started (its environment says how many); without torchrun a group of one."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        dist.init_process_group("gloo", timeout=PATIENCE)
    else:
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield World(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def shard(root: nn.Module, world: World) -> None:
    """Cut the parameters inside `root` into one share per process; members of module lists are gathered when they compute.

    A member's part that has a `prepare` beside its `forward` (keys and values of a text, made before the blocks run) is gathered
    on its own by either.
    """
    if world.size == 1:
        return
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    # such a part returns views; torch warns of changing them in place, which nothing here does
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    mesh = dist.init_device_mesh("cpu", (world.size,))
    for layer in [layer for module in root.modules() if isinstance(module, nn.ModuleList) for layer in module]:
        for part in layer.modules():
            if hasattr(part, "prepare"):
                fully_shard(part, mesh=mesh)
                register_fsdp_forward_method(part, "prepare")
        fully_shard(layer, mesh=mesh)
    fully_shard(root, mesh=mesh)


def recompute_activations(root: nn.Module) -> None:
    """Keep only the inputs of the blocks (the members, made of several layers, of lists) for the backward pass and compute the rest again: less memory,
    a third more work.
    """
    from torch.distributed._composable import checkpoint

    for layer in [layer for module in root.modules() if isinstance(module, nn.ModuleList | nn.Sequential) for layer in module if any(layer.children())]:
        checkpoint(layer)


def local(tensor: Tensor) -> Tensor:
    """This process's share of a tensor, the tensor itself if it is not in shards."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def full(tensor: Tensor) -> Tensor:
    """The whole tensor, gathered if it is in shards (all processes have to ask)."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
