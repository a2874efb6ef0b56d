"""Exponential moving average of a network's parameters and buffers."""

import torch
from torch import Tensor, nn

from reverie.training.distributed import local


def start(network: nn.Module) -> dict[str, Tensor]:
    """A copy of everything in the network's state, by name (in shards if it is)."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


@torch.no_grad()
def update(ema: dict[str, Tensor], network: nn.Module, decay: float, step: int) -> None:
    """ema <- d ema + (1 - d) network with d = min(decay, (1 + step) / (10 + step)), which forgets the start."""
    amount = 1 - min(decay, (1 + step) / (10 + step))
    state = network.state_dict()
    torch._foreach_lerp_([local(value) for value in ema.values()], [local(state[name]) for name in ema], amount)
