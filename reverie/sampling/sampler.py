"""The sampler: fills any canvases, together, in packed sequences. Steps of the flow with classifier-free guidance."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import torch
from torch import Tensor

from reverie.diffusion.flow import heun, mix, step, to_clean
from reverie.diffusion.guidance import guide
from reverie.diffusion.noise import latent_noise
from reverie.diffusion.schedules import levels, resolution_shift
from reverie.patches.packing import Piece, extras_of, number_levels, pack, unpack
from reverie.patches.patches import patchify, unpatchify
from reverie.patches.positions import token_positions
from reverie.sampling.canvas import Canvas
from reverie.text.encoder import TextEncoder
from reverie.transformer.dit import Condition, Transformer

MAX_TOKENS = 16_384  # of one call of the network; a single view may be longer
PIXELS = 16  # per side of a token


@dataclass(frozen=True, kw_only=True)
class SamplerConfig:
    """num_steps: steps from noise to film (Heun evaluates the network twice in each); guidance_scale: 1 is none.

    Weights that learned shortcuts are told how far each of Euler's steps goes; Heun needs slopes at points, so they are told nothing.
    """

    num_steps: int = 25
    guidance_scale: float = 3.0
    guidance_interval: tuple[float, float] = (0.0, 1.0)  # of sigma, inside of which there is guidance (arXiv 2404.07724)
    solver: Literal["euler", "heun"] = "euler"

    def __post_init__(self) -> None:
        if not 1 <= self.num_steps <= 1000:
            raise ValueError(f"num_steps is {self.num_steps}: between 1 and 1000 is allowed")
        if not 0 <= self.guidance_scale <= 30:
            raise ValueError(f"guidance_scale is {self.guidance_scale}: between 0 and 30 is allowed")
        if self.solver not in ("euler", "heun"):
            raise ValueError(f"solver is {self.solver!r}: euler or heun is allowed")
        if not 0 <= self.guidance_interval[0] <= self.guidance_interval[1] <= 1:
            raise ValueError(f"guidance_interval is {self.guidance_interval}: two levels, 0 <= low <= high <= 1, are needed")


@dataclass(frozen=True)
class View:
    """What the network sees of a canvas in one piece: tokens `index` [l], their latents `frames` [l], their places and their weight."""

    index: Tensor
    frames: Tensor
    positions: Tensor  # [l 3]
    weight: Tensor  # [l 1], in the mean of views that overlap
    extras: Tensor  # [3]


@torch.inference_mode()
def sample(network: Transformer, encoder: TextEncoder, canvases: Sequence[Canvas], config: SamplerConfig) -> Iterator[tuple[int, list[Tensor]]]:
    """Fill the canvases. Yields (steps done, latents [C t h w] of every canvas as clean as they are now), num_steps times.

    What the last step yields is the result. Where a canvas has strength 0 its latents come back unchanged, bit by bit.
    """
    texts = [text for c in canvases for text in (*c.prompts, c.negative_prompt)]
    condition = network.prepare(encoder.encode(texts))
    schedules = [levels(config.num_steps, resolution_shift(c.dreamed)) for c in canvases]
    strength = [c.token_strength() for c in canvases]
    x = [mix(patchify(c.latents), patchify(noise_of(c)), s) for c, s in zip(canvases, strength, strict=True)]
    for i in range(config.num_steps):
        sigma = [torch.minimum(u[i], s) for u, s in zip(schedules, strength, strict=True)]
        ends = [float(u[i + 1]) if config.solver == "euler" else 1.0 for u in schedules]  # where the network is told that steps lead; up to 1 none does
        sigma_next = [torch.minimum(u[i + 1], s) for u, s in zip(schedules, strength, strict=True)]
        if all(torch.equal(now, after) for now, after in zip(sigma, sigma_next, strict=True)):  # still above every strength: nothing moves
            yield i + 1, [unpatchify(tokens, c.grid) for tokens, c in zip(x, canvases, strict=True)]
            continue
        clean = _predict(network, condition, canvases, x, sigma, ends, i, config)
        x_next = [step(*values) for values in zip(x, clean, sigma, sigma_next, strict=True)]
        if config.solver == "heun" and i + 1 < config.num_steps:
            clean_next = _predict(network, condition, canvases, x_next, sigma_next, ends, i, config)
            x_next = [heun(*values) for values in zip(x, clean, x_next, clean_next, sigma, sigma_next, strict=True)]
        x = x_next
        preview = x if i + 1 == config.num_steps else [torch.where(s > 0, c, t) for s, c, t in zip(sigma, clean, x, strict=True)]
        yield i + 1, [unpatchify(tokens, c.grid) for tokens, c in zip(preview, canvases, strict=True)]


def noise_of(canvas: Canvas) -> Tensor:
    """The noise [C t h w] of a canvas, turned towards that of another seed by its variation (which keeps its scale); of finished latents a noise of their own."""
    shape: tuple[int, int, int, int] = tuple(canvas.latents.shape)  # type: ignore[assignment]
    noise = latent_noise(canvas.seed, canvas.first, shape)
    if canvas.variation > 0:
        angle = canvas.variation * math.pi / 2
        noise = math.cos(angle) * noise + math.sin(angle) * latent_noise(canvas.other_seed, canvas.first, shape)
    if canvas.finished is not None:
        noise[:, canvas.finished] = latent_noise(canvas.seed, canvas.first, shape, "context")[:, canvas.finished]
    return noise


def views(canvas: Canvas, turn: int) -> list[View]:
    """How the network sees a canvas at step `turn`: whole; through tiles; a loop from a latent that moves on at every step, around to that latent again.

    So every joint of a loop is seen inside, at every step, and none of its latents is always the first (Mobius, arXiv 2502.20307, moves
    the cut, but leaves it open: more often two things appear; docs/log.md). A loop of as many latents as the network sees at once, or more, is seen through windows that overlap by two.
    """
    _, h, w = canvas.grid
    t = int(canvas.shown.sum())
    window, hidden, clock, counts = canvas.window, torch.arange(t, canvas.grid[0]), canvas.times - canvas.times[0], torch.ones(t)
    orders = [torch.arange(t)]
    if canvas.period is not None and t < window:
        orders, counts = [(torch.arange(t + 1) + turn) % t], torch.tensor([0.5, *[1.0] * (t - 1), 0.5])
    elif canvas.period is not None:
        orders, counts = [(torch.arange(window) + start) % t for start in range(turn, turn + t, max(1, window - 2))], _ramp(window)
    result = []
    for order in orders:
        steps = clock[:t] if canvas.period is None else torch.arange(len(order)) * (canvas.period / t)
        times = torch.cat([steps, clock[hidden]])
        order = torch.cat([order, hidden])
        for top, left, rows, columns in canvas.tiles or ((0, 0, h, w),):
            plane = (torch.arange(top, top + rows)[:, None] * w + torch.arange(left, left + columns)).flatten()
            weight = (_ramp(rows)[:, None] * _ramp(columns)).flatten() if canvas.tiles else torch.ones(h * w)
            size = (columns * PIXELS, rows * PIXELS) if canvas.tiles else (canvas.width, canvas.height)
            result.append(View(
                index=(order[:, None] * h * w + plane).flatten(), frames=order.repeat_interleave(rows * columns), positions=token_positions(times, (rows, columns)),
                weight=(torch.cat([counts, torch.ones(len(hidden))])[:, None] * weight).flatten()[:, None], extras=extras_of(*size, canvas.fps),
            ))  # fmt: skip
    return result


def _ramp(count: int) -> Tensor:
    """1, 2, ... 2, 1: how much the rows of a tile, or the latents of a cut loop, count where several overlap."""
    return torch.minimum(torch.arange(1, count + 1), torch.arange(count, 0, -1)).float()


def _predict(
    network: Transformer, condition: Condition, canvases: Sequence[Canvas], x: list[Tensor], sigma: list[Tensor], ends: list[float], turn: int, config: SamplerConfig
) -> list[Tensor]:  # fmt: skip
    """The clean tokens of every canvas: all views of all canvases, with their texts and without, in as few packs as MAX_TOKENS allows."""
    low, high = config.guidance_interval
    pieces, rows, owners, first_text = [], [], [], 0
    for number, canvas in enumerate(canvases):
        level = float(sigma[number].max())
        guided = config.guidance_scale != 1 and low <= level <= high
        for view in views(canvas, turn):
            ids = torch.zeros(canvas.grid[0], dtype=torch.long) if canvas.prompt_ids is None else canvas.prompt_ids
            for negative in (False, True)[: 1 + guided]:
                spans = [(len(canvas.prompts), len(view.index))] if negative else [(text, sum(1 for _ in run)) for text, run in groupby(ids[view.frames].tolist())]
                pieces.append(_piece(view, x[number], sigma[number], ends[number], tuple(count for _, count in spans), canvas.finished))
                rows.append([first_text + text for text, _ in spans])
                owners.append((number, view, negative, guided))
        first_text += len(canvas.prompts) + 1
    outputs: list[Tensor] = []
    for first, last in _packs([len(p.tokens) for p in pieces]):
        packed = pack(pieces[first:last])
        outputs += unpack(network.denoise(packed, condition.rows([row for group in rows[first:last] for row in group])), packed.lengths)
    clean = [torch.zeros_like(tokens) for tokens in x]
    total = [torch.zeros(len(tokens), 1) for tokens in x]
    for n, (number, view, negative, guided) in enumerate(owners):
        if negative:
            continue
        tokens, levels_seen = x[number][view.index], sigma[number][view.index]
        predicted = [to_clean(output, tokens, levels_seen, network.config.prediction) for output in outputs[n : n + 1 + guided]]
        value = guide(predicted[0], predicted[1], config.guidance_scale) if guided else predicted[0]
        clean[number].index_add_(0, view.index, value * view.weight)
        total[number].index_add_(0, view.index, view.weight)
    return [c / weight for c, weight in zip(clean, total, strict=True)]


def _packs(lengths: list[int]) -> list[tuple[int, int]]:
    """[(first, last + 1)] of neighbours that fit into MAX_TOKENS together."""
    packs, first, total = [], 0, 0
    for n, length in enumerate(lengths):
        if n > first and total + length > MAX_TOKENS:
            packs.append((first, n))
            first, total = n, 0
        total += length
    return [*packs, (first, len(lengths))]


def _piece(view: View, tokens: Tensor, sigma: Tensor, end: float, spans: tuple[int, ...], finished: Tensor | None) -> Piece:
    """One view as a piece of a pack: a level for each (latent, sigma) that occurs, numbered in the order of the view; steps lead down to `end`."""
    levels, level_ids, frames = number_levels(view.frames, sigma[view.index, 0])
    steps = (levels - end).clamp_min(0)
    if finished is not None:  # what is known goes nowhere
        steps = steps.masked_fill(finished[frames], 0)
    return Piece(tokens[view.index], view.positions, levels, level_ids, view.extras, spans=spans, steps=steps)


def tiles_of(grid: tuple[int, int], side: int, overlap: int) -> tuple[tuple[int, int, int, int], ...]:
    """Windows of `side` tokens (or the whole, where that is less) that cover a plane of tokens and overlap by at least `overlap`."""
    rows, columns = (_starts(length, side, overlap) for length in grid)
    return tuple((top, left, min(side, grid[0]), min(side, grid[1])) for top in rows for left in columns)


def _starts(length: int, side: int, overlap: int) -> list[int]:
    count = 1 if length <= side else math.ceil((length - overlap) / (side - overlap))
    return [round(n * (length - side) / (count - 1)) for n in range(count)] if count > 1 else [0]
