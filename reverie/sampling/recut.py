"""Cutting and joining without dreaming: spans of a clip in any order, and the sound of clips that become part of another."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from reverie.video import Audio, Video


def recut(video: Video, spans: Sequence[tuple[float, float]]) -> Video:
    """The spans (from, to) in seconds, one after the other, with their sound; a frame belongs to the span in which it begins.

    ValueError for a span outside the clip or without a frame.
    """
    parts = []
    for start, stop in spans:
        if not (math.isfinite(start) and math.isfinite(stop)):
            raise ValueError(f"span {start:g}-{stop:g}: finite numbers of seconds are needed")
        first, last = (int(np.ceil(seconds * video.fps - 1e-6)) for seconds in (start, stop))
        if not (0 <= first < last <= video.num_frames):
            raise ValueError(
                f"span {start:g}-{stop:g}: from less than to, both within the clip's {video.seconds:g} seconds, and at least one frame ({1 / video.fps:g} s) are needed"
            )
        parts.append(video.cut(first, last))
    if not parts:
        raise ValueError("no span: say which seconds to keep, for example 0-1.5")
    starts = np.cumsum([0] + [part.num_frames for part in parts])
    metadata = {**video.metadata, "task": "recut", "spans": [list(span) for span in spans]}
    made = Video(np.concatenate([part.frames for part in parts]), video.fps, metadata)
    return with_sound(made, [(int(start), part) for start, part in zip(starts, parts, strict=False)])


def with_sound(video: Video, parts: Sequence[tuple[int, Video]]) -> Video:
    """The clip with the sound of its parts, (first frame, part); silence where a part has none or nothing was given."""
    sounding = [(start, part, part.audio) for start, part in parts if part.audio is not None]
    if not sounding:
        return video
    rate, channels = sounding[0][2].rate, max(audio.samples.shape[1] for _, _, audio in sounding)
    if any(audio.rate != rate for _, _, audio in sounding):
        raise ValueError(f"the clips sound at {' and '.join(str(audio.rate) for _, _, audio in sounding)} samples per second: give both the same rate")
    samples = np.zeros((round(video.seconds * rate), channels), np.int16)
    for start, _, audio in sounding:
        first = round(start / video.fps * rate)
        room = samples[first : first + len(audio.samples)]
        room[:] = audio.samples[: len(room)]
    return dataclasses.replace(video, audio=Audio(samples, rate))
