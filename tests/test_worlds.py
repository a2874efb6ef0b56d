"""The diorama: captions say what the simulated track shows, footage repeats, shards are whole. Needs MuJoCo and EGL."""

import json
import os
import re
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from reverie.cli import main
from reverie.data.render import render
from reverie.data.shards import Footage, write_shard
from reverie.evaluation.prompts import HUES, check_on_footage, look, prompt_list, score, wilson
from reverie.worlds import captions
from reverie.worlds.diorama import COLOURS, SHAPES, SURROUNDINGS, Diorama, facts_of
from reverie.worlds.scene import Format

WIDE, TALL, SQUARE = (Format(width=w, height=h, num_frames=17) for w, h in ((160, 96), (96, 160), (128, 128)))
WORLD = Diorama()


@pytest.fixture(scope="module")
def films() -> list:
    """Thirty clips of a seed that no model trains on."""
    return [WORLD.film(WORLD.scene(77, n), (SQUARE, WIDE, TALL)[n % 3]) for n in range(30)]


def test_the_same_seed_is_the_same_film(films: list):
    video, scene = WORLD.film(WORLD.scene(77, 4), WIDE)
    assert np.array_equal(video.frames, films[4][0].frames)
    assert scene == films[4][1]
    assert WORLD.scene(77, 5) != WORLD.scene(77, 4) != WORLD.scene(78, 4)


def test_every_frame_shows_something_and_moving_things_move(films: list):
    for video, scene in films:
        assert video.frames.shape[1:3] == (scene.height, scene.width)
        assert video.frames[0].std() > 5
        if scene.camera.kind == "static" and any(set(s.facts) & {"fall", "jump", "roll_left", "roll_right"} for s in scene.subjects):
            assert np.abs(video.frames[1:].astype(int) - video.frames[:-1]).max() > 30


def test_facts_agree_with_the_track(films: list):
    """An independent reading of the numbers that the facts were taken from."""
    seen = Counter()
    for _, scene in films:
        for subject in scene.subjects:
            (x0, _, z0), (x1, _, _), heights = subject.track[0], subject.track[-1], [p[2] for p in subject.track]
            for fact in subject.facts:
                seen[fact] += 1
                if fact.endswith("left"):
                    assert x1 < x0 - 1 and subject.screen[-1][0] < subject.screen[0][0]
                elif fact.endswith("right"):
                    assert x1 > x0 + 1 and subject.screen[-1][0] > subject.screen[0][0]
                elif fact == "fall":
                    assert min(heights) < z0 - 0.8
                elif fact == "jump":
                    assert max(heights) > z0 + 0.6
                elif fact == "stand":
                    assert max(heights) - min(heights) < 0.1 and abs(x1 - x0) < 0.1
            if not subject.facts:
                seen["nothing"] += 1
    assert seen["nothing"] < 0.2 * sum(seen.values())
    assert len(seen) >= 7


def said(text: str, phrase: str) -> bool:
    """Whether a phrase occurs in a text as whole words."""
    return phrase in text if not phrase.isascii() else re.search(rf"(?<![\w-]){re.escape(phrase)}(?![\w-])", text) is not None


