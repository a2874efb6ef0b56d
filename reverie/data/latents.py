"""Latents of footage, encoded once: FOOTAGE/latents-NAME/SHARD-DIGEST.safetensors, named after the autoencoder (and its precision) and the shard's
content, so that neither can change unnoticed. Where the disk is too small, clips are encoded whenever they are needed."""

import hashlib
import math
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from reverie.autoencoder.autoencoder import FRAMES, IMAGE_LEAD, Autoencoder, latent_plane
from reverie.data.sampling import CHOICES, index_of
from reverie.data.shards import Entry, Footage
from reverie.data.truth import facts_of
from reverie.patches.actions import action_rows
from reverie.patches.patches import PATCH
from reverie.patches.positions import REFERENCE_TIME, latent_times
from reverie.randomness import generator
from reverie.video import Video, whole_file

IMAGE_SHARE, SHORT_SHARE, LEAD_SHARE = 0.05, 0.04, 0.1  # of the clips of a batch: one frame; the beginning only, begun by an image or not; whole and begun by one
KEYFRAME_SHARE, REFERENCE_SHARE = 0.01, 0.01  # of the clips of more than one latent: a still that is not shown stands beside them
WITHIN_SHARE = 0.1  # of the whole clips that no image begins, of more than two latents: what is seen begins inside the film, as every later window of a long one does
ACTION_DROPOUT = 0.2  # of the clips with a driver: nothing is known of what it did
FORMAT = "with stills"  # of the cache: another one is another file
SPARE = 10**9  # bytes that a cache leaves free beside what the run itself needs


@dataclass(frozen=True)
class Clip:
    """What the transformer learns from: latents [C t h w], times [t] in seconds, a caption, the frame around it, the sample's number.

    stills: how many of the latents, the last ones, are not shown, and which kind they are: keyframe, reference or "" (none);
    actions: what is known of a driver's, [t A] (patches/actions.py) or None; within: it begins inside its film, so that one of its ends is always known.
    """

    latents: Tensor
    times: Tensor
    caption: str
    width: int
    height: int
    fps: float
    number: int
    actions: Tensor | None = None
    stills: int = 0
    kind: str = ""
    within: bool = False


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
        _encode_all(footage.video(index), entry, autoencoder)
        seconds = time.perf_counter() - start
    size = sum(_latent_bytes(entry, autoencoder.config.latent_channels) for _, entry in entries)
    return CachePlan(len(entries), size, shutil.disk_usage(footage.folder).free if os.access(footage.folder, os.W_OK) else 0, seconds * len(entries) / processes)


def cache_latents(footage: Footage, autoencoder: Autoencoder, digest: str, rank: int = 0, size: int = 1) -> Iterator[tuple[int, int]]:
    """Encode every clip that is not cached yet, shard by shard, each process its share, then wait for the others.

    Yields (clips done, clips in all). Of a clip of T frames: KEY/clip, whole groups of four from the first frame on (T >= 4),
    KEY/lead, a leading image and the groups after it, and KEY/stills, its middle and last frame as images (T > 4).
    """
    paths = _paths(footage, digest)
    (footage.folder / f"latents-{digest}").mkdir(exist_ok=True)
    members: dict[str, list[int]] = {}
    for index, entry in enumerate(footage.entries):
        members.setdefault(entry.shard, []).append(index)
    for shard in list(paths)[rank::size]:  # a share that does not depend on when it is looked at
        if paths[shard].exists():
            continue
        tensors: dict[str, Tensor] = {}
        with ThreadPoolExecutor(1) as ahead:  # decodes one clip while the network encodes the one before
            decoding = ahead.submit(footage.video, members[shard][0])
            for index, following in zip_longest(members[shard], members[shard][1:]):
                video = decoding.result()
                if following is not None:
                    decoding = ahead.submit(footage.video, following)
                tensors |= _encode_all(video, footage.entries[index], autoencoder)
        with whole_file(paths[shard]) as temporary:
            save_file(tensors, temporary)
        yield sum(len(members[s]) for s, path in paths.items() if path.exists()), len(footage)
    while waiting := [shard for shard, path in paths.items() if not path.exists()]:
        yield len(footage) - sum(len(members[s]) for s in waiting), len(footage)
        time.sleep(1)


