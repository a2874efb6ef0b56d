"""The example scripts run, write what they say and stay small."""

import importlib.util
from pathlib import Path

import pytest

import reverie

EXAMPLES = Path(reverie.__file__).parents[1] / "examples"
WRITTEN = {
    "text_to_film": ["long.mp4", "seed-0.mp4", "seed-1.mp4", "seed-2.mp4", "seed-3.mp4", "still.png"], "animate_photograph": ["alive.mkv", "there-and-back.mkv"],
    "extend_and_loop": ["held.mkv", "joined.mkv", "longer.mkv", "loop.gif"], "storyboard": ["film.mp4", "film.toml"],
    "edit": ["cut.mkv", "large.mp4", "painted.mp4", "recoloured.mp4", "smooth.mp4", "wide.mp4"],
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_an_example_runs(name: str, model_folder: Path, tmp_path: Path):
    script = EXAMPLES / f"{name}.py"
    assert script.read_text().count("\n") <= 40
    spec = importlib.util.spec_from_file_location(name, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(tmp_path, model=model_folder, num_steps=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == WRITTEN[name]
    for path in tmp_path.iterdir():
        if path.suffix != ".toml":
            assert reverie.read(path).num_frames >= 1
