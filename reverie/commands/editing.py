"""Commands that make clips out of clips: extend, loop, connect, blend, fill, edit, inpaint, outpaint, refine, storyboard, recut."""

import argparse
from typing import Any

from reverie.commands.making import dream, named
from reverie.commands.talking import digest_of, note, read_given, save


def extend(options: argparse.Namespace) -> dict[str, Any]:
    """A clip to a longer one."""
    clip = read_given(options.clip)
    frames = clip.num_frames + sum(_tasks().num_frames_of(seconds, clip.fps) for seconds in (options.seconds, options.before) if seconds)
    return dream(options, clip.size, frames, clip.fps, lambda dreamer, how: dreamer.extend(clip, options.prompt, seconds=options.seconds, before=options.before, **how))


def loop(options: argparse.Namespace) -> dict[str, Any]:
    """Words, and perhaps a clip, to a loop."""
    clip = read_given(options.clip) if options.clip else None
    size, fps = (clip.size, clip.fps) if clip else (options.size, options.fps)
    frames = _tasks().num_frames_of(options.seconds, fps, 4)
    return dream(options, size, frames, fps, lambda dreamer, how: dreamer.loop(options.prompt, clip, seconds=options.seconds, size=options.size, fps=options.fps, **how))


def connect(options: argparse.Namespace) -> dict[str, Any]:
    """Two clips to one with a dreamed transition."""
    first, second = read_given(options.first), read_given(options.second)
    frames = first.num_frames + _tasks().num_frames_of(options.seconds, first.fps, 4) + second.num_frames
    return dream(options, first.size, frames, first.fps, lambda dreamer, how: dreamer.connect(first, second, options.prompt, seconds=options.seconds, **how))


def blend(options: argparse.Namespace) -> dict[str, Any]:
    """Two clips to one that begins as the first and ends as the second."""
    first, second = read_given(options.first), read_given(options.second)
    if first.audio or second.audio:
        note("the sound of what is given is left out: a blend is neither of its clips")
    strength, frames = _tasks().parse_strength(options.strength), min(first.num_frames, second.num_frames)
    return dream(options, first.size, frames, first.fps, lambda dreamer, how: dreamer.blend(first, second, options.prompt, strength=strength, **how))


def fill(options: argparse.Namespace) -> dict[str, Any]:
    """A clip to one without gaps, or with more frames per second."""
    clip, missing, factor = read_given(options.clip), _frames(options.missing), options.factor
    frames = (clip.num_frames - 1) * factor + 1
    return dream(options, clip.size, frames, clip.fps * factor, lambda dreamer, how: dreamer.fill(clip, options.prompt, missing=missing, factor=factor, **how))


def edit(options: argparse.Namespace) -> dict[str, Any]:
    """A clip to one after other words."""
    clip, strength = read_given(options.clip), _tasks().parse_strength(options.strength)
    return dream(options, clip.size, clip.num_frames, clip.fps, lambda dreamer, how: dreamer.edit(clip, options.prompt, strength=strength, **how))


def inpaint(options: argparse.Namespace) -> dict[str, Any]:
    """A clip to one in which a region is dreamed."""
    clip, strength = read_given(options.clip), _tasks().parse_strength(options.strength)
    mask = _mask(options, clip)
    return dream(options, clip.size, clip.num_frames, clip.fps, lambda dreamer, how: dreamer.inpaint(clip, mask, options.prompt, strength=strength, **how))


def outpaint(options: argparse.Namespace) -> dict[str, Any]:
    """A clip to one with a larger frame."""
    clip, size = read_given(options.clip), options.size
    left, top = _numbers(options.at, 2, "--at") if options.at else (None, None)
    return dream(options, size, clip.num_frames, clip.fps, lambda dreamer, how: dreamer.outpaint(clip, options.prompt, size=size, left=left, top=top, **how))


def refine(options: argparse.Namespace) -> dict[str, Any]:
    """A draft to its full size."""
    clip, size, strength = read_given(options.clip), options.size, _tasks().parse_strength(options.strength)
    return dream(options, size, clip.num_frames, clip.fps, lambda dreamer, how: dreamer.refine(clip, options.prompt, size=size, strength=strength, **how))


