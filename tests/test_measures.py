"""The measures of the tasks: they see what they should, and no trick passes them."""

import json

import numpy as np
import pytest

import reverie
from reverie.cli import main
from reverie.evaluation import drift
from reverie.evaluation import tasks as measures
from reverie.evaluation.page import page_of, rows_of
from reverie.evaluation.probe import LABELS, Probe
from reverie.evaluation.prompts import judged, look, look_at_all, look_by
from reverie.evaluation.sheet import contact_sheet
from reverie.layers.weights import save_weights
from reverie.video import Video


def rolling(frames: int = 16, colour: tuple[int, int, int] = (220, 30, 30), start: int = 100, step: int = -5, side: int = 128) -> np.ndarray:
    """A coloured square on gray snow that goes sideways."""
    clip = np.full((frames, side, side, 3), 200, np.uint8)
    for t in range(frames):
        x = start + step * t
        clip[t, side * 9 // 16 : side * 11 // 16, max(0, x) : max(0, x + side // 6)] = colour
    return clip


def case(**settings) -> measures.Case:
    truth = {"kind": "ball", "colour": "red", "motion": "left", "fact": "roll_left", "surroundings": "snow", "time": "day", "camera": "static"}
    clip = rolling(**settings)
    return measures.Case(Video(clip), truth, Video(clip.repeat(2, 1).repeat(2, 2)))


def test_a_frozen_clip_has_no_path_and_a_moving_one_its_own():
    moving = rolling()
    assert measures.path_length(moving) == pytest.approx(15 * 5 / 128, rel=0.05)
    assert measures.path_length(np.repeat(moving[:1], 16, 0)) == 0
    assert look(moving) == ("red", "left")


def test_a_cut_is_a_joint_and_smooth_motion_is_none():
    clip = rolling()
    assert measures.joint(clip, 8) == pytest.approx(1, abs=0.3)
    assert measures.joint(np.concatenate([clip[:8], rolling(colour=(30, 30, 220), start=20)[8:]]), 8) > 2


def test_a_cross_fade_is_doubly_exposed_and_a_cut_is_not():
    a, b = rolling()[0], rolling(start=30, colour=(30, 30, 220))[0]
    share = np.linspace(0, 1, 10)[:, None, None, None]
    fade = ((1 - share) * a + share * b).astype(np.uint8)
    assert measures.doubleness(fade) > 0.9
    assert measures.doubleness(np.stack([a] * 4 + [b] * 4)) < 0.01
    assert measures.doubleness(np.stack([a] * 8)) == 0
    elsewhere = rolling(start=64, colour=(30, 150, 30))[0].transpose(1, 0, 2)
    assert measures.doubleness(np.stack([a, *[elsewhere] * 8, b])) < 0.3
    away = np.stack([np.roll(a, 40 + 3 * t, 0) for t in range(8)])  # half of the one and half of the other, while both move
    assert measures.doubleness((away // 2 + away[::-1] // 2), away, away[::-1]) > 0.9


def test_real_footage_is_not_doubly_exposed_and_fades_through_a_third_clip_are():
    """Needs MuJoCo and EGL. Clips of the diorama as it films them, moving cameras among them."""
    from reverie.worlds.diorama import Diorama
    from reverie.worlds.scene import Format

    world = Diorama()
    clips = [world.film(world.scene(77, n), Format(width=96, height=96, num_frames=10))[0].frames for n in range(5000, 5010)]
    goal = measures.TRANSITION["doubleness"][1]
    real = float(np.median([measures.doubleness(clip) for clip in clips]))
    assert 0.3 < real < goal, real
    assert float(np.median([measures.doubleness(np.roll(clip, -3, 0)[:6]) for clip in clips])) < measures.LOOP["doubleness"][1]
    ways = [[0, 1 / 3, 2 / 3, 1, 1, 1, 1, 2 / 3, 1 / 3, 0], [0, 0.5, 1, 1, 1, 1, 1, 1, 0.5, 0]]
    for shares in ways:  # both clips and the third move on while they are mixed
        made = [
            np.stack([((1 - s) * (a if k < 5 else b)[k] + s * c[k]).round().astype(np.uint8) for k, s in enumerate(shares)])
            for a, b, c in zip(clips, clips[1:] + clips[:1], clips[4:] + clips[:4], strict=True)
        ]
        assert float(np.median([measures.doubleness(frames) for frames in made])) > goal


def test_a_thing_that_goes_back_goes_not_onward_and_a_loop_that_turns_is_not_constant():
    clip = rolling()
    made, real = measures.onward(clip[7:], clip[7:])
    assert made == real > 0
    assert measures.onward(clip[7::-1], clip[7:15])[0] == pytest.approx(-measures.onward(clip[7:15], clip[7:15])[1], rel=0.05)
    assert measures.onward(np.repeat(clip[7:8], 9, 0), clip[7:])[0] == 0
    around = np.stack([np.roll(clip[0], -8 * t, 1) for t in range(16)])
    assert measures.constancy(around, "left") == pytest.approx(1, abs=0.05)
    assert measures.constancy(around, "right") == pytest.approx(-1, abs=0.05)
    assert measures.constancy(np.concatenate([clip, clip[-2:0:-1]]), "left") == pytest.approx(0, abs=0.05)
    assert measures.constancy(clip[:1].repeat(16, 0), "left") == 0


def test_things_are_counted_and_seams_are_seen():
    mask = np.zeros((128, 128), bool)
    mask[10:30, 10:30] = mask[60:80, 40:60] = True
    assert [measures.parts(mask & keep) for keep in (True, np.arange(128)[:, None] < 40, False)] == [2, 1, 0]
    inside = np.zeros((128, 128), bool)
    inside[40:90, 30:80] = True
    grained = 120 + 4 * np.random.default_rng(0).standard_normal((2, 128, 128, 1)).repeat(3, 3)
    assert measures.border(grained, inside) == pytest.approx(1, abs=0.1)
    assert measures.border(grained + 20 * inside[..., None], inside) > 2


def test_a_gray_box_holds_no_thing():
    frames = rolling()
    box = measures._free_box(rolling(start=100, step=0), 48)
    assert box is not None
    mask = np.zeros((1, 128, 128), bool)
    mask[:, *box] = True
    assert not measures._holds(frames, mask, "blue")
    gray, blue = frames.copy(), frames.copy()
    gray[:, box[0], box[1]] = 128
    blue[:, 80:95, box[1].start + 5 : box[1].start + 25] = (30, 60, 220)
    assert not measures._holds(gray, mask, "blue")
    assert not measures._holds(blue, mask, "blue")  # flat
    blue[:, 80:88, box[1].start + 5 : box[1].start + 25] = (22, 44, 165)
    assert measures._holds(blue, mask, "blue")


def test_a_track_that_stays_correlates():
    clip = rolling()
    recoloured = rolling(colour=(30, 60, 220))
    assert measures.correlation(recoloured, clip) > 0.99
    assert measures.correlation(recoloured[::-1], clip) < -0.9
    assert measures.correlation(np.repeat(clip[:1], 16, 0), clip) == 0


def test_filmed_cases_are_what_the_measures_can_read_and_prompts_say_what_they_show():
    """Needs MuJoCo and EGL."""
    found = measures.film_cases(4, 1001)
    assert sorted(one.truth["motion"] for one in found) == sorted(measures.MOTIONS)
    for one in found:
        assert look(one.video.frames) == (one.truth["colour"], one.truth["motion"])
        assert one.truth["surroundings"] in measures.EVEN
        assert one.video.frames.shape == (16, 128, 128, 3)
    assert case().said() == "a red ball rolls to the left in the snow by day, static camera"
    assert case().said(colour="orange", surroundings="beach", time="night") == "an orange ball rolls to the left on the beach at night, static camera"
    assert judged({"schema": 2, "subjects": [], "camera": {"kind": "static"}}) is None


def test_every_measure_runs_and_is_plain_json(model_folder, monkeypatch: pytest.MonkeyPatch):
    dreamer, seen = reverie.load(model_folder), []
    steps = reverie.sampling.reverie.SamplerConfig
    monkeypatch.setattr(reverie.sampling.reverie, "SamplerConfig", lambda **how: steps(**{**how, "num_steps": 1}))
    monkeypatch.setattr(measures, "SHOTS", measures.SHOTS[:2])
    monkeypatch.setattr(measures, "STRENGTHS", {"strong": 0.9})
    monkeypatch.setattr(measures, "simulated", lambda: lambda colour, seed, actions: rolling(4 * len(actions), side=32))
    monkeypatch.setattr(measures, "dreamed", lambda dreamer: lambda colour, seed, actions: rolling(4 * len(actions), side=32))
    cases = [case(side=96, start=80, step=-1, colour=c) for c in ((220, 30, 30), (220, 30, 40))]

    def look_and_count(clips):
        seen.append(len(clips))
        return look_at_all(clips)

    for name, measure in measures.MEASURES.items():
        made: list[Video] = []
        figures = measure(dreamer, cases, made, look_and_count)
        assert json.loads(json.dumps(figures))
        assert made, name
        unread = {"storyboard": {"surroundings"}, "generate": {f"{word}_of_real" for word in ("kind", "surroundings", "time", "camera")}}.get(name, set())
        assert set(goal.split("/")[0] for goal in measures.GOALS[name]) - unread <= set(figures), name
        assert {goal.split(" not measured")[0].replace(" ", "_") for goal in measures.missed(name, figures) if "not measured" in goal} >= unread, name
        assert measures.missed(name, figures) or name == "play"
    assert seen


def test_a_probe_reads_the_words_and_goals_know_them(tmp_path):
    """The look of a probe: more is asked of edits and storyboards."""
    save_weights(tmp_path / "probe.safetensors", Probe().state_dict(), {"network": "probe", "config": {name: list(words) for name, words in LABELS.items()}})
    look = look_by(tmp_path / "probe.safetensors")
    assert set(look([rolling()])[0]) == {*LABELS, "motion"}

    class Echo:
        def generate(self, prompt, seconds, seed):
            return Video(rolling(start=100 - seed))

        def edit(self, video, prompt, strength, seed):
            return Video(video.frames, metadata={"prompt": prompt})

    cases, made = [case(), case(), case()], []

    def sure(clips):
        return [{"colour": "yellow", "kind": "cone", "surroundings": "street", "time": "night", "motion": "left"} for _ in clips]

    figures = measures.edit(Echo(), cases, made, sure)["strength_0.9"]
    assert [" ".join(video.metadata["prompt"].split()[1:3]) for video in made] == ["yellow ball", "red cylinder", "red ball", "red ball"] * 3
    assert "on the street by day" in made[2].metadata["prompt"] and "in the snow at night" in made[3].metadata["prompt"]
    assert [figures[name]["share"] for name in ("changed", "colour", "kind", "surroundings", "time", "rest")] == [0.75, 1.0, 0.0, 1.0, 1.0, 0.0]
    generated = measures.generate(Echo(), [case(), case()], [], sure)
    assert [generated[name]["share"] for name in ("colour", "motion", "motion_real", "time_real")] == [0, 1, 1, 0]
    assert "fact" not in generated
    assert (generated["motion_of_real"]["ratio"], "ratio" in generated["time_of_real"]) == (1.0, False)  # a look that reads no time from real clips measures none
    wrong = measures.missed("generate", generated)
    assert "time of real not measured (at least 0.85)" in wrong and not any(goal.startswith("motion") for goal in wrong)


def test_a_goal_that_was_not_measured_is_missed():
    one = {"kept": measures.share([True, True]), "other_place": measures.share([True]), "surroundings": measures.share([False, True])}
    assert measures.missed("storyboard", one) == ["surroundings 0.5 (at least 0.85)"]
    assert measures.missed("storyboard", {"kept": one["kept"]}) == ["other place not measured (at least 0.85)", "surroundings not measured (at least 0.85)"]
    assert measures.missed("fill", {"gap": measures._gain([30.0, 30.0], [30.0, 30.0])}) == ["gap 0 (at least 0.01)", "rate not measured (at least 0.01)"]
    assert measures.missed("refine", {"one_thing": measures._ratio([1.0, 0.0], [0.0, 0.0])})[-1] == "one thing not measured (at least 0.9)"  # nothing to compare with
    assert all(measures.missed(task, {}) for task in measures.MEASURES)


def test_weights_without_actions_are_not_played(model_folder, monkeypatch: pytest.MonkeyPatch):
    dreamer = reverie.load(model_folder)
    monkeypatch.setattr(type(dreamer.play("a ball")), "steers", False)
    figures = measures.play(dreamer, [case()], [], look_at_all)
    assert "have not learned actions" in figures["note"]
    wrong = measures.missed("play", figures)
    assert len(wrong) == len(measures.GOALS["play"]) and wrong[0] == "of ceiling not measured (at least 0.85)"
    assert "<li>play: of ceiling not measured (at least 0.85)</li>" in page_of({"play": {**figures, "missed": wrong}}, {})


def test_the_page_holds_every_figure_and_nothing_foreign():
    share, gain = measures.share([True, True, False]), measures._gain([30.0, 31.0], [29.0, 31.0])
    figures = {
        "model": "<m>",
        "cases": 3,
        "edit": {"strength_0.4": {"changed": share, "track": measures._median([0.1, 0.2])}},
        "refine": {"against_lanczos": gain, "path": measures._ratio([1.0, 2.0], [2.0, 4.0]), "missed": ["seam 2 (0 to 1.2)"]},
    }
    rows = {f"{task}: {measure}": (value, spread, cases) for name in ("edit", "refine") for task, measure, value, spread, cases in rows_of(name, figures[name])}
    assert rows["edit: strength 0.4, changed (share)"] == ("0.667", f"interval {share['interval'][0]:g} to {share['interval'][1]:g}", "3")
    assert rows["edit: strength 0.4, track (median)"][0] == "0.15"
    assert rows["refine: against lanczos (gain in dB)"] == ("0.5", f"± {gain['plus_minus']:g}; 30.5 dB against 30 dB", "2")
    assert rows["refine: path (ratio)"][0] == "0.5"
    page = page_of(figures, {"edit": contact_sheet([Video(rolling())], ["a <b>"])})
    assert "&lt;m&gt;" in page
    assert "<li>refine: seam 2 (0 to 1.2)</li>" in page
    assert page.count("<tr>") == 5
    assert page.count("data:image/jpeg") == 1
    assert "<script" not in page
    assert "http" not in page


def test_a_page_and_drift_are_one_command(model_folder, tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(drift, "measure", lambda dreamer, count, made: made.append(Video(rolling())) or {"none": {"seconds_kept": measures._median([3.0] * count)}})
    page = tmp_path / "page.html"
    assert main(["evaluate", "tasks", "--only", "drift", "--model", str(model_folder), "--page", str(page), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["files"], answer["drift"]["none"]["seconds_kept"]["cases"]) == ([str(page), str(tmp_path / "page.json")], 2)
    assert "seconds kept" in page.read_text("utf-8")
    for words, message in (
        (["--only", "drifft"], "did you mean 'drift'"),
        (["--probe", "nowhere.safetensors"], "no such weights file"),
        (["--page", "a.png"], "a page is an .html"),
        (["--num-cases", "1"], "at least 2"),
    ):
        assert main(["evaluate", "tasks", *words]) == 2
        assert message in capsys.readouterr().err


@pytest.fixture
def quick_tasks(monkeypatch: pytest.MonkeyPatch):
    """Three tasks that take no time: one is measured, one fails, one is interrupted if it is told to be."""
    stop: list[bool] = []

    def measured(dreamer, cases, made, look):
        made.append(Video(rolling()))
        return {"motion": measures.share([True, True])}

    def failing(dreamer, cases, made, look):
        raise ValueError("no case has room for a second thing: give more cases")

    def last(dreamer, cases, made, look):
        if stop:
            raise KeyboardInterrupt
        return {"gap": measures._gain([31.0, 32.0], [30.0, 30.0])}

    monkeypatch.setattr(measures, "MEASURES", {"animate": measured, "inpaint": failing, "fill": last})
    monkeypatch.setattr(measures, "film_cases", lambda count, seed: [case()] * count)
    return stop


def test_a_task_that_fails_loses_no_other(quick_tasks, model_folder, tmp_path, capsys: pytest.CaptureFixture[str]):
    page = tmp_path / "page.html"
    assert main(["evaluate", "tasks", "--num-cases", "2", "--model", str(model_folder), "--page", str(page), "--json"]) == 1
    out, err = capsys.readouterr()
    assert err.splitlines()[-1] == "reverie: 1 of 3 tasks failed: inpaint (no case has room for a second thing: give more cases)"
    answer, kept = json.loads(out), json.loads((tmp_path / "page.json").read_text("utf-8"))
    for figures in (answer, kept):
        assert figures["animate"]["motion"]["share"] == 1.0
        assert figures["inpaint"]["failed"] == "ValueError: no case has room for a second thing: give more cases"
        assert figures["fill"]["gap"]["gain"] == 1.5
        assert figures["unfinished"] == []
    assert (answer["exit_code"], answer["files"]) == (1, [str(page), str(tmp_path / "page.json")])
    assert "inpaint: failed: ValueError: no case has room" in page.read_text("utf-8")
    assert page.read_text("utf-8").count("<h2>animate</h2>") == 1


def test_what_was_measured_survives_an_interruption(quick_tasks, model_folder, tmp_path, capsys: pytest.CaptureFixture[str]):
    quick_tasks.append(True)
    page = tmp_path / "page.html"
    assert main(["evaluate", "tasks", "--num-cases", "2", "--only", "animate", "fill", "--model", str(model_folder), "--page", str(page), "--json"]) == 130
    answer, kept = json.loads(capsys.readouterr().out), json.loads((tmp_path / "page.json").read_text("utf-8"))
    for figures in (answer, kept):
        assert figures["animate"]["motion"]["share"] == 1.0
        assert figures["unfinished"] == ["fill"]
    assert "<li>fill: not finished</li>" in page.read_text("utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "page.json"]


def test_a_page_that_cannot_be_written_is_known_before_the_work(quick_tasks, model_folder, tmp_path, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", "tasks", "--num-cases", "2", "--model", str(model_folder), "--page", str(tmp_path / "nowhere" / "page.html")]) == 2
    out, err = capsys.readouterr()
    assert (out, "does not exist" in err) == ("", True)
