"""The probe: a small network that says what a clip shows (who, which colour, what it does, where, when, how the camera moves).

It learns from simulated footage, whose truth is known, and then reads dreamed clips as a stranger would. What it gets right on unseen
footage is the most that a model can score with it; `reverie evaluate prompts --probe` measures both.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from reverie.data.sampling import NOISE, index_of
from reverie.data.shards import Footage
from reverie.layers.weights import load_weights
from reverie.randomness import generator

FRAMES, SIDE = 8, 64  # of what the probe sees of a clip
WIDTHS = (24, 48, 96, 128)
UNKNOWN = -1  # a label that the ground truth does not say
TRAVELS = ("roll", "slide", "walk", "run", "crawl", "drive", "reverse", "go")

LABELS: dict[str, tuple[str, ...]] = {
    "kind": ("ball", "cube", "cylinder", "cone", "dog", "turtle", "car", "person"),
    "colour": ("red", "orange", "yellow", "green", "blue", "purple", "white", "black"),
    "surroundings": ("snow", "grass", "desert", "beach", "street", "wooden room"),
    "time": ("day", "sunset", "night"),
    "camera": ("static", "orbit", "pan", "dolly", "crane", "drone"),
    "act": ("stand", "travel", "jump", "fall", "spin", "turn"),
    "way": ("left", "right", "none"),
}


def view(frames: np.ndarray) -> np.ndarray:
    """What the probe sees of uint8 [T H W 3]: frames evenly spaced over the clip, squeezed to squares: uint8 [8 64 64 3]."""
    places = np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)
    return np.stack([np.asarray(Image.fromarray(frames[place]).resize((SIDE, SIDE), Image.Resampling.BOX)) for place in places])


def truth_of(scene: dict[str, Any]) -> list[int] | None:
    """The labels of a scene with one subject, in the order of LABELS; UNKNOWN where it does not say. None for other scenes."""
    if len(scene["subjects"]) != 1:
        return None
    (subject,) = scene["subjects"]
    verb, _, way = (subject["facts"] or [""])[0].partition("_")
    words = {
        **{name: subject[name] for name in ("kind", "colour")}, **{name: scene[name] for name in ("surroundings", "time")}, "camera": scene["camera"]["kind"],
        "act": "travel" if verb in TRAVELS else verb, "way": "" if not verb else way if way in ("left", "right") else "none",
    }  # fmt: skip
    return [LABELS[name].index(words[name]) if words[name] in LABELS[name] else UNKNOWN for name in LABELS]


class Probe(nn.Module):
    """Convolutions over each frame, then over time. [B 8 64 64 3] in [-1, 1] -> logits by name."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTHS[0], 5, stride=2, padding=2)
        pairs = list(itertools.pairwise(WIDTHS))
        self.spaces = nn.ModuleList([nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs])
        self.times = nn.ModuleList([nn.Conv3d(b, b, (3, 1, 1), padding=(1, 0, 0)) for _, b in pairs])
        self.norms = nn.ModuleList([nn.GroupNorm(8, b) for _, b in pairs])
        self.heads = nn.ModuleDict({name: nn.Linear(2 * FRAMES * WIDTHS[-1] // 2, len(words)) for name, words in LABELS.items()})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = F.silu(self.stem(x.flatten(0, 1).permute(0, 3, 1, 2)))  # [B*8 C 32 32]
        for space, time, norm in zip(self.spaces, self.times, self.norms, strict=True):
            h = space(x).unflatten(0, (-1, FRAMES)).transpose(1, 2)  # [B C 8 h w]
            x = F.silu(norm(h + time(F.silu(h)))).transpose(1, 2).flatten(0, 1)
        x = x.unflatten(0, (-1, FRAMES // 2, 2)).mean(2)  # [B 4 C 4 4]: pairs of frames
        pooled = torch.cat([x.mean((3, 4)), x.amax((3, 4))], -1).flatten(1)
        return {name: head(pooled) for name, head in self.heads.items()}


@dataclass(frozen=True)
class Views:
    """What is seen of all clips with one subject: uint8 [n 8 64 64 3], and their labels [n 7]."""

    seen: np.ndarray
    labels: np.ndarray

    def batch(self, numbers: range, seed: int) -> "Views":
        """The clips of samples (data/sampling.py), each blurred half of the time and a little noisy, as dreamed clips are: float in [-1, 1]."""
        chosen = [index_of(number, len(self.seen), seed) for number in numbers]
        return Views(np.stack([_damaged(self.seen[i], generator(seed, n, NOISE)) for i, n in zip(chosen, numbers, strict=True)]), self.labels[chosen])


def views_of(footage: Footage, progress: Callable[[int, int], None]) -> Views:
    """Look at all clips once, telling (clips done, clips in all). ValueError if no clip has one subject with a name."""
    seen, labels = [], []
    for index in range(len(footage)):
        truth = truth_of(footage.scene(index))
        if truth is not None:
            seen.append(view(footage.video(index).frames))
            labels.append(truth)
        progress(index + 1, len(footage))
    if not seen:
        raise ValueError(f"{footage.folder}: no clip of one subject with a ground truth that names it")
    return Views(np.stack(seen), np.array(labels))


def _damaged(seen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    x = seen.astype(np.float32) / 127.5 - 1
    if rng.random() < 0.5:
        x = x.reshape(FRAMES, SIDE // 2, 2, SIDE // 2, 2, 3).mean((2, 4)).repeat(2, 1).repeat(2, 2)
    return x + 0.05 * rng.standard_normal(x.shape, np.float32)


def probe_objective(network: nn.Module, views: Views, seed: int) -> tuple[Tensor, float, dict[str, tuple[float, float]]]:
    """Cross-entropy of all labels that are known, summed; the figures are the share of right ones of each."""
    logits, labels = network(torch.from_numpy(views.seen)), torch.from_numpy(views.labels)
    loss, figures = torch.zeros(()), {}
    for name, truth in zip(LABELS, labels.T, strict=True):
        known = truth != UNKNOWN
        loss = loss + F.cross_entropy(logits[name][known], truth[known], reduction="sum")
        figures[f"right_{name}"] = (float((logits[name].argmax(1) == truth)[known].sum()), float(known.sum()))
    return loss, float((labels != UNKNOWN).sum()), {**figures, "tokens": (labels.numel(), 0.0), "flops": (0.0, 0.0)}


def load_probe(path: Path) -> Probe:
    """A trained probe from its weights file. ValueError for another file."""
    tensors, about = load_weights(path, "probe")
    if about["config"] != {name: list(words) for name, words in LABELS.items()}:
        raise ValueError(f"{path}: this probe learned other words ({about['config']})")
    probe = Probe()
    probe.load_state_dict(tensors)
    return probe.eval()


@torch.inference_mode()
def read(probe: Probe, clips: Iterable[np.ndarray]) -> list[dict[str, str]]:
    """What the probe sees in clips, each uint8 [T H W 3]: a word for every label."""
    found: list[dict[str, str]] = []
    views = map(view, clips)
    while some := list(itertools.islice(views, 64)):
        logits = probe(torch.from_numpy(np.stack(some)).float() / 127.5 - 1)
        found += [{name: LABELS[name][int(logits[name][n].argmax())] for name in LABELS} for n in range(len(some))]
    return found
