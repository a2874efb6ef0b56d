"""Optimisers: Muon for the matrices inside blocks, AdamW for everything else; warm-up, constant, linear decay to zero.

Muon: Keller Jordan 2024, torch.optim.Muon; it takes two-dimensional parameters only.
"""

import torch
from torch import nn


def make_optimizers(network: nn.Module, learning_rate: float, muon_learning_rate: float, weight_decay: float) -> list[torch.optim.Optimizer]:
    """The optimisers of a network: Muon takes the matrices of modules named "blocks" if its rate is not zero."""
    matrices: list[nn.Parameter] = []
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        if muon_learning_rate and parameter.ndim == 2 and "blocks." in name and "table" not in name:
            matrices.append(parameter)
        else:
            (decayed if parameter.ndim >= 2 else plain).append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimizers: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.95), fused=True)]
    if matrices:
        optimizers.append(torch.optim.Muon(matrices, lr=muon_learning_rate, weight_decay=weight_decay, momentum=0.95, adjust_lr_fn="original"))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def rate_factor(step: int, num_steps: int, warmup_steps: int, decay_share: float) -> float:
    """The share of the peak rate at `step` (from 0): linear warm-up, constant, linear to zero over the last `decay_share`."""
    decay_steps = max(1, round(num_steps * decay_share))
    return min(1.0, (step + 1) / max(1, warmup_steps), (num_steps - step) / decay_steps)
