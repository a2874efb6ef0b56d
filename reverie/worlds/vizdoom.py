"""Doom as a world: first person, in the free levels that come with ViZDoom (Kempka 2016; package `vizdoom`, MIT licence; its art is Freedoom's, BSD licence).

The game runs 35 tics a second and a frame shows the tic that its time falls on. A clip has a level and an aim: to explore, fight, or act at random. What is told is what was
measured: metres walked, degrees turned, shots, wounds. Depth is the game's own, 0 near to 255 far, not metres.
"""

import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reverie.randomness import generator
from reverie.video import Video
from reverie.worlds.games import Deeds, cropped, stretches, tell_game
from reverie.worlds.scene import Event, Format, GameScene, Maps, Scene

LEVELS = {
    "my_way_home": ("in a maze of rooms", "在迷宫里"), "basic": ("in a hall", "在大厅里"), "defend_the_center": ("in a round arena", "在圆形竞技场里"),
    "deadly_corridor": ("in a corridor", "在走廊里"), "health_gathering": ("in a room", "在房间里"), "defend_the_line": ("in a long hall", "在长厅里"),
}  # fmt: skip
AIMS = ("explore", "fight", "random")
BUTTONS = ("MOVE_FORWARD", "MOVE_BACKWARD", "TURN_LEFT", "TURN_RIGHT", "ATTACK")
VARIABLES = ("POSITION_X", "POSITION_Y", "POSITION_Z", "ANGLE", "HEALTH", "AMMO2", "KILLCOUNT")
TICS = 35
UNIT = 32.0  # map units in about a metre
DEEDS: Deeds = {
    "forward": ("walks forward", "walking forward", "向前走"), "backward": ("walks backward", "walking backward", "向后退"), "turn_left": ("turns to the left", "turning to the left", "向左转"),
    "turn_right": ("turns to the right", "turning to the right", "向右转"), "shoot": ("shoots", "shooting", "开枪"), "kill": ("defeats a monster", "defeating a monster", "打倒怪物"),
    "hurt": ("is hurt", "being hurt", "受伤"), "stay": ("looks straight ahead", "looking straight ahead", "看着前方"), "about": ("moves about", "moving about", "四处走动"),
}  # fmt: skip


class Vizdoom:
    """One level and aim per clip, evenly. Clips of one seed and index are the same tic by tic."""

    name = "vizdoom"
    edition = 2

    @property
    def spec(self) -> dict[str, tuple[str, ...]]:
        return {"level": tuple(LEVELS), "aim": AIMS, "event": tuple(DEEDS)}

    def scene(self, seed: int, index: int) -> GameScene:
        """The level and the aim of clip `index` of `seed`."""
        rng = generator(seed, index, 33)
        return GameScene(world=self.name, seed=seed, index=index, surroundings=str(rng.choice(list(LEVELS))), aim=str(rng.choice(AIMS)))

    def film(self, scene: Scene, format: Format) -> tuple[Video, GameScene]:
        """Play it. Raises RuntimeError where the package is missing."""
        assert isinstance(scene, GameScene)
        frames, depths, record = _play(scene, format)
        scene = replace(
            scene, width=format.width, height=format.height, num_frames=format.num_frames, fps=format.fps, actions=tuple(r["action"] for r in record),
            positions=tuple(tuple(round(v / UNIT, 3) for v in r["values"][:3]) + (round(r["values"][3], 2),) for r in record),
            inventory=tuple({"ammunition": r["values"][5], "kills": r["values"][6]} for r in record), health=tuple(r["values"][4] for r in record),
            maps=Maps(depth=np.stack([_cells(d, format) for d in depths])) if format.maps else None,
        )  # fmt: skip
        scene = replace(scene, events=_events(record, format.fps))
        names = "Doom", "a shooter seen through the player's eyes", "第一人称射击游戏Doom"
        return Video(frames=frames, fps=format.fps), tell_game(scene, names, LEVELS[scene.surroundings], DEEDS)


