"""Clips longer than the network sees at once: one canvas as a sequence of canvases, each of which remembers the end of the one before."""

import dataclasses
from collections.abc import Generator

import torch
from torch import Tensor

from reverie.sampling.canvas import WINDOW, Canvas

RECENT = 2  # finished latents that the next window sees
CONTEXT_NOISE = 0.02  # strength of what was dreamed before, as context: a small true noise keeps errors from adding up (arXiv 2408.14837)


def windows(canvas: Canvas) -> Generator[Canvas, Tensor, Tensor]:
    """Yields canvases of at most WINDOW latents; each wants its filled latents sent back. Returns the latents of the whole.

    Goes forward in time, or backward where only the end is known. What has strength 0 is never changed.
    """
    total = canvas.grid[0]
    latents, todo, context = canvas.latents.clone(), canvas.strength.flatten(1).amax(1) > 0, canvas.strength.clone()
    backward = bool(todo[0]) and not bool(todo[-1])
    while bool(todo.any()):
        places = torch.nonzero(todo)[:, 0]
        if total <= WINDOW:
            start, end = 0, total
        elif backward:
            end = min(total, int(places[-1]) + 1 + RECENT)
            start = max(0, end - WINDOW)
        else:
            start = max(0, int(places[0]) - RECENT)
            end = min(total, start + WINDOW)
        part = slice(start, end)
        filled = yield dataclasses.replace(
            canvas, latents=latents[:, part], strength=context[part], times=canvas.times[part], shown=canvas.shown[part], first=canvas.first + start,
            prompt_ids=None if canvas.prompt_ids is None else canvas.prompt_ids[part],
        )  # fmt: skip
        new = todo[part]
        latents[:, part][:, new] = filled[:, new]
        context[part] = torch.where(new[:, None, None], canvas.strength[part].clamp_max(CONTEXT_NOISE), context[part])
        todo[part] = False
    return latents


def num_windows(canvas: Canvas) -> int:
    """How many canvases `windows` will yield."""
    steps = windows(canvas)
    count, part = 0, next(steps, None)
    while part is not None:
        count += 1
        try:
            part = steps.send(part.latents)
        except StopIteration:
            part = None
    return count
