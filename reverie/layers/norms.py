"""Normalisation: statistics in fp32, results in the input's dtype, weights in fp32."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reverie.layers.rope import turn


class _RMSNormFunction(torch.autograd.Function):
    """x / rms(x) * weight over the last axis, turned. torch's own composes its backward of ten kernels; this one takes six passes."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, eps: float, rotation: Tensor | None) -> Tensor:  # type: ignore[override]
        out = x.to(torch.float32, copy=True)
        inverse = (torch.linalg.vector_norm(out, dim=-1, keepdim=True).square() / x.shape[-1] + eps).rsqrt()
        ctx.save_for_backward(x, weight, inverse.to(x.dtype), rotation)
        out.mul_(inverse).mul_(weight)
        return (out if rotation is None else turn(out, rotation)).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:  # type: ignore[override]
        x, weight, inverse, rotation = ctx.saved_tensors
        if rotation is not None:
            gradient = turn(gradient.to(torch.float32, copy=True), rotation.conj_physical()).to(x.dtype)
        unit = x * inverse
        product = gradient * unit
        of_weight = product.flatten(0, -2).sum(0, dtype=torch.float32)
        share = (product @ weight.to(x.dtype) / x.shape[-1])[..., None]
        return torch.addcmul(gradient * weight.to(x.dtype), unit, share, value=-1) * inverse, of_weight.to(weight.dtype), None, None


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last axis (arXiv 1910.07467); in one go with turning its pairs by a rotation [L 1 K/2], before it is rounded."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor, rotation: Tensor | None = None) -> Tensor:
        return _RMSNormFunction.apply(x, self.weight, self.eps, rotation)


class LayerNorm(nn.Module):
    """LayerNorm over the last axis with a weight and, if asked, a bias. On CPUs its backward is one kernel, RMSNorm's is several."""

    def __init__(self, width: int, bias: bool = False, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.layer_norm(x, (x.shape[-1],), self.weight.to(x.dtype), bias, self.eps)


def layer_norm(x: Tensor, eps: float = 1e-6) -> Tensor:
    """LayerNorm over the last axis without parameters. (With a bias of zeros torch's CPU kernel takes half the time, for the same bits.)"""
    return F.layer_norm(x, (x.shape[-1],), bias=x.new_zeros(x.shape[-1]), eps=eps)
