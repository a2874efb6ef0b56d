"""Cutting without dreaming: spans of a clip, in any order."""

from collections.abc import Sequence

import numpy as np

from reverie.video import Video


def recut(video: Video, spans: Sequence[tuple[float, float]]) -> Video:
    """The spans (from, to) in seconds, one after the other; a frame belongs to the span in which it begins. Other frames are dropped.

    ValueError for a span outside the clip or without a frame.
    """
    parts = []
    for start, stop in spans:
        first, last = (int(np.ceil(seconds * video.fps - 1e-6)) for seconds in (start, stop))
        if not (0 <= first < last <= video.num_frames):
            raise ValueError(
                f"span {start:g}-{stop:g}: from less than to, both within the clip's {video.seconds:g} seconds, and at least one frame ({1 / video.fps:g} s) are needed"
            )
        parts.append(np.arange(first, last))
    if not parts:
        raise ValueError("no span: say which seconds to keep, for example 0-1.5")
    metadata = {**video.metadata, "task": "recut", "spans": [list(span) for span in spans]}
    return Video(video.frames[np.concatenate(parts)], video.fps, metadata)
