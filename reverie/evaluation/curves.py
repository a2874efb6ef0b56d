"""Curves of training runs from their metrics.jsonl, several runs in one picture, drawn with pillow: people look rather than read."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PANEL = (560, 300)  # pixels, of the area of one diagram
MARGIN = (64, 28, 16, 30)  # left, top, right, bottom
PANELS = (("loss", True), ("gradient_norm", True), ("rate", False), ("tokens_per_second", False), ("psnr", False), ("share_of_peak", False))  # (figure, logarithmic)
COLOURS = ("#1f5fbf", "#c8501e", "#2a8a3c", "#8a3fa0", "#b08a00", "#128a9a", "#555555", "#d03a7a")
FONT = ImageFont.load_default(12)
POINTS = 120  # about so many steps of a curve's width one dot of the average spans


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics (events left out). ValueError if there are none."""
    path = folder / "metrics.jsonl"
    if not path.is_file():
        raise ValueError(f"{folder}: no run here (no metrics.jsonl)")
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.endswith("}"):
            continue  # torn off by a full disk or a kill
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number}: not a line of metrics ({error.msg})") from error
        if "event" not in row:
            rows.append(row)
    if not rows:
        raise ValueError(f"{folder}: the run has no line of metrics yet")
    return rows


def draw_curves(runs: dict[str, list[dict[str, Any]]]) -> Image.Image:
    """The runs' names and last losses, then one diagram per figure that any run has; the step is the horizontal axis of all of them."""
    panels = [(name, log) for name, log in PANELS if any(name in row for rows in runs.values() for row in rows)]
    panels += [(name, True) for name in sorted({key for rows in runs.values() for row in rows for key in row if key.startswith(("error_", "validation_"))})]
    cell = (PANEL[0] + MARGIN[0] + MARGIN[2], PANEL[1] + MARGIN[1] + MARGIN[3])
    columns = 1 if len(panels) == 1 else 2
    lines = -(-len(panels) // columns)
    head = 20 * len(runs) + 10
    picture = Image.new("RGB", (columns * cell[0], head + lines * cell[1]), "white")
    canvas = ImageDraw.Draw(picture)
    for number, (name, log) in enumerate(panels):
        _diagram(canvas, number % columns * cell[0] + MARGIN[0], head + number // columns * cell[1] + MARGIN[1], name, log, runs)
    for number, (run, rows) in enumerate(runs.items()):
        y = 8 + 20 * number
        last = next((f", loss {row['loss']:.4g}" for row in reversed(rows) if "loss" in row), "")
        canvas.line([(MARGIN[0], y + 8), (MARGIN[0] + 30, y + 8)], fill=COLOURS[number % len(COLOURS)], width=3)
        canvas.text((MARGIN[0] + 38, y), f"{run}: step {rows[-1]['step']}{last}", fill="black", font=FONT)
    return picture


def _diagram(canvas: ImageDraw.ImageDraw, left: int, top: int, name: str, log: bool, runs: dict[str, list[dict[str, Any]]]) -> None:
    """One figure over the step: the values thin and pale, their running average on top."""
    curves = {run: np.array([(row["step"], row[name]) for row in rows if name in row and (row[name] > 0 or not log)], float).reshape(-1, 2) for run, rows in runs.items()}
    shown = np.concatenate([curve for curve in curves.values() if len(curve)])
    last = max(1, *(row["step"] for rows in runs.values() for row in rows))
    low, high = np.quantile(shown[:, 1], [0.0, 1.0])
    low, high = (low, max(high, low * 1.01)) if log else (min(low, 0.0), max(high, low + 1e-9))
    scale = math.log if log else float
    width, height = PANEL

    def place(step: float, value: float) -> tuple[float, float]:
        return left + width * step / last, top + height * (1 - (scale(value) - scale(low)) / (scale(high) - scale(low)))

    canvas.rectangle([left, top, left + width, top + height], outline="#999999")
    canvas.text((left, top - 20), name + (" (logarithmic)" if log else ""), fill="black", font=FONT)
    for value in _ticks(low, high, log):
        y = place(0, value)[1]
        canvas.line([(left, y), (left + width, y)], fill="#e4e4e4")
        canvas.text((left - 6, y), f"{value:g}", fill="black", font=FONT, anchor="rm")
    for step in _ticks(0, last, False):
        x = place(step, high)[0]
        canvas.line([(x, top + height), (x, top + height + 4)], fill="#999999")
        canvas.text((x, top + height + 6), f"{step:g}", fill="black", font=FONT, anchor="ma")
    for number, curve in enumerate(curves.values()):
        colour = COLOURS[number % len(COLOURS)]
        _line(canvas, [place(*point) for point in curve], _paler(colour), 1)
        span = max(1, len(curve) // POINTS)
        smooth = [curve[max(0, i - span) : i + span + 1].mean(0) for i in range(len(curve))]
        _line(canvas, [place(*point) for point in smooth], colour, 2)


def _line(canvas: ImageDraw.ImageDraw, points: list[tuple[float, float]], colour: str, width: int) -> None:
    if len(points) == 1:
        x, y = points[0]
        canvas.ellipse([x - 2, y - 2, x + 2, y + 2], fill=colour)
    elif points:
        canvas.line(points, fill=colour, width=width)


def _ticks(low: float, high: float, log: bool) -> list[float]:
    """Round values between two, about five: 1, 2 and 5 times powers of ten."""
    if log:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        every = (1, 2, 5) if high / low < 1000 else (1,)
        return [digit * 10.0**n for n in decades for digit in every if low <= digit * 10.0**n <= high] or [float(f"{value:.3g}") for value in (low, high)]
    rough = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * digit for digit in (1, 2, 5, 10) if unit * digit >= rough)
    return [step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _paler(colour: str) -> str:
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{(part + 2 * 255) // 3:02x}" for part in parts)
