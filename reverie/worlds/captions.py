"""Words for what a diorama shows: facts to English and Chinese sentences, in many orders and with synonyms.

Only `tell` is called from outside. Every clause stands for a fact of the simulated track or of the set; there is no clause
for an intention.
"""

import numpy as np

from reverie.randomness import generator
from reverie.worlds.scene import Scene, Subject

FACTS = ("roll_left", "roll_right", "slide_left", "slide_right", "fall", "bounce", "jump", "spin", "stand")

SHAPES = {"ball": ("ball", "ball", "sphere"), "cube": ("cube", "cube", "box", "block"), "cylinder": ("cylinder", "cylinder", "drum"), "cone": ("cone", "cone")}
COLOURS = {
    "red": ("red", "red", "red", "crimson", "scarlet"), "orange": ("orange", "orange", "bright orange"), "yellow": ("yellow", "yellow", "lemon-yellow"),
    "green": ("green", "green", "green", "emerald"), "blue": ("blue", "blue", "blue", "cobalt blue"), "purple": ("purple", "purple", "violet"),
    "white": ("white", "white", "snow-white"), "black": ("black", "black", "jet-black"),
}  # fmt: skip
PLACES = {
    "snow": ("in the snow", "in the snow", "on the snow", "on snow", "across a snowy field", "on snowy ground", "in a white winter landscape"),
    "grass": ("on the grass", "on the grass", "on grass", "in a meadow", "on a green lawn", "across a grassy field"),
    "desert": ("in the desert", "in the desert", "on sand", "on the desert sand", "across the sand dunes"),
    "night": ("at night", "at night", "in the dark", "under the night sky", "on dark ground at night"),
    "wooden floor": ("on a wooden floor", "on a wooden floor", "on wood", "on wooden planks", "in a room with a wooden floor"),
}
SETTINGS = {
    "snow": ("snow", "a snowy field", "winter"), "grass": ("grass", "a meadow", "a green lawn"), "desert": ("desert", "sand", "a desert"),
    "night": ("night", "a dark night"), "wooden floor": ("wooden floor", "a wooden floor", "wooden planks"),
}  # fmt: skip
# third person, then participle
MOTIONS = {
    "roll_left": (("rolls to the left", "rolling to the left"), ("rolls left", "rolling left"), ("rolls leftwards", "rolling leftwards"), ("rolls from right to left", "rolling from right to left"), ("moves to the left", "moving to the left"), ("moves leftwards", "moving leftwards")),
    "roll_right": (("rolls to the right", "rolling to the right"), ("rolls right", "rolling right"), ("rolls rightwards", "rolling rightwards"), ("rolls from left to right", "rolling from left to right"), ("moves to the right", "moving to the right"), ("moves rightwards", "moving rightwards")),
    "slide_left": (("slides to the left", "sliding to the left"), ("slides left", "sliding left"), ("glides leftwards", "gliding leftwards"), ("slides from right to left", "sliding from right to left"), ("moves to the left", "moving to the left")),
    "slide_right": (("slides to the right", "sliding to the right"), ("slides right", "sliding right"), ("glides rightwards", "gliding rightwards"), ("slides from left to right", "sliding from left to right"), ("moves to the right", "moving to the right")),
    "fall": (("falls to the ground", "falling to the ground"), ("falls down", "falling down"), ("falls from above", "falling from above"), ("drops down", "dropping down"), ("drops from the sky", "dropping from the sky")),
    "jump": (("jumps", "jumping"), ("jumps up", "jumping up"), ("jumps into the air", "jumping into the air"), ("leaps up", "leaping up"), ("hops", "hopping"), ("jumps up and comes down again", "jumping up and coming down again")),
    "spin": (("spins", "spinning"), ("spins around", "spinning around"), ("turns in place", "turning in place"), ("rotates on the spot", "rotating on the spot")),
    "stand": (("stands still", "standing still"), ("does not move", "not moving"), ("rests", "resting"), ("stays where it is", "staying where it is")),
}  # fmt: skip
BOUNCES = (("bounces", "bouncing"), ("bounces back up", "bouncing back up"), ("bounces off the ground", "bouncing off the ground"))
CAMERAS = {
    "static": ("the camera does not move", "static camera", "a still camera"),
    "orbit": ("the camera circles around", "the camera orbits", "an orbiting camera"),
    "in": ("the camera moves closer", "the camera zooms in", "zooming in"),
    "out": ("the camera moves away", "the camera zooms out", "zooming out"),
}
LIGHT = {
    "snow": "The ground is covered with white snow under a pale sky.", "grass": "Green grass covers the ground under a blue sky.",
    "desert": "Rippled yellow sand stretches to a warm horizon.", "night": "It is night; the sky is dark and the ground is dim.",
    "wooden floor": "The floor is made of brown wooden planks and the wall is beige.",
}  # fmt: skip

