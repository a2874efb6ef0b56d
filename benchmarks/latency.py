"""How long one clip takes: 2 s at 8 fps, 128x128, from words to frames, and from process start to the first step.

python benchmarks/latency.py        last line: JSON. Run it on an idle machine; five rounds, the median counts.
"""

import json
import statistics
import subprocess
import sys
import time

START = """
import time, sys
import reverie
dreamer = reverie.load()
dreamer.generate("a red ball rolls to the left in the snow", num_steps=1, progress=lambda done, total: print(time.time(), flush=True))
"""


def main() -> None:
    """Measure and print."""
    starts = []
    for _ in range(3):
        begin = time.time()
        first = float(subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True).stdout.splitlines()[0])
        starts.append(first - begin)
    import torch

    import reverie

    dreamer = reverie.load()
    rounds = []
    for n in range(6):
        begin = time.perf_counter()
        dreamer.generate("a red ball rolls to the left in the snow", seed=n)
        rounds.append(time.perf_counter() - begin)
    a = torch.ones(2048, 2048, dtype=torch.bfloat16)
    begin = time.perf_counter()
    for _ in range(10):
        a @ a
    peak = 10 * 2 * 2048**3 / (time.perf_counter() - begin) / 1e9
    figures = {
        "start_to_first_step_seconds": round(statistics.median(starts), 2), "generate_seconds": round(statistics.median(rounds[1:]), 2),
        "generate_worst": round(max(rounds[1:]), 2), "video_seconds": 2.0, "num_steps": 25, "threads": torch.get_num_threads(), "bf16_matmul_gflops": round(peak),
    }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
