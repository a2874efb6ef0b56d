"""Steer a dream by what it shows: drive on, and turn around whenever the red car comes near the border of the picture.

python examples/steer.py [film.mp4] [folder of a model]
"""

import sys

import numpy as np

import reverie


def place(frame: np.ndarray) -> float:
    """Where the red is: 0 at the left border, 1 at the right one, 0.5 where there is none."""
    red = frame[..., 0].astype(int) - frame[..., 1:].max(-1) > 60
    return float(np.nonzero(red)[1].mean() / frame.shape[1]) if red.any() else 0.5


def main(output: str = "steered.mp4", model: str | None = None) -> None:
    """Ten actions of half a second each."""
    session = reverie.load(model).play("a red car on the grass", size="128x128", seed=0)
    if not session.steers:
        print("these weights have not learned actions: the film goes on by its words alone")
    action = "forward"
    for _ in range(10):
        frames = session.advance(action)  # uint8 [4 H W 3]
        action = "forward" if 0.2 < place(frames[-1]) < 0.8 else "left"
    film = session.film()
    film.save(output)
    print(f"{output}: {film.seconds:g} s, {film.metadata['actions']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