def _encode_all(video: Video, entry: Entry, autoencoder: Autoencoder) -> dict[str, Tensor]:
    kinds = ("lead", *(("clip",) if video.num_frames >= FRAMES else ()), *(("stills",) if video.num_frames > FRAMES else ()))
    return {f"{entry.key}/{kind}": _encode(video, kind, autoencoder) for kind in kinds}


def _still_frames(num_frames: int) -> tuple[int, int, int]:
    """The frames of a clip that are cached as images: the first (the lead's first latent), the middle and the last one."""
    return 0, num_frames // 2, num_frames - 1


@torch.no_grad()
def _encode(video: Video, kind: str, autoencoder: Autoencoder) -> Tensor:
    frames = torch.from_numpy(video.frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    if kind == "lead":
        return autoencoder.encode(frames[:, :, : 1 + (video.num_frames - 1) // FRAMES * FRAMES], lead=IMAGE_LEAD)[0].half().contiguous()
    if kind == "stills":
        alone = [frames[:, :, frame : frame + 1] for frame in _still_frames(video.num_frames)[1:]]
        return autoencoder.encode(torch.cat(alone), lead=IMAGE_LEAD)[:, :, 0].transpose(0, 1).half().contiguous()
    return autoencoder.encode(frames[:, :, : video.num_frames // FRAMES * FRAMES])[0].half().contiguous()


def _latent_bytes(entry: Entry, channels: int) -> int:
    height, width = latent_plane(entry.height, entry.width)
    frames = 1 + (entry.num_frames - 1) // FRAMES + entry.num_frames // FRAMES + 2 * (entry.num_frames > FRAMES)
    return 2 * channels * frames * height * width


def _paths(footage: Footage, digest: str) -> dict[str, Path]:
    """The cache file of every shard, named after its bytes and its manifest's."""
    folder, out = footage.folder / f"latents-{digest}", {}
    for shard, content in footage.digests().items():
        manifest = (footage.folder / shard).with_suffix(".jsonl").read_bytes()
        out[shard] = folder / f"{Path(shard).stem}-{hashlib.sha256(manifest + content.encode() + FORMAT.encode()).hexdigest()[:8]}.safetensors"
    return out


@dataclass(frozen=True)
class Choice:
    """What a sample shows: `count` latents of the clip `index` from `first` on, begun by an image or not, under a caption, and beside them, not shown, a still:
    of the clip `still[0]` its first (0), middle (1) or last (2) frame, which is a `kind` (keyframe, reference, or "" for none).
    """

    index: int
    led: bool
    count: int
    caption: str
    told: bool  # what a driver did
    still: tuple[int, int] = (0, 0)
    kind: str = ""
    first: int = 0


class LatentClips:
    """Latents as batches of clips for training: cached ones, or encoded by `autoencoder` when they are needed."""

    def __init__(self, footage: Footage, digest: str, autoencoder: Autoencoder | None = None) -> None:
        self.footage, self.autoencoder = footage, autoencoder
        self.facts = facts_of(footage)
        self.files = {} if autoencoder else {shard: safe_open(path, "pt") for shard, path in _paths(footage, digest).items()}

    def batch(self, numbers: Sequence[int], seed: int) -> list[Clip]:
        """The clips of samples, each a function of (seed, its number), ordered so that equal shapes are neighbours."""
        clips = [self._clip(self._choose(number, seed), number) for number in numbers]
        return sorted(clips, key=lambda clip: tuple(clip.latents.shape))

    def whole(self, numbers: Sequence[int], seed: int, kind: str = "") -> list[Clip]:
        """The same samples in full length, with a still of `kind` beside them or none; clips that have no such still are left out. Or each as an "image"."""
        choices = [(self._choose(number, seed, kind), number) for number in numbers]
        return [self._clip(choice, number) for choice, number in choices if kind == "image" or (choice.kind == kind and choice.count > 1)]

    def num_tokens(self, number: int, seed: int) -> int:
        """How many tokens a sample has, without reading it."""
        choice = self._choose(number, seed)
        return (choice.count + bool(choice.kind)) * plane_of(self.footage.entries[choice.index])

    def longest(self) -> int:
        """The most tokens that a sample can have."""
        return max((2 + (entry.num_frames - 1) // FRAMES) * plane_of(entry) for entry in self.footage.entries)

    def _choose(self, number: int, seed: int, kind: str | None = None) -> Choice:
        """What a sample shows; of a given `kind` it is the whole clip, or its first frame."""
        index, rng = index_of(number, len(self.footage), seed), generator(seed, number, CHOICES)
        entry, facts = self.footage.entries[index], self.facts[index]
        part = rng.random() if kind is None else IMAGE_SHARE + SHORT_SHARE + rng.random() * (1 - IMAGE_SHARE - SHORT_SHARE) if kind != "image" else 0.0
        short = IMAGE_SHARE <= part < IMAGE_SHARE + SHORT_SHARE
        led = entry.num_frames < FRAMES or (part < IMAGE_SHARE + SHORT_SHARE + LEAD_SHARE and not (short and rng.random() < 0.5))
        count, captions = 1 + (entry.num_frames - 1) // FRAMES if led else entry.num_frames // FRAMES, entry.captions
        if part < IMAGE_SHARE or (short and count > 2):
            whole, count = count, 1 if part < IMAGE_SHARE else int(rng.integers(2, count))
            # what less than half of a clip shows of its motion is not known, so its caption does not speak of it
            captions = entry.still_captions if 2 * count < whole else captions
        captions = entry.still_captions if count == 1 else captions
        first = int(rng.integers(1, count - 1)) if kind is None and not led and count > 2 and rng.random() < WITHIN_SHARE else 0
        count -= first
        caption, told = str(rng.choice(captions)), bool(rng.random() >= ACTION_DROPOUT)
        if kind is None:
            beside = rng.random()
            kind = "keyframe" if beside < KEYFRAME_SHARE else "reference" if beside < KEYFRAME_SHARE + REFERENCE_SHARE else ""
        if count > 1 and kind == "keyframe":
            return Choice(index, led, count, caption, told, (index, int(rng.integers(1 if led else 0, 3))), kind, first)
        if count > 1 and kind == "reference" and facts.lookalikes:
            return Choice(index, led, count, caption, told, (int(rng.choice(facts.lookalikes)), 0), kind, first)
        return Choice(index, led, count, caption, told, first=first)

    def _clip(self, choice: Choice, number: int) -> Clip:
        entry, lead, words = self.footage.entries[choice.index], IMAGE_LEAD if choice.led else 0, self.facts[choice.index].steering
        seen, stop = slice(choice.first, choice.first + choice.count), choice.first + choice.count
        latents = self._latents(choice.index, "lead" if choice.led else "clip")[:, seen]
        times = latent_times(stop, entry.fps, lead)[seen]
        actions = torch.from_numpy(action_rows(words, lead)[seen]) if words and choice.told and choice.count > 1 else None
        if choice.kind:
            index, which = choice.still
            still = self._latents(index, "stills")[:, which - 1 : which] if which else self._latents(index, "lead")[:, :1]
            frame = _still_frames(entry.num_frames)[which]
            when = frame / entry.fps if choice.kind == "keyframe" else float(times[0]) + REFERENCE_TIME
            latents, times = torch.cat([latents, still], 1), torch.cat([times, torch.tensor([when])])
            actions = None if actions is None else torch.cat([actions, torch.zeros(1, actions.shape[1])])
        return Clip(latents, times, choice.caption, entry.width, entry.height, entry.fps, number, actions, int(bool(choice.kind)), choice.kind, choice.first > 0)

    def _latents(self, index: int, kind: str) -> Tensor:
        entry = self.footage.entries[index]
        if self.autoencoder is not None:
            return _encode(self.footage.video(index), kind, self.autoencoder).float()
        return self.files[entry.shard].get_tensor(f"{entry.key}/{kind}").float()


def plane_of(entry: Entry) -> int:
    """Tokens of one latent of a clip."""
    return math.prod(side // PATCH for side in latent_plane(entry.height, entry.width))
