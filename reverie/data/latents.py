"""Latents of footage, encoded once: FOOTAGE/latents-DIGEST/SHARD-DIGEST.safetensors, named after the autoencoder and the shard's
content, so that neither can change unnoticed. Where the disk is too small, clips are encoded whenever they are needed."""

import hashlib
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from reverie.autoencoder.autoencoder import FRAMES, PADDING, SPATIAL, Autoencoder
from reverie.data.sampling import CHOICES, index_of
from reverie.data.shards import Entry, Footage
from reverie.data.truth import facts_of
from reverie.patches.actions import action_rows
from reverie.patches.positions import latent_times
from reverie.randomness import generator
from reverie.video import Video, whole_file

IMAGE_SHARE, SHORT_SHARE, LEAD_SHARE = 0.12, 0.08, 0.35  # of the clips of a batch: one frame; the beginning only; begun by an image
ACTION_DROPOUT = 0.2  # of the clips with a driver: nothing is known of what it did
IMAGE_LEAD = FRAMES - 1
SPARE = 10**9  # bytes that a cache leaves free beside what the run itself needs


@dataclass(frozen=True)
class Clip:
    """What the transformer learns from: latents [C t h w], times [t] in seconds, a caption, the frame around it, the sample's number, and
    what is known of a driver's actions: [t A] (patches/actions.py) or None.
    """

    latents: Tensor
    times: Tensor
    caption: str
    width: int
    height: int
    fps: float
    number: int
    actions: Tensor | None = None


@dataclass(frozen=True)
class CachePlan:
    """What encoding footage takes. clips: still to be encoded; size: bytes of their latents; free: bytes on that disk; seconds: estimated."""

    clips: int
    size: int
    free: int
    seconds: float

    def fits(self, reserve: int) -> bool:
        """Whether the disk has room for the cache, `reserve` bytes for the run and some to spare."""
        return not self.clips or self.size + reserve + SPARE <= self.free


def plan_cache(footage: Footage, autoencoder: Autoencoder, digest: str, processes: int = 1) -> CachePlan:
    """Look at what is cached, and time one clip."""
    missing = {shard for shard, path in _paths(footage, digest).items() if not path.exists()}
    entries = [(index, entry) for index, entry in enumerate(footage.entries) if entry.shard in missing]
    seconds = 0.0
    for index, entry in entries[:1] * 2:  # the first time warms up
        start = time.perf_counter()
        _encode_both(footage.video(index), entry, autoencoder)
        seconds = time.perf_counter() - start
    size = sum(_latent_bytes(entry, autoencoder.config.latent_channels) for _, entry in entries)
    return CachePlan(len(entries), size, shutil.disk_usage(footage.folder).free, seconds * len(entries) / processes)


def cache_latents(footage: Footage, autoencoder: Autoencoder, digest: str, rank: int = 0, size: int = 1) -> Iterator[tuple[int, int]]:
    """Encode every clip that is not cached yet, shard by shard, each process its share, then wait for the others.

    Yields (clips done, clips in all). Of a clip of T frames: KEY/clip, whole groups of four from the first frame on (T >= 4), and
    KEY/lead, a leading image and the groups after it.
    """
    paths = _paths(footage, digest)
    (footage.folder / f"latents-{digest}").mkdir(exist_ok=True)
    members: dict[str, list[int]] = {}
    for index, entry in enumerate(footage.entries):
        members.setdefault(entry.shard, []).append(index)
    for shard in [shard for shard, path in paths.items() if not path.exists()][rank::size]:
        tensors: dict[str, Tensor] = {}
        with ThreadPoolExecutor(1) as ahead:  # decodes while the network encodes
            for index, video in zip(members[shard], ahead.map(footage.video, members[shard]), strict=True):
                tensors |= _encode_both(video, footage.entries[index], autoencoder)
        with whole_file(paths[shard]) as temporary:
            save_file(tensors, temporary)
        yield sum(len(members[s]) for s, path in paths.items() if path.exists()), len(footage)
    while waiting := [shard for shard, path in paths.items() if not path.exists()]:
        yield len(footage) - sum(len(members[s]) for s in waiting), len(footage)
        time.sleep(1)


