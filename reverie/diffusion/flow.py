"""The maths of noise: rectified flow (arXiv 2209.03003) with clean prediction (JiT, arXiv 2511.13720). Imports no network.

x = (1 - sigma) * latents + sigma * noise,   velocity = noise - latents,   sigma in [0, 1], 1 = pure noise
"""

from typing import Literal

import torch
from torch import Tensor

Prediction = Literal["clean", "velocity"]


def mix(latents: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """The noisy state at `sigma` (broadcast against the latents)."""
    return (1 - sigma) * latents + sigma * noise


def to_clean(output: Tensor, x: Tensor, sigma: Tensor, prediction: Prediction) -> Tensor:
    """What a network says, as clean latents: itself, or x - sigma * velocity."""
    return output if prediction == "clean" else x - sigma * output


def step(x: Tensor, clean: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """One Euler step: clean + (sigma_next / sigma) * (x - clean). Where sigma is 0 nothing moves."""
    ratio = torch.where(sigma > 0, sigma_next / sigma.clamp_min(1e-12), 1.0)
    return torch.where(sigma > 0, clean + ratio * (x - clean), x)


def loss_weight(sigma: Tensor) -> Tensor:
    """0.9 (1 - sigma) + 0.1: the ramp that Dreamer 4 (arXiv 2509.24527) puts on the squared error of clean prediction."""
    return 0.9 * (1 - sigma) + 0.1
