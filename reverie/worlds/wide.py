"""The wide world: the diorama's stage with more subjects, surroundings, weather, manners and styles, acts that change things for good, several shots, relations.

It shares everything with the diorama (figures, motion, cameras, captions, checker) and extends its tables; the diorama itself is untouched by it. A
clip is one of five forms: plain, an act, several shots of one place, one subject in several places, or a walk between two tables.
"""

from dataclasses import replace

import numpy as np

from reverie.randomness import generator
from reverie.video import Video
from reverie.worlds import captions
from reverie.worlds.acts import ACTS, Played, perform
from reverie.worlds.cameras import CAMERAS, draw_camera
from reverie.worlds.diorama import STEADY, STEADY_CAMERAS, draw_action, draw_place
from reverie.worlds.drawing import MANNERS
from reverie.worlds.events import events_of, facts_of
from reverie.worlds.figures import COLOURS, HALF, MATERIALS, MOODY, RIGID, SIZES, THINGS, WIDE_KINDS, Gait
from reverie.worlds.filming import Take, shoot
from reverie.worlds.heldout import VERBS, held_out_pairs, held_out_styles, held_out_triples, shown
from reverie.worlds.looks import finisher
from reverie.worlds.motion import GAITS, STEERING, Motion, simulate, verb_and_way, visible
from reverie.worlds.scene import STYLES, WEATHERS, Event, Format, Maps, Prop, Scene, Shot, WideScene, WideSubject
from reverie.worlds.sets import LIGHTS, STANDING, TIMES, WIDE_SURROUNDINGS, props_of
from reverie.worlds.shots import OPEN, cut, part_of, poses_of_shots, relations_of, spliced

FORMS = {"plain": 0.44, "act": 0.30, "shots": 0.12, "places": 0.05, "tables": 0.09}
WIDE_VERBS = VERBS | {
    "cat": ("walk", "run", "jump", "spin", "turn", "stop", "stand"), "monster": ("walk", "run", "jump", "spin", "turn", "stop", "stand"), "bird": ("fly", "turn", "stand"),
    "butterfly": ("fly", "turn", "stand"), "boat": ("sail", "turn", "stop", "stand"), "burger": ("slide", "fall", "stand"), "cup": ("slide", "fall", "stop", "spin", "stand"),
    **{kind: ("stand",) for kind in ("candle", "table", "tree", "flower", "lamp")},
}  # fmt: skip
PLOTS = {1: {"": 0.76, "wall": 0.10, "leave": 0.07, "enter": 0.07}, 2: {"": 0.40, "collide": 0.22, "follow": 0.18, "behind": 0.20}}
MOVERS = tuple(kind for kind in WIDE_KINDS if GAITS[kind] and kind != "boat")
FLIERS = ("bird", "butterfly")
AFLOAT = ("boat", "boat", "bird", "butterfly")
SHOTS = (("wide", "close"), ("wide", "reverse"), ("close", "wide"), ("wide", "close", "reverse"), ("wide", "reverse", "close"), ("wide", "close", "reverse", "wide"))
STREET_LAMPS = ((np.array([-2.5, -3.5, 4.5]), (0.62, 0.55, 0.42)), (np.array([3.0, -2.5, 4.0]), (0.40, 0.42, 0.52)))  # over the city, in front of what is seen
# of an act: who may play (kinds of every subject), where (empty: anywhere on land), at what times of day
CASTS: dict[str, tuple[tuple[tuple[str, ...], ...], tuple[str, ...], tuple[str, ...]]] = {
    "shatter": ((("cube", "ball", "cylinder"),), (), ()), "topple": ((("ball",), ("tower",)), (), ()), "chain": ((("ball",), ("domino row",)), (), ()), "swing": ((("pendulum",),), (), ()),
    "mesh": ((("gear",), ("gear",)), (), ()), "tilt": ((("cube",), ("seesaw",)), (), ()), "track": ((("ball",),), ("snow",), ()),
    "dust": ((("dog", "cat", "person", "monster"),), ("desert", "beach", "ravine"), ("day", "sunset")), "paint": ((("paintbrush",),), (), ()),
    "eaten": ((("monster", "monster", "dog", "cat"), ("burger",)), (), ()), "melt": ((("candle",),), ("wooden room", "garden", "snow", "ravine"), ("night",)),
    "spill": ((("ball",), ("cup",)), (), ()), "light": ((("person", "monster"), ("lamp",)), ("wooden room",), ("night",)),
}  # fmt: skip


