"""The largest sizes with the bundled weights (slow: minutes each): as asked, one picture in all of them, within the memory that was announced."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import reverie
from reverie.sampling import tasks
from reverie.video import Video

SCRIPT = """
import sys
import reverie
from reverie.layers.precision import peak_memory
from reverie.sampling.estimate import estimate
said = []
dreamer = reverie.load()
clip = dreamer.generate("a red ball rolls to the left in the snow", size=sys.argv[1], num_frames=int(sys.argv[2]), announce=lambda canvases, config: said.append(estimate(dreamer, canvases, config)))
clip.save(sys.argv[3])
print(said[0][1] / 1e9, peak_memory() / 1e9)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("size", "frames"), [("1920x1080", 16), ("1080x1920", 16), ("2048x2048", 1)])
def test_a_large_clip_is_its_draft_in_large(size: str, frames: int, tmp_path: Path):
    path = tmp_path / ("large.png" if frames == 1 else "large.mkv")
    told, used = map(float, subprocess.run([sys.executable, "-c", SCRIPT, size, str(frames), str(path)], capture_output=True, text=True, check=True).stdout.split())
    assert used < 1.2 * told  # GB; the announcement may be too careful, never far too small
    clip = reverie.read(path)
    width, height = tasks.parse_size(size)
    assert (clip.size, clip.num_frames) == (size, frames)
    small = tasks.draft_size(width, height)
    assert clip.metadata["draft"] == f"{small[0]}x{small[1]}"
    draft = reverie.load().generate("a red ball rolls to the left in the snow", size=clip.metadata["draft"], num_frames=frames)
    shrunk = tasks.resized(Video(clip.frames), *small).frames.astype(int)
    assert np.abs(shrunk - draft.frames).mean() < 3  # Lanczos is not the mean over an area; threads