def _play(scene: GameScene, format: Format) -> tuple[np.ndarray, list[np.ndarray], list[dict[str, Any]]]:
    """(frames, depth per frame, per frame the action from then on and the game's variables)."""
    try:
        import vizdoom as doom
    except ImportError as error:
        raise RuntimeError("the world 'vizdoom' needs the game: pip install 'reverie[games]' (or vizdoom>=1.3)") from error
    rng = generator(scene.seed, scene.index, 34)
    game = doom.DoomGame()
    frames: list[np.ndarray] = []
    depths: list[np.ndarray] = []
    record: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # the engine leaves files where it runs
        game.set_doom_config_path(str(Path(folder) / "settings.ini"))
        game.load_config(str(Path(doom.scenarios_path) / f"{scene.surroundings}.cfg"))
        game.set_window_visible(False)
        game.set_sound_enabled(False)
        game.set_mode(doom.Mode.PLAYER)
        game.set_screen_format(doom.ScreenFormat.RGB24)
        game.set_screen_resolution(doom.ScreenResolution.RES_320X240)
        game.set_depth_buffer_enabled(True)
        game.set_labels_buffer_enabled(True)
        game.set_doom_skill(1)  # so that the player outlives most clips
        game.set_episode_timeout(0)
        game.set_available_buttons([getattr(doom.Button, name) for name in BUTTONS])
        game.set_available_game_variables([getattr(doom.GameVariable, name) for name in VARIABLES])
        game.set_seed(int(rng.integers(2**31)))
        game.init()
        try:
            game.make_action([0] * len(BUTTONS), int(rng.integers(12, 30)))  # past the first fade and the fall to the ground
            pressed: tuple[str, ...] = ("MOVE_FORWARD",)
            done = 0
            for n in range(format.num_frames):
                state: Any = game.get_state()
                if state is None:  # the player is dead: the last picture stays, with no action
                    frames.append(frames[-1])
                    depths.append(depths[-1])
                    record.append({**record[-1], "action": "none"})
                    continue
                frames.append(cropped(state.screen_buffer, format.width, format.height))
                depths.append(state.depth_buffer)
                pressed = _choose(rng, scene.aim, state, pressed)
                last = n + 1 == format.num_frames
                record.append({"values": [round(float(v), 3) for v in state.game_variables], "action": "none" if last else " ".join(pressed).lower() or "none"})
                tics = round((n + 1) / format.fps * TICS) - done
                if not last and tics > 0:
                    game.make_action([int(name in pressed) for name in BUTTONS], tics)
                    done += tics
        finally:
            game.close()
    return np.stack(frames), depths, record


def _choose(rng: np.random.Generator, aim: str, state: Any, before: tuple[str, ...]) -> tuple[str, ...]:
    """The buttons to press until the next frame."""
    if aim == "random":
        return before if rng.random() < 0.6 else tuple(name for name in BUTTONS if rng.random() < 0.35)
    foes = [label for label in state.labels if label.object_name not in ("DoomPlayer", "Medikit", "CustomMedikit", "GreenArmor", "BulletPuff", "Blood", "TeleportFog", "Clip")]
    if aim == "fight" and foes:
        foe = max(foes, key=lambda label: label.width * label.height)
        offset = foe.x + foe.width / 2 - state.screen_buffer.shape[1] / 2
        return ("ATTACK",) if abs(offset) < max(8, foe.width / 2) else ("TURN_RIGHT",) if offset > 0 else ("TURN_LEFT",)
    if aim == "fight":
        return ("TURN_LEFT",) if "TURN_LEFT" in before else ("TURN_RIGHT",) if "TURN_RIGHT" in before else (str(rng.choice(["TURN_LEFT", "TURN_RIGHT"])),)
    left, ahead, right = (float(np.median(state.depth_buffer[105:135, a:b])) for a, b in ((0, 80), (120, 200), (240, 320)))
    turning = [name for name in before if name.startswith("TURN") and "MOVE_FORWARD" not in before]
    if ahead < (13 if turning else 8):  # a wall: towards where there is more room, until the way is free
        return (turning[0] if turning else "TURN_LEFT" if left > right else "TURN_RIGHT",)
    return ("MOVE_FORWARD",) if rng.random() < 0.85 else ("MOVE_FORWARD", str(rng.choice(["TURN_LEFT", "TURN_RIGHT"])))


def _cells(depth: np.ndarray, format: Format) -> np.ndarray:
    """The depth of a frame on the grid of Maps: float16 [h w], the median of each cell."""
    high, wide = -(-format.height // 16), -(-format.width // 16)
    fine = cropped(np.repeat(depth[..., None], 3, -1), wide * 8, high * 8)[..., 0]
    return np.median(fine.reshape(high, 8, wide, 8).swapaxes(1, 2).reshape(high, wide, 64), -1).astype(np.float16)


def _events(record: list[dict[str, Any]], fps: float) -> tuple[Event, ...]:
    """What the player did, from its place, its direction, its ammunition and its health alone."""
    values = np.array([r["values"] for r in record])
    step, turn = np.diff(values[:, :2], axis=0), (np.diff(values[:, 3]) + 180) % 360 - 180
    angle = np.radians(values[:-1, 3])
    along = step[:, 0] * np.cos(angle) + step[:, 1] * np.sin(angle)
    found: list[tuple[str, int, int]] = []
    for words, amounts, least in (
        (["forward" if v > 4 else "backward" if v < -4 else "" for v in along], np.abs(along), 1.2 * UNIT),
        (["turn_left" if v > 1 else "turn_right" if v < -1 else "" for v in turn], np.abs(turn), 20.0),
    ):
        found += [(word, a, b + 1) for word, a, b in stretches(words) if amounts[a : b + 1].sum() > least]
    for word, column, sign in (("shoot", 5, -1), ("hurt", 4, -1), ("kill", 6, 1)):
        found += [(word, a, b + 1) for _, a, b in stretches([word if v * sign > 0 else "" for v in np.diff(values[:, column])])]
    if not found:
        found = [("stay" if len(step) == 0 or max(np.abs(along).max(), np.abs(turn).max()) < 2 else "about", 0, len(record) - 1)]
    return tuple(Event(kind=k, subject=0, start=round(a / fps, 3), end=round(b / fps, 3)) for k, a, b in sorted(found, key=lambda f: f[1]))
