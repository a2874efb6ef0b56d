"""Encodes and decodes a long film group by group: resident memory and time against its length. `python benchmarks/streaming.py --help`

The last line is JSON. The film is made up as it goes (moving ramps), so that nothing but the autoencoder takes memory.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from reverie.autoencoder.autoencoder import FRAMES
from reverie.layers.precision import fast_dtype, peak_memory
from reverie.sampling.reverie import BUNDLED, load_autoencoder
from reverie.sampling.tasks import parse_size


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--autoencoder", type=Path, default=BUNDLED / "autoencoder.safetensors")
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--fps", type=float, default=24.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    width, height = parse_size(options.size)
    autoencoder, about = load_autoencoder(options.autoencoder)
    autoencoder.compute_dtype = fast_dtype()
    groups = round(options.seconds * options.fps / FRAMES)
    marks = {groups * part // 12 for part in range(1, 13)}
    across, down = torch.linspace(-1, 1, width), torch.linspace(-1, 1, height)[:, None]
    cache, state, before, rows, spent = None, None, peak_memory() / 2**30, [], {"encode": 0.0, "decode": 0.0}
    waiting = torch.zeros(3, 0, len(range(0, height, 8)), width)  # every eighth row of frames whose decoded ones are still held
    with torch.inference_mode():
        for group in range(groups):
            moments = torch.arange(group * FRAMES, (group + 1) * FRAMES) / options.fps
            frames = torch.stack([torch.stack([(6 * (across + t)).sin().expand(height, -1), (4 * (down - t)).cos().expand(-1, width), across * down]) for t in moments.tolist()], 1)
            start = time.perf_counter()
            latents = autoencoder.encode(frames[None])
            between = time.perf_counter()
            video, cache = autoencoder.decode_piece(latents, cache)
            video, state = autoencoder.lap(video, state)
            spent["encode"] += between - start
            spent["decode"] += time.perf_counter() - between
            waiting = torch.cat([waiting, frames[:, :, ::8]], 1)
            shown, waiting = waiting[:, : video.shape[2]], waiting[:, video.shape[2] :]
            if group + 1 in marks:
                error = float((video[0, ..., :height:8, :width] - shown).abs().mean())
                rows.append(
                    {
                        "mean_error": round(error, 3),
                        "seconds_of_film": round((group + 1) * FRAMES / options.fps, 2),
                        "resident_gib": round(peak_memory() / 2**30, 3),
                        **{k: round(v, 2) for k, v in spent.items()},
                    }
                )
                print(rows[-1], flush=True)
    print(json.dumps({"size": options.size, "fps": options.fps, "autoencoder": about["digest"], "threads": torch.get_num_threads(), "loaded_gib": round(before, 3), "rows": rows}))


if __name__ == "__main__":
    main()
