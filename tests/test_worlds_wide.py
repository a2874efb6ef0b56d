"""The wide world: acts with causes before effects, styles, weather, manners, shots and relations whose captions the numbers bear out; the games."""

import functools
import itertools
import json
import math
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from reverie.video import Video
from reverie.worlds import words
from reverie.worlds.acts import ACTS, perform
from reverie.worlds.clauses import check, check_scene, shot_of
from reverie.worlds.crafter import Crafter
from reverie.worlds.drawing import MANNERS, MOODS, Gait
from reverie.worlds.figures import MOODY, WIDE_KINDS, sketch
from reverie.worlds.heldout import held_out_pairs, held_out_styles, held_out_triples
from reverie.worlds.scene import STYLES, WEATHERS, Camera, Format, WideScene, WideSubject, truth_of
from reverie.worlds.sets import WIDE_SURROUNDINGS
from reverie.worlds.vizdoom import Vizdoom
from reverie.worlds.wide import Wide

WORLD = Wide()
SMALL = Format(width=48, height=48, num_frames=17)
RED = {"kind": "dog", "colour": "red", "size": "large", "material": "matte", "action": "stand"}


def made(*subjects: WideSubject, **changes: object) -> WideScene:
    """A plain scene: grass by day, a still camera, nothing else."""
    plain = WideScene(world="wide", seed=1, index=1, surroundings="grass", time="day", subjects=subjects, camera=Camera(kind="static"), sun=(0.3, 0.4, -1.2))
    return replace(plain, **changes)  # type: ignore[arg-type]


@functools.cache
def scene_of(number: int) -> WideScene:
    """A scene of seed 7."""
    return WORLD.scene(7, number)


def drawn(plot: str = "", shot: str = "") -> WideScene:
    """The first scene of seed 7 with this plot (and kind of first shot), in the natural style and in clear weather."""
    scenes = (scene_of(n) for n in range(4000))
    return next(s for s in scenes if s.plot == plot and (s.shots[0].kind if s.shots else "") == shot and not s.weather and s.style == "natural")


@pytest.fixture(scope="module")
def films() -> list[tuple[Video, WideScene]]:
    """Twenty clips of a seed that no model trains on."""
    return [WORLD.film(WORLD.scene(78, n), Format(width=(48, 64)[n % 2], height=48, num_frames=(9, 17)[n % 2])) for n in range(20)]


@pytest.fixture(scope="module")
def acted() -> dict[str, WideScene]:
    """Every act once, in small."""
    return {plot: WORLD.film(drawn(plot), replace(SMALL, width=32, height=32, num_frames=21))[1] for plot in ACTS}


# --- the film ---


def test_the_same_seed_is_the_same_film(films: list):
    video, scene = WORLD.film(WORLD.scene(78, 3), Format(width=64, height=48, num_frames=17))
    assert np.array_equal(video.frames, films[3][0].frames)
    assert scene == films[3][1]


def test_every_clause_is_borne_out(films: list):
    results = [check_scene(json.loads(json.dumps(truth_of(scene)))) for _, scene in films]
    assert [complaint for _, complaints in results for complaint in complaints] == []
    assert sum(count for count, _ in results) > 1500


@pytest.mark.slow
def test_every_clause_of_a_thousand_clips_is_borne_out_and_causes_come_first():
    clauses = causes = 0
    for n in range(1000):
        scene = WORLD.film(WORLD.scene(502, n), Format(width=48, height=(48, 32, 80)[n % 3], num_frames=(9, 17, 25, 33)[n % 4]))[1]
        count, complaints = check_scene(json.loads(json.dumps(truth_of(scene))))
        assert complaints == []
        clauses += count
        causes += len(scene.causes)
        assert all(c.time < c.effect_time for c in scene.causes)
    assert clauses > 100_000 and causes > 500