ZH_SHAPES = {"ball": ("球", "球", "小球", "球体"), "cube": ("方块", "立方体", "盒子"), "cylinder": ("圆柱", "圆柱体"), "cone": ("圆锥", "圆锥体")}
ZH_COLOURS = {
    "red": ("红色", "红色", "鲜红色"), "orange": ("橙色", "橘色"), "yellow": ("黄色",), "green": ("绿色",), "blue": ("蓝色",), "purple": ("紫色",),
    "white": ("白色",), "black": ("黑色",),
}  # fmt: skip
ZH_PLACES = {
    "snow": ("在雪地里", "在雪地上", "在雪中"), "grass": ("在草地上", "在草坪上"), "desert": ("在沙漠里", "在沙地上"),
    "night": ("在夜里", "在夜空下", "在黑夜中"), "wooden floor": ("在木地板上", "在木头地板上"),
}  # fmt: skip
ZH_MOTIONS = {
    "roll_left": ("向左滚动", "往左滚", "从右向左滚动", "向左移动"), "roll_right": ("向右滚动", "往右滚", "从左向右滚动", "向右移动"),
    "slide_left": ("向左滑动", "往左滑", "向左移动"), "slide_right": ("向右滑动", "往右滑", "向右移动"),
    "fall": ("落下", "从空中掉下来", "掉到地上"), "jump": ("跳起来", "向上跳", "跳跃"), "spin": ("原地旋转", "转动"), "stand": ("静止不动", "停着不动"),
}  # fmt: skip
ZH_BOUNCES = ("弹起来", "又弹起")
ZH_CAMERAS = {"static": ("镜头不动",), "orbit": ("镜头环绕",), "in": ("镜头拉近",), "out": ("镜头拉远",)}


def _noun(rng: np.random.Generator, subject: Subject, article: bool = True) -> str:
    words = f"{rng.choice(COLOURS[subject.colour])} {rng.choice(SHAPES[subject.shape])}"
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}" if article else words


def _motion(rng: np.random.Generator, subject: Subject, form: int) -> str:
    """The facts as a verb phrase (form 0: third person, 1: participle); empty when the track shows nothing clear."""
    if not subject.facts:
        return ""
    options = MOTIONS[subject.facts[0]]
    words = options[rng.integers(len(options))][form]
    if "bounce" in subject.facts and rng.random() < 0.7:
        words += " and " + BOUNCES[rng.integers(len(BOUNCES))][form]
    return words


def _camera_key(scene: Scene) -> str:
    return scene.camera.kind if scene.camera.kind != "zoom" else ("in" if scene.camera.amount < 1 else "out")


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _medium(rng: np.random.Generator, scene: Scene, moving: bool) -> str:
    """One sentence with everything, in one of several orders."""
    place, setting = str(rng.choice(PLACES[scene.surroundings])), str(rng.choice(SETTINGS[scene.surroundings]))
    order = int(rng.integers(6))
    clauses = []
    for subject in scene.subjects:
        motion = [_motion(rng, subject, form) if moving else "" for form in (0, 1)]
        if not motion[0]:
            clauses.append(_noun(rng, subject))
        elif order in (2, 5):
            clauses.append(f"{_noun(rng, subject)} {motion[1]}")
        elif order == 3:
            clauses.append(f"{_noun(rng, subject)} that {motion[0]}")
        else:
            clauses.append(f"{_noun(rng, subject)} {motion[0]}")
    verbs = moving and order not in (2, 3, 5) and all(s.facts for s in scene.subjects)
    who = f" {rng.choice(['and', 'while'] if verbs else ['and'])} ".join(clauses)
    if order == 0 or order == 2 or order == 3:
        text = f"{who} {place}"
    elif order == 1:
        text = f"{place}, {who}"
    elif order == 4:
        text = f"{setting}: {who}"
    else:
        text = f"{who}, {setting}"
    if moving and ((scene.camera.kind != "static" and rng.random() < 0.7) or rng.random() < 0.15):
        text += f", {rng.choice(CAMERAS[_camera_key(scene)])}"
    return text if rng.random() < 0.6 else _capital(text) + "."


