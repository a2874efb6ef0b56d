"""Playing: a world that is steered while it is dreamed. Actions in, frames out, one latent (four frames) at a time.

The network runs causally: it sees the last finished latents, one less than its window holds, through its cache of keys and values and fills the next one under the
action of its four frames. Finished latents are context at a small true noise, which keeps errors from adding up; the decoder streams.

What falls out of the window is forgotten altogether. Times are counted from the first latent that is still seen (the network learned from
clips of up to `Reverie.window` latents, whose times begin at 0, and tokens carry their time as a feature too), so when the window moves, the latents in it
are read again: one causal pass over them. The cache therefore always equals what that window alone gives.
"""

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reverie.autoencoder.autoencoder import FRAMES, latent_plane
from reverie.config import did_you_mean, to_dict
from reverie.diffusion.flow import mix, step, to_clean
from reverie.diffusion.guidance import guide
from reverie.diffusion.noise import latent_noise
from reverie.diffusion.schedules import levels, resolution_shift
from reverie.patches.actions import ACTION_WIDTH, ACTIONS, action_rows
from reverie.patches.packing import Pack, Piece, extras_of, pack
from reverie.patches.patches import PATCH, patchify, unpatchify
from reverie.patches.positions import latent_times, token_positions
from reverie.sampling.sampler import SamplerConfig
from reverie.sampling.stream import Context
from reverie.sampling.tasks import MAX_FRAMES, NATIVE_AREA, check_request, draft_size, parse_size
from reverie.transformer.dit import Cache
from reverie.video import Video

MAX_ACTIONS = MAX_FRAMES // FRAMES


