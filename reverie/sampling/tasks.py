"""What people ask for, as canvases. Each function is a task; none of them runs a network except to encode what is given."""

import math

import torch
from torch import Tensor

from reverie.autoencoder.autoencoder import FRAMES, PADDING, SPATIAL, Autoencoder
from reverie.patches.patches import PATCH
from reverie.patches.positions import latent_times
from reverie.sampling.canvas import Canvas
from reverie.video import Video

SIDES = (16, 2048)  # pixels
IMAGE_LEAD = FRAMES - 1
MAX_FRAMES = 240  # of one canvas


def num_frames_of(seconds: float, fps: float) -> int:
    """seconds * fps as a number of frames; ValueError unless it is whole and at least 1."""
    if not (math.isfinite(seconds) and math.isfinite(fps) and seconds > 0 and fps > 0):
        raise ValueError(f"{seconds} seconds at {fps} fps: both must be positive numbers")
    count = seconds * fps
    if abs(count - round(count)) > 1e-6 or round(count) < 1:
        below, above = max(1, math.floor(count)), math.floor(count) + 1
        raise ValueError(f"{seconds} seconds at {fps:g} fps are {count:g} frames, not a whole number: use {below / fps:g} or {above / fps:g} seconds")
    return round(count)


def parse_size(size: str) -> tuple[int, int]:
    """'WxH' -> (width, height); ValueError says what is allowed."""
    width, cross, height = size.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise ValueError(f"size {size!r}: write WIDTHxHEIGHT, for example 128x128")
    if not (SIDES[0] <= int(width) <= SIDES[1] and SIDES[0] <= int(height) <= SIDES[1]):
        raise ValueError(f"size {size}: both sides must lie between {SIDES[0]} and {SIDES[1]} pixels")
    return int(width), int(height)


def check_request(prompt: str, num_frames: int, fps: float) -> None:
    """ValueError unless there are words, a possible number of frames and a possible rate."""
    if not prompt.strip():
        raise ValueError("the prompt is empty: say what is to be seen, for example 'a red ball rolls to the left in the snow'")
    if not 1 <= num_frames <= MAX_FRAMES:
        raise ValueError(f"{num_frames} frames: between 1 and {MAX_FRAMES} are allowed")
    if not 0.1 <= fps <= 240:
        raise ValueError(f"fps is {fps}: between 0.1 and 240 is allowed")


def _empty(channels: int, num_frames: int, width: int, height: int, lead: int) -> Tensor:
    """Zeros [C t h w] for a clip of this shape."""
    h, w = (-(-side // PADDING) * PADDING // SPATIAL for side in (height, width))
    return torch.zeros(channels, -(-(num_frames + lead) // FRAMES), h, w)


def _token_grid(latents: Tensor) -> tuple[int, int, int]:
    t, h, w = latents.shape[1:]
    return t, h // PATCH, w // PATCH


def text_to_video(prompt: str, *, channels: int, width: int, height: int, num_frames: int, fps: float, seed: int, negative_prompt: str = "") -> Canvas:
    """Words to a clip; one frame makes an image. Strength 1 everywhere."""
    check_request(prompt, num_frames, fps)
    lead = IMAGE_LEAD if num_frames == 1 else 0
    latents = _empty(channels, num_frames, width, height, lead)
    return Canvas(
        latents=latents, strength=torch.ones(_token_grid(latents)), times=latent_times(latents.shape[1], fps, lead), shown=torch.ones(latents.shape[1], dtype=torch.bool),
        prompt=prompt, negative_prompt=negative_prompt, seed=seed, width=width, height=height, num_frames=num_frames, fps=fps, lead=lead,
    )  # fmt: skip


def image_to_video(image: Video, prompt: str, *, autoencoder: Autoencoder, num_frames: int, fps: float, seed: int, negative_prompt: str = "") -> Canvas:
    """A still comes alive: the image with its lead is the first latent, kept exactly (strength 0), the rest is dreamed."""
    check_request(prompt, num_frames, fps)
    if num_frames < 2:
        raise ValueError(f"{num_frames} frame: an animation needs at least 2")
    height, width = image.frames.shape[1:3]
    pixels = torch.from_numpy(image.frames[:1]).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    with torch.no_grad():
        known = autoencoder.encode(pixels, lead=IMAGE_LEAD)[0]
    latents = _empty(known.shape[0], num_frames, width, height, IMAGE_LEAD)
    latents[:, :1] = known
    strength = torch.ones(_token_grid(latents))
    strength[0] = 0
    return Canvas(
        latents=latents, strength=strength, times=latent_times(latents.shape[1], fps, IMAGE_LEAD), shown=torch.ones(latents.shape[1], dtype=torch.bool),
        prompt=prompt, negative_prompt=negative_prompt, seed=seed, width=width, height=height, num_frames=num_frames, fps=fps, lead=IMAGE_LEAD,
    )  # fmt: skip