@pytest.mark.slow
def test_causes_come_before_effects_in_five_hundred_clips():
    """By their times, and by what the frames show: until its first cause nothing has another state (a candle: its light is not dimmer)."""
    plays = Counter[str]()
    for n in itertools.count():
        scene = WORLD.scene(503, n)
        if scene.plot not in ACTS:
            continue
        format = Format(width=48, height=48, num_frames=(17, 25, 33)[n % 3])
        played = perform(scene, format)
        assert all(0 <= c.time < c.effect_time <= format.seconds + 1 / format.fps for c in played.causes), (n, scene.plot)
        for number, motion in enumerate(played.take.motions):
            first = min((c.time for c in played.causes if c.subject == number), default=-1.0)
            assert len({word for t, word in enumerate(motion.state) if t / format.fps <= first}) <= 1, (n, scene.plot)
        if scene.plot == "melt" and played.causes:
            assert len({light for t, light in enumerate(played.take.brightness) if t / format.fps <= played.causes[0].effect_time}) == 1
        plays[scene.plot] += bool(played.causes)
        if plays.total() == 500:
            break
    assert min(plays[act] for act in ACTS if act not in ("swing", "mesh")) > 15


def test_all_subjects_surroundings_and_forms_are_drawn_evenly_and_nothing_held_out():
    scenes = [WORLD.scene(5, n) for n in range(1500)]
    styles = Counter(s.style for s in scenes)
    assert set(styles) == set(STYLES) and 0.35 < styles["natural"] / 1500 < 0.45
    assert set(Counter(s.surroundings for s in scenes)) == set(WIDE_SURROUNDINGS)
    assert {s.weather for s in scenes} == {"", *WEATHERS}
    assert set(ACTS) <= {s.plot for s in scenes}
    assert set(WIDE_KINDS) | {"tower", "pendulum", "gear", "seesaw", "paintbrush", "domino row"} == {s.kind for scene in scenes for s in scene.subjects}
    assert {s.manner for scene in scenes for s in scene.subjects} == {"", *MANNERS}
    assert len(held_out_styles()) == round(4 * len(WIDE_KINDS) / 10)
    for scene in scenes:
        for s in scene.subjects:
            assert (s.kind, scene.surroundings) not in held_out_pairs() and (scene.style, s.kind) not in held_out_styles()
            assert not s.action or (s.kind, s.colour, s.action.partition("_")[0]) not in held_out_triples()


# --- acts ---


@pytest.mark.parametrize("plot", ACTS)
def test_every_act_is_told_and_its_causes_come_strictly_first(acted: dict[str, WideScene], plot: str):
    scene = acted[plot]
    told = {e.kind for e in scene.events}
    wanted = {"mesh": "rotate", "light": "light_up"}.get(plot, plot)
    assert wanted in told
    assert check_scene(json.loads(json.dumps(truth_of(scene))))[1] == []
    assert bool(scene.causes) == (plot not in ("swing", "mesh"))
    for cause in scene.causes:
        assert cause.time < cause.effect_time
        level = scene.subjects[cause.subject].level
        before = [v for t, v in enumerate(level) if t / scene.fps <= cause.time]
        if cause is scene.causes[0] and plot not in ("melt", "tilt", "topple", "track"):  # whose level is a height, an angle, a way: it moves from the start
            assert len(set(before)) <= 1  # nothing changes before its cause
    state = next((s for s in scene.subjects if s.state), None)
    assert state is not None and len(state.state) == len(state.level) == scene.num_frames


def test_what_an_act_changes_stays_changed(acted: dict[str, WideScene]):
    for plot, word in (("shatter", "broken"), ("topple", "fallen"), ("eaten", "bitten"), ("spill", "tipped"), ("light", "on")):
        state = next(s.state for s in acted[plot].subjects if s.state)
        assert state[-1] == word
        assert state[state.index(word) :] == (word,) * (len(state) - state.index(word))
    for plot in ("track", "dust", "paint", "chain"):
        level = next(s.level for s in acted[plot].subjects if s.state)
        assert all(b >= a for a, b in itertools.pairwise(level)) and level[-1] > level[0]
    assert acted["melt"].brightness[-1] < 0.7 * acted["melt"].brightness[0]
    assert acted["light"].brightness[-1] > 1.2 * acted["light"].brightness[0]


def test_grains_leave_the_cup_only_after_it_tips(acted: dict[str, WideScene]):
    cup = acted["spill"].subjects[1]
    tipped = next(t for t, word in enumerate(cup.state) if word != "upright")
    spilled = next(t for t, v in enumerate(cup.level) if v > cup.level[0])
    assert tipped < spilled


