"""Validation: the loss of held-out clips under each pattern, with the same clips, captions and noise every time."""

import torch

from reverie.data.latents import LatentClips
from reverie.text.encoder import TextEncoder
from reverie.training.objectives import transformer_objective
from reverie.training.patterns import PATTERNS, STILLS
from reverie.transformer.dit import Transformer

CLIPS = 32
SEED = 0  # not the run's: runs are compared


class Validation:
    """`validation(network)` -> {"validation_shared": ..., ...}: the mean squared error of unknown tokens, not weighted, a figure for each pattern and for images.

    The first CLIPS clips of the footage (in an order of its own) are held in memory, in full length; a pattern with stills that are not shown
    has those of them that have such a still, and no figure if there is none.
    """

    def __init__(self, encoder: TextEncoder, latents: LatentClips) -> None:
        numbers = range(min(CLIPS, len(latents.footage)))
        plain = latents.whole(numbers, SEED)
        if not plain:
            raise ValueError(f"{latents.footage.folder}: clips of more than one latent (5 frames) are needed to validate with")
        self.encoder = encoder
        self.clips = {name: latents.whole(numbers, SEED, name) if name in (*STILLS, "image") else plain for name in (*PATTERNS, "image")}

    @torch.no_grad()
    def __call__(self, network: Transformer) -> dict[str, float]:
        """The figures of a network, which stays as it is."""
        figures = {}
        for name, clips in self.clips.items():
            if clips:
                pattern = name if name in PATTERNS else "shared"
                _, _, errors = transformer_objective(self.encoder, network, clips, SEED, pattern)
                total, count = errors[f"error_{pattern}"]
                figures[f"validation_{name}"] = total / count
        return figures
