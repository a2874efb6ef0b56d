"""What a player may do, frame by frame, and how the network is told: a row of numbers per latent. (No torch: worlds import the words.)"""

from collections.abc import Sequence

import numpy as np

from reverie.config import did_you_mean

ACTIONS = ("stand", "forward", "left", "right", "back")  # weights depend on this order
FRAMES_PER_LATENT = 4
ACTION_WIDTH = FRAMES_PER_LATENT * len(ACTIONS)  # numbers per latent


def action_rows(words: Sequence[str], lead: int = 0) -> np.ndarray:
    """What is done in each frame -> float32 [t ACTION_WIDTH]: per frame of a latent one number per action, 1 for what is done.

    words: one of ACTIONS per frame, or "" where nothing is known, which gives zeros. An action is what moves the subject from its frame to
    the next. `lead` copies of the first frame stand in front; the last latent is filled up with the last word. ValueError for other words.
    """
    unknown = set(words) - {*ACTIONS, ""}
    if unknown:
        word = min(unknown)
        raise ValueError(f"no action {word!r}{did_you_mean(word, ACTIONS)}")
    padded = [*words[:1]] * lead + [*words]
    padded += padded[-1:] * (-len(padded) % FRAMES_PER_LATENT)
    return np.array([[word == action for action in ACTIONS] for word in padded], np.float32).reshape(-1, ACTION_WIDTH)