def _encode_both(video: Video, entry: Entry, autoencoder: Autoencoder) -> dict[str, Tensor]:
    kinds = ("lead", "clip") if video.num_frames >= FRAMES else ("lead",)
    return {f"{entry.key}/{kind}": _encode(video, kind, autoencoder) for kind in kinds}


@torch.no_grad()
def _encode(video: Video, kind: str, autoencoder: Autoencoder) -> Tensor:
    frames = torch.from_numpy(video.frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    if kind == "lead":
        return autoencoder.encode(frames[:, :, : 1 + (video.num_frames - 1) // FRAMES * FRAMES], lead=IMAGE_LEAD)[0].half().contiguous()
    return autoencoder.encode(frames[:, :, : video.num_frames // FRAMES * FRAMES])[0].half().contiguous()


def _latent_bytes(entry: Entry, channels: int) -> int:
    height, width = (-(-side // PADDING) * PADDING // SPATIAL for side in (entry.height, entry.width))
    frames = 1 + (entry.num_frames - 1) // FRAMES + entry.num_frames // FRAMES
    return 2 * channels * frames * height * width


def _paths(footage: Footage, digest: str) -> dict[str, Path]:
    """The cache file of every shard, named after its bytes and its manifest's."""
    folder, out = footage.folder / f"latents-{digest}", {}
    for shard, content in footage.digests().items():
        manifest = (footage.folder / shard).with_suffix(".jsonl").read_bytes()
        out[shard] = folder / f"{Path(shard).stem}-{hashlib.sha256(manifest + content.encode()).hexdigest()[:8]}.safetensors"
    return out


class LatentClips:
    """Latents as batches of clips for training: cached ones, or encoded by `autoencoder` when they are needed."""

    def __init__(self, footage: Footage, digest: str, autoencoder: Autoencoder | None = None) -> None:
        self.footage, self.autoencoder = footage, autoencoder
        self.facts = facts_of(footage)
        self.files = {} if autoencoder else {shard: safe_open(path, "pt") for shard, path in _paths(footage, digest).items()}

    def batch(self, numbers: range, seed: int) -> list[Clip]:
        """The clips of samples, each a function of (seed, its number), ordered so that equal shapes are neighbours."""
        clips = [self._clip(number, seed) for number in numbers]
        return sorted(clips, key=lambda clip: tuple(clip.latents.shape))

    def _clip(self, number: int, seed: int) -> Clip:
        index, rng = index_of(number, len(self.footage), seed), generator(seed, number, CHOICES)
        entry = self.footage.entries[index]
        kind = rng.random()
        led = kind < IMAGE_SHARE + SHORT_SHARE + LEAD_SHARE or entry.num_frames < FRAMES
        latents = self._latents(index, "lead" if led else "clip")
        captions = entry.captions
        if kind < IMAGE_SHARE or (kind < IMAGE_SHARE + SHORT_SHARE and latents.shape[1] > 2):
            # what a beginning shows of the motion is not known, so its caption does not speak of it
            latents = latents[:, : 1 if kind < IMAGE_SHARE else int(rng.integers(2, latents.shape[1]))]
            captions = entry.still_captions
        count, lead = latents.shape[1], IMAGE_LEAD if led else 0
        caption = str(rng.choice(captions))
        actions, words = None, self.facts[index].steering
        if words and count > 1 and rng.random() >= ACTION_DROPOUT:
            actions = torch.from_numpy(action_rows(words, lead)[:count])
        return Clip(latents, latent_times(count, entry.fps, lead), caption, entry.width, entry.height, entry.fps, number, actions)

    def _latents(self, index: int, kind: str) -> Tensor:
        entry = self.footage.entries[index]
        if self.autoencoder is not None:
            return _encode(self.footage.video(index), kind, self.autoencoder).float()
        return self.files[entry.shard].get_tensor(f"{entry.key}/{kind}").float()
