"""Whether what matters survives the autoencoder: the kind of a subject, and the colour of a thing ten pixels wide. `python benchmarks/recognition.py --help`

A small classifier learns to name subjects on original footage and is then shown unseen footage, as it is and after the autoencoder.
The last line is JSON.
"""

import argparse
import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from reverie.autoencoder.autoencoder import Autoencoder
from reverie.data.shards import Footage
from reverie.evaluation.prompts import wilson
from reverie.evaluation.reconstruction import reconstruct
from reverie.layers.precision import fast_dtype
from reverie.sampling.reverie import BUNDLED, load_autoencoder
from reverie.video import Video

SIDE, MARGIN, SMALLEST, VISIBLE = 48, 0.15, 12, 0.8  # of a cut: pixels; share of the box around it; pixels of the box; seen share
EVERY = 4  # one frame of so many
PALETTE = {"red": (200, 30, 30), "orange": (240, 130, 20), "yellow": (240, 220, 40), "green": (40, 150, 50), "blue": (40, 70, 210), "purple": (130, 50, 170)}


def cuts(footage: Footage, num_clips: int, autoencoder: Autoencoder | None) -> tuple[Tensor, list[str]]:
    """Pictures [n 3 48 48] in [-1, 1] of the subjects that are seen well enough, with their kinds."""
    pictures, kinds = [], []
    for index in range(min(num_clips, len(footage))):
        video, scene = footage.video(index), footage.scene(index)
        shown = reconstruct(autoencoder, video) if autoencoder else video
        height, width = shown.frames.shape[1:3]
        for subject in scene["subjects"]:
            for frame in range(1, shown.num_frames // 4 * 4, EVERY):
                left, top, right, bottom = np.array(subject["boxes"][frame]) * [width, height, width, height]
                wide = max(right - left, bottom - top) * (1 + 2 * MARGIN)
                x, y = (left + right) / 2, (top + bottom) / 2
                inside = left >= 0 and top >= 0 and right <= width and bottom <= height
                if min(right - left, bottom - top) < SMALLEST or subject["visible"][frame] < VISIBLE or not inside:
                    continue
                box = (x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2)
                cut = Image.fromarray(shown.frames[frame]).transform((SIDE, SIDE), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR)
                pictures.append(torch.from_numpy(np.asarray(cut).copy()).permute(2, 0, 1).float() / 127.5 - 1)
                kinds.append(subject["kind"])
    return torch.stack(pictures), kinds


def classifier(kinds: int) -> nn.Module:
    """Four convolutions and a mean."""
    widths, layers = (3, 32, 64, 128, 128), []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Conv2d(a, b, 3, padding=1, stride=2 if a > 3 else 1), nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], kinds))


def learn(pictures: Tensor, labels: Tensor, num_steps: int) -> nn.Module:
    """Adam on shifted, mirrored cuts of 64."""
    torch.manual_seed(0)
    network = classifier(int(labels.max()) + 1)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    for step in range(num_steps):
        ids = torch.randint(len(pictures), (64,))
        x = pictures[ids].roll([int(v) for v in torch.randint(-3, 4, (2,))], (2, 3))
        x = x.flip(3) if step % 2 else x
        F.cross_entropy(network(x), labels[ids]).backward()
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (1 - step / num_steps)
        optimizer.step()
        optimizer.zero_grad()
    return network.eval()


def small_things(autoencoder: Autoencoder, footage: Footage, num_clips: int, side: int = 10) -> tuple[int, int]:
    """(how many keep their colour, of how many): a square of `side` pixels crosses real footage; after the autoencoder the mean of its
    middle is named after the nearest of six colours."""
    right = total = 0
    for index in range(min(num_clips, len(footage))):
        frames = footage.video(index).frames[:12].copy()
        name = list(PALETTE)[index % len(PALETTE)]
        rng = np.random.default_rng(index)
        x, y, across = int(rng.integers(0, frames.shape[2] - side - 24)), int(rng.integers(8, frames.shape[1] - side - 8)), int(rng.integers(-2, 3))
        places = [x + 12 + across * t for t in range(len(frames))]
        for frame, place in zip(frames, places, strict=True):
            frame[y : y + side, max(0, place) : place + side] = PALETTE[name]
        back = reconstruct(autoencoder, Video(frames, 8.0)).frames
        for t in (1, 6, 10):
            if t >= len(back) or places[t] < 0:
                continue
            seen = back[t, y + 2 : y + side - 2, max(0, places[t]) + 2 : places[t] + side - 2].reshape(-1, 3).mean(0)
            right += min(PALETTE, key=lambda other: float(np.abs(seen - PALETTE[other]).sum())) == name
            total += 1
    return right, total


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="footage of a world that writes boxes, to learn from")
    parser.add_argument("--unseen", type=Path, required=True)
    parser.add_argument("--autoencoder", type=Path, default=BUNDLED / "autoencoder.safetensors")
    parser.add_argument("--num-clips", type=int, default=1500, help="to learn from")
    parser.add_argument("--num-unseen", type=int, default=256)
    parser.add_argument("--num-steps", type=int, default=1500)
    options = parser.parse_args()
    autoencoder, about = load_autoencoder(options.autoencoder)
    autoencoder.compute_dtype = fast_dtype()
    pictures, kinds = cuts(Footage(options.data), options.num_clips, None)
    names = sorted(set(kinds))
    network = learn(pictures, torch.tensor([names.index(kind) for kind in kinds]), options.num_steps)
    unseen, figures = Footage(options.unseen), {}
    for what, codec in (("originals", None), ("reconstructions", autoencoder)):
        pictures, kinds = cuts(unseen, options.num_unseen, codec)
        with torch.no_grad():
            named = torch.cat([network(part).argmax(1) for part in pictures.split(256)])
        pairs = Counter((kind, names[int(n)]) for n, kind in zip(named, kinds, strict=True))
        right = sum(pairs[name, name] for name in names)
        of_kind = {name: {other: pairs[name, other] for other in names if pairs[name, other]} for name in names}
        figures[what] = {"right": right, "of": len(kinds), "share": round(right / len(kinds), 4), "interval": [round(v, 4) for v in wilson(right, len(kinds))], "of_kind": of_kind}
        print(what, figures[what], flush=True)
    right, total = small_things(autoencoder, unseen, 96)
    print(json.dumps({"autoencoder": about["digest"], "kinds": names, **figures, "ten_pixels": {"right": right, "of": total}}))


if __name__ == "__main__":
    main()
