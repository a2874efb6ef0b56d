"""A film in several shots, from a TOML file: what each shows, how long, and what carries over.

size = "128x128"                  # also: fps, seed
[subjects]                        # words that stay the same in every shot
hero = "a red ball"
[[shot]]
seconds = 2
prompt = "{hero} rolls to the left in the snow"
[[shot]]
seconds = 1.5
prompt = "{hero} falls to the ground in the desert"
camera = "the camera is still"    # added to the prompt
image = "start.png"               # or clip = "a.mp4": the shot begins with it; or continues = true: with the shot before
"""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from reverie.config import did_you_mean
from reverie.sampling.tasks import num_frames_of, parse_size
from reverie.video import Video, read


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One shot: seconds and words; at most one of image, clip and continues."""

    seconds: float
    prompt: str
    camera: str = ""
    image: str = ""
    clip: str = ""
    continues: bool = False
    line: int = 0


@dataclass(frozen=True, kw_only=True)
class Storyboard:
    """Shots in order, all of one size and rate."""

    shots: tuple[Shot, ...]
    size: str = "128x128"
    fps: float = 8.0
    seed: int = 0


def parse(text: str, name: str = "storyboard") -> Storyboard:
    """The storyboard of a TOML text. ValueError names the line of what is wrong."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{name}: {error}") from error
    subjects = values.pop("subjects", {})
    shots = values.pop("shot", None)
    starts = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*shot\s*\]\]", line)]
    _check(values, Storyboard, ("shots",), name, text, 1)
    if not isinstance(subjects, dict) or not all(isinstance(words, str) for words in subjects.values()):
        raise ValueError(f'{name}, line {_line(text, "[subjects]", 1)}: [subjects] holds NAME = "words"')
    if not shots or not isinstance(shots, list):
        raise ValueError(f"{name}: no [[shot]]: a storyboard needs at least one")
    made: list[Shot] = []
    for start, shot in zip(starts, shots, strict=True):
        _check(shot, Shot, ("line",), name, text, start)
        for key in ("seconds", "prompt"):
            if key not in shot:
                raise ValueError(f"{name}, line {start}: this shot has no {key}")
        try:
            prompt = shot["prompt"].format(**subjects)
        except (KeyError, IndexError, ValueError) as error:
            unknown = str(error.args[0]) if error.args else ""
            raise ValueError(f"{name}, line {_line(text, 'prompt', start)}: no subject {unknown!r}{did_you_mean(unknown, subjects)}") from error
        begun = [key for key in ("image", "clip", "continues") if shot.get(key)]
        if len(begun) > 1:
            raise ValueError(f"{name}, line {_line(text, begun[1], start)}: a shot begins with one thing, this one has {' and '.join(begun)}")
        if shot.get("continues") and not made:
            raise ValueError(f"{name}, line {_line(text, 'continues', start)}: the first shot has none before it to continue")
        made.append(Shot(**{**shot, "seconds": float(shot["seconds"]), "prompt": ", ".join(filter(None, [prompt, shot.get("camera", "")])), "line": start}))
    board = Storyboard(shots=tuple(made), **values)
    parse_size(board.size)
    for shot in made:
        try:
            num_frames_of(shot.seconds, board.fps)
        except ValueError as error:
            raise ValueError(f"{name}, line {_line(text, 'seconds', shot.line)}: {error}") from error
    return board


def film(dreamer: Any, board: Storyboard, folder: Path, settings: dict[str, Any], on_shot: Callable[[int, int], None] | None = None) -> Video:
    """Dream every shot in order and cut them together; files are named relative to `folder`. Cuts fall where the seconds say."""
    clips: list[np.ndarray] = []
    cuts, last = [], None
    for number, shot in enumerate(board.shots):
        frames, how = num_frames_of(shot.seconds, board.fps), {**settings, "seed": board.seed + number}
        if shot.continues or shot.clip:
            before = last if shot.continues else read(folder / shot.clip)
            assert before is not None
            longer = dreamer.extend(before, shot.prompt, seconds=shot.seconds, **how)
            part = longer.frames[before.num_frames :] if shot.continues else longer.frames[:frames]
        elif shot.image:
            longer = dreamer.animate(read(folder / shot.image), shot.prompt, num_frames=max(2, frames), fps=board.fps, **how)
            part = longer.frames[:frames]
        else:
            longer = dreamer.generate(shot.prompt, num_frames=frames, fps=board.fps, size=board.size, **how)
            part = longer.frames
        if f"{part.shape[2]}x{part.shape[1]}" != board.size:
            raise ValueError(f"the shot of line {shot.line} is {part.shape[2]}x{part.shape[1]}, the storyboard {board.size}: refine or outpaint what it begins with")
        clips.append(part)
        cuts.append(sum(map(len, clips[:-1])) / board.fps)
        last = longer
        if on_shot:
            on_shot(number + 1, len(board.shots))
    assert last is not None
    metadata = {**last.metadata, "task": "storyboard", "prompt": [shot.prompt for shot in board.shots], "cuts": cuts, "seed": board.seed, "num_frames": sum(map(len, clips))}
    return Video(np.concatenate(clips), board.fps, metadata)


def _check(values: dict[str, Any], kind: type, inner: tuple[str, ...], name: str, text: str, start: int) -> None:
    """Known names and types only; `start` is the line from which on these values stand in the text."""
    kinds = {f.name: f.type for f in fields(kind) if f.name not in inner}
    for key, value in values.items():
        if key not in kinds:
            raise ValueError(f"{name}, line {_line(text, key, start)}: no {key!r} here{did_you_mean(key, kinds)}")
        wanted: Any = kinds[key]
        if not isinstance(value, (int, float) if wanted is float else wanted) or (isinstance(value, bool) and wanted is not bool):
            raise ValueError(f"{name}, line {_line(text, key, start)}: {key} is {value!r}, {wanted.__name__} is needed")


def _line(text: str, key: str, start: int) -> int:
    """The number of the first line from `start` on that begins with `key`."""
    lines = text.splitlines()
    return next((n for n in range(start, len(lines) + 1) if lines[n - 1].strip().strip('"').startswith(key)), start)