class Wide:
    """`spec` lists the words of every attribute; docs/worlds.md shows them."""

    name = "wide"
    edition = 2

    @property
    def spec(self) -> dict[str, tuple[str, ...]]:
        return {
            "subject": WIDE_KINDS, "colour": tuple(COLOURS), "size": tuple(SIZES), "material": (*MATERIALS, "glass"), "manner": MANNERS, "surroundings": WIDE_SURROUNDINGS, "time": TIMES,
            "weather": WEATHERS, "style": STYLES, "action": tuple(sorted({v for verbs in WIDE_VERBS.values() for v in verbs})), "act": tuple(ACTS),
            "plot": (*(p for plots in PLOTS.values() for p in plots if p), "tables"), "shot": ("wide", "close", "reverse", "place"), "camera": CAMERAS, "steering": STEERING,
        }  # fmt: skip

    def scene(self, seed: int, index: int) -> WideScene:
        """The intention of clip `index` of `seed`."""
        rng = generator(seed, index, 21)
        form = _drawn(rng, FORMS)
        style = _drawn(rng, {name: 0.4 if name == "natural" else 0.15 for name in STYLES})
        if form == "tables" and (style, "table") in held_out_styles():
            form = "plain"
        scene = WideScene(world=self.name, seed=seed, index=index, style=style)
        scene = _act(rng, scene) if form == "act" else _tables(rng, scene) if form == "tables" else _plain(rng, scene, form)
        if scene.surroundings != "wooden room" and scene.plot != "melt" and rng.random() < 0.4:
            fits = [w for w in WEATHERS if w != "snowfall" or not {scene.surroundings, *(s.surroundings for s in scene.shots)} & {"desert", "beach"}]
            scene = replace(scene, weather=str(rng.choice(fits)))
        steep = max(LIGHTS[scene.time][5], 1.0 if scene.surroundings == "wooden room" else 0.0)
        return replace(
            scene, place=(float(rng.uniform(-60, 60)), float(rng.uniform(-60, 60)), 0.0 if scene.surroundings == "street" else float(rng.uniform(0, 360))),
            sun=(float(rng.uniform(-0.55, 0.55)), float(rng.uniform(0.3, 0.55)), -steep),
        )  # fmt: skip

    def film(self, scene: Scene, format: Format) -> tuple[Video, WideScene]:
        """Simulate and draw: the footage, and the scene with its ground truth, events and captions.

        Raises RuntimeError, naming the packages, where MuJoCo or EGL is not to be had.
        """
        assert isinstance(scene, WideScene)
        shots = cut(scene, format)
        if shots and shots[0].kind == "place":
            frames, scene = _places(scene, shots, format)
        else:
            frames, scene = _one(replace(scene, shots=shots), format)
        if not shots:
            return Video(frames=frames, fps=format.fps), captions.tell(scene)
        parts = tuple(part_of(scene, n) for n in range(len(shots)))
        events = tuple(replace(e, start=round(e.start + s.start, 3), end=round(e.end + s.start, 3)) for s, part in zip(shots, parts, strict=True) for e in part.events)
        facts = [tuple(dict.fromkeys(f for part in parts for f in part.subjects[n].facts)) for n in range(len(scene.subjects))]
        scene = replace(scene, events=events, subjects=tuple(replace(s, facts=f) for s, f in zip(scene.subjects, facts, strict=True)))
        told = tuple(dict.fromkeys(h for part in parts for h in shown(part)))
        return Video(frames=frames, fps=format.fps), captions.tell(replace(scene, held_out=told), parts)


def _drawn(rng: np.random.Generator, weights: dict[str, float]) -> str:
    return str(rng.choice(list(weights), p=np.array(list(weights.values())) / sum(weights.values())))


# --- what is to be shown ---


def _kinds(scene: WideScene, kinds: tuple[str, ...]) -> list[str]:
    """Those that may be shown in this style and these surroundings; all of them if the whole choice is one kind."""
    return [k for k in kinds if (scene.style, k) not in held_out_styles() and (k, scene.surroundings) not in held_out_pairs()] or list(kinds)


def _colour(rng: np.random.Generator, kind: str, verbs: set[str], others: list[WideSubject]) -> str:
    free = [c for c in COLOURS if not any((kind, c, v) in held_out_triples() for v in verbs) and (kind, c) != ("paintbrush", "white")]  # on a white canvas
    return str(rng.choice([c for c in free if c not in [o.colour for o in others]] or free))


def _material(rng: np.random.Generator, kind: str) -> str:
    return str(rng.choice([*MATERIALS, *(["glass"] if kind in RIGID and kind != "burger" else [])]))


