"""The diorama: captions say what the simulated track shows, footage repeats, shards are whole. Needs MuJoCo and EGL."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from reverie.cli import main
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


def test_captions_say_only_what_is_true(films: list):
    """Every word of colour, shape and direction in a caption belongs to a thing that is there."""
    by_word = {word: key for table in (captions.COLOURS, captions.SHAPES) for key, words in table.items() for phrase in words for word in phrase.split()}
    for _, scene in films:
        there = {s.colour for s in scene.subjects} | {s.shape for s in scene.subjects}
        facts = {fact for s in scene.subjects for fact in s.facts}
        for caption in (*scene.captions, *scene.still_captions):
            if caption in (captions.LIGHT[scene.surroundings],):
                continue
            told = caption.replace(captions.LIGHT[scene.surroundings], "").lower()
            for phrases in (captions.PLACES, captions.SETTINGS):
                for phrase in phrases[scene.surroundings]:
                    told = told.replace(phrase, "")
            for word in told.replace(",", " ").replace(".", " ").replace(":", " ").split():
                if word in by_word and word not in ("bright",):
                    assert by_word[word] in there, caption
            if " to the left" in told.replace("on the left", "") or "leftward" in told or "向左" in told:
                assert any(fact.endswith("left") for fact in facts), caption
            if " to the right" in told.replace("on the right", "") or "rightward" in told or "向右" in told:
                assert any(fact.endswith("right") for fact in facts), caption
            assert not set(told.split()) & {"falls", "falling", "drops"} or "fall" in facts
            assert not set(told.split()) & {"jumps", "jumping", "leaps", "hops"} or "jump" in facts
        assert not any("滚" in text or "跳" in text or "落" in text for text in scene.still_captions)


def test_attributes_are_near_uniform():
    scenes = [WORLD.scene(5, n) for n in range(2000)]
    subjects = [s for scene in scenes for s in scene.subjects]
    for values, names in (([s.shape for s in subjects], SHAPES), ([s.colour for s in subjects], COLOURS), ([s.surroundings for s in scenes], SURROUNDINGS)):
        counts = Counter(values)
        expected = len(values) / len(names)
        assert all(abs(counts[name] - expected) < 5 * expected**0.5 for name in names)  # five standard deviations
    assert 0.21 < sum(len(s.subjects) == 2 for s in scenes) / 2000 < 0.29


def test_a_track_without_clear_motion_has_no_facts(films: list):
    _, scene = films[0]
    subject = scene.subjects[0]
    import dataclasses

    outside = dataclasses.replace(subject, screen=tuple((1.4, 0.5) for _ in subject.screen))
    assert facts_of(outside, SQUARE) == ()


def test_rendering_is_resumable_and_does_not_depend_on_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reverie.data.render.SHARD_CLIPS", 2)
    common = ["worlds", "render", "--num-clips", "4", "--seed", "9", "--sizes", "32x32", "48x32", "--num-frames", "5"]
    assert main([*common, "-o", str(tmp_path / "a"), "--processes", "1"]) == 0
    files = {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()}
    assert len(files) == 4
    next((tmp_path / "a").glob("*.jsonl")).unlink()
    assert main([*common, "-o", str(tmp_path / "a"), "--processes", "1"]) == 0
    assert {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()} == files
    footage = Footage(tmp_path / "a")
    assert [entry.width for entry in footage.entries] == [32, 48, 32, 48]
    video, scene = WORLD.film(WORLD.scene(9, 3), Format(width=48, height=32, num_frames=5))
    assert np.array_equal(footage.video(3).frames, video.frames)
    assert footage.scene(3) == json.loads(json.dumps(asdict(scene)))


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
