"""How fast a world is rendered (the diorama, or --world wide): frames per second at 128x128, physics, ground truth, captions and writing included.

python benchmarks/worlds.py        last line: JSON. Run it on an idle machine. --sheets FOLDER draws the contact sheets of docs/worlds.md instead. --cpu compares both worlds clip
by clip in one process and in CPU seconds, which other work on the machine disturbs less.
"""

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from reverie.data.render import render
from reverie.data.shards import write_shard
from reverie.evaluation.sheet import contact_sheet
from reverie.video import Video
from reverie.worlds.acts import ACTS
from reverie.worlds.cameras import CAMERAS
from reverie.worlds.crafter import AIMS, Crafter
from reverie.worlds.diorama import Diorama
from reverie.worlds.drawing import MANNERS
from reverie.worlds.figures import COLOURS, KINDS, MATERIALS, MOODY
from reverie.worlds.heldout import held_out_pairs, held_out_triples
from reverie.worlds.installed import load_world
from reverie.worlds.menagerie import MENAGERIE
from reverie.worlds.scene import STYLES, WEATHERS, Camera, Format, Prop, Scene, Subject, WideScene, WideSubject, World, truth_of
from reverie.worlds.sets import LIGHTS, SURROUNDINGS, TIMES, WIDE_SURROUNDINGS
from reverie.worlds.vizdoom import LEVELS, Vizdoom
from reverie.worlds.wide import Wide

WORLD, WIDE = Diorama(), Wide()
NUM_CLIPS, NUM_FRAMES = 200, 17


def speed(world: World, maps: bool) -> float:
    """Frames per second of a whole `worlds render`, its processes' start included."""
    format = Format(width=128, height=128, num_frames=NUM_FRAMES, maps=maps)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        for _ in render(world, 12345, NUM_CLIPS, [format], folder, processes=2):
            pass
        return NUM_CLIPS * NUM_FRAMES / (time.perf_counter() - start)


def cpu_speed(num_clips: int = 40) -> dict[str, float]:
    """Frames per CPU second of the diorama and of the wide world, whose clips of seed 1 take turns: film, ground truth, writing; without the making of the stages."""
    spent = {WORLD.name: 0.0, WIDE.name: 0.0}
    format = Format(width=128, height=128, num_frames=NUM_FRAMES)
    for world in (WORLD, WIDE):
        for time_of_day in TIMES:
            one = next(s for s in (world.scene(99, n) for n in range(100)) if s.time == time_of_day)
            world.film(one, replace(format, num_frames=1))
    with tempfile.TemporaryDirectory() as folder:
        for n in range(num_clips):
            for world in (WORLD, WIDE):
                start = time.process_time()
                video, filmed = world.film(world.scene(1, n), format)
                write_shard(Path(folder) / f"{world.name}-{n}.tar", iter([("clip", video, truth_of(filmed))]))
                spent[world.name] += time.process_time() - start
    return {name: round(num_clips * NUM_FRAMES / seconds, 1) for name, seconds in spent.items()}


def scene(*subjects: Subject, surroundings: str = "grass", time: str = "day", **changes: object) -> Scene:
    """A composed scene."""
    plain = Scene(world="diorama", seed=1, index=1, surroundings=surroundings, time=time, subjects=subjects, camera=Camera(kind="static"), sun=(0.35, 0.42, -LIGHTS[time][5]))
    return replace(plain, **changes)  # type: ignore[arg-type]


def subject(kind: str, colour: str = "red", **changes: object) -> Subject:
    """A large subject that stands."""
    return replace(Subject(kind=kind, colour=colour, size="large", material="matte", action="stand", height=0.5), **changes)  # type: ignore[arg-type]


def film(scene: Scene, side: int = 96, num_frames: int = 17) -> Video:
    """A square clip of the scene."""
    return WORLD.film(scene, Format(width=side, height=side, num_frames=num_frames))[0]


def save(name: str, folder: Path, clips: Iterable[tuple[str, Video]], columns: int = 8, pairs: int = 1, quality: int = 82) -> None:
    """A contact sheet as a small JPEG."""
    labels, videos = zip(*clips, strict=True)
    contact_sheet(videos, labels, columns, pairs).save(folder / f"worlds-{name}.jpg", quality=quality)


