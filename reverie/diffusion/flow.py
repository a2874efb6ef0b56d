"""The maths of noise: rectified flow (arXiv 2209.03003) with clean prediction (JiT, arXiv 2511.13720). Imports no network.

x = (1 - sigma) * latents + sigma * noise,   velocity = noise - latents,   sigma in [0, 1], 1 = pure noise
"""

from typing import Literal

import torch
from torch import Tensor

Prediction = Literal["clean", "velocity"]
WEIGHT_LIMIT = 10.0  # of `loss_weight`


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


def heun(x: Tensor, clean: Tensor, x_next: Tensor, clean_next: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """Heun's step: the mean of the velocities at both ends (EDM, arXiv 2206.00364, algorithm 1). Where sigma_next is 0 it is Euler's."""
    slope = (x - clean) / sigma.clamp_min(1e-12)
    slope_next = (x_next - clean_next) / sigma_next.clamp_min(1e-12)
    return torch.where(sigma_next > 0, x + (sigma_next - sigma) * (slope + slope_next) / 2, x_next)


def shortcut(first: Tensor, second: Tensor, sigma: Tensor, middle: Tensor, end: Tensor) -> Tensor:
    """The clean latents with which one step from sigma to `end` arrives where two do: to `middle` with `first`, then on with `second`.

    The self-consistency of shortcut models (arXiv 2410.12557, eq. 4) said of clean latents (Dreamer 4, arXiv 2509.24527): a mean of both, weighted.
    """
    return torch.lerp(first, second, sigma * (middle - end) / (middle * (sigma - end)).clamp_min(1e-12))


def loss_weight(sigma: Tensor) -> Tensor:
    """min(1 / sigma^2, WEIGHT_LIMIT) of levels in [0, 1], any shape: the squared error of clean prediction counts as that of velocity does, as in JiT, but for the lowest levels.

    Against a ramp of 0.3 to 1 (as Dreamer 4's, arXiv 2509.24527) it was better at every level after 65 steps (docs/log.md).
    """
    return (1 / sigma.square()).clamp(max=WEIGHT_LIMIT)