class Play:
    """A session: `advance(action)` dreams four more frames; `film()` is everything so far. The same actions and seed give the same film.

    steers: whether these weights have learned actions; where they have not, the film goes on by its words alone.
    """

    def __init__(self, dreamer: Any, prompt: str, *, size: str, fps: float, seed: int, negative_prompt: str, config: SamplerConfig) -> None:
        check_request(prompt, FRAMES, fps)
        self.dreamer, self.config, self.seed, self.fps = dreamer, config, seed, fps
        self.prompt, self.negative_prompt = prompt, negative_prompt
        self.width, self.height = parse_size(size)
        if self.width * self.height > NATIVE_AREA:
            smaller = "x".join(map(str, draft_size(self.width, self.height)))
            raise ValueError(f"playing at {size}: at most {NATIVE_AREA:,} pixels, as 192x192 has, are dreamed live; use {smaller}, and `refine` the film")
        if dreamer.window < 2:
            raise ValueError("these weights have learned from clips of at most 7 frames: playing needs some of 8 or more")
        h, w = latent_plane(self.height, self.width)
        self.shape, self.plane = (dreamer.channels, 1, h, w), (h // PATCH, w // PATCH)
        self.extras, self.times = extras_of(self.width, self.height, fps), latent_times(dreamer.window, fps)
        self.schedule = levels(config.num_steps, resolution_shift(dreamer.window * h * w // PATCH**2))  # of a clip as long as the window
        self.actions: list[str] = []
        self.latents: list[Tensor] = []  # clean, [C 1 h w]
        self.frames: list[np.ndarray] = []  # uint8 [4 H W 3]
        self.window: deque[tuple[Tensor, Tensor]] = deque(maxlen=dreamer.window - 1)  # noisy tokens [l C] and actions of the latents that are seen
        self.cache: Cache | None = None
        self._decoder: list[Tensor] | None = None
        with torch.inference_mode():
            texts = dreamer.encoder.encode([prompt, negative_prompt])
            condition = dreamer.transformer.prepare(texts)
        self.condition = condition if config.guidance_scale != 1 else condition.rows([0])

    @property
    def steers(self) -> bool:
        """Whether the weights have learned actions."""
        network = self.dreamer.transformer
        return network.config.action_width == ACTION_WIDTH and bool(network.actions.weight.any())  # training begins with zeros

    @property
    def full(self) -> bool:
        """Whether the film is as long as a film may be."""
        return len(self.actions) >= MAX_ACTIONS

    @torch.inference_mode()
    def advance(self, action: str) -> np.ndarray:
        """The next four frames, uint8 [4 H W 3], under one of ACTIONS. ValueError for another word, or where the film is full."""
        if action not in ACTIONS:
            raise ValueError(f"no action {action!r}{did_you_mean(action, ACTIONS)}")
        index = len(self.latents)
        if self.full:
            raise ValueError(f"the film has {FRAMES * index} frames: at most {MAX_FRAMES} are allowed")
        network, acted = self.dreamer.transformer, torch.from_numpy(action_rows([action] * FRAMES))
        x = patchify(latent_noise(self.seed, index, self.shape))
        for now, after in itertools.pairwise(self.schedule):
            output = network.denoise(self._pack([(x, acted)], len(self.window), now, after), self.condition, self.cache)
            clean = [to_clean(part, x, now, network.config.prediction) for part in output.split(len(x))]
            value = guide(clean[0], clean[1], self.config.guidance_scale) if len(clean) == 2 else clean[0]
            x = step(x, value, now, after)
        self.latents.append(unpatchify(x, (1, *self.plane)))
        self.actions.append(action)
        self._see(mix(x, patchify(latent_noise(self.seed, index, self.shape, "context")), torch.tensor(Context.noise)), acted)
        video, self._decoder = self.dreamer.autoencoder.decode_piece(self.latents[-1][None], self._decoder)
        frames = ((video[0].permute(1, 2, 3, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()[:, : self.height, : self.width]
        self.frames.append(np.ascontiguousarray(frames))
        return self.frames[-1]

    def _see(self, tokens: Tensor, acted: Tensor) -> None:
        """Take a finished latent into the window and its cache; when the window moves, read what is left in it again."""
        moves = len(self.window) == self.window.maxlen
        self.window.append((tokens, acted))
        level = torch.tensor(Context.noise)
        if moves:
            self.cache = self.dreamer.transformer.remember(self._pack(self.window, 0, level), self.condition)
        else:
            self.cache = self.dreamer.transformer.remember(self._pack([self.window[-1]], len(self.window) - 1, level), self.condition, self.cache)

    def _pack(self, latents: Sequence[tuple[Tensor, Tensor]], place: int, level: Tensor, after: Tensor | None = None) -> Pack:
        """Neighbouring latents at one level, from `place` in the window on, before a step to the level `after`; where there is guidance, once more without words and actions."""
        count, plane = len(latents), self.plane[0] * self.plane[1]
        piece = Piece(
            torch.cat([tokens for tokens, _ in latents]), token_positions(self.times[place : place + count] - self.times[0], self.plane), level.expand(count),
            torch.arange(count).repeat_interleave(plane), self.extras, causal=True, steps=None if after is None else (level - after).expand(count),
        )  # fmt: skip
        steered = replace(piece, actions=torch.cat([acted for _, acted in latents])) if self.steers else piece
        return pack([steered, piece][: len(self.condition.lengths)])

    def film(self) -> Video:
        """Everything so far, with its latents, and what it remembers: the actions too. ValueError if nothing was played."""
        if not self.frames:
            raise ValueError("nothing was played yet")
        metadata = {
            "prompt": self.prompt, "negative_prompt": self.negative_prompt, "seed": self.seed, "size": f"{self.width}x{self.height}",
            "num_frames": FRAMES * len(self.frames), "fps": self.fps, "lead": 0, "task": "play", "actions": script_of(self.actions), **to_dict(self.config), **self.dreamer.signature(),
        }  # fmt: skip
        return Video(np.concatenate(self.frames), self.fps, metadata, torch.cat(self.latents, 1).numpy())


def parse_script(text: str) -> list[str]:
    """'forward*4,left' -> four times forward, once left: an action per latent (four frames). ValueError says what is wrong."""
    actions: list[str] = []
    for part in text.split(","):
        word, star, count = (piece.strip() for piece in part.partition("*"))
        if word not in ACTIONS:
            raise ValueError(f"no action {word!r} in {text!r}{did_you_mean(word, ACTIONS)}")
        if star and not (count.isdecimal() and 1 <= int(count) <= MAX_ACTIONS):
            raise ValueError(f"{part.strip()!r} in {text!r}: write ACTION*COUNT with a count from 1 to {MAX_ACTIONS}")
        actions += [word] * (int(count) if star else 1)
    if len(actions) > MAX_ACTIONS:
        raise ValueError(f"{len(actions)} actions: at most {MAX_ACTIONS}, of {FRAMES} frames each, are allowed")
    return actions


def script_of(actions: Sequence[str]) -> str:
    """The inverse of `parse_script`."""
    runs = [(word, sum(1 for _ in run)) for word, run in itertools.groupby(actions)]
    return ",".join(word if count == 1 else f"{word}*{count}" for word, count in runs)
