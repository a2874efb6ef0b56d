"""Cutting and joining without dreaming: spans of a clip in any order, and the sound of clips that become part of another."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from reverie.video import Audio, Video
from reverie.video.clip import frames_of_span


def recut(video: Video, spans: Sequence[tuple[float, float]]) -> Video:
    """The spans (from, to) in seconds, one after the other, with their sound; a frame belongs to the span in which it begins. ValueError for one without frames."""
    return joined([video.cut(*frames_of_span(start, stop, video.num_frames, video.fps)) for start, stop in spans], spans)


def joined(parts: Sequence[Video], spans: Sequence[tuple[float, float]]) -> Video:
    """The parts of a clip that were cut at `spans`, one after the other, with their sound. ValueError if there is none."""
    if not parts:
        raise ValueError("no span: say which seconds to keep, for example 0-1.5")
    starts = np.cumsum([0] + [part.num_frames for part in parts])
    metadata = {**parts[0].metadata, "num_frames": int(starts[-1]), "task": "recut", "spans": [list(span) for span in spans]}
    made = Video(np.concatenate([part.frames for part in parts]), parts[0].fps, metadata)
    return with_sound(made, [(int(start), part) for start, part in zip(starts, parts, strict=False)])


def with_sound(video: Video, parts: Sequence[tuple[int, Video]]) -> Video:
    """The clip with the sound of its parts, (first frame, part); silence where a part has none or nothing was given. ValueError for two rates."""
    sounding = [(start, part.audio) for start, part in parts if part.audio is not None]
    rates = list(dict.fromkeys(audio.rate for _, audio in sounding))
    if not rates:
        return video
    if len(rates) > 1:
        raise ValueError(f"the clips sound at {' and '.join(map(str, rates))} samples per second: give both the same rate")
    samples = np.zeros((round(video.seconds * rates[0]), max(audio.samples.shape[1] for _, audio in sounding)), np.int16)
    for start, audio in sounding:
        first = round(start / video.fps * audio.rate)
        room = samples[first : first + len(audio.samples)]
        room[:] = audio.samples[: len(room)]
    return dataclasses.replace(video, audio=Audio(samples, rates[0]))