def test_a_pendulum_keeps_its_energy_and_gears_their_ratio():
    format = Format(width=32, height=32, num_frames=97, fps=24)
    bob = perform(drawn("swing"), format).take.motions[0]
    z = bob.positions[:, 2]
    speed = np.linalg.norm(bob.positions[2:] - bob.positions[:-2], axis=1) * 12
    energy = speed**2 / 2 + 9.81 * (z[1:-1] - z.min())
    assert np.ptp(energy) < 0.04 * energy.max()  # the chord of a frame is shorter than its arc
    assert max(abs(np.array(bob.level))) == pytest.approx(abs(bob.level[0]), rel=0.01)  # it never swings higher than it began
    scene = drawn("mesh")
    first, second = (np.array(m.level) for m in perform(scene, format).take.motions)
    ratio = -second[1:] / first[1:]
    assert np.ptp(ratio) < 1e-9 and 0.5 < ratio[0] < 1.9


# --- manner, style, weather ---


@pytest.mark.parametrize("kind", MOODY)
def test_a_manner_changes_the_body(kind: str):
    def heights(manner: str) -> np.ndarray:
        return np.array([p[2] for p, s in zip(*(getattr(sketch(kind, (1, 0, 0), Gait(manner=manner, time=0.3)), n) for n in ("positions", "shapes")), strict=True) if s])

    plain = heights("")
    assert heights("tired").max() < plain.max() and heights("frightened").max() < plain.max() and heights("happy").max() > plain.max()
    assert set(MOODS) == {"", *MANNERS}


def test_styles_show_what_they_say_and_no_colour_is_told_where_none_is():
    dog = WideSubject(**RED)
    views = {style: WORLD.film(made(dog, style=style), replace(SMALL, num_frames=1)) for style in STYLES}
    for style in words.COLOURLESS:
        video, scene = views[style]
        assert np.ptp(video.frames.astype(int), axis=-1).max() == 0
        told = " ".join((*scene.captions, *scene.still_captions))
        assert not {"red", "crimson", "green", "orange"} & set(told.replace(",", " ").replace(".", " ").split()) and "红" not in told
    cells = views["pixel art"][0].frames[0]
    assert (np.diff(cells.astype(int), axis=1)[:, ::2] == 0).all()  # columns come in pairs
    assert len(np.unique(views["cartoon"][0].frames[0].reshape(-1, 3), axis=0)) < 0.4 * len(np.unique(views["natural"][0].frames[0].reshape(-1, 3), axis=0))
    truth = truth_of(views["cartoon"][1])
    assert check("a flat cartoon with outlines: a red dog on the grass", truth)[1] == [] and check("pixel art: a red dog", truth)[1] != []


def test_weather_lies_in_the_space():
    dog = WideSubject(**RED)
    clear, fog, snow = (WORLD.film(made(dog, weather=weather), replace(SMALL, num_frames=2))[0].frames.astype(int) for weather in ("", "fog", "snowfall"))
    change = np.abs(fog - clear).sum(-1)[0]
    assert change[14:18].mean() > 2 * change[-6:].mean()  # the hills are further away than the ground in front
    assert 0.002 < (np.abs(snow - clear).sum(-1) > 60).mean() < 0.2
    assert (np.abs(snow[1] - snow[0]).sum(-1) > 60).any()  # the flakes move


# --- shots and relations ---


def test_shots_have_known_cuts_and_their_own_captions():
    scene = WORLD.film(drawn(shot="wide"), Format(width=48, height=48, num_frames=24))[1]
    firsts = [s.first for s in scene.shots]
    assert len(firsts) >= 2 and firsts[0] == 0
    jumps = np.linalg.norm(np.diff(np.array(scene.camera.pose)[:, :3], axis=0), axis=1)
    assert {int(t) + 1 for t in np.flatnonzero(jumps > 1)} == set(firsts[1:])
    truth = json.loads(json.dumps(truth_of(scene)))
    assert check_scene(truth)[1] == [] and words.CUT in scene.captions[0] and words.ZH_CUT in scene.captions[7]
    assert check(scene.captions[0].split("; " + words.CUT)[0] + "; cut to a close-up", shot_of(truth, 0))[1] != []