def _short(rng: np.random.Generator, scene: Scene, moving: bool) -> str:
    """As people type: a few words, no articles, some facts left out."""
    parts = []
    for subject in scene.subjects:
        motion = _motion(rng, subject, 1) if moving and rng.random() < 0.85 else ""
        parts.append(f"{_noun(rng, subject, article=bool(rng.random() < 0.3))} {motion}".strip())
    if rng.random() < 0.7:
        parts.append(str(rng.choice(SETTINGS[scene.surroundings] if rng.random() < 0.5 else PLACES[scene.surroundings])))
        if parts[-1] in PLACES[scene.surroundings]:
            return f"{' and '.join(parts[:-1])} {parts[-1]}"
    return ", ".join(parts)


def _dense(rng: np.random.Generator, scene: Scene, moving: bool) -> str:
    """Several sentences: the set, each thing with where it starts and what it does, the camera."""
    sentences = [LIGHT[scene.surroundings]]
    for number, subject in enumerate(scene.subjects):
        x = subject.screen[0][0]
        where = "on the left" if x < 0.38 else "on the right" if x > 0.62 else "in the middle"
        start = " high above the ground" if moving and "fall" in subject.facts else ""
        motion = _motion(rng, subject, 0) if moving else ""
        intro = f"{_capital(_noun(rng, subject))} is{start} {where}" if number == 0 else f"There is also {_noun(rng, subject)}{start} {where}"
        sentences.append(f"{intro}." if not motion else f"{intro}. It {motion}." if rng.random() < 0.5 else f"{intro}; it {motion}.")
    if moving:
        sentences.append(_capital(str(rng.choice(CAMERAS[_camera_key(scene)]))) + ".")
    if rng.random() < 0.5:
        sentences = sentences[1:] + sentences[:1]
    return " ".join(sentences)


def _chinese(rng: np.random.Generator, scene: Scene, moving: bool) -> str:
    place = str(rng.choice(ZH_PLACES[scene.surroundings]))
    clauses = []
    for subject in scene.subjects:
        noun = f"{rng.choice(['一个', '一个', ''])}{rng.choice(ZH_COLOURS[subject.colour])}{rng.choice(['的', ''])}{rng.choice(ZH_SHAPES[subject.shape])}"
        motion = str(rng.choice(ZH_MOTIONS[subject.facts[0]])) if moving and subject.facts else ""
        if motion and "bounce" in subject.facts and rng.random() < 0.7:
            motion += str(rng.choice(ZH_BOUNCES))
        clauses.append((noun, motion))
    order = int(rng.integers(3))
    if order == 0:
        text = "，".join(noun + place * (i == 0) + motion for i, (noun, motion) in enumerate(clauses))
    elif order == 1:
        text = f"{place}，" + "，".join(noun + motion for noun, motion in clauses)
    else:
        text = f"{place[1:]}，" + "，".join((motion + "的" if motion and len(clauses) == 1 else "") + noun + (motion if len(clauses) > 1 else "") for noun, motion in clauses)
    if moving and scene.camera.kind != "static" and rng.random() < 0.5:
        text += f"，{rng.choice(ZH_CAMERAS[_camera_key(scene)])}"
    return text


def tell(scene: Scene) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Captions of a filmed scene: (of the clip, of its first frame). A pure function of the scene.

    Of the clip: four medium ones, two short, one dense and two Chinese; of the frame the same kinds without motion.
    """
    rng = generator(scene.seed ^ 0x5EED, scene.index)
    kinds = (_medium, _medium, _medium, _medium, _short, _short, _dense, _chinese, _chinese)
    of_clip = tuple(kind(rng, scene, True) for kind in kinds)
    of_still = tuple(kind(rng, scene, False) for kind in (_medium, _medium, _short, _dense, _chinese))
    return of_clip, of_still
