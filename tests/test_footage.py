"""Footage: whole shards of any world, the same from any number of processes; worlds from other packages; the prompt check."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reverie.cli import main
from reverie.data.render import render
from reverie.data.shards import Entry, Footage, write_shard
from reverie.evaluation.probe import LABELS
from reverie.evaluation.prompts import HUES, check_on_footage, look, look_at_all, prompt_list, score, wilson
from reverie.worlds.diorama import Diorama
from reverie.worlds.heldout import held_out_pairs, held_out_triples
from reverie.worlds.scene import Camera, Format, Scene, Subject, truth_of

WORLD = Diorama()

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
    made = {path: path.stat().st_mtime_ns for path in one.glob("*.tar")}
    assert main([*RENDER, "--num-clips", "4", "-o", str(one), "--processes", "1"]) == 0
    assert main([*RENDER, "--num-clips", "3", "-o", str(one), "--processes", "1"]) == 2  # clip 2 would be there twice
    assert contents(one) == files and sum(path.stat().st_mtime_ns != time for path, time in made.items()) == 1  # what exists is not made again
    assert main([*RENDER, "--num-clips", "4", "-o", str(two), "--processes", "2"]) == 0
    assert contents(two) == files
    footage = Footage(one)
    assert [entry.width for entry in footage.entries] == [32, 48, 32, 48]
    video, scene = WORLD.film(WORLD.scene(9, 3), Format(width=48, height=32, num_frames=5))
    assert np.array_equal(footage.video(3).frames, video.frames)
    assert footage.scene(3) == json.loads(json.dumps(truth_of(scene)))


class MortalWorld(Diorama):
    """Dies once, in whichever process comes first to clip 2."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def film(self, scene, format):  # type: ignore[no-untyped-def]
        if scene.index == 2 and not self.mark.exists():
            self.mark.touch()
            os._exit(139)
        return super().film(scene, format)


def test_processes_end_with_a_killed_parent(tmp_path: Path):
    script = "import sys; from reverie.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", script, "worlds", "render", "--num-clips", "2000", "--num-frames", "33", "-o", str(tmp_path / "footage"), "--processes", "2"]
    parent = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    listing, workers, deadline = Path(f"/proc/{parent.pid}/task/{parent.pid}/children"), set[str](), time.monotonic() + 60
    while len(workers) < 2:
        assert parent.poll() is None and time.monotonic() < deadline
        workers = {pid for pid in listing.read_text().split() if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}
        time.sleep(0.05)
    time.sleep(3)  # they have imported what they need, or are about to
    parent.kill()
    parent.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "a process goes on for nobody"
        time.sleep(0.05)


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
    assert "as one shard" in capsys.readouterr().err
    assert contents(tmp_path) == before


class GuiltyWorld(Diorama):
    """Its clip 1 shows something held out, and so does the next one that is tried in its place."""

    def film(self, scene: Scene, format: Format):  # type: ignore[no-untyped-def]
        video, filmed = super().film(scene, format)
        return video, replace(filmed, held_out=("dog red jump",) if 1 <= scene.index < 2**41 else ())


def test_what_is_held_out_is_never_written(tmp_path: Path):
    list(render(GuiltyWorld(), 9, 2, [Format(width=32, height=32, num_frames=2)], tmp_path))
    footage = Footage(tmp_path)
    assert [footage.scene(n)["index"] for n in range(2)] == [0, 2**41 + 1]
    assert [footage.scene(n)["held_out"] for n in range(2)] == [[], []]


def test_a_shard_that_was_copied_in_part_is_named(tmp_path: Path):
    assert main([*RENDER, "--num-clips", "2", "-o", str(tmp_path)]) == 0
    (shard,) = tmp_path.glob("*.tar")
    shard.write_bytes(shard.read_bytes()[:2000])
    with pytest.raises(ValueError, match=f"{shard.name} ends early"):
        Footage(tmp_path).video(1)


def test_maps_are_kept_beside_the_clip(tmp_path: Path):
    assert main([*RENDER, "--num-clips", "2", "-o", str(tmp_path / "maps"), "--maps"]) == 0
    assert main([*RENDER, "--num-clips", "2", "-o", str(tmp_path / "plain")]) == 0
    maps = Footage(tmp_path / "maps").maps(1)
    scene = Footage(tmp_path / "maps").scene(1)
    assert {name: array.shape for name, array in maps.items()} == {"depth": (5, 2, 3), "masks": (5, len(scene["subjects"]), 2, 3), "flow": (5, 2, 3, 2)}
    with pytest.raises(ValueError, match="has no maps"):
        Footage(tmp_path / "plain").maps(1)
    assert np.array_equal(Footage(tmp_path / "maps").video(1).frames, Footage(tmp_path / "plain").video(1).frames)


def test_footage_of_before_is_read_and_keeps_its_name():
    """Runs remember the digest of their footage, so an entry without maps must look as it did when there were none."""
    row = {
        "key": "1-0",
        "shard": "a.tar",
        "offset": 512,
        "length": 9,
        "scene": (1024, 5),
        "width": 8,
        "height": 8,
        "num_frames": 1,
        "fps": 8.0,
        "captions": ("a",),
        "still_captions": ("b",),
    }
    assert repr(Entry(**row)) == f"Entry({', '.join(f'{name}={value!r}' for name, value in row.items())})"  # type: ignore[arg-type]


def test_clips_take_turns_through_sizes_lengths_and_rates(tmp_path: Path):
    command = ["worlds", "render", "--sizes", "32x32", "48x32", "--num-frames", "2", "3", "--fps", "8", "4", "--num-clips", "8", "--processes", "1", "-o", str(tmp_path)]
    assert main(command) == 0
    assert len({(entry.width, entry.num_frames, entry.fps) for entry in Footage(tmp_path).entries}) == 8