def test_the_same_subject_in_different_places():
    scene = WORLD.film(drawn(shot="place"), Format(width=48, height=48, num_frames=16, maps=True))[1]
    assert len({s.surroundings for s in scene.shots}) == len(scene.shots) >= 2
    assert scene.maps is not None and len(scene.maps.depth) == 16
    assert len(scene.subjects[0].track) == 16 and check_scene(json.loads(json.dumps(truth_of(scene))))[1] == []


def test_a_camera_that_goes_around_changes_left_and_right():
    person = WideSubject(**{**RED, "kind": "person", "size": "small"}, lane=-1.6)
    table = WideSubject(**{**RED, "kind": "table", "colour": "blue"}, lane=1.6)
    scene = WORLD.film(made(person, table, plot="tables", camera=Camera(kind="orbit", amount=110.0)), SMALL)[1]
    kinds = {e.kind for e in scene.events}
    assert {"left_first", "right_last"} <= kinds or {"right_first", "left_last"} <= kinds
    side = "left" if "left_first" in kinds else "right"
    truth = truth_of(scene)
    assert check(f"a person in red is at first {side} of the blue table", truth)[1] == []
    assert check(f"a person in red is in the end {side} of the blue table", truth)[1] != []


def test_the_checker_sees_what_is_wrong(acted: dict[str, WideScene]):
    truth = json.loads(json.dumps(truth_of(WORLD.film(made(WideSubject(**RED, manner="happy"), weather="rain"), SMALL)[1])))
    assert check("a happy red dog on the grass in the rain", truth)[1] == []
    for text in (
        "a tired red dog",
        "a red cat",
        "a red dog in fog",
        "a red dog on the sea",
        "a red dog shatters",
        "the light grows dim",
        "a close-up",
        "a red dog flies",
        "开心的红色的猫",
        "大雾中，红色的狗",
    ):
        assert check(text, truth)[1] != [], text
    for plot, good, bad in (
        ("shatter", "shatters", "melts"),
        ("melt", "melts", "lights up"),
        ("spill", "spills its grains", "is eaten bite by bite"),
        ("light", "lights up", "topples over"),
    ):
        scene = acted[plot]
        who = scene.subjects[-1]
        name = f"a {who.colour} {who.kind}"
        assert check(f"{name} {good}", truth_of(scene))[1] == []
        assert check(f"{name} {bad}", truth_of(scene))[1] != []


# --- games ---


@pytest.mark.parametrize("world", [Crafter(), Vizdoom()])
def test_a_game_is_the_same_again_and_says_what_was_done(world: Crafter | Vizdoom):
    pytest.importorskip(world.name)
    format = Format(width=64, height=48, num_frames=9)
    (video, scene), (again, other) = (world.film(world.scene(3, 1), format) for _ in range(2))
    assert video.frames.shape == (9, 48, 64, 3) and np.array_equal(video.frames, again.frames) and scene == other
    assert len(scene.actions) == len(scene.positions) == len(scene.inventory) == len(scene.health) == 9
    assert scene.events and len(scene.captions) == 10 and any(world.name.capitalize() in c or "Doom" in c for c in scene.captions)
    json.dumps(truth_of(scene))


def test_doom_offers_its_depth():
    pytest.importorskip("vizdoom")
    scene = Vizdoom().film(Vizdoom().scene(3, 0), Format(width=64, height=48, num_frames=3, maps=True))[1]
    assert scene.maps is not None and scene.maps.depth.shape == (3, 3, 4) and scene.maps.masks is None
    assert float(np.ptp(scene.maps.depth.astype(float))) > 1


@pytest.mark.parametrize("world", [Crafter(), Vizdoom()])
def test_a_missing_game_is_named(world: Crafter | Vizdoom, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, world.name, None)
    with pytest.raises(RuntimeError, match=f"needs the game: pip install 'reverie\\[games\\]' \\(or {world.name}[=>]=1"):
        world.film(world.scene(0, 0), Format(width=64, height=48, num_frames=2))


def test_crafter_has_no_maps():
    with pytest.raises(ValueError, match="leave out --maps"):
        Crafter().film(Crafter().scene(0, 0), Format(width=64, height=48, num_frames=2, maps=True))


def test_moods_sway_by_what_they_say():
    assert MOODS["happy"].sway(0.25 / 1.4) == pytest.approx(MOODS["happy"].hop) and MOODS["tired"].sway(0.0) < 0 and MOODS[""].sway(math.pi) == 0
