"""Crafter as a world: an open survival world like Minecraft's seen from above (Hafner 2021; package `crafter`, MIT licence), played by a simple policy.

A frame is a step of the game whatever the rate. A clip has an aim: to wander, gather wood, drink, place things, fight, sleep, or act at random; the policy looks for
the nearest thing that serves it. What is told is what was measured: cells walked, things gained and used up, blows that struck, sleep.
"""

import itertools
from collections import OrderedDict, defaultdict, deque
from dataclasses import replace
from typing import Any

import numpy as np

from reverie.randomness import generator
from reverie.video import Video
from reverie.worlds.games import Deeds, stretches, tell_game
from reverie.worlds.scene import Event, Format, GameScene, Scene

AIMS = ("wander", "gather", "drink", "place", "fight", "sleep", "random")
WAYS = {"move_left": (-1, 0), "move_right": (1, 0), "move_up": (0, -1), "move_down": (0, 1)}
SOUGHT = {"gather": "tree", "drink": "water"}
APPROACH = 90  # steps at most that are played before the clip begins, towards what is sought
DEEDS: Deeds = {
    "walk_left": ("walks to the left", "walking to the left", "向左走"), "walk_right": ("walks to the right", "walking to the right", "向右走"), "walk_up": ("walks upwards", "walking upwards", "向上走"),
    "walk_down": ("walks downwards", "walking downwards", "向下走"), "wood": ("gathers wood", "gathering wood", "砍木头"), "sapling": ("takes a sapling", "taking a sapling", "采树苗"),
    "drink": ("drinks water", "drinking water", "喝水"), "eat": ("eats", "eating", "吃东西"), "stone": ("places a stone", "placing a stone", "放石头"),
    "table": ("places a table", "placing a table", "放工作台"), "plant": ("plants a sapling", "planting a sapling", "种树苗"), "hit": ("hits a zombie", "hitting a zombie", "打僵尸"),
    "hurt": ("is hurt", "being hurt", "受伤"), "sleep": ("sleeps", "sleeping", "睡觉"), "about": ("moves about", "moving about", "走来走去"), "stay": ("stays in one place", "staying in one place", "待在原地"),
}  # fmt: skip
STARTS = {"grass": ("on the grass", "在草地上"), "sand": ("on the sand", "在沙地上"), "path": ("on a path", "在小路上")}


class Crafter:
    """One aim per clip, evenly. Clips of one seed and index are the same step by step."""

    name = "crafter"
    edition = 1

    @property
    def spec(self) -> dict[str, tuple[str, ...]]:
        return {"aim": AIMS, "event": tuple(DEEDS)}

    def scene(self, seed: int, index: int) -> GameScene:
        """The aim of clip `index` of `seed`."""
        rng = generator(seed, index, 31)
        return GameScene(world=self.name, seed=seed, index=index, surroundings="crafter", aim=str(rng.choice(AIMS)))

    def film(self, scene: Scene, format: Format) -> tuple[Video, GameScene]:
        """Play it. Raises RuntimeError where the package is missing."""
        assert isinstance(scene, GameScene)
        if format.maps:
            raise ValueError("the world 'crafter' has no depth, masks or flow: leave out --maps")
        game = _Game(scene, format)
        frames, record = game.play(format.num_frames)
        scene = replace(
            scene, width=format.width, height=format.height, num_frames=format.num_frames, fps=format.fps, actions=tuple(r["action"] for r in record),
            positions=tuple((float(r["at"][0]), float(r["at"][1])) for r in record), inventory=tuple(r["inventory"] for r in record), health=tuple(float(r["inventory"]["health"]) for r in record),
        )  # fmt: skip
        scene = replace(scene, events=_events(record, format.fps))
        return Video(frames=frames, fps=format.fps), tell_game(scene, ("Crafter", "a survival game seen from above", "生存游戏Crafter"), STARTS[record[0]["ground"]], DEEDS)


class _Chunk(OrderedDict):  # type: ignore[type-arg]
    """A set that keeps its order: the game draws from a plain set, whose order changes from process to process."""

    def add(self, thing: Any) -> None:
        self[thing] = None

    def remove(self, thing: Any) -> None:
        del self[thing]