def test_show_list_and_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert main(["worlds", "list", "--json"]) == 0
    assert "dog" in json.loads(capsys.readouterr().out)["diorama"]["subject"]
    assert main(["worlds", "show", "--seed", "3", "--size", "48x32", "--num-frames", "5", "-o", str(tmp_path / "clip.mkv"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert shown["scene"]["num_frames"] == 5 and shown["files"] == [str(tmp_path / "clip.mkv")]
    assert main([*RENDER, "--num-clips", "2", "-o", str(tmp_path / "footage")]) == 0
    assert main(["worlds", "check", str(tmp_path / "footage"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["clips"] == 2 and result["clauses"] > 50 and result["wrong"] == 0
    monkeypatch.setattr("reverie.worlds.clauses.check_scene", lambda truth: (3, [f"{truth['index']}: a lie"]))
    assert main(["worlds", "check", str(tmp_path / "footage")]) == 1
    assert "2 of 6 clauses are wrong, the first: 0: a lie" in capsys.readouterr().err
    assert main(["worlds", "render", "--world", "dioramma", "--num-clips", "1", "-o", str(tmp_path / "x")]) == 2
    assert "did you mean 'diorama'" in capsys.readouterr().err


EXAMPLE = Path(__file__).parent.parent / "examples" / "pendulum"


@pytest.fixture
def pendulum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example as an installer leaves it: its module on the path, its entry point in the metadata."""
    import tomllib

    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    site = tmp_path / "site"
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "\n".join(f"{name} = {value}" for name, value in project["entry-points"]["reverie.worlds"].items())
    (info / "entry_points.txt").write_text(f"[reverie.worlds]\n{points}\n")
    (site / "pendulum_world.py").write_text((EXAMPLE / "pendulum_world.py").read_text())
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.usefixtures("pendulum")
def test_a_world_of_another_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert (EXAMPLE / "pendulum_world.py").read_text().count("\n") <= 40
    assert main(["worlds", "list"]) == 0
    assert "pendulum" in capsys.readouterr().out
    assert main(["worlds", "render", "--world", "pendulum", "--num-clips", "3", "--sizes", "48x32", "--num-frames", "9", "-o", str(tmp_path / "out"), "--processes", "1"]) == 0
    footage = Footage(tmp_path / "out")
    assert len(footage) == 3 and footage.video(0).frames.shape == (9, 32, 48, 3)
    assert footage.entries[0].captions[0].startswith("a ")
    assert main(["worlds", "check", str(tmp_path / "out")]) == 2
    assert "is of pendulum, schema" in capsys.readouterr().err


def test_the_prompt_check_is_right_about_footage(tmp_path: Path):
    films = []
    for n in range(16):
        kind, action = (
            ("ball", "roll_left"),
            ("cube", "slide_right"),
            ("cylinder", "fall"),
            ("cone", "jump"),
            ("dog", "run_left"),
            ("ball", "roll_right"),
            ("car", "drive_right"),
            ("ball", "fall"),
        )[n % 8]
        subject = Subject(kind=kind, colour=list(HUES)[n % 6], size="large", material="matte", action=action, height=0.5)
        surroundings = ("snow", "street", "beach")[n % 3]
        films.append(
            WORLD.film(
                Scene(world="diorama", seed=1, index=n, surroundings=surroundings, time="day", subjects=(subject,), camera=Camera(kind="static"), sun=(0.3, 0.4, -1.2)),
                Format(width=128, height=128, num_frames=17),
            )
        )
    write_shard(tmp_path / "a.tar", ((str(n), video, truth_of(scene)) for n, (video, scene) in enumerate(films)))
    asked, found = check_on_footage(Footage(tmp_path), None, look_at_all)
    assert len(asked) >= 14
    assert float(score(found, asked)["colour"]) == 1  # type: ignore[arg-type]
    assert float(score(found, asked)["motion"]) >= 0.9  # type: ignore[arg-type]


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
        assert {p.asked["colour"] for p in prompts} == set(HUES)
        assert max(Counter(p.asked["motion"] for p in prompts).values()) == len(prompts) // 4
    with pytest.raises(ValueError, match="no list"):
        prompt_list("mian")


def test_lists_of_the_worlds_are_balanced_and_hold_out_what_is_held_out():
    lists = {name: prompt_list(name) for name in ("worlds", "worlds-held-out", "worlds-tune")}
    assert [len(lists[name]) for name in lists] == [64, 32, 32]
    texts = [p.text for prompts in lists.values() for p in prompts]
    assert len(set(texts)) == len(texts)
    for name, prompts in lists.items():
        assert all(value in LABELS[label] for p in prompts for label, value in p.asked.items())
        assert set(Counter(p.asked["kind"] for p in prompts).values()) == {len(prompts) // 8}
        for p in prompts:
            verb = next(verb for verb in ("roll", "slide", "walk", "run", "crawl", "drive", "fall", "jump", "spin", "stand") if f" {verb}s" in p.text)
            shown = (p.asked["kind"], p.asked["surroundings"]) in held_out_pairs() or (p.asked["kind"], p.asked["colour"], verb) in held_out_triples()
            assert shown == (name == "worlds-held-out"), p.text


def test_wilson_interval():
    low, high = wilson(60, 64)
    assert (round(low, 3), round(high, 3)) == (0.850, 0.975)  # a textbook calculator's
    assert wilson(0, 10)[0] == pytest.approx(0, abs=1e-9)
