"""Words to film: four seeds side by side, a film longer than the model sees at once, a still.  python examples/text_to_film.py [FOLDER]"""

import sys
from pathlib import Path
from typing import Any

import reverie

PROMPT = "a red ball rolls to the left in the snow"


def main(folder: Path, model: Path | None = None, **settings: Any) -> None:
    """Write seed-0.mp4 to seed-3.mp4, long.mp4 and still.png; `settings` go to every verb."""
    dreamer = reverie.load(model)
    print("words that the model never met:", dreamer.unknown_words(PROMPT))
    for seed in range(4):
        dreamer.generate(PROMPT, seconds=2, seed=seed, **settings).save(folder / f"seed-{seed}.mp4")
    dreamer.generate("a yellow cube spins on the grass", seconds=6, **settings).save(folder / "long.mp4")
    dreamer.generate("a purple cone in the desert", num_frames=1, **settings).save(folder / "still.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
