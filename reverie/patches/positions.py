"""Where a token is: seconds for time, and a scale-free picture plane, so that resolution is only sampling density.

Times, in training and sampling: a network is told seconds from the first latent that is shown. Latents that are not shown stand at times of
their own: a keyframe (a still of the clip at its frame k) at k / fps on the clip's clock, a reference (a still of the same subject somewhere
else) REFERENCE_TIME from the first shown latent. A still is one latent, its image four times.
"""

import torch
from torch import Tensor

TIME_SCALE = 2.0  # position units per second
REFERENCE_TIME = -4.0  # seconds: before anything that a clip remembers
PLANE = 16.0  # position units per square root of the picture's area


def latent_times(num_latents: int, fps: float, lead: int = 0, frames_per_latent: int = 4) -> Tensor:
    """Seconds at the middle of the shown frames of each latent: [t]. Frame k lies at k / fps; copies of the lead do not count."""
    first = torch.arange(num_latents) * frames_per_latent - lead
    last = first + frames_per_latent - 1
    return (first.clamp_min(0) + last.clamp_min(0)) / 2 / fps


def token_positions(times: Tensor, grid: tuple[int, int], scale: float = 1.0) -> Tensor:
    """times [t] in seconds and the token grid (h', w') -> positions [t*h'*w', 3] as (t, y, x).

    t = 2 * seconds; (y, x) = (place - centre) * 16 / sqrt(h' w'), the same unit both ways, so that aspect ratio is real.
    """
    h, w = grid
    unit = scale * PLANE / (h * w) ** 0.5
    y, x = (torch.arange(h) - (h - 1) / 2) * unit, (torch.arange(w) - (w - 1) / 2) * unit
    t, y, x = torch.meshgrid(times.float() * TIME_SCALE, y, x, indexing="ij")
    return torch.stack([t, y, x], -1).flatten(0, 2)