def _plain(rng: np.random.Generator, scene: WideScene, form: str) -> WideScene:
    """One or two subjects that move; for shots, one, in a place that bears them."""
    surroundings = str(rng.choice(OPEN if form == "shots" else [p for p in WIDE_SURROUNDINGS if form != "places" or p != "sea"]))
    scene = replace(scene, surroundings=surroundings, time="night" if surroundings == "night city" else str(rng.choice(TIMES)))
    camera = str(rng.choice(CAMERAS)) if form == "plain" else "static"
    count = 2 if form == "plain" and surroundings != "sea" and rng.random() < 0.28 else 1
    plot = _drawn(rng, {p: w for p, w in PLOTS[count].items() if p not in STEADY or camera in STEADY_CAMERAS}) if form == "plain" else ""
    plot = "" if plot == "wall" and surroundings == "sea" else plot
    cast: list[WideSubject] = []
    for n in range(count):
        cast.append(_subject(rng, scene, n, count, plot, camera, cast, form != "plain"))
    if form == "places":
        return _in_places(rng, replace(scene, subjects=tuple(cast)))
    shots: tuple[Shot, ...] = ()
    if form == "shots":
        chosen = SHOTS[int(rng.integers(len(SHOTS)))]
        shots = tuple(Shot(kind=kind, first=0, start=0.0, surroundings=scene.surroundings, time=scene.time) for kind in chosen)
    props = props_of(rng, surroundings) if STANDING[surroundings] and form == "plain" and (rng.random() < 0.7 or surroundings == "wooden room") else ()
    if plot == "wall":
        scale = {"large": 0.92, "small": 0.8 if HALF[cast[0].kind][2] > 1.2 else 0.64}[cast[0].size]
        props = (*props[:4], Prop(kind="wall", position=(float(rng.uniform(-0.3, 0.3)), -0.9), scale=scale))
    _, way = verb_and_way(cast[0].action)
    return replace(scene, plot=plot, subjects=tuple(cast), props=props, shots=shots, camera=draw_camera(rng, camera, {"left": -1.0, "right": 1.0}.get(way, 0.0)))


def _subject(rng: np.random.Generator, scene: WideScene, n: int, count: int, plot: str, camera: str, cast: list[WideSubject], lively: bool) -> WideSubject:
    """Subject n of a plain scene; lively: of a kind that can go somewhere."""
    land = tuple(k for k in WIDE_KINDS if k != "boat")
    kinds: tuple[str, ...]
    if scene.surroundings == "sea":
        kinds = AFLOAT
    elif plot == "follow":
        kinds = tuple(k for k in MOVERS if k not in RIGID)
    elif plot in ("collide", "behind") and n == 1:
        kinds = (*THINGS, "burger", "cup") if plot == "collide" else tuple(k for k in land if k not in FLIERS)
    elif n == 0 and (plot or camera == "drone"):
        kinds = tuple(k for k in MOVERS if k != "turtle" and (plot != "collide" or k not in FLIERS))
    else:
        kinds = MOVERS if lively else land
    kind = str(rng.choice(_kinds(scene, kinds)))
    action, goal = draw_action(rng, n, count, kind, plot, camera, list(cast), WIDE_VERBS)
    manner = str(rng.choice(MANNERS)) if kind in MOODY and rng.random() < 0.55 else ""
    verb, way = verb_and_way(action)
    if manner == "tired" and verb in ("run", "jump", "spin"):  # who is tired does not
        action, goal = (f"walk_{way}", goal) if verb == "run" else ("stand", "")
    if manner == "frightened" and verb == "walk" and goal == "" and plot != "follow":
        action = f"run_{way}"
    verb, _ = verb_and_way(action)
    shows = {"walk" if kind == "person" else "drive", "turn"} if verb == "steer" else {verb, goal}
    size = str(rng.choice(list(SIZES)))
    at, lane = draw_place(rng, n, count, plot, list(cast)) if count > 1 else draw_place(rng, n, 1, plot, [])
    heading = float(rng.uniform(-180, 180))
    if action == "stand" and kind in ("dog", "cat", "person", "monster", "flower", "bird"):
        heading = float(rng.uniform(-60, 60)) - (180.0 if rng.random() < 0.5 else 0.0) if kind != "flower" else float(rng.uniform(-40, 40))
    return WideSubject(
        kind=kind, colour=_colour(rng, kind, shows, []), size=size if plot != "behind" else ("small", "large")[n], material=_material(rng, kind), action=action, goal=goal, at=at, lane=lane,
        height=float(rng.uniform(0.42, 0.56)), vigour=float(rng.uniform(0, 1)), moment=float(rng.uniform(0, 1)), heading=heading, lying=kind == "cylinder" and verb in ("roll", "spin"), manner=manner,
    )  # fmt: skip


