"""A film in several shots, from a TOML file: what each shows, how long, and what carries over.

size = "128x128"                  # also: fps, seed
[subjects]                        # what persists: words for {NAME} in every shot
hero = "a red ball"
[subjects.friend]                 # and a picture, which every shot that names it sees as context
words = "a blue cube"
image = "cube.png"                # or clip = "a.mp4" (its middle frame), or shot = 1: as the first shot shows it
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
from string import Formatter
from typing import Any

import numpy as np

from reverie.config import did_you_mean
from reverie.sampling.tasks import num_frames_of, parse_size, resized
from reverie.video import Video, read


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What persists: words, and where its picture comes from: at most one of image, clip and shot (a number, from 1)."""

    words: str
    image: str = ""
    clip: str = ""
    shot: int = 0
    line: int = 0


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One shot: seconds and words; at most one of image, clip and continues. cast: the subjects that it names."""

    seconds: float
    prompt: str
    camera: str = ""
    image: str = ""
    clip: str = ""
    continues: bool = False
    line: int = 0
    cast: tuple[Subject, ...] = ()


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
    told, shots = values.pop("subjects", {}), values.pop("shot", None)
    starts = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*shot\s*\]\]", line)]
    _check(values, Storyboard, ("shots",), name, text, 1)
    subjects = _subjects(told, len(shots) if isinstance(shots, list) else 0, name, text)
    if not shots or not isinstance(shots, list):
        raise ValueError(f"{name}: no [[shot]]: a storyboard needs at least one")
    made: list[Shot] = []
    for start, shot in zip(starts, shots, strict=True):
        _check(shot, Shot, ("line", "cast"), name, text, start)
        for key in ("seconds", "prompt"):
            if key not in shot:
                raise ValueError(f"{name}, line {start}: this shot has no {key}")
        try:
            named = [field for _, field, _, _ in Formatter().parse(shot["prompt"]) if field is not None]
        except ValueError as error:
            raise ValueError(f"{name}, line {_line(text, 'prompt', start)}: {error} (subjects stand in braces: {{hero}})") from error
        for unknown in named:
            if unknown not in subjects:
                raise ValueError(f"{name}, line {_line(text, 'prompt', start)}: no subject {unknown!r}{did_you_mean(unknown, subjects)}")
        prompt = shot["prompt"].format(**{key: subject.words for key, subject in subjects.items()})
        begun = [key for key in ("image", "clip", "continues") if shot.get(key)]
        if len(begun) > 1:
            raise ValueError(f"{name}, line {_line(text, begun[1], start)}: a shot begins with one thing, this one has {' and '.join(begun)}")
        if shot.get("continues") and not made:
            raise ValueError(f"{name}, line {_line(text, 'continues', start)}: the first shot has none before it to continue")
        made.append(
            Shot(
                **{
                    **shot,
                    "seconds": float(shot["seconds"]),
                    "prompt": ", ".join(filter(None, [prompt, shot.get("camera", "")])),
                    "line": start,
                    "cast": tuple(subjects[key] for key in dict.fromkeys(named)),
                }
            )
        )
    board = Storyboard(shots=tuple(made), **values)
    parse_size(board.size)
    for shot in made:
        try:
            num_frames_of(shot.seconds, board.fps)
        except ValueError as error:
            raise ValueError(f"{name}, line {_line(text, 'seconds', shot.line)}: {error}") from error
    return board


def load(path: Path) -> Storyboard:
    """The storyboard in a file. ValueError, with the line, for what is wrong in it."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        return parse(path.read_text("utf-8"), str(path))
    except UnicodeDecodeError:
        raise ValueError(f"{path}: no text in UTF-8, and so no storyboard") from None


def _subjects(told: Any, num_shots: int, name: str, text: str) -> dict[str, Subject]:
    """[subjects], checked: NAME = "words", or a table for each."""
    if not isinstance(told, dict):
        raise ValueError(f'{name}, line {_line(text, "subjects", 1)}: [subjects] holds NAME = "words"')
    subjects = {}
    for key, value in told.items():
        heads = [f"[subjects.{key}]", f'[subjects."{key}"]', key]
        start = next((line for head in heads if text.splitlines()[(line := _line(text, head, 1)) - 1].strip().startswith(head)), 1)
        if not isinstance(value, str | dict) or not key.isidentifier():
            raise ValueError(f'{name}, line {start}: a subject is NAME = "words", or a table with words and an image, a clip or a shot')
        fields_of = {"words": value} if isinstance(value, str) else value
        _check(fields_of, Subject, ("line",), name, text, start)
        if "words" not in fields_of:
            raise ValueError(f"{name}, line {start}: the subject {key} has no words")
        origins = [origin for origin in ("image", "clip", "shot") if fields_of.get(origin)]
        if len(origins) > 1:
            raise ValueError(f"{name}, line {_line(text, origins[1], start)}: a picture comes from one place, this one from {' and '.join(origins)}")
        subjects[key] = Subject(**fields_of, line=start)
        if not 0 <= subjects[key].shot <= num_shots or (subjects[key].shot == 0 and "shot" in fields_of):
            raise ValueError(f"{name}, line {_line(text, 'shot', start)}: shot = {subjects[key].shot}: a number from 1 to {num_shots} is needed")
    return subjects


def film(dreamer: Any, board: Storyboard, folder: Path, settings: dict[str, Any], on_shot: Callable[[int, int], None] | None = None) -> Video:
    """Dream every shot in order and cut them together; files are named relative to `folder`. Cuts fall where the seconds say.

    A seed among the settings stands for the storyboard's own. ValueError for pictures besides those of its subjects.
    """
    if settings.get("references"):
        raise ValueError("what a storyboard refers to are the pictures of its subjects: name them in its file")
    seed = settings.get("seed", board.seed)
    clips: list[np.ndarray] = []
    cuts, last = [], None
    for number, shot in enumerate(board.shots):
        pictures = [picture for subject in shot.cast if (picture := _picture(subject, board, folder, clips)) is not None]
        frames, how = num_frames_of(shot.seconds, board.fps), {**settings, "seed": seed + number, "references": pictures}
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
    metadata = {**last.metadata, "task": "storyboard", "prompt": [shot.prompt for shot in board.shots], "cuts": cuts, "seed": seed, "num_frames": sum(map(len, clips))}
    return Video(np.concatenate(clips), board.fps, metadata)


def _picture(subject: Subject, board: Storyboard, folder: Path, clips: list[np.ndarray]) -> Video | None:
    """What a shot sees of a subject: one frame of the storyboard's size; None where there is no picture, or not yet."""
    if subject.shot:
        return Video(clips[subject.shot - 1][len(clips[subject.shot - 1]) // 2][None]) if subject.shot <= len(clips) else None
    if not (subject.image or subject.clip):
        return None
    given = read(folder / (subject.image or subject.clip))
    frame = given.cut(given.num_frames // 2, given.num_frames // 2 + 1) if subject.clip else given.cut(0, 1)
    (width, height), (wide, high) = parse_size(board.size), frame.frames.shape[2:0:-1]
    if abs(width * high - height * wide) > max(wide, high) / 2 + max(width, height) / 2:
        raise ValueError(f"the picture of the subject of line {subject.line} is {given.size}, the storyboard {board.size}: cut it to the same shape")
    return resized(frame, width, height)


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
