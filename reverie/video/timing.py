"""Time stamps to a constant rate: a clip in memory has one, files need not."""

import itertools
from collections.abc import Sequence
from fractions import Fraction

NEAT = [Fraction(n * 1000, 1001) for n in (24, 30, 60, 120)]
MOST = 1_000_000  # frames that showing by time stamps may ask for; the reader's limits are far lower


def retime(times: Sequence[float], end: float, tick: float, stated: Sequence[Fraction | float | None], end_counts: bool = False) -> tuple[float, list[int] | None, str]:
    """(fps, which frames to show in order or None for all as they are, a note or "").

    times: of each frame in seconds, in the order of decoding; end: when the last one goes, which has to fit as well if `end_counts`; tick:
    the resolution of the clock; stated: rates that the file names, best first. A rate is right if every frame lies within
    a quarter of a frame of its place and the last within the clock's resolution. Where none is, the frames are shown, by their time stamps, at the
    rate of the median step. Raises ValueError for rates outside 0.1 to 1000.
    """
    order = sorted(range(len(times)), key=lambda i: times[i])
    moved = order != list(range(len(times)))
    origin = times[order[0]]
    times, end = [times[i] - origin for i in order], end - origin
    rates = [Fraction(rate).limit_denominator(1001) for rate in stated if rate and 0.1 <= rate <= 1000]
    if len(times) == 1:
        alone = 1 / end if end > 0 and 0.1 <= 1 / end <= 1000 else 8.0
        return float(rates[0]) if rates else round(alone, 6), None, ""
    marks = [*times, end] if end_counts else times
    if marks[-1] > 0:
        measured = (len(marks) - 1) / marks[-1]
        neat = sorted((rate for rate in [*NEAT, Fraction(round(measured)), Fraction(round(2 * measured), 2)] if rate), key=lambda rate: abs(rate - measured))
        for rate in [*rates, *neat, Fraction(measured).limit_denominator(1001)]:
            if rate and _fits(marks, rate, tick):
                return _allowed(float(rate)), order if moved else None, "frames were out of order: sorted by their time stamps" if moved else ""
    steps = sorted(b - a for a, b in itertools.pairwise(marks) if b - a > tick / 2)
    if not steps:
        raise ValueError("all its frames have the same time stamp")
    step = steps[len(steps) // 2]
    fps = _allowed(next((float(rate) for rate in [*rates, *NEAT, Fraction(round(1 / step))] if rate and abs(1 / rate - step) <= tick), 1 / step))
    seconds = end if end_counts else max(end, times[-1] + steps[0])
    pick, at = [], 0
    for n in range(max(1, round(min(seconds * fps, MOST)))):
        while at + 1 < len(times) and times[at + 1] <= (n + 0.5) / fps:
            at += 1
        pick.append(order[at])
    note = f"variable frame rate (steps of {1000 * steps[0]:.4g} to {1000 * steps[-1]:.4g} ms): {len(times)} frames shown by their time stamps as {len(pick)} at {fps:.6g} fps"
    return fps, pick, note


def _fits(marks: Sequence[float], rate: Fraction, tick: float) -> bool:
    step = float(1 / rate)
    late = [abs(mark - n * step) for n, mark in enumerate(marks)]
    return max(late) <= max(step / 4, 1.01 * tick) and late[-1] <= max(1.01 * tick, 1e-4)


def _allowed(fps: float) -> float:
    if not 0.1 <= fps <= 1000:
        raise ValueError(f"its rate is {fps:.4g} frames per second: between 0.1 and 1000 is allowed")
    return fps
