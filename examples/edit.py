"""The same motion in other colours, frames and sizes.  python examples/edit.py [FOLDER]"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

import reverie


def main(folder: Path, model: Path | None = None, **settings: Any) -> None:
    """Write recoloured.mp4, wide.mp4, painted.mp4, smooth.mp4, large.mp4 and cut.mkv, all of one clip."""
    dreamer = reverie.load(model)
    clip = dreamer.generate("a red ball rolls to the left in the snow", seconds=2, **settings)
    dreamer.edit(clip, "a green ball rolls to the left in the desert", strength=0.9, **settings).save(folder / "recoloured.mp4")
    dreamer.outpaint(clip, "a red ball rolls to the left in the snow", size="192x128", **settings).save(folder / "wide.mp4")
    mask = np.zeros((1, *clip.frames.shape[1:3]), bool)
    mask[:, 16:64, 64:112] = True
    dreamer.inpaint(clip, mask, "a red ball in the snow", **settings).save(folder / "painted.mp4")
    dreamer.fill(clip, "a red ball rolls to the left in the snow", factor=2, **settings).save(folder / "smooth.mp4")
    dreamer.refine(clip, size="256x256", **settings).save(folder / "large.mp4")
    clip.cut(4, 12).save(folder / "cut.mkv")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