def turntable(kind: str, colour: str, material: str) -> Video:
    """A subject from eight sides as a film of eight frames."""
    views = [film(scene(subject(kind, colour, material=material, heading=45.0 * n)), num_frames=1).frames for n in range(8)]
    return Video(np.concatenate(views))


def sheets(folder: Path) -> None:
    """Every picture of docs/worlds.md."""
    save("subjects", folder, ((f"{c} {m} {k}", turntable(k, c, m)) for k, c, m in zip(KINDS, COLOURS, MATERIALS * 3, strict=False)))
    props = {
        "snow": [("pine", -3.5, 6), ("rock", 3, 5), ("house", 2.5, 12)], "grass": [("tree", -4, 6), ("bush", 3, 5), ("house", 2, 12)], "desert": [("cactus", -3, 6), ("rock", 3, 5)],
        "beach": [("palm", -3, 6), ("rock", 3, 5)], "street": [("house", -5, 12), ("house", 3, 12), ("lamp post", 3, 4.4), ("tree", -2.5, 6)],
        "wooden room": [("window", -2, 6.9), ("bookcase", 2.6, 6.3), ("plant", 0.5, 5), ("table", -4.5, 5.2)],
    }  # fmt: skip
    places = []
    for place in SURROUNDINGS:
        standing = tuple(Prop(kind=kind, position=(x, y)) for kind, x, y in props[place])
        views = [film(scene(subject("dog", heading=20.0), surroundings=place, time=t, props=standing), 128, 1).frames for t in TIMES]
        places.append((f"{place}: {', '.join(TIMES)}", Video(np.concatenate(views))))
    save("surroundings", folder, places, 3, 2)
    moves = [
        ("ball", "roll_right", ""), ("cube", "slide_left", ""), ("cube", "slide_right", "stop"), ("cylinder", "fall", ""), ("cone", "jump", ""), ("cube", "spin", ""), ("dog", "walk_right", ""),
        ("dog", "run_left", ""), ("dog", "jump", ""), ("turtle", "crawl_right", ""), ("car", "drive_left", ""), ("car", "drive_right", "turn"), ("car", "steer", ""), ("person", "walk_left", ""),
        ("person", "run_right", ""), ("person", "walk_toward", ""), ("person", "walk_right", "stop"), ("person", "steer", ""),
    ]  # fmt: skip
    save("actions", folder, ((f"{k} {a} {g}", film(scene(subject(k, list(COLOURS)[n % 6], action=a, goal=g, heading=30.0)), 80)) for n, (k, a, g) in enumerate(moves)), 8, 2)
    amounts = {"orbit": 45.0, "pan": -16.0, "dolly": 0.6, "crane": 20.0}
    house = (Prop(kind="house", position=(2.5, 12.0)), Prop(kind="tree", position=(-4.0, 6.0)))
    cameras = [
        (k, scene(subject("car", "yellow", action="drive_right"), props=house, camera=Camera(kind=k, amount=amounts.get(k, 0.0), elevation=24.0 if k == "drone" else 12.0)))
        for k in CAMERAS
    ]
    save("cameras", folder, ((k, film(s, 80)) for k, s in cameras), 8, 2)
    wall = (Prop(kind="wall", position=(0.0, -0.9), scale=0.64),)
    mover, other = subject("ball", "red", action="roll_right", lane=0.3), subject("cube", "blue", at=0.14, lane=0.3)
    plots = [
        ("wall", scene(subject("dog", "yellow", size="small", action="run_right", lane=0.9), plot="wall", props=wall)), ("leave", scene(subject("person", action="run_left"), plot="leave")),
        ("enter", scene(subject("car", "green", action="drive_right"), plot="enter")), ("return", scene(subject("dog", "purple", action="run_right", heading=20.0), plot="return")),
        ("collide", scene(mover, other, plot="collide")), ("follow", scene(subject("turtle", "green", size="small", action="crawl_right"), subject("dog", action="walk_right"), plot="follow")),
        ("behind", scene(subject("car", "red", size="small", action="drive_left", lane=1.9), subject("cube", "white", lane=-0.9), plot="behind")),
    ]  # fmt: skip
    save("plots", folder, ((name, film(s, 80, 41 if name == "return" else 25)) for name, s in plots), 8, 2)
    histogram().save(folder / "worlds-balance.png", optimize=True)