def storyboard(options: argparse.Namespace) -> dict[str, Any]:
    """A TOML file to a film in several shots; what is wrong in it, or in what it names, is refused before the model is loaded."""
    from reverie.sampling import storyboard as boards

    board = boards.load(options.file)
    for text in board.notes:
        note(text)
    options.seed = board.seed if options.seed is None else options.seed
    given = [digest_of(options.file.parent / name) for shot in board.shots for name in (shot.image or shot.clip, *(one.image or one.clip for one in shot.cast)) if name]
    frames, words = sum(shot.num_frames for shot in board.shots), " ".join(shot.prompt for shot in board.shots)
    return dream(options, board.size, frames, board.fps, lambda dreamer, how: boards.film(dreamer, board, options.file.parent, how), words, given)


def recut(options: argparse.Namespace) -> dict[str, Any]:
    """Spans of a clip to a clip, without dreaming."""
    from reverie.sampling.recut import joined
    from reverie.video import shown
    from reverie.video.reading import read_spans

    spans = [_span(text, "--keep") for text in options.keep]
    parts = read_spans(options.clip, spans)
    for text in parts[0].notes:
        note(f"{shown(options.clip)}: {text}")
    video = joined(parts, spans)
    output = options.output or named(options.clip.stem, 0, video.size, video.num_frames)
    return {"num_frames": video.num_frames, **save(options, video, output), "files": [str(output)]}


def _span(text: str, option: str) -> tuple[float, float]:
    """'1-2.5' -> (1.0, 2.5)."""
    start, _, stop = text.partition("-")
    try:
        return float(start), float(stop)
    except ValueError:
        raise ValueError(f"{option} {text}: write FROM-TO in seconds, for example 0-1.5") from None


def _tasks() -> Any:
    """The module; it loads torch, which errors in the command line do not need."""
    from reverie.sampling import tasks

    return tasks


def _frames(text: str | None) -> list[int]:
    """'3-7,12' -> [3, 4, 5, 6, 7, 12]."""
    frames: list[int] = []
    most = _tasks().MAX_FRAMES - 1
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise ValueError(f"--missing {text}: write numbers of frames and spans of them, for example 3-7,12")
        span = range(int(first), int(last or first) + 1)
        if not span or span[-1] > most:
            raise ValueError(f"--missing {part}: from a frame to the same or a later one, at most {most}")
        frames += span
    return frames


def _numbers(text: str, count: int, option: str) -> list[int]:
    parts = text.split(",")
    if len(parts) != count or not all(part.strip().isdecimal() for part in parts):
        raise ValueError(f"{option} {text}: {count} whole numbers with commas between them are needed")
    return [int(part) for part in parts]


def _mask(options: argparse.Namespace, clip: Any) -> Any:
    """The mask of --box or --mask, bool [T H W] or [1 H W]; [T H W] with --span."""
    import numpy as np

    from reverie.video import shown
    from reverie.video.clip import frames_of_span

    _, height, width, _ = clip.frames.shape
    if (options.box is None) == (options.mask is None):
        raise ValueError("say where: either --box LEFT,TOP,WIDTH,HEIGHT or --mask FILE")
    if options.mask is not None:
        white = read_given(options.mask)
        if "transparency laid over white" in white.notes:
            raise ValueError(f"{shown(options.mask)}: its transparent parts could mean either: save it without transparency, white where to dream and black elsewhere")
        mask = white.frames.mean(-1) > 127
    else:
        left, top, across, down = _numbers(options.box, 4, "--box")
        if not (across and down and left + across <= width and top + down <= height):
            raise ValueError(f"--box {options.box} does not lie inside {width}x{height}")
        mask = np.zeros((1, height, width), bool)
        mask[:, top : top + down, left : left + across] = True
    if options.span is not None and mask.shape[0] in (1, clip.num_frames):  # of another length it is refused by what it is used for
        within = np.zeros((clip.num_frames, 1, 1), bool)
        within[slice(*frames_of_span(*_span(options.span, "--span"), clip.num_frames, clip.fps))] = True
        mask = mask & within
    return mask
