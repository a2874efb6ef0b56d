"""The mix of noise patterns that makes one model do every task: which level each latent frame of a training clip gets.

| share | pattern | serves |
|---|---|---|
| 40% | one level for the whole clip | text to video, text to image |
| 25% | an independent level per latent frame (Diffusion Forcing, arXiv 2407.01392) | any mixture |
| 25% | known frames: the first 12, a longer prefix 4, a suffix 4, both ends 2, at random 3 | image to video, extension, filling |
| 5% | a ramp, not decreasing in time | streaming |
| 5% | one level with a cap s < 1 on a part: min(u, s) | repainting |

Known frames are clean half of the time and carry a small true noise the other half; the network is told the level.
"""

import numpy as np
from numpy.random import Generator

CAUSAL_SHARE = 0.3  # of the clips, whatever the pattern
TEXT_DROPOUT = 0.1
CONTEXT_NOISE = 0.05


PATTERNS = ("shared", "independent", "known", "ramp", "capped")


def draw(rng: Generator, frames: int, shift: float) -> tuple[str, np.ndarray]:
    """A pattern's name and its levels [frames] in [0, 1], float32; at least one of them is above 0.

    `shift` moves levels towards noise (schedules.py).
    """
    u = rng.random(frames if frames > 1 else 1)
    levels = shift * u / (1 + (shift - 1) * u)
    kind = rng.random()
    shared = np.full(frames, levels[0])
    if frames == 1 or kind < 0.40:
        name, sigma = "shared", shared
    elif kind < 0.65:
        name, sigma = "independent", levels
    elif kind < 0.90:
        name, sigma = "known", np.where(_known(rng, frames), 0.0 if rng.random() < 0.5 else CONTEXT_NOISE * rng.random(), shared)
    elif kind < 0.95:
        name, sigma = "ramp", np.sort(levels)
    else:
        name, sigma = "capped", np.where(rng.random(frames) < 0.5, np.minimum(shared, rng.random()), shared)
    sigma = sigma.astype(np.float32)
    return name, sigma if sigma.max() > 0 else np.ones(frames, np.float32)


def _known(rng: Generator, frames: int) -> np.ndarray:
    """Which frames are given: bool [frames], at least one of them not."""
    kind, count = rng.random(), int(rng.integers(1, frames))
    index = np.arange(frames)
    if kind < 0.5:
        return index < 1
    if kind < 0.65:
        return index < count
    if kind < 0.8:
        return index >= count
    if kind < 0.9 and frames > 2:
        return (index < 1) | (index == frames - 1)
    return rng.permutation(frames) < count
