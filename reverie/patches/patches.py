"""Latents to tokens and back: cut a latent video into spacetime patches of (1, 2, 2) (Sora's report; ViT's linear patches)."""

from einops import rearrange
from torch import Tensor

PATCH = 2  # latents per patch along rows and columns; along time a patch is one latent


def patchify(latents: Tensor) -> Tensor:
    """[C t h w] -> [t * h/2 * w/2, 4C]; tokens run over time, then rows, then columns. h and w must be even."""
    return rearrange(latents, "c t (h p) (w q) -> (t h w) (p q c)", p=PATCH, q=PATCH)


def unpatchify(tokens: Tensor, grid: tuple[int, int, int]) -> Tensor:
    """The inverse: tokens [t' h' w', 4C] with grid (t', h', w') -> [C t 2h' 2w']."""
    t, h, w = grid
    return rearrange(tokens, "(t h w) (p q c) -> c t (h p) (w q)", t=t, h=h, w=w, p=PATCH, q=PATCH)
