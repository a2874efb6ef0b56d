"""One loss per network, in the form that training/loop.py asks for."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from einops import rearrange
from numpy.random import Generator
from torch import Tensor, nn

from reverie.autoencoder.autoencoder import FRAMES, Autoencoder
from reverie.autoencoder.losses import MOVING_WEIGHT, reconstruction_loss
from reverie.data.latents import ACTION_DROPOUT, IMAGE_SHARE, LEAD_SHARE, SHORT_SHARE, WITHIN_SHARE, Clip
from reverie.data.sampling import CUTS, NOISE
from reverie.diffusion.flow import WEIGHT_LIMIT, loss_weight, mix, shortcut, step, to_clean
from reverie.diffusion.schedules import resolution_shift, step_at
from reverie.patches.packing import Piece, extras_of, number_levels, pack, unpack
from reverie.patches.patches import PATCH, patchify
from reverie.patches.positions import token_positions
from reverie.randomness import generator as philox
from reverie.text.encoder import TextEncoder
from reverie.training import patterns
from reverie.training.state import Figures
from reverie.transformer.dit import Condition, Transformer

LATENT_NOISE = 0.1  # of raw latents, upper end of a uniform draw per clip
NESTED_SHARE = 0.15  # of the cuts, seen through fewer channels
SHORTCUT_EVERY = 4  # of so many samples one teaches shortcuts, where the network learns them
SHORTCUT_WEIGHT = 6.0  # of their errors at any level: what a long step misses at a high one is missed in the end
SHORTCUT_STEPS = (1, 2, 4, 8, 16, 32)  # lengths of the runs whose steps they are; half a step of the longest is taken for the flow itself
KINDS = (*patterns.PATTERNS, "shortcut")

EDITION = 2  # of the rules by which lessons are made, where no number below tells two apart

# what a run's loss is made of beside its settings: remembered with it, so that it does not go on under another one
TERMS: dict[str, dict[str, Any]] = {
    "autoencoder": {"latent_noise": LATENT_NOISE, "nested_share": NESTED_SHARE, "moving_weight": MOVING_WEIGHT},
    "transformer": {
        "edition": EDITION, "shares": patterns.SHARES, "images": IMAGE_SHARE, "image_box": patterns.IMAGE_BOX_SHARE, "aimed": patterns.AIMED_SHARE, "short": SHORT_SHARE, "lead": LEAD_SHARE, "within": WITHIN_SHARE, "prefix": patterns.PREFIX_SHARE,
        "steered": patterns.STEERED_SHARE, "no_text": patterns.TEXT_DROPOUT, "no_actions": ACTION_DROPOUT, "context_noise": patterns.CONTEXT_NOISE, "weight_limit": WEIGHT_LIMIT,
        "shortcut": [SHORTCUT_EVERY, SHORTCUT_WEIGHT, *SHORTCUT_STEPS],
    },
}  # fmt: skip


@dataclass(frozen=True)
class Cuts:
    """What the autoencoder learns from: groups [2n t H W 12] of the samples with `numbers`, two cuts of each."""

    groups: Tensor
    numbers: range


def autoencoder_objective(flops_per_cut: float, network: nn.Module, cuts: Cuts, seed: int) -> tuple[Tensor, float, Figures]:
    """Reconstruct cuts through slightly noisy latents, some of which have only a nested number of channels. The loss is summed over cuts."""
    assert isinstance(network, Autoencoder)
    with torch.set_grad_enabled(any(p.requires_grad for p in network.encoder.parameters())):
        raw = network.encode_raw(cuts.groups)
    noise, keep = [], torch.ones(len(raw), 1, 1, 1, raw.shape[-1])
    for i, number in enumerate(cuts.numbers):
        rng = philox(seed, number, NOISE)
        level = LATENT_NOISE * rng.random((CUTS, 1, 1, 1, 1), np.float32)
        noise.append(torch.from_numpy(level * rng.standard_normal((CUTS, *raw.shape[1:]), np.float32)))
        for cut in range(CUTS) if network.config.nested_channels and raw.requires_grad else ():
            if rng.random() < NESTED_SHARE:
                keep[CUTS * i + cut, ..., int(rng.choice(network.config.nested_channels)) :] = 0
    decoded, _ = network.decode_raw((raw + torch.cat(noise)) * keep)
    to_video = "b t h w (f c) -> b c (t f) h w"
    decoded, video = rearrange(decoded, to_video, f=FRAMES), rearrange(cuts.groups, to_video, f=FRAMES)
    count = len(video)
    loss = reconstruction_loss(decoded, video) * count
    error = (decoded.detach() - video).square().mean()
    return loss, count, {"psnr": (float(10 * torch.log10(4 / error)) * count, count), "tokens": (raw[..., 0].numel(), 0.0), "flops": (flops_per_cut * count, 0.0)}


def transformer_objective(
    encoder: TextEncoder, network: nn.Module, clips: list[Clip], seed: int, pattern: str | None = None
) -> tuple[Tensor, float, Figures]:  # fmt: skip
    """Predict clean tokens of clips that are noisy by the mix of patterns (training/patterns.py), or all by one `pattern`, under their captions.

    The loss is the squared error, averaged over a token's numbers, times loss_weight of its level, summed over the tokens that are not known: every
    such token counts 1, so a clip counts by what is to be dreamed of it, and a known token, a still that is not shown, or a pack-mate changes nothing.
    A token's weight may depend on what the network sees (its level), never on what is to be found out: the best prediction would no longer be the
    mean of what may be there. The figures are the errors, not weighted, per fifth of the noise levels (error_0.4: above 0.4, up to 0.6), and per pattern.

    Where the network learns shortcuts, one sample of SHORTCUT_EVERY teaches one (error_shortcut): its clean tokens are replaced by `shortcut_targets`.
    """
    assert isinstance(network, Transformer)
    features = encoder.encode([clip.caption for clip in clips])
    lessons = [make_lesson(clip, philox(seed, clip.number, NOISE), network.config.action_width, pattern, network.config.shortcut) for clip in clips]
    # equal planes together for runs of levels (layers/modulation.py), then equal lengths for attention (layers/attention.py), of clips and of texts
    order = sorted(range(len(clips)), key=lambda i: (lessons[i].order, len(features[i])))
    lessons = [lessons[i] for i in order]
    packed = pack([lesson.piece for lesson in lessons])
    texts = [features[i] if lesson.with_text else features[i][:0] for i, lesson in zip(order, lessons, strict=True)]
    condition = network.prepare(texts)
    sigma = packed.sigma[packed.level_ids]
    targets = [lesson.clean for lesson in lessons]
    taught = [i for i, lesson in enumerate(lessons) if lesson.pattern == "shortcut"]
    if network.config.shortcut:
        made = shortcut_targets(network, lessons, condition, taught or [0])  # processes that share the network have to evaluate it equally often
        for i, target in zip(taught, made, strict=False):
            targets[i] = target
    predicted = to_clean(network.denoise(packed, condition), packed.tokens, sigma[:, None], network.config.prediction)
    error = (predicted - torch.cat(targets)).square().mean(-1)
    unknown = torch.cat([lesson.unknown for lesson in lessons])
    kinds = torch.tensor([KINDS.index(lesson.pattern) for lesson in lessons])[packed.sample_ids]
    weight = loss_weight(sigma).where(kinds < len(patterns.PATTERNS), SHORTCUT_WEIGHT)
    loss = (error * weight * unknown).sum()
    plain = unknown & (kinds < len(patterns.PATTERNS))
    groups = {f"error_{low:.1f}": plain & (sigma > low) & (sigma <= low + 0.2) for low in (0.0, 0.2, 0.4, 0.6, 0.8)}
    groups |= {f"error_{name}": unknown & (kinds == i) for i, name in enumerate(KINDS if network.config.shortcut else patterns.PATTERNS)}
    figures = {name: (float(error.detach()[members].sum()), float(members.sum())) for name, members in groups.items()}
    # the backward pass takes twice the forward one, half a step one
    flops = 3 * sum(network.estimate_flops(length) for length in packed.lengths) + 2 * sum(network.estimate_flops(packed.lengths[i]) for i in taught)
    return loss, float(unknown.sum()), {**figures, "tokens": (len(sigma), 0.0), "flops": (flops, 0.0)}


@torch.no_grad()
def shortcut_targets(network: Transformer, lessons: list["Lesson"], condition: Condition, which: list[int]) -> list[Tensor]:
    """What the network is to say of the steps of some lessons: the clean tokens [l C] with which one step arrives where its own two halves do."""
    packed, texts = pack([lessons[i].piece for i in which]), condition.rows(which)
    middle, end, told = (torch.cat(values) for values in zip(*(lessons[i].halves for i in which), strict=True))  # each [G]
    ids = packed.level_ids[:, None]

    def clean_at(x: Tensor, sigma: Tensor, after: Tensor) -> Tensor:
        output = network.denoise(replace(packed, tokens=x, sigma=sigma, steps=told * (sigma - after)), texts)
        return to_clean(output, x, sigma[ids], network.config.prediction)

    first = clean_at(packed.tokens, packed.sigma, middle)
    second = clean_at(step(packed.tokens, first, packed.sigma[ids], middle[ids]), middle, end)
    return unpack(shortcut(first, second, packed.sigma[ids], middle[ids], end[ids]), packed.lengths)


@dataclass(frozen=True)
class Lesson:
    """A clip as the network gets it to learn from: a noisy piece, its clean tokens [l C], and which of them are unknown [l], in the same order.

    order: what is to be neighbours in a pack; halves: of a step, where from each level the first and the second lead, and whether they are told (1) or
    so short that the flow itself is followed (0), each [g].
    """

    piece: Piece
    clean: Tensor
    unknown: Tensor
    pattern: str
    with_text: bool
    order: tuple[bool, int, int, bool]
    halves: tuple[Tensor, Tensor, Tensor]


def make_lesson(clip: Clip, rng: Generator, action_width: int, pattern: str | None = None, shortcuts: bool = False) -> Lesson:
    """A clip with noise by `pattern`, or as it is drawn. Tokens of a clip with a still that is not shown have its kind of pattern.

    Where there are shortcuts and no pattern is given, some samples teach one: the levels of what is unknown move up to the beginnings of the steps
    of a run of SHORTCUT_STEPS, so that what is learned is what sampling asks. Under a cap they follow the step of what has none: from min(begin, cap) to min(end, cap).
    """
    frames, height, width = clip.latents.shape[1], clip.latents.shape[2] // PATCH, clip.latents.shape[3] // PATCH
    shown = (frames - clip.stills, height, width)
    shift = resolution_shift(math.prod(shown))
    name = clip.kind or pattern or ("causal" if clip.actions is not None and rng.random() < patterns.STEERED_SHARE else None)
    clean = patchify(clip.latents)
    drawn = patterns.draw(rng, shown, shift, name, clip.stills, clip.within, clean)
    levels, known = torch.from_numpy(drawn.levels).flatten(), torch.from_numpy(drawn.known).flatten()
    num_steps = int(rng.choice(SHORTCUT_STEPS)) if shortcuts and not pattern and clip.number % SHORTCUT_EVERY == 0 else 0
    begin = middle = end = levels
    if num_steps:
        through = levels[~known].max().expand_as(levels) if drawn.name == "capped" else levels
        caps = torch.where(levels < through, levels, 1.0)
        begin, middle, end = (torch.where(known, levels, torch.minimum(level, caps)) for level in step_at(through, shift, num_steps))
    noise = torch.from_numpy(rng.standard_normal(tuple(clean.shape), np.float32))
    scale = float(2 ** rng.uniform(-0.137, 0.137))  # 10% of jitter in the scale of the picture plane
    positions = token_positions(clip.times - clip.times[0], (height, width), scale)
    frame_ids = torch.arange(frames).repeat_interleave(height * width)
    mixed = bool((drawn.levels != drawn.levels[:, :1, :1]).any())  # within a latent: its tokens are put in the order of their levels
    order = torch.argsort(begin, stable=True) if mixed else torch.arange(len(begin))
    sigma, level_ids, level_frames = number_levels(frame_ids[order], begin[order])
    middle, end = (torch.zeros_like(sigma).scatter_(0, level_ids, level[order]) for level in (middle, end))  # of each level
    actions = None
    if action_width:
        actions = torch.zeros(len(sigma), action_width) if clip.actions is None else clip.actions[level_frames]
    causal, with_text = drawn.name == "causal", bool(rng.random() >= patterns.TEXT_DROPOUT)
    piece = Piece(
        tokens=mix(clean, noise, begin[:, None])[order], positions=positions[order], sigma=sigma, level_ids=level_ids,
        extras=extras_of(clip.width, clip.height, clip.fps), causal=causal, actions=actions, steps=sigma - end,
    )  # fmt: skip
    halves = middle, end, torch.full_like(end, num_steps < SHORTCUT_STEPS[-1])
    return Lesson(piece, clean[order], ~known[order], "shortcut" if num_steps else drawn.name, with_text, (mixed, height * width, len(levels), causal), halves)
