"""What commands share: loading the model, results to standard output, progress to standard error."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def load(folder: Path | None) -> Any:
    """The bundled model, or the one in `folder`."""
    from reverie.sampling.reverie import load

    return load(folder)


def say(options: argparse.Namespace, text: str) -> None:
    """A result for people, on standard output unless --json was given."""
    if not options.json:
        print(text)


def say_unknown(dreamer: Any, prompt: str) -> None:
    """A line about the words of a prompt that the model never met."""
    unknown = dreamer.unknown_words(prompt)
    if unknown:
        from reverie.text.vocabulary import words_of

        understood = [word for word in dict.fromkeys(words_of(prompt)) if word not in unknown]
        print(f"never met: {', '.join(unknown)}; understood: {' '.join(understood) or 'nothing'} (`reverie vocabulary` lists the words)", file=sys.stderr)


@contextmanager
def progress(text: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left on standard error, if that is a terminal; calls say (done, of)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def report(advance: Callable[[int, int], None]) -> Callable[[str, int, int, dict[str, float]], None]:
    """Progress of a training: the bar, and a log line every hundred steps."""

    def report(what: str, done: int, total: int, figures: dict[str, float]) -> None:
        advance(done, total)
        if figures and done % 100 == 0:
            logging.getLogger("reverie").info("step %d of %d: %s", done, total, ", ".join(f"{k} {v:.4g}" for k, v in figures.items()))

    return report
