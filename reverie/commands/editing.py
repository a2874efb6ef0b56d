"""Commands that make clips out of clips: extend, loop, connect, blend, fill, edit, inpaint, outpaint, refine, storyboard, recut."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reverie.commands.making import Strip
from reverie.commands.talking import announce, load, note, progress, read_given, save, say_unknown


def extend(options: argparse.Namespace) -> dict[str, Any]:
    """A clip to a longer one."""
    clip = read_given(options.clip)
    return _dream(options, clip.size, lambda dreamer, how: dreamer.extend(clip, options.prompt, seconds=options.seconds, before=options.before, **how))


def loop(options: argparse.Namespace) -> dict[str, Any]:
    """Words, and perhaps a clip, to a loop."""
    clip = read_given(options.clip) if options.clip else None
    return _dream(
        options, clip.size if clip else options.size, lambda dreamer, how: dreamer.loop(options.prompt, clip, seconds=options.seconds, size=options.size, fps=options.fps, **how)
    )


def connect(options: argparse.Namespace) -> dict[str, Any]:
    """Two clips to one with a dreamed transition."""
    first, second = read_given(options.first), read_given(options.second)
    return _dream(options, first.size, lambda dreamer, how: dreamer.connect(first, second, options.prompt, seconds=options.seconds, **how))


def blend(options: argparse.Namespace) -> dict[str, Any]:
    """Two clips to one that begins as the first and ends as the second."""
    first, second = read_given(options.first), read_given(options.second)
    return _dream(options, first.size, lambda dreamer, how: dreamer.blend(first, second, options.prompt, strength=_strength(options.strength), **how))


def fill(options: argparse.Namespace) -> dict[str, Any]:
    """A clip to one without gaps, or with more frames per second."""
    clip, missing = read_given(options.clip), _frames(options.missing)
    return _dream(options, clip.size, lambda dreamer, how: dreamer.fill(clip, options.prompt, missing=missing, factor=options.factor, **how))


def edit(options: argparse.Namespace) -> dict[str, Any]:
    """A clip to one after other words."""
    clip = read_given(options.clip)
    return _dream(options, clip.size, lambda dreamer, how: dreamer.edit(clip, options.prompt, strength=_strength(options.strength), **how))


def inpaint(options: argparse.Namespace) -> dict[str, Any]:
    """A clip to one in which a region is dreamed."""
    clip = read_given(options.clip)
    mask = _mask(options, clip)
    return _dream(options, clip.size, lambda dreamer, how: dreamer.inpaint(clip, mask, options.prompt, strength=_strength(options.strength), **how))


def outpaint(options: argparse.Namespace) -> dict[str, Any]:
    """A clip to one with a larger frame."""
    clip = read_given(options.clip)
    left, top = _numbers(options.at, 2, "--at") if options.at else (None, None)
    return _dream(options, options.size, lambda dreamer, how: dreamer.outpaint(clip, options.prompt, size=options.size, left=left, top=top, **how))


def refine(options: argparse.Namespace) -> dict[str, Any]:
    """A draft to its full size."""
    clip = read_given(options.clip)
    return _dream(options, options.size, lambda dreamer, how: dreamer.refine(clip, options.prompt, size=options.size, strength=_strength(options.strength), **how))


def storyboard(options: argparse.Namespace) -> dict[str, Any]:
    """A TOML file to a film in several shots."""
    from reverie.sampling.storyboard import load as load_board

    return _dream(
        options, load_board(options.file).size, lambda dreamer, how: dreamer.storyboard(options.file, **{name: value for name, value in how.items() if value is not None})
    )


def recut(options: argparse.Namespace) -> dict[str, Any]:
    """Spans of a clip to a clip, without dreaming."""
    from reverie.sampling.recut import recut

    spans = []
    for text in options.keep:
        start, _, stop = text.partition("-")
        try:
            spans.append((float(start), float(stop)))
        except ValueError:
            raise ValueError(f"--keep {text}: write FROM-TO in seconds, for example 0-1.5") from None
    video = recut(read_given(options.clip), spans)
    output = options.output or _named(options.clip.stem, 0, video)
    save(options, video, output)
    return {"files": [str(output)], "num_frames": video.num_frames}


def _dream(options: argparse.Namespace, size: str, make: Callable[[Any, dict[str, Any]], Any]) -> dict[str, Any]:
    """One clip of `size`, made by `make(dreamer, settings)`, saved and told about; where it goes is checked before the work."""
    from reverie.video import check_target

    if options.output is not None:
        check_target(options.output, 2, *_sides(size))
    dreamer = load(options.model)
    if getattr(options, "prompt", None):
        say_unknown(dreamer, options.prompt)
    strip = Strip(options)
    with progress("dreaming") as advance:
        settings = {name: getattr(options, name) for name in ("seed", "num_steps", "guidance_scale", "negative_prompt", "solver")}
        video = make(dreamer, {**settings, "progress": advance, "watch": strip.watch, "announce": lambda canvases, config: announce(dreamer, list(canvases), config)})
    words = video.metadata["prompt"] if isinstance(video.metadata["prompt"], str) else "storyboard"
    output = options.output or _named(words, video.metadata["seed"], video)
    save(options, video, output)
    if "draft" in video.metadata:
        note(f"dreamed at {video.metadata['draft']} and refined to {video.size}: that is larger than what the model knows")
    return {"files": [str(output), *strip.save(options, output)], **video.metadata}


def _named(words: str, seed: int, video: Any) -> Path:
    """A new name for a clip that nobody named."""
    from reverie.video import default_name

    height, width = video.frames.shape[1:3]
    return default_name(words, seed, video.size, ".mkv" if width % 2 or height % 2 else ".mp4")  # H.264 has even sides only


def _sides(size: str) -> tuple[int, int]:
    from reverie.sampling.tasks import parse_size

    return parse_size(size)


def _strength(text: str) -> float:
    from reverie.sampling.tasks import parse_strength

    return parse_strength(text)


def _frames(text: str | None) -> list[int]:
    """'3-7,12' -> [3, 4, 5, 6, 7, 12]."""
    from reverie.sampling.tasks import MAX_FRAMES

    frames: list[int] = []
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise ValueError(f"--missing {text}: write numbers of frames and spans of them, for example 3-7,12")
        span = range(int(first), int(last or first) + 1)
        if not span or span.stop > MAX_FRAMES:
            raise ValueError(f"--missing {part}: from a frame to the same or a later one, at most {MAX_FRAMES - 1}")
        frames += span
    return frames


def _numbers(text: str, count: int, option: str) -> list[int]:
    parts = text.split(",")
    if len(parts) != count or not all(part.strip().isdecimal() for part in parts):
        raise ValueError(f"{option} {text}: {count} whole numbers with commas between them are needed")
    return [int(part) for part in parts]


def _mask(options: argparse.Namespace, clip: Any) -> Any:
    """The mask of --box or --mask, bool [T H W] or [1 H W]."""
    import numpy as np

    _, height, width, _ = clip.frames.shape
    if (options.box is None) == (options.mask is None):
        raise ValueError("say where: either --box LEFT,TOP,WIDTH,HEIGHT or --mask FILE")
    if options.mask is not None:
        mask = read_given(options.mask).frames.mean(-1) > 127
    else:
        left, top, across, down = _numbers(options.box, 4, "--box")
        if not (across and down and left + across <= width and top + down <= height):
            raise ValueError(f"--box {options.box} does not lie inside {width}x{height}")
        mask = np.zeros((1, height, width), bool)
        mask[:, top : top + down, left : left + across] = True
    return mask
