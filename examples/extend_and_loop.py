"""Longer on both sides, then endless.  python examples/extend_and_loop.py [FOLDER]"""

import sys
from pathlib import Path
from typing import Any

import reverie


def main(folder: Path, model: Path | None = None, **settings: Any) -> None:
    """Write longer.mkv, loop.gif, held.mkv (a loop that holds a given clip) and joined.mkv (two clips with a dreamed second between)."""
    dreamer = reverie.load(model)
    clip = dreamer.generate("a blue ball rolls to the right in the desert", seconds=1, **settings)
    longer = dreamer.extend(clip, seconds=1, before=1, **settings)
    assert (longer.frames[8:16] == clip.frames).all()
    longer.save(folder / "longer.mkv")
    dreamer.loop("a blue ball jumps in the snow", seconds=2, **settings).save(folder / "loop.gif")
    dreamer.loop("a blue ball rolls in the desert", clip, seconds=2, **settings).save(folder / "held.mkv")
    other = dreamer.generate("a blue ball falls to the ground in the desert", seconds=1, seed=1, **settings)
    dreamer.connect(clip, other, "a blue ball in the desert", seconds=1, **settings).save(folder / "joined.mkv")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
