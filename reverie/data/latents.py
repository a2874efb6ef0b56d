"""Latents of footage, encoded once: FOOTAGE/latents-DIGEST/SHARD.safetensors, so that a changed autoencoder never meets a stale cache."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from reverie.autoencoder.autoencoder import FRAMES, Autoencoder
from reverie.data.sampling import indices_at
from reverie.data.shards import Footage
from reverie.patches.positions import latent_times
from reverie.randomness import generator
from reverie.video import whole_file

IMAGE_SHARE, SHORT_SHARE, LEAD_SHARE = 0.12, 0.08, 0.35  # of the clips of a batch: one frame; the beginning only; begun by an image
IMAGE_LEAD = FRAMES - 1


@dataclass(frozen=True)
class Clip:
    """What the transformer learns from: latents [C t h w], times [t] in seconds, a caption, and the frame around it."""

    latents: Tensor
    times: Tensor
    caption: str
    width: int
    height: int
    fps: float


def cache_latents(footage: Footage, autoencoder: Autoencoder, digest: str) -> Iterator[tuple[int, int]]:
    """Encode every clip that is not cached yet, shard by shard. Yields (clips done, clips in all).

    Of a clip of T frames: KEY/clip, whole groups of four from the first frame on (T >= 4), and KEY/lead, a leading image and
    the groups after it.
    """
    (footage.folder / f"latents-{digest}").mkdir(exist_ok=True)
    done = 0
    for shard, path in _paths(footage, digest).items():
        members = [i for i, entry in enumerate(footage.entries) if entry.shard == shard]
        if not path.exists():
            tensors = {}
            with ThreadPoolExecutor(1) as ahead:  # decodes while the network encodes
                for index, video in zip(members, ahead.map(footage.video, members), strict=True):
                    frames = torch.from_numpy(video.frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
                    key, count = footage.entries[index].key, video.num_frames
                    with torch.no_grad():
                        tensors[f"{key}/lead"] = autoencoder.encode(frames[:, :, : 1 + (count - 1) // FRAMES * FRAMES], lead=IMAGE_LEAD)[0].half().contiguous()
                        if count >= FRAMES:
                            tensors[f"{key}/clip"] = autoencoder.encode(frames[:, :, : count // FRAMES * FRAMES])[0].half().contiguous()
            with whole_file(path) as temporary:
                save_file(tensors, temporary)
        done += len(members)
        yield done, len(footage)


def _paths(footage: Footage, digest: str) -> dict[str, Path]:
    """The cache file of every shard, named after the autoencoder and the shard's manifest, so that neither can change unnoticed."""
    folder = footage.folder / f"latents-{digest}"
    manifests = {shard: (footage.folder / shard).with_suffix(".jsonl").read_bytes() for shard in dict.fromkeys(entry.shard for entry in footage.entries)}
    return {shard: folder / f"{Path(shard).stem}-{hashlib.sha256(text).hexdigest()[:8]}.safetensors" for shard, text in manifests.items()}


class LatentClips:
    """Cached latents as batches of clips for training; a batch is a function of (seed, step)."""

    def __init__(self, footage: Footage, digest: str) -> None:
        self.entries = footage.entries
        self.files = {shard: safe_open(path, "pt") for shard, path in _paths(footage, digest).items()}

    def batch(self, step: int, batch_size: int, seed: int) -> list[Clip]:
        """The clips of a step, ordered so that equal shapes are neighbours."""
        rng = generator(seed, step)
        clips = [self._clip(index, rng) for index in indices_at(step, batch_size, len(self.entries), seed)]
        return sorted(clips, key=lambda clip: tuple(clip.latents.shape))

    def _clip(self, index: int, rng: np.random.Generator) -> Clip:
        entry = self.entries[index]
        kind = rng.random()
        led = kind < IMAGE_SHARE + SHORT_SHARE + LEAD_SHARE or entry.num_frames < FRAMES
        latents = self.files[entry.shard].get_tensor(f"{entry.key}/{'lead' if led else 'clip'}").float()
        captions = entry.captions
        if kind < IMAGE_SHARE or (kind < IMAGE_SHARE + SHORT_SHARE and latents.shape[1] > 2):
            # what a beginning shows of the motion is not known, so its caption does not speak of it
            latents = latents[:, : 1 if kind < IMAGE_SHARE else int(rng.integers(2, latents.shape[1]))]
            captions = entry.still_captions
        times = latent_times(latents.shape[1], entry.fps, IMAGE_LEAD if led else 0)
        return Clip(latents, times, str(rng.choice(captions)), entry.width, entry.height, entry.fps)
