"""The autoencoder's loss: pixels, weighted to what moves, and their differences in space and time. No GAN, no perceptual network.

H3AE found no measured gain from GAN, LPIPS or wavelet losses at scale; noise on the latents stands in for a large KL term.
"""

import torch
from torch import Tensor

MOVING = 6 / 127.5  # a change of more than 6/255 between neighbouring frames, in units of [-1, 1]
MOVING_WEIGHT = 7.0


def moving_mask(video: Tensor) -> Tensor:
    """[B 3 T H W] -> bool [B 1 T H W]: pixels whose value changes from the frame before, or to the one after for the first."""
    change = (video[:, :, 1:] - video[:, :, :-1]).abs().amax(1, keepdim=True) > MOVING
    return torch.cat([change[:, :, :1], change], 2) if video.shape[2] > 1 else torch.zeros_like(video[:, :1], dtype=torch.bool)


def reconstruction_loss(decoded: Tensor, video: Tensor) -> Tensor:
    """L1 + 4 squared errors, 7 times where pixels move, + half the L1 of the differences in space and time. Both [B 3 T H W] in [-1, 1]."""
    weight = 1 + (MOVING_WEIGHT - 1) * moving_mask(video).to(video.dtype)
    error = decoded - video
    pixels = ((error.abs() + 4 * error.square()) * weight).mean()
    across = (error[..., 1:] - error[..., :-1]).abs().mean() + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    along = (error[:, :, 1:] - error[:, :, :-1]).abs().mean()  # what flickers, at the joints of groups first of all
    return pixels + 0.5 * (across + along)
