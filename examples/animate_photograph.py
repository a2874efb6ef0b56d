"""A picture comes alive: what it shows is the first frame, exactly.  python examples/animate_photograph.py [FOLDER] [PICTURE]"""

import sys
from pathlib import Path
from typing import Any

import reverie
from reverie.sampling.reverie import fit


def main(folder: Path, picture: Path | None = None, model: Path | None = None, **settings: Any) -> None:
    """Write alive.mkv (exact) and there-and-back.mkv, which begins and ends with the picture; without a picture one is dreamed."""
    dreamer = reverie.load(model)
    if picture is None:
        image = dreamer.generate("a yellow cone on the grass", num_frames=1, **settings)
    else:
        image = fit(reverie.read(picture, max_frames=1))  # in its shape, smaller if it is large
    alive = dreamer.animate(image, "a yellow cone jumps on the grass", num_frames=17, **settings)
    assert (alive.frames[0] == image.frames[0]).all()
    alive.save(folder / "alive.mkv")
    dreamer.animate([(image, 0.0), (image, 2.0)], "a yellow cone jumps on the grass", num_frames=17, **settings).save(folder / "there-and-back.mkv")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