def _in_places(rng: np.random.Generator, scene: WideScene) -> WideScene:
    """The subject in two to four places, one after the other."""
    subject = scene.subjects[0]
    fits = [p for p in WIDE_SURROUNDINGS if p not in ("sea", scene.surroundings) and (subject.kind, p) not in held_out_pairs()]
    others = [str(p) for p in rng.choice(fits, int(rng.integers(1, 4)), replace=False)]
    shots = tuple(Shot(kind="place", first=0, start=0.0, surroundings=p, time="night" if p == "night city" else str(rng.choice(TIMES))) for p in [scene.surroundings, *others])
    return replace(scene, time=shots[0].time, shots=shots, camera=draw_camera(rng, "static", 0.0))


def _act(rng: np.random.Generator, scene: WideScene) -> WideScene:
    """One of the acts, evenly, that can be played in this style."""
    plot = str(rng.choice([p for p, (roles, _, _) in CASTS.items() if all(any((scene.style, k) not in held_out_styles() for k in role) for role in roles)]))
    kinds, places, times = CASTS[plot]
    cast: list[WideSubject] = []
    side = str(rng.choice(["left", "right"]))
    for n, choice in enumerate(kinds):
        kind = str(rng.choice(_kinds(scene, choice)))
        mover = {"track": "roll", "dust": "run", "light": "walk", "eaten": "walk"}.get(plot)
        size = {"eaten": ("large", "small")[n], "spill": ("small", "large")[n], "tilt": "small", "chain": "small", "topple": "small", "melt": "large", "light": "large"}.get(
            plot, str(rng.choice(list(SIZES)))
        )
        cast.append(WideSubject(
            kind=kind, colour=_colour(rng, kind, {"roll", "fall", "walk", "run", "stop", "stand"}, cast), size=size, material="glass" if plot == "shatter" else str(rng.choice(MATERIALS)),
            action=f"{mover}_{side}" if mover and n == 0 else "fall" if plot == "shatter" else "stand", lane=float(rng.uniform(-0.2, 0.4)) if n == 0 else cast[0].lane,
            at=0.0, height=float(rng.uniform(0.42, 0.56)), vigour=float(rng.uniform(0, 1)), moment=float(rng.uniform(0, 1)), heading=float(rng.uniform(-180, 180)),
        ))  # fmt: skip
    where = [p for p in places or [p for p in WIDE_SURROUNDINGS if p != "sea"] if not any((s.kind, p) in held_out_pairs() for s in cast)] or list(places) or ["grass"]
    surroundings = str(rng.choice(where))
    time = "night" if surroundings == "night city" else str(rng.choice(times or TIMES))
    camera = str(rng.choice(("static", "dolly", "crane", "orbit"))) if plot not in ("dust", "track") else "static"
    props = props_of(rng, surroundings) if STANDING[surroundings] and (surroundings == "wooden room" or rng.random() < 0.5) else ()
    props = tuple(p for p in props if p.position[1] > 5 or abs(p.position[0]) > 3)
    moving = draw_camera(rng, camera, 0.0)
    return replace(
        scene, plot=plot, surroundings=surroundings, time=time, subjects=tuple(cast), props=props,
        camera=replace(moving, amount=0.6 * moving.amount) if camera == "orbit" else moving,
    )  # fmt: skip


def _tables(rng: np.random.Generator, scene: WideScene) -> WideScene:
    """A figure goes from one table to another, while the camera goes around; something may lie on one of them."""
    scene = replace(scene, surroundings=str(rng.choice([p for p in (*OPEN, "garden") if p not in ("sea", "ravine")])))
    kind = str(rng.choice(_kinds(scene, ("person", "dog", "cat", "monster"))))
    side = float(rng.choice([-1, 1]))
    verb = str(rng.choice(("walk", "run")))
    cast = [WideSubject(
        kind=kind, colour=_colour(rng, kind, {verb, "stop"}, []), size="small", material=str(rng.choice(MATERIALS)), action=f"{verb}_{'right' if side > 0 else 'left'}", lane=-0.5,
        vigour=float(rng.uniform(0, 1)), moment=0.5, manner="happy" if kind in MOODY and rng.random() < 0.3 else "",
    )]  # fmt: skip
    for n in (-1, 1):
        cast.append(WideSubject(
            kind="table", colour=_colour(rng, "table", set(), cast), size="small", material=str(rng.choice(MATERIALS)), action="stand", at=n * side * float(rng.uniform(0.27, 0.31)),
            lane=float(rng.uniform(0.7, 1.3)),
        ))  # fmt: skip
    if rng.random() < 0.6:
        on = cast[1 + int(rng.integers(2))]
        thing = str(rng.choice(_kinds(scene, ("cup", "burger", "ball", "cube", "cone"))))
        cast.append(WideSubject(kind=thing, colour=_colour(rng, thing, {"stand"}, cast), size="small", material=_material(rng, thing), action="stand", at=on.at, lane=on.lane))
    camera = draw_camera(rng, "orbit" if rng.random() < 0.7 else str(rng.choice(("static", "dolly"))), 0.0)
    if camera.kind == "orbit":
        camera = replace(camera, amount=float(np.sign(camera.amount)) * float(rng.uniform(60, 110)), elevation=float(rng.uniform(14, 22)))
    return replace(scene, plot="tables", time=str(rng.choice(TIMES)), subjects=tuple(cast), camera=camera)