def test_captions_say_only_what_is_true(films: list):
    """No caption holds a phrase for a fact that the ground truth does not have, and every caption names what there is."""
    motions = {fact: {form for pair in pairs for form in pair} | set(captions.ZH_MOTIONS[fact]) for fact, pairs in captions.MOTIONS.items()}
    motions["bounce"] = {form for pair in captions.BOUNCES for form in pair} | set(captions.ZH_BOUNCES)
    tables = {
        "colour": {k: {*captions.COLOURS[k], *captions.ZH_COLOURS[k]} for k in captions.COLOURS}, "shape": {k: {*captions.SHAPES[k], *captions.ZH_SHAPES[k]} for k in captions.SHAPES},
        "place": {k: {*captions.PLACES[k], *captions.SETTINGS[k], *captions.ZH_PLACES[k]} for k in captions.PLACES},
        "camera": {k: {*captions.CAMERAS[k], *captions.ZH_CAMERAS[k]} for k in captions.CAMERAS}, "motion": motions,
    }  # fmt: skip
    checked = Counter()
    for _, scene in films:
        zoom = "in" if scene.camera.amount < 1 else "out"
        truth = {
            "colour": {s.colour for s in scene.subjects}, "shape": {s.shape for s in scene.subjects}, "place": {scene.surroundings},
            "camera": {zoom if scene.camera.kind == "zoom" else scene.camera.kind}, "motion": {fact for s in scene.subjects for fact in s.facts},
        }  # fmt: skip
        for still, texts in ((False, scene.captions), (True, scene.still_captions)):
            for caption in texts:
                for light in captions.LIGHT.values():
                    assert light not in caption or light == captions.LIGHT[scene.surroundings]
                text = caption.replace(captions.LIGHT[scene.surroundings], "").lower()
                if scene.camera.kind == "static" and not still:  # "does not move" is also said of things
                    text = text.replace("the camera does not move", "")
                checked["place"] += any(said(text, phrase) for phrase in tables["place"][scene.surroundings])
                for kind, table in tables.items():
                    allowed = set().union(*(table[k] for k in truth[kind])) if not (still and kind in ("motion", "camera")) else set()
                    for phrase in set().union(*table.values()) - allowed:
                        inside_true = any(phrase in true and said(text, true) for true in allowed | (tables["place"][scene.surroundings] if kind != "place" else set()))
                        assert inside_true or not said(text, phrase), f"{caption!r} says {phrase!r}"
                checked["motion"] += any(said(text, phrase) for k in truth["motion"] for phrase in motions[k])
                assert any(said(text, phrase) for k in truth["shape"] for phrase in tables["shape"][k]), caption
                assert any(said(text, phrase) for k in truth["colour"] for phrase in tables["colour"][k]), caption
    assert checked["motion"] > 100
    assert checked["place"] > 200


def test_colours_of_two_things_are_not_swapped(films: list):
    pairs = [scene for _, scene in films if len(scene.subjects) == 2]
    assert len(pairs) >= 3
    for scene in pairs:
        for caption in scene.captions[:6]:
            order = [caption.lower().find(f"{colour} {shape}") for s in scene.subjects for colour in captions.COLOURS[s.colour] for shape in captions.SHAPES[s.shape]]
            half = len(captions.COLOURS[scene.subjects[0].colour]) * len(captions.SHAPES[scene.subjects[0].shape])
            assert max(order[:half]) >= 0
            assert max(order[half:]) >= 0, caption


def test_attributes_are_near_uniform():
    scenes = [WORLD.scene(5, n) for n in range(2000)]
    subjects = [s for scene in scenes for s in scene.subjects]
    for values, names in (([s.shape for s in subjects], SHAPES), ([s.colour for s in subjects], COLOURS), ([s.surroundings for s in scenes], SURROUNDINGS)):
        counts = Counter(values)
        expected = len(values) / len(names)
        assert all(abs(counts[name] - expected) < 5 * expected**0.5 for name in names)  # five standard deviations
    assert 0.21 < sum(len(s.subjects) == 2 for s in scenes) / 2000 < 0.29


def test_a_still_thing_under_a_turning_camera_is_still():
    moving = replace(Diorama().scene(1, 0).camera, kind="orbit", amount=50.0)
    for n in range(12):
        scene = WORLD.scene(21, n)
        scene = replace(
            scene,
            camera=moving,
            subjects=tuple(replace(s, action="stand", velocity=(0, 0, 0), angular_velocity=(0, 0, 0), start=(*s.start[:2], 0), lying=False) for s in scene.subjects),
        )
        for subject in WORLD.film(scene, Format(width=64, height=160, num_frames=9))[1].subjects:
            assert set(subject.facts) <= {"stand"}


def test_a_cylinder_that_turns_while_it_slides_does_not_roll():
    _, scene = WORLD.film(WORLD.scene(77, 0), SQUARE)
    angles = np.linspace(0, 3, 17)
    subject = replace(
        scene.subjects[0], shape="cylinder", lying=False, track=tuple((-2 + t / 4, 0, 0.95) for t in range(17)), screen=tuple((0.25 + t / 32, 0.6) for t in range(17)),
        rotation=tuple((float(np.cos(a / 2)), 0.0, 0.0, float(np.sin(a / 2))) for a in angles),
    )  # fmt: skip
    assert facts_of(subject, SQUARE, 0.0) == ("slide_right",)
    rolled = replace(subject, rotation=tuple((float(np.cos(t / 8)), 0.0, float(np.sin(t / 8)), 0.0) for t in range(17)))
    assert facts_of(rolled, SQUARE, 0.0) == ("roll_right",)


