"""What the digital worlds share: captions of a clip of a game, put together from what its player was measured to do."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from reverie.randomness import generator
from reverie.worlds.scene import Event, GameScene

Deeds = dict[str, tuple[str, str, str]]  # kind of event: third person, participle, Chinese


def stretches(words: list[str]) -> list[tuple[str, int, int]]:
    """Runs of the same word that is not empty, as (word, first, last)."""
    found: list[tuple[str, int, int]] = []
    for n, word in enumerate(words):
        if word and found and found[-1][0] == word and found[-1][2] == n - 1:
            found[-1] = (word, found[-1][1], n)
        elif word:
            found.append((word, n, n))
    return found


def tell_game(scene: GameScene, names: tuple[str, str, str], place: tuple[str, str], deeds: Deeds) -> GameScene:
    """The played clip with its captions, ten as those of the diorama: four medium, two short, one dense, three Chinese; without motion those of the first frame.

    names: the game as "Crafter", "a survival game seen from above" and in Chinese; place: what the first frame shows, in English and Chinese.
    """
    rng = generator(scene.seed ^ 0x5EED, scene.index)
    name, sort, zh = names
    told: list[Event] = []
    for event in scene.events:
        if event.kind not in [e.kind for e in told]:
            told.append(event)

    def some(count: int, form: int = 0) -> str:
        """The first deeds in words: "then" only where one began later than the one before."""
        text = deeds[told[0].kind][form]
        for before, event in pairwise(told[:count]):
            later, along = (", then ", " and ") if form < 2 else ("，然后", "，")
            text += (later if event.start > before.start else along) + deeds[event.kind][form]
        return text

    medium = [
        f"{name}: the player {some(2)}", f"in {name}, {sort}, the player {some(2)}", f"{name}, {sort}: the player {some(3)}, at first {place[0]}", f"the player {some(2)} in the game {name}",
    ]  # fmt: skip
    short = [f"{name} player {some(1, 1)}", f"player {some(1, 1)} in {name}"]
    seconds = f"{scene.num_frames / max(scene.fps, 1e-9):.0f}"
    dense = (
        f"This is {name}, {sort}. The player is {place[0]}. The player {some(6)}. The clip shows {scene.num_frames} frames of play, about {seconds} seconds, and the "
        f"picture is {scene.width} pixels wide and {scene.height} pixels high. Every frame comes with what the player does, with its place and with what it has."
    )  # fmt: skip
    chinese = [f"{zh}：玩家{some(2, 2)}", f"{zh}，玩家{some(1, 2)}", f"这是{zh}，玩家{place[1]}，{some(6, 2)}。"]
    order = [medium[n] for n in rng.permutation(4)]
    still = (
        f"{name}: the player {place[0]}",
        f"{name}, {sort}, the player {place[0]}",
        f"{name} player {place[0]}",
        f"This is {name}, {sort}. The player is {place[0]}.",
        f"{zh}：玩家{place[1]}",
        f"这是{zh}，玩家{place[1]}。",
    )
    timed = tuple((f"the player {deeds[e.kind][0]}", e.start, e.end) for e in scene.events)
    return replace(scene, captions=(*order, *short, dense, *chinese), still_captions=still, timed_captions=timed)


def cropped(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 [h w 3] to the wanted shape: its middle, averaged or interpolated."""
    from PIL import Image

    h, w = frame.shape[:2]
    scale = min(w / width, h / height)
    left, top = (w - scale * width) / 2, (h - scale * height) / 2
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BOX if scale > 1 else Image.Resampling.BILINEAR, (left, top, w - left, h - top)))
