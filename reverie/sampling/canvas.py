"""The canvas: everything that a request is. What is known, how freely each part is to be dreamed, when it happens, and the words.

    start  x_i = (1 - s_i) * latents_i + s_i * noise_i        level  sigma_i = min(u, s_i) while u goes 1 -> 0

A task is data, not a pipeline: a function in sampling/tasks.py that returns a canvas; sampling/sampler.py fills any of them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from reverie.patches.patches import PATCH


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """One clip to be filled in.

    latents [C t h w]: what is known, zeros where nothing is
    strength [t h/2 w/2]: in [0, 1] on the token grid; 0 keeps exactly, 1 dreams freely, between repaints
    times [t]: seconds, at the middle of the frames that a latent stands for
    shown [t]: False for context only (a reference, a keyframe), which is never decoded
    prompt, negative_prompt: the words, and the words to stay away from
    seed: of the noise; first: the absolute index of the first latent, from which its noise is counted
    width, height, num_frames, fps, lead: of the decoded clip (lead: frames trimmed from its front)
    """

    latents: Tensor
    strength: Tensor
    times: Tensor
    shown: Tensor
    prompt: str
    negative_prompt: str = ""
    seed: int
    first: int = 0
    width: int
    height: int
    num_frames: int
    fps: float
    lead: int = 0

    def __post_init__(self) -> None:
        t, h, w = self.latents.shape[1:]
        if tuple(self.strength.shape) != (t, h // PATCH, w // PATCH):
            raise ValueError(f"strength is {list(self.strength.shape)}: latents {list(self.latents.shape)} need {[t, h // PATCH, w // PATCH]}")
        if len(self.times) != t or len(self.shown) != t:
            raise ValueError(f"{len(self.times)} times and {len(self.shown)} shown flags for {t} latents")
        if not bool(((self.strength >= 0) & (self.strength <= 1)).all()):
            raise ValueError("strength must lie in [0, 1]")

    @property
    def grid(self) -> tuple[int, int, int]:
        """Tokens along time, rows and columns."""
        t, h, w = self.strength.shape
        return t, h, w

    def token_strength(self) -> Tensor:
        """[t*h*w, 1], for each token."""
        return self.strength.flatten()[:, None].to(torch.float32)
