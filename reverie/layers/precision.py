"""Which dtype to compute in: bf16 where this machine multiplies it faster than fp32 (measured once), else fp32.

Weights stay fp32 masters; `Linear` and `Conv` cast them to their input's dtype, so the dtype of a network's input decides.
"""

import functools
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@functools.cache
def peak_flops(dtype: torch.dtype, device: str = "cpu", side: int = 1536) -> float:
    """Floating-point operations per second of a matrix product of side x side, measured: the best of six, the first of which warms up.

    On a CPU the time that this process had of it counts, over its threads, so that other processes change little.
    """
    a = torch.ones(side, side, dtype=dtype, device=device)
    clock = (lambda: time.process_time() / torch.get_num_threads()) if device == "cpu" else time.perf_counter
    best = float("inf")
    for _ in range(6):
        start = clock()
        float((a @ a)[0, 0])  # reading a value waits for the device
        best = min(best, clock() - start)
    return 2 * side**3 / best


def peak_memory(device: str = "cpu") -> int:
    """Bytes: on CUDA the most that was allocated, else the most that this process held, where Linux or Unix says it, else 0."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    if status.exists():  # getrusage's figure begins with that of the process that started this one
        return next(1024 * int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on a Mac, the only Unix that comes here


def fast_dtype(device: str = "cpu") -> torch.dtype:
    """torch.bfloat16 if a bf16 matrix product is at least 1.3 times as fast as an fp32 one on `device`, else torch.float32."""
    return torch.bfloat16 if peak_flops(torch.bfloat16, device, 768) > 1.3 * peak_flops(torch.float32, device, 768) else torch.float32


@functools.cache
def _fuses(dtype: torch.dtype) -> bool:
    """Whether oneDNN is here with a product that adds the bias and applies the activation before it writes (a private operator of torch: it may go)."""
    here = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return here and (dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()))


class Linear(nn.Linear):
    """nn.Linear that computes in its input's dtype whatever the dtype of its weights; with gelu, GELU (tanh form) of it.

    Without gradients on a CPU it is one kernel: the bias costs torch a pass more, and its tanh twice the time of the product.
    """

    def forward(self, x: Tensor, gelu: bool = False) -> Tensor:
        weight, bias = self.weight.to(x.dtype), None if self.bias is None else self.bias.to(x.dtype)
        here = x.device.type == "cpu" and not torch.is_grad_enabled() and not torch.compiler.is_compiling()
        if here and (gelu or x.dtype == torch.bfloat16) and _fuses(x.dtype):
            return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "gelu" if gelu else "none", [], "tanh" if gelu else "")
        out = F.linear(x, weight, bias)
        return F.gelu(out, approximate="tanh") if gelu else out