def test_a_fall_that_did_not_end_and_a_jump_without_return_are_not_told():
    _, scene = WORLD.film(WORLD.scene(77, 0), SQUARE)
    still = {"rotation": ((1.0, 0.0, 0.0, 0.0),) * 5, "screen": ((0.5, 0.5),) * 5, "shape": "cube", "lying": False}
    for heights in ((5, 4.9, 4.5, 4, 3.5), (0.85, 1.5, 2, 2.3, 2.4)):
        assert facts_of(replace(scene.subjects[0], track=tuple((0.0, 0.0, float(z)) for z in heights), **still), SQUARE, 0.0) == ()


def test_a_track_without_clear_motion_has_no_facts(films: list):
    _, scene = films[0]
    subject = scene.subjects[0]
    outside = replace(subject, screen=tuple((1.4, 0.5) for _ in subject.screen))
    assert facts_of(outside, SQUARE, 0.0) == ()


RENDER = ["worlds", "render", "--seed", "9", "--sizes", "32x32", "48x32", "--num-frames", "5"]


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_rendering_is_resumable_and_does_not_depend_on_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reverie.data.render.SHARD_CLIPS", 2)
    one, two = tmp_path / "one", tmp_path / "two"
    assert main([*RENDER, "--num-clips", "4", "-o", str(one), "--processes", "1"]) == 0
    files = contents(one)
    assert len(files) == 5
    next(one.glob("*.jsonl")).unlink()
    assert main([*RENDER, "--num-clips", "4", "-o", str(one), "--processes", "1"]) == 0
    assert contents(one) == files
    assert main([*RENDER, "--num-clips", "4", "-o", str(two), "--processes", "2"]) == 0
    assert contents(two) == files
    footage = Footage(one)
    assert [entry.width for entry in footage.entries] == [32, 48, 32, 48]
    video, scene = WORLD.film(WORLD.scene(9, 3), Format(width=48, height=32, num_frames=5))
    assert np.array_equal(footage.video(3).frames, video.frames)
    assert footage.scene(3) == json.loads(json.dumps(asdict(scene)))


class MortalWorld(Diorama):
    """Dies once, in whichever process comes first to clip 2."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def film(self, scene, format):  # type: ignore[no-untyped-def]
        if scene.index == 2 and not self.mark.exists():
            self.mark.touch()
            os._exit(139)
        return super().film(scene, format)


def test_a_process_that_dies_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reverie.data.render.SHARD_CLIPS", 2)
    done = list(render(MortalWorld(tmp_path / "mark"), 9, 4, [Format(width=32, height=32, num_frames=2)], tmp_path / "out", processes=2))
    assert done[-1] == (4, 4)
    assert len(Footage(tmp_path / "out")) == 4


def test_a_folder_of_other_footage_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([*RENDER, "--num-clips", "2", "-o", str(tmp_path)]) == 0
    before = contents(tmp_path)
    assert main([*RENDER, "--num-clips", "2", "-o", str(tmp_path), "--fps", "4"]) == 2
    assert "holds clips of another" in capsys.readouterr().err
    assert main([*RENDER, "--num-clips", "3", "-o", str(tmp_path)]) == 2
    assert "as a last shard" in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_the_prompt_check_is_right_about_footage(tmp_path: Path, films: list):
    write_shard(tmp_path / "a.tar", ((str(n), video, asdict(scene)) for n, (video, scene) in enumerate(films)))
    asked, found = check_on_footage(Footage(tmp_path), None)
    assert len(asked) >= 5
    assert score(found, asked)["colour"] == 1
    assert float(score(found, asked)["motion"]) >= 0.8  # type: ignore[arg-type]


def test_the_prompt_check_sees_nothing_where_nothing_is():
    grey = np.full((16, 64, 64, 3), 128, np.uint8)
    assert look(grey) == ("none", "none")
    still = grey.copy()
    still[:, 30:40, 30:40] = (220, 20, 20)
    assert look(still) == ("red", "none")


def test_prompt_lists_are_balanced_and_apart():
    lists = {name: prompt_list(name) for name in ("main", "varied", "chinese", "tune")}
    assert [len(lists[name]) for name in lists] == [64, 32, 16, 32]
    texts = [p.text for prompts in lists.values() for p in prompts]
    assert len(set(texts)) == len(texts)
    for prompts in lists.values():
        assert {p.colour for p in prompts} == set(HUES)
        assert max(Counter(p.motion for p in prompts).values()) == len(prompts) // 4
    with pytest.raises(ValueError, match="no list"):
        prompt_list("mian")


def test_wilson_interval():
    low, high = wilson(60, 64)
    assert (round(low, 3), round(high, 3)) == (0.850, 0.975)  # a textbook calculator's
    assert wilson(0, 10)[0] == pytest.approx(0, abs=1e-9)