# --- what is shown ---


def _one(scene: WideScene, format: Format) -> tuple[np.ndarray, WideScene]:
    """A clip of one simulation, filmed and read."""
    played = perform(scene, format) if scene.plot in ACTS else Played(_at_tables(scene, format) if scene.plot == "tables" else Take(*simulate(scene, format)))
    pose = poses_of_shots(scene, format, played.take.motions[0].positions) if scene.shots else ()
    take = played.take if scene.surroundings != "night city" or played.take.glows else replace(played.take, glows=(STREET_LAMPS,) * format.num_frames)
    frames, filmed = shoot(scene, format, take, pose, finisher(scene, format))
    assert isinstance(filmed, WideScene)
    scene = replace(filmed, brightness=played.take.brightness, causes=tuple(played.causes))
    if scene.shots:
        return frames, scene
    own = [*played.events, *(relations_of(scene) if scene.plot == "tables" else [])]
    scene = replace(scene, events=tuple(sorted([*_generic(scene, own), *own], key=lambda e: (e.start, e.subject, e.end))))
    scene = replace(scene, subjects=tuple(replace(s, facts=facts_of(scene, n)) for n, s in enumerate(scene.subjects)))
    return frames, replace(scene, held_out=shown(scene))


def _generic(scene: WideScene, own: list[Event]) -> list[Event]:
    """What the tracks show, without what an act tells better: that its things stand, that what breaks bounces, where tables are passed."""
    acted = {e.subject for e in own if scene.plot in ACTS}
    going = ("slide", "go", "stop", "stand", "fall", "bounce")
    kept = []
    for event in events_of(scene):
        verb, kind = event.kind.partition("_")[0], scene.subjects[event.subject].kind
        if event.subject in acted and verb in going and (scene.plot in ("shatter", "tilt") or kind not in ("ball", "person")):
            continue
        if scene.plot == "tables" and (event.subject > 0 or verb == "hidden"):
            continue
        kept.append(event)
    return kept


def _at_tables(scene: WideScene, format: Format) -> Take:
    """Figures and tables as they are simulated; what lies on a table rests there."""
    moving = replace(scene, subjects=scene.subjects[:3])
    motions, contacts = simulate(moving, format)
    for thing in scene.subjects[3:]:
        wide, scale = visible(format)[0], SIZES[thing.size]
        z = 2 * HALF["table"][2] * SIZES["small"] + HALF[thing.kind][2] * scale
        places = np.tile(np.array([thing.at * wide, thing.lane, z]), (format.num_frames, 1))
        motions.append(Motion(places, np.tile(np.eye(3), (format.num_frames, 1, 1)), tuple(Gait() for _ in places), (), {"scale": scale}))
    return Take(motions, contacts)


def _places(scene: WideScene, shots: tuple[Shot, ...], format: Format) -> tuple[np.ndarray, WideScene]:
    """The same subjects filmed in one place after the other."""
    films, ends = [], [*(s.first for s in shots[1:]), format.num_frames]
    for shot, end in zip(shots, ends, strict=True):
        part = replace(scene, surroundings=shot.surroundings, time=shot.time, shots=(), weather=scene.weather if shot.surroundings != "wooden room" else "")
        films.append(_one(part, replace(format, num_frames=end - shot.first)))
    whole = replace(spliced([filmed for _, filmed in films], shots), weather=scene.weather, surroundings=scene.surroundings, time=scene.time, maps=None)
    if format.maps:
        maps = [filmed.maps for _, filmed in films if filmed.maps]
        whole = replace(whole, maps=Maps(*(np.concatenate([getattr(m, name) for m in maps]) for name in ("depth", "masks", "flow"))))
    return np.concatenate([frames for frames, _ in films]), whole
