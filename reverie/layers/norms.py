"""Normalisation: statistics in fp32, results in the input's dtype, weights in fp32."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class _RMSNormFunction(torch.autograd.Function):
    """x / rms(x) * weight over the last axis. torch's own composes its backward of ten kernels; this one takes six passes."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, eps: float) -> Tensor:  # type: ignore[override]
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        inverse = (norm.square() / x.shape[-1] + eps).rsqrt().to(x.dtype)
        ctx.save_for_backward(x, weight, inverse)
        return x * inverse * weight.to(x.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[override]
        x, weight, inverse = ctx.saved_tensors
        unit = x * inverse
        product = gradient * unit
        of_weight = product.flatten(0, -2).sum(0, dtype=torch.float32)
        share = (product @ weight.to(x.dtype) / x.shape[-1])[..., None]
        return torch.addcmul(gradient * weight.to(x.dtype), unit, share, value=-1) * inverse, of_weight.to(weight.dtype), None


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last axis (arXiv 1910.07467)."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return _RMSNormFunction.apply(x, self.weight, self.eps)


class LayerNorm(nn.Module):
    """LayerNorm over the last axis with a weight and, if asked, a bias. On CPUs its backward is one kernel, RMSNorm's is ten."""

    def __init__(self, width: int, bias: bool = False, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.layer_norm(x, (x.shape[-1],), self.weight.to(x.dtype), bias, self.eps)


def layer_norm(x: Tensor, eps: float = 1e-6) -> Tensor:
    """LayerNorm over the last axis without parameters."""
    return F.layer_norm(x, (x.shape[-1],), eps=eps)
