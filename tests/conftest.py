"""What the tests share: deterministic hypothesis without deadlines, a tiny model, a little made footage."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch

import reverie
from reverie.autoencoder.autoencoder import Autoencoder
from reverie.data.shards import write_shard
from reverie.layers.weights import save_weights
from reverie.presets import tiny
from reverie.sampling.reverie import Reverie
from reverie.text.encoder import sentence_encoder
from reverie.transformer.dit import Transformer
from reverie.video import Video

hypothesis.settings.register_profile("reverie", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.load_profile("reverie")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test draws the same numbers every time."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def no_child_outlives_its_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test starts ends with it, also where it fails in between."""
    children: list[subprocess.Popen[bytes]] = []

    class Child(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **how: Any) -> None:
            super().__init__(*arguments, **how)
            children.append(self)

    monkeypatch.setattr(subprocess, "Popen", Child)
    yield
    for child in children:
        if child.poll() is None:
            child.terminate()  # torchrun ends its own processes then
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def shaken(network: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The network with random weights where it starts at zero, so that every path counts."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * parameter[0].numel() ** -0.5)
    return network.eval()


@pytest.fixture(scope="session")
def autoencoder() -> Autoencoder:
    """A tiny one with random residual paths."""
    network = Autoencoder(tiny().autoencoder)
    shaken(network)
    return network


def made_clip(number: int, frames: int = 17, height: int = 96, width: int = 96) -> Video:
    """A bright square that walks over a dark ramp: real motion, no renderer."""
    ramp = np.linspace(20, 90, width, dtype=np.uint8)[None, None, :, None]
    pixels = np.broadcast_to(ramp, (frames, height, width, 3)).copy()
    for t in range(frames):
        x = (7 * number + 4 * t) % (width - 24)
        pixels[t, 30:54, x : x + 24] = [(250, 40, 40), (40, 250, 40), (40, 40, 250)][number % 3]
    return Video(pixels, 8.0)


@pytest.fixture(scope="session")
def footage_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve made clips in one shard."""
    folder = tmp_path_factory.mktemp("footage")
    truth = {"captions": ["a square moves to the right", "方块向右移动"], "still_captions": ["a square"]}
    write_shard(folder / "made.tar", ((f"{n:03d}", made_clip(n), truth) for n in range(12)))
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory, autoencoder: Autoencoder) -> Path:
    """A tiny pair of weights files that belong together."""
    folder = tmp_path_factory.mktemp("model")
    preset = tiny()
    save_weights(folder / "autoencoder.safetensors", autoencoder.state_dict(), {"network": "autoencoder", "config": preset.autoencoder.__dict__})
    from reverie.layers.weights import load_weights

    about = {
        "network": "transformer",
        "config": preset.transformer.__dict__,
        "autoencoder": load_weights(folder / "autoencoder.safetensors", "autoencoder")[1]["digest"],
        "text": sentence_encoder().digest,
    }
    save_weights(folder / "transformer.safetensors", shaken(Transformer(preset.transformer)).state_dict(), {**about, "vocabulary": ["ball", "red", "rolls"]})
    return folder


@pytest.fixture(scope="module")
def dreamer(model_folder: Path) -> Reverie:
    """The tiny pair, loaded."""
    return reverie.load(model_folder, dtype=torch.float32)


@contextmanager
def stopped(step: int) -> Iterator[Callable[[int, int], None]]:
    """In place of the progress bar: Ctrl-C at a step."""

    def advance(done: int, total: int) -> None:
        if done == step:
            raise KeyboardInterrupt

    yield advance
