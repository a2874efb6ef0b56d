"""Classifier-free guidance (arXiv 2207.12598)."""

from torch import Tensor


def guide(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """unconditional + scale * (conditional - unconditional); 1 is the conditional alone."""
    return unconditional + scale * (conditional - unconditional)
