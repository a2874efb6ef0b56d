"""Which dtype to compute in: bf16 where this machine multiplies it faster than fp32 (measured once), else fp32.

Weights stay fp32 masters; `Linear` and `Conv` cast them to their input's dtype, so the dtype of a network's input decides.
"""

import functools
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@functools.cache
def peak_flops(dtype: torch.dtype, device: str = "cpu", side: int = 1536) -> float:
    """Floating-point operations per second of a matrix product of side x side, measured: the best of four, the first of which warms up."""
    a = torch.ones(side, side, dtype=dtype, device=device)
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        float((a @ a)[0, 0])  # reading a value waits for the device
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def fast_dtype(device: str = "cpu") -> torch.dtype:
    """torch.bfloat16 if a bf16 matrix product is at least 1.3 times as fast as an fp32 one on `device`, else torch.float32."""
    return torch.bfloat16 if peak_flops(torch.bfloat16, device, 768) > 1.3 * peak_flops(torch.float32, device, 768) else torch.float32


class Linear(nn.Linear):
    """nn.Linear that computes in its input's dtype whatever the dtype of its weights."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype), None if self.bias is None else self.bias.to(x.dtype))


@functools.cache
def _fuses(dtype: torch.dtype) -> bool:
    """Whether oneDNN is here with a product that applies the activation before it writes (a private operator of torch: it may go)."""
    here = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return here and (dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()))


def linear_gelu(layer: nn.Linear, x: Tensor) -> Tensor:
    """GELU (tanh form) of layer(x). Without gradients on a CPU in one kernel: torch's own tanh takes twice as long there as the product."""
    if x.device.type == "cpu" and not torch.is_grad_enabled() and not torch.compiler.is_compiling() and _fuses(x.dtype):
        return torch.ops.mkldnn._linear_pointwise(x, layer.weight.to(x.dtype), layer.bias.to(x.dtype), "gelu", [], "tanh")
    return F.gelu(layer(x), approximate="tanh")
