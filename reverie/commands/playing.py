"""The command that plays: steer a world live in the terminal, or by a script."""

import argparse
import os
import queue
import select
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from reverie.commands.making import named
from reverie.commands.talking import load, note, progress, save, say_unknown

KEYS = {
    "w": "forward", "a": "left", "s": "back", "d": "right", " ": "stand",
    "\x1b[A": "forward", "\x1b[D": "left", "\x1b[B": "back", "\x1b[C": "right", "\x1bOA": "forward", "\x1bOD": "left", "\x1bOB": "back", "\x1bOC": "right",
}  # fmt: skip
QUIT = "q"


def play(options: argparse.Namespace) -> dict[str, Any]:
    """Words and actions to a film."""
    from reverie.sampling.play import parse_script
    from reverie.sampling.sampler import SamplerConfig
    from reverie.sampling.tasks import check_request, parse_size
    from reverie.video import check_target

    script = None if options.actions is None else parse_script(options.actions)
    SamplerConfig(num_steps=options.num_steps, guidance_scale=options.guidance_scale)
    check_request(options.prompt, 1, options.fps)
    width, height = parse_size(options.size)
    live = sys.stdin.isatty() and sys.stdout.isatty() and not options.json
    if script is None and not live:
        raise ValueError("no terminal to play in (or --json, which needs it): say what to do, for example --actions 'forward*4,left*2'")
    output = options.output or named(options.prompt, options.seed, f"{width}x{height}", 4)
    check_target(output, 4, width, height, options.fps)
    dreamer = load(options.model)
    settings = {name: getattr(options, name) for name in ("size", "fps", "seed", "num_steps", "guidance_scale", "negative_prompt")}
    session = dreamer.play(options.prompt, **settings)
    say_unknown(dreamer, options.prompt)
    if not session.steers:
        note("these weights have not learned actions: the film goes on by its words alone, whatever is pressed")
    if script is None:
        _live(session)
    else:
        with progress("playing") as advance:
            for number, action in enumerate(script):
                session.advance(action)
                advance(number + 1, len(script))
    if not session.actions:
        note("nothing was played, so nothing was written")
        return {"files": [], "steered": session.steers}
    film = session.film()
    options.actions = film.metadata["actions"]  # so that `rerun` repeats what was pressed
    return {"files": [str(output)], "steered": session.steers, "unknown_words": dreamer.unknown_words(options.prompt), **save(options, film, Path(output))}


def _live(session: Any) -> None:
    """Show frames and take keys until q. The last key goes on; frames are shown at their rate while the next are dreamed."""
    frames: queue.Queue[Any] = queue.Queue(maxsize=4)
    action = "stand"
    with _raw_terminal() as keys:
        painter = threading.Thread(target=_paint, args=(frames, session.fps), daemon=True)
        painter.start()
        try:
            for key in keys():
                if key == QUIT or session.full or not painter.is_alive():
                    break
                action = KEYS.get(key, action)
                if key == "":  # all that was pressed is read: dream on
                    for number, frame in enumerate(session.advance(action)):
                        seconds = (4 * len(session.actions) - 4 + number) / session.fps
                        _hand_over(painter, frames, (frame, f"{action:<8} {seconds:6.1f} s   w a s d or arrows steer, space stands, q ends"))
        finally:
            _hand_over(painter, frames, None)
            painter.join()


def _hand_over(painter: threading.Thread, frames: "queue.Queue[Any]", item: Any) -> None:
    """Wait until the painter takes it; a painter whose terminal has gone takes nothing, and nobody waits for it."""
    while painter.is_alive():
        with suppress(queue.Full):
            frames.put(item, timeout=0.5)
            return


def _paint(frames: "queue.Queue[Any]", fps: float) -> None:
    """Draw what comes, at most `fps` frames per second, until None comes."""
    due = 0.0
    while (item := frames.get()) is not None:
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due, time.monotonic()) + 1 / fps
        sys.stdout.write(picture(item[0], *os.get_terminal_size()) + f"\x1b[0m{item[1]}\x1b[K")
        sys.stdout.flush()


def picture(frame: Any, columns: int, lines: int) -> str:
    """A frame uint8 [H W 3] as escape codes: two pixels per character (an upper half block before a background), scaled to fit, one line left."""
    import numpy as np
    from PIL import Image

    height, width = frame.shape[:2]
    scale = min(1.0, columns / width, 2 * (lines - 1) / height)
    size = max(1, int(width * scale)), max(2, int(height * scale) // 2 * 2)
    small = Image.fromarray(frame).resize(size, Image.Resampling.BOX)
    rows = np.asarray(small).tolist()
    drawn = [
        "".join("\x1b[38;2;{};{};{};48;2;{};{};{}m▀".format(*above, *below) for above, below in zip(top, bottom, strict=True))
        for top, bottom in zip(rows[::2], rows[1::2], strict=True)
    ]
    return "\x1b[H" + "\x1b[0m\x1b[K\r\n".join(drawn) + "\x1b[0m\x1b[K\r\n"


@contextmanager
def _raw_terminal() -> Iterator[Any]:
    """The terminal without echo and line editing, on its other screen; gives what yields keys ("" where none waits). All is put back."""
    try:
        import termios
        import tty
    except ImportError as error:
        raise ValueError("this system has no Unix terminal to play in: use --actions") from error
    file = sys.stdin.fileno()
    before = termios.tcgetattr(file)

    def keys() -> Iterator[str]:
        while True:
            waiting = ""
            while select.select([file], [], [], 0)[0]:
                part = os.read(file, 64)
                if not part:  # the terminal has gone
                    yield QUIT
                waiting += part.decode(errors="replace")
            while waiting:
                size = 3 if waiting[:3] in KEYS else 1
                yield waiting[:size] if size == 3 else waiting[0].lower()
                waiting = waiting[size:]
            yield ""

    try:
        tty.setcbreak(file)
        sys.stdout.write("\x1b[?1049h\x1b[?25l\x1b[2J")
        yield keys
    finally:
        sys.stdout.write("\x1b[0m\x1b[?25h\x1b[?1049l")
        sys.stdout.flush()
        termios.tcsetattr(file, termios.TCSADRAIN, before)
