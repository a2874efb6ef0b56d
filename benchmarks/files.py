"""How near each format is to the frames, how large its files are, and what reading through a child process costs.

python benchmarks/files.py FOOTAGE [NUM_CLIPS]       last line: JSON. PSNR over all clips' squared errors.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from reverie.data.shards import Footage
from reverie.video import probe, read


def main() -> None:
    """Measure and print."""
    footage = Footage(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    figures: dict[str, dict[str, float | str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for ending in (".mp4", ".webm", ".webp", ".gif", ".mkv"):
            errors, luma, sizes, seconds = [], [], [], []
            for number in range(count):
                clip = footage.video(number)
                path = clip.save(Path(folder) / f"a{ending}")
                start = time.perf_counter()
                back = read(path)
                seconds.append(time.perf_counter() - start)
                assert back.frames.shape == clip.frames.shape
                difference = back.frames.astype(np.float64) - clip.frames
                errors.append((difference**2).mean())
                luma.append(((difference @ [0.2126, 0.7152, 0.0722]) ** 2).mean())
                sizes.append(path.stat().st_size / 1000)
            figures[ending] = {
                "psnr": _decibels(errors), "psnr_luma": _decibels(luma), "worst_clip": _decibels([max(errors)]), "kilobytes": round(statistics.mean(sizes), 1), "read_seconds": round(statistics.median(seconds), 3),
            }  # fmt: skip
        start = time.perf_counter()
        probe(path)
        print(json.dumps({"clips": count, "probe_seconds": round(time.perf_counter() - start, 3), **figures}))


def _decibels(errors: list[float]) -> float | str:
    return "exact" if not any(errors) else round(float(10 * np.log10(255**2 / np.mean(errors))), 2)


if __name__ == "__main__":
    main()
