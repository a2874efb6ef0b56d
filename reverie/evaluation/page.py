"""The figures of every task with a sheet of each, as one HTML page that needs nothing else: no script, no other file."""

import base64
import html
import io
from collections.abc import Iterator
from typing import Any

from PIL import Image

QUALITY = 80  # of the sheets, JPEG
STYLE = "body{font:15px sans-serif;margin:2em;max-width:70em}td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ddd}img{max-width:100%}"


def rows_of(name: str, figures: dict[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    """(task, measure, value, spread, cases) of nested figures; spreads are 95% intervals, quartiles, ranges or +-."""
    for key in ("share", "ratio", "median", "gain"):
        if key in figures:
            spread = next((f"{kind} {low:g} to {high:g}" for kind in ("interval", "quartiles", "range") if kind in figures for low, high in [figures[kind]]), "")
            spread = spread or (f"± {figures['plus_minus']:g}; {figures['psnr']:g} dB against {figures['trick_psnr']:g} dB" if "psnr" in figures else "")
            task, _, measure = name.partition(": ")
            yield task, f"{measure} ({key}{' in dB' if key == 'gain' else ''})", f"{figures[key]:g}", spread, str(figures.get("cases", ""))
            return
    for key, inner in figures.items():
        if isinstance(inner, dict):
            yield from rows_of(f"{name}{', ' if ': ' in name else ': '}{key.replace('_', ' ')}", inner)


def page_of(figures: dict[str, Any], sheets: dict[str, Image.Image]) -> str:
    """The page: a table of all measures, then the sheets, nothing chosen."""
    measured = {name: inner for name, inner in figures.items() if isinstance(inner, dict)}
    rows = [row for name, inner in measured.items() for row in rows_of(name, inner)]
    table = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    head = "".join(f"<th>{word}</th>" for word in ("task", "measure", "value", "spread", "cases"))
    wrong = [(name, text) for name, inner in measured.items() for text in [*([f"failed: {inner['failed']}"] if "failed" in inner else []), *inner.get("missed", ())]]
    goals = "".join(f"<li>{html.escape(f'{name}: {text}')}</li>" for name, text in [*wrong, *((name, "not finished") for name in figures.get("unfinished", ()))])
    pictures = "".join(f'<h2>{html.escape(name)}</h2><img alt="{html.escape(name)}" src="data:image/jpeg;base64,{_jpeg(sheet)}">' for name, sheet in sheets.items())
    about = html.escape(
        f"Model {figures.get('model')}, {figures.get('cases')} cases that it has not seen ({figures.get('footage')}), words read by {figures.get('read_by')}, "
        "seeds 0, 1, ... by case; the first clips of each task, as they came."
    )
    return f"<!doctype html><meta charset=utf-8><title>Reverie: tasks</title><style>{STYLE}</style><h1>Every task, measured</h1><p>{about}</p><table><tr>{head}</tr>{table}</table><h2>Goals that are missed</h2><ul>{goals}</ul>{pictures}\n"


def _jpeg(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "jpeg", quality=QUALITY)
    return base64.b64encode(buffer.getvalue()).decode()