def wide(kind: str, colour: str = "red", **changes: object) -> WideSubject:
    """A large subject of the wide world that stands."""
    return replace(WideSubject(kind=kind, colour=colour, size="large", material="matte", action="stand", height=0.5), **changes)  # type: ignore[arg-type]


def wide_film(subject: WideSubject, num_frames: int = 1, side: int = 112, **changes: object) -> np.ndarray:
    """Frames of one subject of the wide world, in a scene that is plain but for the changes."""
    plain = WideScene(world="wide", seed=1, index=1, surroundings="grass", time="day", subjects=(subject,), camera=Camera(kind="static"), sun=(0.35, 0.42, -1.2))
    return WIDE.film(replace(plain, **changes), Format(width=side, height=side, num_frames=num_frames))[0].frames  # type: ignore[arg-type]


def drawn(wanted: str, count: int = 1) -> list[WideScene]:
    """The first scenes of seed 7 of an act or form ("shots", "places", "tables"), in the natural style and in clear weather."""
    found: list[WideScene] = []
    index = 0
    while len(found) < count:
        one = WIDE.scene(7, index)
        index += 1
        form = one.plot or ("" if not one.shots else "places" if one.shots[0].kind == "place" else "shots")
        if form == wanted and one.style == "natural" and not one.weather:
            found.append(one)
    return found


def told(one: WideScene, num_frames: int, step: int, side: int = 112) -> tuple[str, Video]:
    """A scene's first caption, short enough for a label, and eight of its frames."""
    video, filmed = WIDE.film(one, Format(width=side, height=side, num_frames=num_frames))
    return filmed.captions[0][:150], Video(video.frames[::step][:8])


def wide_sheets(folder: Path) -> None:
    """Every picture of the wide world and the games in docs/worlds.md."""
    materials = ("matte", "shiny", "glass", "matte", "striped", "shiny")
    views = []
    for n, kind in enumerate((*MENAGERIE, "ball", "cube")):
        place = "sea" if kind == "boat" else "grass"
        material = "glass" if kind in ("ball", "cube", "cup") else materials[n % 2]
        colour = list(COLOURS)[n % 6]
        frames = [wide_film(wide(kind, colour, material=material, heading=45.0 * k - 30), surroundings=place) for k in range(4)]
        views.append((f"{colour} {material} {kind}", Video(np.concatenate(frames))))
    save("wide-subjects", folder, views, 4, 2)
    manners = [
        (f"{manner or 'no manner'}: {kind}", Video(wide_film(wide(kind, "orange", manner=manner, action="walk_right"), 13)[::4])) for kind in MOODY for manner in ("", *MANNERS)
    ]
    save("wide-manners", folder, manners, 4, 2)
    places = []
    for place in WIDE_SURROUNDINGS[6:]:
        kind = "boat" if place == "sea" else "dog"
        frames = [wide_film(wide(kind, "orange", heading=20.0), side=128, surroundings=place, time=t) for t in (TIMES if place != "night city" else ("night",))]
        places.append((place, Video(np.concatenate(frames))))
    house = (Prop(kind="house", position=(2.5, 12.0)), Prop(kind="tree", position=(-3.4, 6.0)))
    casts = (("dog", "red", "grass", "day"), ("boat", "yellow", "sea", "day"), ("cat", "orange", "garden", "sunset"))
    for weather in WEATHERS:
        frames = [wide_film(wide(k, c, heading=20.0), side=128, surroundings=p, time=t, weather=weather, props=house if p == "grass" else ()) for k, c, p, t in casts]
        places.append((weather, Video(np.concatenate(frames))))
    save("wide-surroundings", folder, places, 3, 2)
    casts = (("dog", "red", "grass", "day"), ("monster", "blue", "ravine", "sunset"), ("boat", "yellow", "sea", "day"), ("person", "green", "night city", "night"))
    styles = []
    for style in STYLES:
        frames = [wide_film(wide(k, c, heading=20.0), side=128, surroundings=p, time=t, style=style, props=house if p == "grass" else ()) for k, c, p, t in casts]
        styles.append((style, Video(np.concatenate(frames))))
    save("wide-styles", folder, styles, 4, 2)
    save("wide-acts", folder, (told(drawn(act)[0], 17, 2) for act in ACTS), 8, 1)
    save("wide-shots", folder, (told(one, 24, 3) for form, count in (("shots", 3), ("places", 2), ("tables", 3)) for one in drawn(form, count)), 8, 1)
    games = []
    for world, wanted in ((Crafter(), AIMS), (Vizdoom(), tuple(LEVELS))):
        for word in wanted:
            one = next(s for s in (world.scene(3, n) for n in range(500)) if word in (s.aim, s.surroundings))
            video, filmed = world.film(one, Format(width=112, height=112, num_frames=17))
            games.append((f"{word}: {filmed.captions[0]}"[:120], Video(video.frames[::2][:8])))
    save("games", folder, games, 8, 1, 52)