class _Game:
    def __init__(self, scene: GameScene, format: Format) -> None:
        try:
            import crafter
        except ImportError as error:
            raise RuntimeError("the world 'crafter' needs the game: pip install 'reverie[games]' (or crafter==1.8.3)") from error
        self.kinds, self.scene, self.rng = crafter.objects, scene, generator(scene.seed, scene.index, 32)
        self.env = crafter.Env(size=(format.width, format.height), length=0, seed=int(self.rng.integers(2**31)))
        self.env.reset()
        self.names = self.env.action_names
        self.world, self.player = self.env._world, self.env._player
        chunks: Any = defaultdict(_Chunk)
        for thing in self.world.objects:
            chunks[self.world.chunk_key(thing.pos)].add(thing)
        self.world._chunks = chunks
        self.heading, self.target = "move_right", None
        if scene.aim == "place":
            self.player.inventory.update(stone=4, wood=3, sapling=2)
        if scene.aim == "drink":
            self.player.inventory["drink"] = 3
        if scene.aim == "sleep":
            self.player.inventory["energy"] = 3
        for _ in range(int(self.rng.integers(0, 12)) if scene.aim in ("wander", "random", "place") else 0):
            self.env.step(self.names.index(self._wander()))
        if scene.aim in SOUGHT:
            for _ in range(APPROACH):
                route = self._route(SOUGHT[scene.aim])
                if route is None or len(route) < 5:
                    break
                self.env.step(self.names.index(route[0]))
        if scene.aim == "fight":
            spots = [(x, y) for x in range(-4, 5) for y in range(-3, 4) if 2 <= abs(x) + abs(y) <= 4 and self._free(self.player.pos + (x, y))]
            if spots:
                at = self.player.pos + spots[int(self.rng.integers(len(spots)))]
                self.target = self.kinds.Zombie(self.world, at, self.player)
                self.world.add(self.target)

    def play(self, count: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """(frames, per frame what was done from then on and how things stood)."""
        frames, record = [], []
        for n in range(count):
            frames.append(self.env.render())
            row = {
                "at": self.player.pos.copy(), "ground": self.world[self.player.pos][0], "inventory": {k: int(v) for k, v in self.player.inventory.items()}, "sleeping": bool(self.player.sleeping),
                "struck": False, "action": "noop",
            }  # fmt: skip
            if n + 1 < count:
                row["action"] = self._choose(n)
                faced = self.world[self.player.pos + self.player.facing][1]
                before = faced.health if isinstance(faced, self.kinds.Zombie) else 0
                self.env.step(self.names.index(row["action"]))
                row["struck"] = row["action"] == "do" and before > 0 and faced.health < before
            record.append(row)
        return np.stack(frames).astype(np.uint8), record

    def _choose(self, n: int) -> str:
        aim = self.scene.aim
        if aim == "random":
            return str(self.rng.choice(self.names[:11]))
        if aim == "sleep":
            return "sleep" if n >= 2 else "noop"
        if aim in SOUGHT:
            route = self._route(SOUGHT[aim])
            return "noop" if route is None else route[0] if route else "do"
        if aim == "place" and n % 3 == 2:
            ground, thing = self.world[self.player.pos + self.player.facing]
            fits = [a for a, item in (("place_stone", "stone"), ("place_table", "wood"), ("place_plant", "sapling")) if self.player.inventory[item] and not thing]
            if ground in ("grass", "sand", "path") and fits:
                return str(self.rng.choice([f for f in fits if f != "place_plant" or ground == "grass"] or ["noop"]))
        if aim == "fight" and self.target is not None and not self.target.removed:
            step = self.target.pos - self.player.pos
            if abs(step).sum() == 1:
                way = next(w for w, d in WAYS.items() if d == tuple(step))
                return "do" if tuple(self.player.facing) == tuple(step) else way
            way = ("move_right" if step[0] > 0 else "move_left") if abs(step[0]) >= abs(step[1]) else ("move_down" if step[1] > 0 else "move_up")
            return way
        return self._wander()

    def _free(self, at: np.ndarray) -> bool:
        ground, thing = self.world[at]
        return ground in ("grass", "sand", "path") and thing is None

    def _wander(self) -> str:
        """Straight on for a while; another way where it is blocked."""
        ways = [w for w, d in WAYS.items() if self._free(self.player.pos + np.array(d))]
        if ways and (self.heading not in ways or self.rng.random() < 0.12):
            self.heading = str(self.rng.choice(ways))
        return self.heading

    def _route(self, ground: str) -> list[str] | None:
        """Moves to the nearest cell beside this ground and the one that faces it; empty when it is faced; None if there is none within thirty cells."""
        start = tuple(int(v) for v in self.player.pos)
        if self.world[self.player.pos + self.player.facing][0] == ground:
            return []
        queue, came = deque([start]), {start: ("", start)}
        while queue:
            here = queue.popleft()
            for way, (dx, dy) in WAYS.items():
                there = here[0] + dx, here[1] + dy
                if self.world[np.array(there)][0] == ground:
                    route = [way]
                    while here != start:
                        route.append(came[here][0])
                        here = came[here][1]
                    return route[::-1]
                if there not in came and abs(there[0] - start[0]) + abs(there[1] - start[1]) < 30 and self._free(np.array(there)):
                    came[there] = way, here
                    queue.append(there)
        return None


def _events(record: list[dict[str, Any]], fps: float) -> tuple[Event, ...]:
    """What the player did, from positions and belongings alone."""
    ways: list[str] = []
    found: list[tuple[str, int, int]] = []
    for n, (now, then) in enumerate(itertools.pairwise(record)):
        step = int(then["at"][0] - now["at"][0]), int(then["at"][1] - now["at"][1])
        ways.append({(-1, 0): "walk_left", (1, 0): "walk_right", (0, -1): "walk_up", (0, 1): "walk_down"}.get(step, ""))
        gain = {k: then["inventory"][k] - now["inventory"][k] for k in now["inventory"]}
        found += [(k, n, n + 1) for k in ("wood", "sapling", "drink") if gain[k] > 0] + ([("eat", n, n + 1)] if gain["food"] > 0 else [])
        found += [(k, n, n + 1) for k, item in (("stone", "stone"), ("table", "wood"), ("plant", "sapling")) if now["action"] == f"place_{k}" and gain[item] < 0]
        found += ([("hit", n, n + 1)] if now["struck"] else []) + ([("hurt", n, n + 1)] if gain["health"] < 0 else [])
    found += [(way, a, b + 1) for way, a, b in stretches(ways) if b > a]
    found += [("sleep", a, b) for _, a, b in stretches(["sleep" if r["sleeping"] else "" for r in record]) if b > a]
    if not found:
        found = [("about" if any(ways) else "stay", 0, len(record) - 1)]
    return tuple(Event(kind=k, subject=0, start=round(a / fps, 3), end=round(b / fps, 3)) for k, a, b in sorted(found, key=lambda f: f[1]))
