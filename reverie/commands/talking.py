"""What commands share: loading the model and files, results to standard output, notes and progress to standard error, what files remember.

Notes and progress go through the logger "reverie": --quiet raises its level.
"""

import argparse
import dataclasses
import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOG = logging.getLogger("reverie")
LONG = 60  # seconds: work that takes longer is announced
UNRECORDED = {"help", "json", "debug", "quiet", "output", "model", "no_metadata", "show_steps"}  # options that change no frame


def load(folder: Path | None) -> Any:
    """The bundled model, or the one in `folder`."""
    from reverie.sampling.reverie import load

    return load(folder)


def read_given(path: Path, max_frames: int | None = None) -> Any:
    """A file that the user gave, as `reverie.read`, with a note about each thing that reading it changed."""
    from reverie.video import read, shown

    video = read(path, max_frames)
    for text in video.notes:
        note(f"{shown(path)}: {text}")
    return video


def say(options: argparse.Namespace, text: str) -> None:
    """A result for people, on standard output unless --json or --quiet was given."""
    if not (options.json or options.quiet):
        print(text)


def note(text: str) -> None:
    """A line for people on standard error, unless --quiet was given."""
    LOG.info("%s", text)


def say_unknown(dreamer: Any, prompt: str) -> None:
    """A line about the words of a prompt that the model never met."""
    unknown = dreamer.unknown_words(prompt)
    if unknown:
        from reverie.text.vocabulary import words_of

        understood = [word for word in dict.fromkeys(words_of(prompt)) if word not in unknown]
        note(f"never met: {', '.join(unknown)}; understood: {' '.join(understood) or 'nothing'} (`reverie vocabulary` lists the words)")


def duration(seconds: float) -> str:
    """For people: 45 s, 3 min, 2.5 h."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


@contextmanager
def progress(text: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left on standard error, if that is a terminal; calls say (done, of).

    Work that turns out to take more than a minute is announced in a note as soon as its pace is known, terminal or not.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    hidden = not (console.is_terminal and LOG.isEnabledFor(logging.INFO))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    began: list[tuple[int, float]] = []
    announced = False
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(text, total=None)

        def advance(done: int, total: int) -> None:
            nonlocal announced
            bar.update(task, completed=done, total=total)
            now = time.perf_counter()
            began.append((done, now)) if not began else None
            first, start = began[0]
            if not announced and done > first and now - start > 2:
                left = (now - start) / (done - first) * (total - done)
                announced = True
                if left > LONG:
                    note(f"{text}: about {duration(left)} left at the pace of the first {done - first} of {total}")

        yield advance


@contextmanager
def kept(output: Path, request: Callable[[], dict[str, Any]]) -> Iterator[Any]:
    """A journal of what is finished of a request, in NAME.part.latents beside `output`, from which the same command goes on; it goes when the block ends well.

    The request is asked for when there are as many threads as the journal began with, which it names.
    """
    from reverie.sampling.stream import Journal
    from reverie.video import shown

    path = output.with_name(f"{output.stem}.part.latents")
    use_threads(Journal.begun(path))
    journal = Journal(path, request())
    empty = 0 if journal.filled else path.stat().st_size
    if journal.filled:
        note(f"{shown(output)}: goes on after {len(journal.filled)} windows that are finished")
    try:
        yield journal
    except BaseException:
        if finished := path.is_file() and path.stat().st_size > empty:
            note(f"{shown(path)}: holds what is finished; the same command goes on from there")
        journal.close(remove=not finished)
        raise
    journal.close(remove=True)


def use_threads(made: dict[str, Any]) -> None:
    """As many threads as when that was made: sums in another order are rounded differently."""
    import torch

    threads = made.get("threads")
    if isinstance(threads, int) and 1 <= threads <= 1024:
        torch.set_num_threads(threads)


def report(advance: Callable[[int, int], None]) -> Callable[[str, int, int, dict[str, float]], None]:
    """Progress of a training: the bar, and a log line every hundred steps."""

    def report(what: str, done: int, total: int, figures: dict[str, float]) -> None:
        advance(done, total)
        if figures and done % 100 == 0:
            LOG.info("step %d of %d: %s", done, total, ", ".join(f"{k} {v:.4g}" for k, v in figures.items()))

    return report


def announce(dreamer: Any, canvases: list[Any], config: Any, together: int = 1) -> None:
    """Time and memory that filling the canvases will take, in a note if it is more than a minute; ValueError if it cannot fit."""
    from reverie.sampling.estimate import estimate, total_memory

    seconds, memory = estimate(dreamer, canvases, config, together)
    room = total_memory()
    if room and memory > 1.5 * room:  # the estimate is rough: only what is far too much is refused
        raise ValueError(f"this needs about {memory / 1e9:.0f} GB of memory, the machine has {room / 1e9:.0f} GB: make it smaller or shorter, or fewer at once")
    if seconds > LONG:
        note(f"this will take about {duration(seconds)} and {memory / 1e9:.1f} GB of memory")


def recorded_command(options: argparse.Namespace) -> dict[str, Any]:
    """The command line that makes the same again, every default spelled out, and the files that it was given by name and digest.

    Names of files are kept without their folders: a file that is passed on tells nothing about the machine.
    """
    words, inputs = options.parser.prog.split()[1:], []
    for action in sorted(options.parser._actions, key=lambda action: not action.option_strings):  # options first, then what is positional
        value = getattr(options, action.dest, None)
        if action.dest in UNRECORDED or value is None or value is False or value == []:
            continue
        items = [] if value is True else value if isinstance(value, list) else [value]
        if action.option_strings and len(items) == 1 and not isinstance(items[0], Path):
            words.append(f"{action.option_strings[-1]}={items[0]}")  # so that a value may begin with a dash
            continue
        if action.option_strings:
            words.append(action.option_strings[-1])
        elif "--" not in words:
            words.append("--")  # and so may a prompt
        for item in items:
            if isinstance(item, Path):
                inputs.append({"word": len(words), "name": item.name, "digest": digest_of(item)})
            words.append(item.name if isinstance(item, Path) else str(item))
    return {"command": words, **({"inputs": inputs} if inputs else {})}


def digest_of(path: Path) -> str:
    """The sha256 of a file, or of the names and bytes of a folder's files."""
    from reverie.video import file_digest

    if not path.is_dir():
        return file_digest(path)
    total = hashlib.sha256()
    for part in sorted(item for item in path.iterdir() if item.is_file()):
        total.update(f"{part.name}\n{file_digest(part)}\n".encode(errors="surrogateescape"))
    return total.hexdigest()


def save(options: argparse.Namespace, video: Any, path: Path, position: int | None = None) -> dict[str, Any]:
    """Write a clip that a command made, with the memory of how (unless --no-metadata), which is returned. position: which of several of one command."""
    from reverie.video import frames_digest, shown

    which = {} if position is None else {"position": position}
    made = dataclasses.replace(video, metadata={**video.metadata, **recorded_command(options), **which, "frames": frames_digest(video.frames)})
    made.save(path, metadata=not options.no_metadata)
    say(options, f"{shown(path)}  {video.size}, {video.num_frames} frames, {video.seconds:g} s")
    return made.metadata
