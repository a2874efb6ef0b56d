"""Contact sheets: clips as rows of frames with their words above, since people look rather than read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from reverie.video import Video, check_target, whole_file

LABEL = 16  # pixels
GAP = 2


def contact_sheet(videos: Sequence[Video], labels: Sequence[str], columns: int = 8, pairs: int = 1) -> Image.Image:
    """One row per clip: up to `columns` frames at even steps, first and last included; `pairs` clips side by side."""
    cells = []
    for video, label in zip(videos, labels, strict=True):
        chosen = np.linspace(0, video.num_frames - 1, min(columns, video.num_frames)).round().astype(int)
        frames = video.frames[chosen]
        height, width = frames.shape[1:3]
        cell = Image.new("RGB", (len(frames) * (width + GAP) - GAP, height + LABEL), "white")
        for i, frame in enumerate(frames):
            cell.paste(Image.fromarray(frame), (i * (width + GAP), LABEL))
        ImageDraw.Draw(cell).text((1, 1), label, fill="black", font=_font())
        cells.append(cell)
    rows = [cells[i : i + pairs] for i in range(0, len(cells), pairs)]
    wide = [max(row[i].width for row in rows if i < len(row)) for i in range(min(pairs, len(cells)))]
    sheet = Image.new("RGB", (sum(wide) + 3 * GAP * (len(wide) - 1), sum(max(c.height for c in row) + GAP for row in rows)), "white")
    y = 0
    for row in rows:
        for i, cell in enumerate(row):
            sheet.paste(cell, (sum(wide[:i]) + 3 * GAP * i, y))
        y += max(c.height for c in row) + GAP
    return sheet


def check_sheet(path: Path) -> None:
    """ValueError for a name that is not a PNG's, or that cannot be written."""
    if path.suffix.lower() != ".png":
        raise ValueError(f"{path}: a sheet is a .png")
    check_target(path, 1, 0, 0)


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Write a sheet as PNG, whole or not at all."""
    with whole_file(path) as temporary:
        sheet.save(temporary, "png")


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    for name in ("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "DejaVuSans.ttf"):  # the first has Chinese
        try:
            return ImageFont.truetype(name, 11)
        except OSError:
            continue
    return ImageFont.load_default()
