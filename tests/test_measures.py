"""The measures of the tasks: they see what they should, and no trick passes them."""

import json

import numpy as np
import pytest

import reverie
from reverie.cli import main
from reverie.evaluation import drift
from reverie.evaluation import tasks as measures
from reverie.evaluation.page import page_of, rows_of
from reverie.evaluation.prompts import look
from reverie.evaluation.sheet import contact_sheet
from reverie.video import Video


def rolling(frames: int = 16, colour: tuple[int, int, int] = (220, 30, 30), start: int = 100, step: int = -5, side: int = 128) -> np.ndarray:
    """A coloured square on gray snow that goes sideways."""
    clip = np.full((frames, side, side, 3), 200, np.uint8)
    for t in range(frames):
        x = start + step * t
        clip[t, side * 9 // 16 : side * 11 // 16, max(0, x) : max(0, x + side // 6)] = colour
    return clip


def case(**settings) -> measures.Case:
    return measures.Case(Video(rolling(**settings)), "a red cube slides to the left", "red", "cube", "left")


def test_a_frozen_clip_has_no_path_and_a_moving_one_its_own():
    moving = rolling()
    assert measures.path_length(moving) == pytest.approx(15 * 5 / np.hypot(128, 128), rel=0.05)
    assert measures.path_length(np.repeat(moving[:1], 16, 0)) == 0
    assert look(moving) == ("red", "left")


def test_a_cut_is_a_joint_and_smooth_motion_is_none():
    clip = rolling()
    assert measures.joint(clip, 8) == pytest.approx(1, abs=0.3)
    assert measures.joint(np.concatenate([clip[:8], rolling(colour=(30, 30, 220), start=20)[8:]]), 8) > 2


def test_a_cross_fade_is_doubly_exposed_and_a_cut_is_not():
    a, b = rolling()[0], rolling(start=30, colour=(30, 30, 220))[0]
    share = np.linspace(0, 1, 10)[1:-1, None, None, None]
    fade = ((1 - share) * a + share * b).astype(np.uint8)
    assert measures._doubleness(fade, a, b) > 0.5
    assert measures._doubleness(np.stack([a] * 4 + [b] * 4), a, b) < 0.01
    assert measures._doubleness(np.stack([np.full_like(a, 90)] * 8), a, b) < 0.05


def test_a_gray_box_holds_no_thing():
    frames = rolling()
    box = measures._free_box(rolling(start=100, step=0), 48)
    assert box is not None
    assert not measures._holds(np.where(np.ones((128, 128, 1), bool), frames, 0), box, "blue")
    gray, blue = frames.copy(), frames.copy()
    gray[:, box[0], box[1]] = 128
    blue[:, 80:95, box[1].start + 5 : box[1].start + 25] = (30, 60, 220)
    assert not measures._holds(gray, box, "blue")
    assert measures._holds(blue, box, "blue")


def test_a_track_that_stays_correlates():
    clip = rolling()
    recoloured = rolling(colour=(30, 60, 220))
    assert measures._correlation(recoloured, clip) > 0.99
    assert measures._correlation(recoloured[::-1], clip) < -0.9
    assert measures._correlation(np.repeat(clip[:1], 16, 0), clip) == 0


def test_every_measure_runs_and_is_plain_json(model_folder):
    dreamer = reverie.load(model_folder)
    cases = [case(side=96, start=80, step=-1, colour=c) for c in ((220, 30, 30), (220, 30, 40))]
    for name, measure in measures.MEASURES.items():
        made: list[Video] = []
        figures = measure(dreamer, cases, made) if name != "inpaint" else None
        if figures is not None:
            assert json.loads(json.dumps(figures))
            assert made, name


def test_the_page_holds_every_figure_and_nothing_foreign():
    share, gain = measures._share([True, True, False]), measures._gain([30.0, 31.0], [29.0, 31.0])
    figures = {
        "model": "<m>",
        "cases": 3,
        "edit": {"strength_0.4": {"changed": share, "track": measures._median([0.1, 0.2])}},
        "refine": {"against_lanczos": gain, "path": measures._ratio([1.0], [2.0])},
    }
    rows = {f"{task}: {measure}": (value, spread, cases) for name in ("edit", "refine") for task, measure, value, spread, cases in rows_of(name, figures[name])}
    assert rows["edit: strength 0.4, changed (share)"] == ("0.667", f"interval {share['interval'][0]:g} to {share['interval'][1]:g}", "3")
    assert rows["edit: strength 0.4, track (median)"][0] == "0.15"
    assert rows["refine: against lanczos (gain in dB)"] == ("0.5", f"± {gain['plus_minus']:g}; 30.5 dB against 30 dB", "2")
    assert rows["refine: path (ratio)"][0] == "0.5"
    page = page_of(figures, {"edit": contact_sheet([Video(rolling())], ["a <b>"])})
    assert "&lt;m&gt;" in page
    assert page.count("<tr>") == 5
    assert page.count("data:image/jpeg") == 1
    assert "<script" not in page
    assert "http" not in page


def test_a_page_and_drift_are_one_command(model_folder, tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(drift, "measure", lambda dreamer, count, made: made.append(Video(rolling())) or {"none": {"seconds_kept": measures._median([3.0] * count)}})
    page = tmp_path / "page.html"
    assert main(["evaluate", "tasks", "--only", "drift", "--model", str(model_folder), "--page", str(page), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["files"], answer["drift"]["none"]["seconds_kept"]["cases"]) == ([str(page)], 2)
    assert "seconds kept" in page.read_text("utf-8")
    for words, message in (
        (["--only", "drifft"], "did you mean 'drift'"),
        (["--quick"], "--data: a folder"),
        (["--page", "a.png"], "a page is an .html"),
        (["--num-cases", "1"], "at least 2"),
    ):
        assert main(["evaluate", "tasks", *words]) == 2
        assert message in capsys.readouterr().err
