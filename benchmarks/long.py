"""Does a long film take memory that stays flat and time that grows in step with it? Memory and time after every window.

python benchmarks/long.py [SECONDS] [WxH] [PICTURE.png]        last line: JSON; the picture is of the memory. Run it on an idle machine; 60 s by default, about two minutes of work.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import reverie
from reverie.sampling import tasks
from reverie.sampling.sampler import SamplerConfig
from reverie.sampling.stream import Windows


def resident() -> float:
    """MB of this process that lie in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def draw(film: np.ndarray, memory: np.ndarray, path: Path) -> None:
    """Memory (from 0 to a tenth above its most) over seconds of film."""
    width, height, edge = 640, 260, 46
    picture = Image.new("RGB", (width, height), "white")
    canvas, most = ImageDraw.Draw(picture), 1.1 * float(memory.max())
    points = [(edge + (width - 2 * edge) * x / film[-1], height - edge - (height - 2 * edge) * y / most) for x, y in zip(film, memory, strict=True)]
    canvas.line([(edge, edge), (edge, height - edge), (width - edge, height - edge)], fill="black")
    canvas.line(points, fill="#1f5fbf", width=2)
    canvas.text((edge, 14), f"MB of memory, up to {most:.0f}; {memory.max():.0f} at most", fill="black")
    canvas.text((edge, height - 32), f"seconds of film, 0 to {film[-1]:g}", fill="black")
    picture.save(path)


def main() -> None:
    """Measure and print."""
    seconds, size = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0, sys.argv[2] if len(sys.argv) > 2 else "128x128"
    width, height = tasks.parse_size(size)
    dreamer = reverie.load()
    dreamer.generate("a red cube spins on the grass", num_frames=20, size=size)  # warms up
    shape = {"channels": dreamer.channels, "width": width, "height": height, "num_frames": tasks.num_frames_of(seconds, 8), "fps": 8, "window": dreamer.window}
    canvas = tasks.text_to_video("a red cube spins on the grass", seed=0, **shape)
    rows, frames, start = [], 0, time.perf_counter()
    for piece in dreamer.stream(Windows(canvas), SamplerConfig()):
        frames += len(piece)
        rows.append((frames / 8, time.perf_counter() - start, resident()))
        print(f"{rows[-1][0]:7.1f} s of film after {rows[-1][1]:7.1f} s, {rows[-1][2]:6.0f} MB", flush=True)
    film, spent, memory = np.array(rows).T
    half = len(rows) // 2
    figures = {
        "film_seconds": float(film[-1]), "size": size, "seconds": round(float(spent[-1]), 1), "memory_mb_first_half": round(float(memory[:half].max())),
        "memory_mb_second_half": round(float(memory[half:].max())), "seconds_per_second_first_half": round(float(spent[half] / film[half]), 2),
        "seconds_per_second_second_half": round(float((spent[-1] - spent[half]) / (film[-1] - film[half])), 2),
    }  # fmt: skip
    if len(sys.argv) > 3:
        draw(film, memory, Path(sys.argv[3]))
    print(json.dumps({**figures, "rows": [[round(float(v), 1) for v in row] for row in rows]}))


if __name__ == "__main__":
    main()