def histogram(count: int = 20000) -> Image.Image:
    """How often each word was drawn in the scenes of seed 0, as bars; held-out combinations are counted to be none."""
    scenes = [WORLD.scene(0, n) for n in range(count)]
    subjects = [s for one in scenes for s in one.subjects]
    guilty = sum((s.kind, one.surroundings) in held_out_pairs() or (s.kind, s.colour, s.action.partition("_")[0]) in held_out_triples() for one in scenes for s in one.subjects)
    groups = {
        "subject": [s.kind for s in subjects], "colour": [s.colour for s in subjects], "size": [s.size for s in subjects], "material": [s.material for s in subjects],
        "surroundings": [s.surroundings for s in scenes], "time": [s.time for s in scenes], "camera": [s.camera.kind for s in scenes], "subjects": [str(len(s.subjects)) for s in scenes],
        "action": [s.action.partition("_")[0] for s in subjects], "plot": [s.plot or "(none)" for s in scenes],
    }  # fmt: skip
    height = sum(18 + 13 * len(set(values)) for values in groups.values()) + 20
    picture = Image.new("RGB", (520, height), "white")
    draw, y = ImageDraw.Draw(picture), 4
    for name, values in groups.items():
        draw.text((4, y), name, fill=(120, 0, 0))
        y += 14
        for word, number in sorted(Counter(values).items()):
            draw.text((12, y), word, fill="black")
            draw.rectangle((100, y + 2, 100 + 330 * number / len(values), y + 10), fill=(70, 110, 190))
            draw.text((106 + 330 * number / len(values), y), f"{100 * number / len(values):.1f}%", fill="black")
            y += 13
        y += 4
    draw.text((4, y), f"{count} scenes, {len(subjects)} subjects, {guilty} held-out combinations", fill="black")
    return picture


def main() -> None:
    """Measure and print, or draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sheets", type=Path, default=None)
    parser.add_argument("--world", choices=("diorama", "wide"), default="diorama")
    parser.add_argument("--cpu", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("LP_NUM_THREADS", "1")
    if options.sheets:
        if options.world == "wide":
            wide_sheets(options.sheets)
        else:
            sheets(options.sheets)
        return
    if options.cpu:
        print(json.dumps({"frames_per_cpu_second": cpu_speed(), "clips": 40}))
        return
    world = load_world(options.world)
    rgb, maps = speed(world, False), speed(world, True)
    hours = 20000 * (9 + 17 + 25 + 33) / 4 / rgb / 3600
    print(
        json.dumps(
            {
                "world": options.world,
                "frames_per_second": round(rgb, 1),
                "frames_per_second_with_maps": round(maps, 1),
                "hours_for_20000_clips_of_9_to_33_frames": round(hours, 2),
                "processes": 2,
            }
        )
    )


if __name__ == "__main__":
    main()
