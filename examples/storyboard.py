"""A film of three shots with a hero that persists.  python examples/storyboard.py [FOLDER]"""

import sys
from pathlib import Path
from typing import Any

import reverie

BOARD = """
size = "128x128"
seed = 4
[subjects.hero]
words = "a red ball"
shot = 1                    # later shots see it as the first one shows it
[[shot]]
seconds = 2
prompt = "{hero} rolls to the left in the snow"
[[shot]]
seconds = 1
prompt = "{hero} jumps in the snow"
continues = true
[[shot]]
seconds = 2
prompt = "{hero} falls to the ground in the desert"
"""


def main(folder: Path, model: Path | None = None, **settings: Any) -> None:
    """Write film.toml and film.mp4."""
    (folder / "film.toml").write_text(BOARD)
    film = reverie.load(model).storyboard(folder / "film.toml", **settings)
    print("cuts at", film.metadata["cuts"], "seconds")
    film.save(folder / "film.mp4")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
