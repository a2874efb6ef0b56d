"""Manners: names that nobody gave, quiet, one JSON line, memory and rerun, the doctor, completion, estimates; and Chromium plays what is written."""

import base64
import http.server
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import reverie
from reverie.cli import build_parser, main
from reverie.commands import talking
from reverie.sampling import tasks
from reverie.sampling.estimate import estimate
from reverie.sampling.sampler import SamplerConfig
from reverie.video import Video, probe, read
from tests.conftest import made_clip

SMALL = ["--size", "32x32", "--num-steps", "2", "--seconds", "0.5"]


def last_json(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_files_that_nobody_named_get_new_names(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    command = ["generate", "A red ball / rolls!", "--model", str(model_folder), *SMALL, "--seed", "7", "--quiet"]
    assert main(command) == main(command) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-red-ball-rolls-2_7_32x32.mp4", "a-red-ball-rolls_7_32x32.mp4"]


def test_quiet_says_nothing_and_json_is_the_only_line(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["generate", "a red ball in Tokyo", "--model", str(model_folder), *SMALL, "-o", str(tmp_path / "a.mkv")]
    assert main([*command, "--quiet"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert main([*command, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    assert "never met: tokyo" in captured.err
    answer = json.loads(captured.out)
    assert (answer["verb"], answer["ok"], answer["exit_code"], answer["error"]) == ("generate", True, 0, None)
    assert "\x1b" not in captured.err + captured.out


def test_rerun_makes_the_same_frames(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    model = ["--model", str(model_folder)]
    assert main(["generate", "-o", str(tmp_path / "a.mkv"), *model, *SMALL, "--num-videos", "2", "--seed", "-3", "--negative-prompt=-x", "--", "-a red ball"]) == 0
    for number in (0, 1):
        again = tmp_path / f"again{number}.mkv"
        capsys.readouterr()
        assert main(["rerun", str(tmp_path / f"a-{number}.mkv"), "-o", str(again), *model, "--json"]) == 0
        answer = last_json(capsys)
        assert (answer["same_frames"], answer["differing"]) == (True, {})
        first = read(tmp_path / f"a-{number}.mkv")
        assert np.array_equal(read(again).frames, first.frames)
        assert first.metadata["seed"] == -3 + number
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-0.mkv", "a-1.mkv", "again0.mkv", "again1.mkv"]


def test_what_python_made_can_be_run_again(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    clip = reverie.load(model_folder).generate("a red ball", size="32x32", num_frames=5, num_steps=2, seed=4, fps=12.5)
    path = clip.save(tmp_path / "a.mp4")
    assert main(["rerun", str(path), "-o", str(tmp_path / "b.mkv"), "--model", str(model_folder), "--json"]) == 0
    assert last_json(capsys)["same_frames"] is True
    assert np.array_equal(read(tmp_path / "b.mkv").frames, clip.frames)


def test_rerun_says_that_what_a_storyboard_names_has_changed(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    made_clip(1, frames=1).save("who.png")
    Path("film.toml").write_text('size = "32x32"\n[subjects.hero]\nwords = "a ball"\nimage = "who.png"\n[[shot]]\nseconds = 0.5\nprompt = "{hero} rolls"\n')
    assert main(["storyboard", "film.toml", "-o", "a.mkv", "--num-steps", "2", "--model", str(model_folder)]) == 0
    for number, changed in enumerate((False, True)):
        if changed:
            made_clip(2, frames=1).save("who.png")
        capsys.readouterr()
        assert main(["rerun", "a.mkv", "-o", f"again{number}.mkv", "--model", str(model_folder), "--json"]) == 0
        out, err = capsys.readouterr()
        answer = json.loads(out.splitlines()[-1])
        assert (answer["same_frames"], list(answer["differing"])) == ((False, ["given"]) if changed else (True, []))
        assert ("the files that the storyboard names are others now" in err) == changed


def test_rerun_asks_for_what_is_missing(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    model = ["--model", str(model_folder)]
    image = made_clip(0, frames=1, height=32, width=32).save(tmp_path / "cat.png")
    assert main(["animate", str(image), "a red ball", "-o", str(tmp_path / "a.mkv"), *model, "--num-steps", "2", "--num-frames", "5"]) == 0
    assert str(tmp_path) not in json.dumps(read(tmp_path / "a.mkv").metadata)  # a file that is passed on tells nothing about the machine
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    image = image.rename(elsewhere / "dog.png")
    rerun = ["rerun", str(tmp_path / "a.mkv"), "-o", str(tmp_path / "b.mkv"), *model]
    assert main(rerun) == 2
    assert "was made from cat.png (sha256" in capsys.readouterr().err
    wrong = made_clip(1, frames=1).save(elsewhere / "cat.png")
    assert main([*rerun, "--input", str(wrong)]) == 2
    assert "was made from cat.png" in capsys.readouterr().err
    assert main([*rerun, "--input", str(wrong), str(image)]) == 0
    assert "the same frames, bit by bit" in capsys.readouterr().out
    assert main(["rerun", str(tmp_path / "a.mkv"), "-o", str(tmp_path / "a.mkv"), "--input", str(image), *model]) == 2
    assert "is the file itself" in capsys.readouterr().err


def test_a_file_remembers_its_latents_unless_told_not_to(model_folder: Path, tmp_path: Path):
    dreamer = reverie.load(model_folder)
    video = dreamer.generate("a red ball", size="32x32", num_frames=4, num_steps=1)
    for name in ("a.mp4", "a.webm", "a.mkv", "a.webp", "folder"):
        back = read(video.save(tmp_path / name))
        assert np.array_equal(back.latents, video.latents), name  # type: ignore[arg-type]
        assert back.metadata == video.metadata, name
    image = dreamer.generate("a red ball", size="32x32", num_frames=1, num_steps=1)
    for name in ("a.png", "a.jpg", "b.webp"):
        assert np.array_equal(read(image.save(tmp_path / name)).latents, image.latents), name  # type: ignore[arg-type]
    assert main(["generate", "a red ball", "-o", str(tmp_path / "b.mkv"), "--model", str(model_folder), *SMALL, "--no-metadata"]) == 0
    silent = read(tmp_path / "b.mkv")
    assert (silent.metadata, silent.latents) == ({}, None)


def test_large_latents_lie_beside_and_belong_to_one_file(tmp_path: Path):
    clip = made_clip(0, frames=4)
    latents = np.random.default_rng(0).standard_normal((16, 5, 64, 64)).astype(np.float32)  # 1.3 MB
    path = Video(clip.frames, 8.0, {"seed": 1}, latents).save(tmp_path / "a.mkv")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mkv", "a.mkv.latents.safetensors"]
    assert np.array_equal(read(path).latents, latents)  # type: ignore[arg-type]
    path.write_bytes(Video(clip.frames, 8.0, {"seed": 2}).save(tmp_path / "b.mkv").read_bytes())
    changed = read(path)
    assert changed.latents is None
    assert changed.notes == ("a.mkv.latents.safetensors belongs to another file and is left out",)
    Video(clip.frames, 8.0, {"seed": 1}).save(path)  # a new file without latents takes the old ones away
    assert not (tmp_path / "a.mkv.latents.safetensors").exists()


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("{nonsense", "what it remembers of how it was made is damaged"), ("[1]", "what it remembers of how it was made is damaged"),
        ('{"latents": {"shape": [1, 1, 1, 2], "data": "AAAA"}}', "the latents inside it are damaged and left out"), ('{"latents": 3}', "the latents inside it are damaged and left out"),
        ('{"num_frames": 9, "latents": {"shape": [1, 1, 1, 1], "data": "AAAAAA=="}}', "its latents belong to a clip of another size or length and are left out"),
    ],
)  # fmt: skip
def test_a_damaged_memory_is_told(text: str, note: str, tmp_path: Path):
    from PIL import Image, PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_itxt("reverie", text)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    video = read(tmp_path / "a.png")
    assert video.notes == (note,)
    assert video.latents is None


def test_the_doctor_says_what_there_is(capsys: pytest.CaptureFixture[str]):
    assert main(["doctor", "--json"]) == 0
    facts = last_json(capsys)
    assert facts["reverie"] == reverie.__version__
    assert facts["gflops"]["fp32"] > 0 and facts["computes_in"] in ("bfloat16", "float32")
    assert facts["egl"].startswith(("yes", "no: "))
    assert facts["free_disk_gb"] > 0 and facts["memory_gb"] > 0


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out

    def complete(*words: str) -> list[str]:
        line = " ".join(f"'{word}'" for word in words)
        ask = f'{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _reverie; printf "%s\\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, cwd=tmp_path, check=True)
        return done.stdout.split()

    (tmp_path / "film.mp4").touch()
    assert complete("reverie", "gen") == ["generate"]
    assert complete("reverie", "generate", "--gui") == ["--guidance-scale"]
    assert complete("reverie", "worlds", "render", "--num-c") == ["--num-clips"]
    assert complete("reverie", "info", "fi") == ["film.mp4"]


def test_every_shell_gets_every_command(capsys: pytest.CaptureFixture[str]):
    names = re.findall(r"^    (\w+) ", build_parser().format_help(), re.MULTILINE)
    assert {"generate", "rerun", "doctor"} <= set(names)
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        text = capsys.readouterr().out
        form = {"bash": "{}", "zsh": "{}", "fish": "-a {}"}[shell]
        assert [name for name in names if not re.search(rf"(?<![\w-]){form.format(name)}(?![\w-])", text)] == []


def test_long_work_is_announced(model_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    dreamer = reverie.load(model_folder)
    config = SamplerConfig()

    def canvas(size: int, frames: int) -> object:
        return tasks.text_to_video("x", channels=16, width=size, height=size, num_frames=frames, fps=8.0, seed=0)

    small, large = estimate(dreamer, [canvas(64, 8)], config), estimate(dreamer, [canvas(512, 64)], config)  # type: ignore[list-item]
    assert large[0] > 100 * small[0] and large[1] > small[1]
    assert estimate(dreamer, [canvas(64, 8)] * 3, config)[0] == pytest.approx(3 * small[0])  # type: ignore[list-item]
    with caplog.at_level("INFO", "reverie"):
        monkeypatch.setattr("reverie.sampling.estimate.measured_seconds", lambda dreamer: (100.0, 10.0))  # of two latents of 64 tokens
        talking.announce(dreamer, [canvas(64, 8)], config)
    evaluations = 2 * config.num_steps  # of 16 tokens each, with words and without; decoding is once more done for the frames across the border
    assert estimate(dreamer, [canvas(64, 8)], config)[0] == pytest.approx(25 * evaluations + 10 / 4 * 2, rel=0.05)  # type: ignore[list-item]
    assert re.search(r"this will take about .* and \d\.\d GB of memory", caplog.text)
    monkeypatch.setattr("reverie.sampling.estimate.total_memory", lambda: 10_000_000)
    with pytest.raises(ValueError, match=r"needs about .* GB of memory"):
        talking.announce(dreamer, [canvas(64, 8)], config)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PAGE = """<body><script>
const play = (kind, data) => new Promise((done) => {
  const source = `data:${kind};base64,${data}`;
  if (kind.startsWith("image")) {
    const image = new Image();
    image.onerror = () => done("error");
    image.onload = () => done(`${image.width}x${image.height}`);
    image.src = source;
    return;
  }
  const video = document.createElement("video");
  video.muted = true;
  video.onerror = () => done("error " + video.error.message);
  video.onended = () => done(`${video.videoWidth}x${video.videoHeight} ${video.duration.toFixed(2)} ${video.getVideoPlaybackQuality().totalVideoFrames}`);
  video.src = source;
  document.body.append(video);
  video.play();
});
Promise.all(FILES.map(([kind, data]) => play(kind, data))).then((said) => fetch("/said", {method: "POST", body: said.join("|")}));
</script></body>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)")
def test_chromium_plays_what_is_written(tmp_path: Path):
    clip = made_clip(1, frames=8)
    kinds = {"a.mp4": "video/mp4", "a.webm": "video/webm", "a.gif": "image/gif", "a.webp": "image/webp"}
    files = [[kind, base64.b64encode(clip.save(tmp_path / name).read_bytes()).decode()] for name, kind in kinds.items()]
    page = PAGE.replace("FILES", json.dumps(files)).encode()
    said: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def do_POST(self) -> None:
            said.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.timeout = 1
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required", f"--user-data-dir={tmp_path / 'profile'}"]
    process = subprocess.Popen([*command, f"http://127.0.0.1:{server.server_port}/"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            server.handle_request()
            if said or process.poll() is not None:
                break
    finally:
        process.terminate()
        process.wait(30)
        server.server_close()
    assert said == ["96x96 1.00 8|96x96 1.00 8|96x96|96x96"]


def test_the_structure_of_a_file_is_in_its_facts(tmp_path: Path):
    path = Video(made_clip(0).frames, 8.0, {"prompt": "x"}, np.zeros((16, 5, 12, 12), np.float32)).save(tmp_path / "a.mkv")
    facts = probe(path)
    assert (facts["container"], facts["codec"], facts["size"], facts["num_frames"], facts["latents"], facts["made"]) == (
        "Matroska",
        "ffv1",
        "96x96",
        17,
        [16, 5, 12, 12],
        {"prompt": "x"},
    )
