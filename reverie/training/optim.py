"""Optimisers: Muon for the matrices inside networks, AdamW for everything else; warm-up, constant, linear decay to zero.

Muon: Keller Jordan 2024, torch.optim.Muon; it takes two-dimensional parameters only (the autoencoder keeps its kernels as such).
"""

import math

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim._muon import _zeropower_via_newtonschulz as orthogonalise

from reverie.training.distributed import full, local

INSIDE = ("blocks.", ".fine.", ".coarse.", ".mixes.", ".down.", ".up.")  # where matrices are neither the first nor the last of a network


class Muon(torch.optim.Muon):
    """torch.optim.Muon whose parameters may be in shards: each update is gathered, and one process orthogonalises it for all.

    (torch's own runs on shards too, but multiplies them in bf16 piece by piece: an update was off by up to a quarter.)
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update."""
        if not any(isinstance(p, DTensor) for group in self.param_groups for p in group["params"]):
            super().step()
            return
        for group in self.param_groups:
            assert group["nesterov"] and group["adjust_lr_fn"] == "original"
            mesh = group["params"][0].device_mesh
            mine = mesh.get_local_rank()
            for first in range(0, len(group["params"]), mesh.size()):
                shared = group["params"][first : first + mesh.size()]  # one for each process
                updates = [self._update(p, group["momentum"]) for p in shared]
                if mine < len(updates):
                    updates[mine] = orthogonalise(updates[mine], group["ns_coefficients"], group["ns_steps"], group["eps"]).contiguous()
                for owner, (p, update) in enumerate(zip(shared, updates, strict=True)):
                    whole = update if owner == mine else torch.empty_like(update, dtype=torch.bfloat16)
                    dist.broadcast(whole, group=mesh.get_group(), group_src=owner)
                    share = distribute_tensor(whole, mesh, p.placements, src_data_rank=None)  # everyone has the whole: nothing is sent
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(share, alpha=-group["lr"] * math.sqrt(max(1, p.shape[0] / p.shape[1])))

    def _update(self, p: nn.Parameter, momentum: float) -> Tensor:
        """The whole of a parameter's step with Nesterov's momentum, not yet orthogonal."""
        assert isinstance(p.grad, DTensor)
        buffer = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p.grad))
        buffer.lerp_(p.grad, 1 - momentum)
        return full(p.grad.lerp(buffer, momentum))


def make_optimizers(network: nn.Module, learning_rate: float, muon_learning_rate: float, weight_decay: float) -> list[torch.optim.Optimizer]:
    """The optimisers of a network: Muon takes the matrices INSIDE if its rate is not zero. Their state is there, zero."""
    matrices: list[nn.Parameter] = []
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        if muon_learning_rate and parameter.ndim == 2 and any(part in name for part in INSIDE) and "table" not in name:
            matrices.append(parameter)
        else:
            (decayed if parameter.ndim >= 2 else plain).append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimizers: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.95), fused=True)]
    if matrices:
        optimizers.append(Muon(matrices, lr=muon_learning_rate, weight_decay=weight_decay, momentum=0.95, adjust_lr_fn="original"))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
        _prime(optimizer)
    return optimizers


def _prime(optimizer: torch.optim.Optimizer) -> None:
    """Make the state that the first step would make, as zeros: so it has one layout from the beginning, for checkpoints."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    for p in parameters:
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for p in parameters:
        p.grad = None
        for value in optimizer.state[p].values():
            value.zero_()
    for group in optimizer.param_groups:
        group["lr"] = group["peak"]


def gradient_norm(parameters: list[nn.Parameter]) -> float:
    """The norm of all gradients together, over all shards."""
    gradients = [p.grad for p in parameters]
    assert all(g is not None for g in gradients), "a parameter that no gradient reaches"
    norm = nn.utils.get_total_norm([g for g in gradients if g is not None])
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)


def scale_gradients(parameters: list[nn.Parameter], factor: float) -> None:
    """Multiply all gradients."""
    gradients: list[Tensor] = [local(p.grad) for p in parameters if p.grad is not None]
    torch._foreach_mul_(gradients, factor)


def rate_factor(step: int, num_steps: int, warmup_steps: int, decay_from: int) -> float:
    """The share of the peak rate at `step` (from 0): linear warm-up, constant, linear from step `decay_from` to zero at the end (WSD)."""
    return min(1.0, (step + 1) / max(1, warmup_steps), (num_steps - step) / max(1, num_steps - decay_from))
