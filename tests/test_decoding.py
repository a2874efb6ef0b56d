"""From latents to frames: nothing is decoded for nothing, every frame comes in its place, and no joint shows where the given meets the dreamed."""

import numpy as np
import pytest
import torch

import reverie
import reverie.sampling.reverie
from reverie.evaluation.tasks import joint
from reverie.sampling import tasks
from reverie.sampling.canvas import Canvas, Given
from reverie.sampling.reverie import BUNDLED, Reverie, load_autoencoder
from reverie.video import Video
from tests.test_tasks import clip


@pytest.fixture(scope="module")
def asked(dreamer: Reverie) -> list[Canvas]:
    video, encode = clip(101, "32x32"), dreamer.encode
    canvases = [tasks.extend(video, "x", encode=encode, window=5, seed=0, **how) for how in ({"after": 8}, {"before": 9})]
    return [*canvases, tasks.fill(video, [3, 75], "x", encode=encode, seed=0), tasks.connect(clip(45, "32x32"), clip(50, "32x32", 2), "x", encode=encode, num_frames=8, seed=0)]


@pytest.mark.parametrize("size", [3, 100])
def test_what_is_given_is_decoded_near_what_is_dreamed_only(dreamer: Reverie, asked: list[Canvas], monkeypatch: pytest.MonkeyPatch, size: int):
    decode, decoded = dreamer.autoencoder.decode_piece, []
    monkeypatch.setattr(dreamer.autoencoder, "decode_piece", lambda z, cache: decoded.append(z.shape[2]) or decode(z, cache))
    for canvas in asked:
        latents = canvas.latents[:, canvas.shown] + torch.randn(canvas.latents[:, canvas.shown].shape) * canvas.strength.amax((1, 2))[canvas.shown][:, None, None]
        decoded.clear()
        spared = np.concatenate(list(dreamer._frames(canvas, latents.split(size, 1))))
        assert sum(decoded) < latents.shape[1] - 3
        with monkeypatch.context() as patch:
            patch.setattr(reverie.sampling.reverie, "_spared", lambda canvas, reach: np.zeros(200, bool))
            whole = np.concatenate(list(dreamer._frames(canvas, latents.split(size, 1))))
        assert len(spared) == len(whole) == canvas.num_frames
        assert np.abs(spared.astype(int) - whole).max() <= 1  # fp32 sums in another order


def test_the_step_from_the_given_to_the_dreamed_is_smaller_than_group_by_group():
    """The bundled codec with the true latents of a ball that rolls on, and what is shown where half of its frames are given."""
    dreamer = Reverie.__new__(Reverie)
    dreamer.autoencoder, _ = load_autoencoder(BUNDLED / "autoencoder.safetensors")
    y, x = (axis[..., None] for axis in np.mgrid[:96, :96])
    shade = [np.array((200, 60, 50)) * (1 - 0.5 * np.clip((y - 50 + x - 20 - 5 * t) / 28, -1, 1)) for t in range(16)]
    balls = [np.clip((14 - np.hypot(x - 20 - 5 * t, y - 50)) / 3, 0, 1) for t in range(16)]
    frames = np.stack([(ball * colour + (1 - ball) * (90, 120, 80)).clip(0, 255).astype(np.uint8) for ball, colour in zip(balls, shade, strict=True)])
    latents = dreamer.encode(Video(frames), 0)
    with torch.inference_mode():
        decoded = dreamer.autoencoder.decode(latents[None], 16, 96, 96, steady=False)[0]
    own = ((decoded.permute(1, 2, 3, 0) + 1) * 127.5).round().to(torch.uint8).numpy()
    for how, keep in (({"after": 8}, np.arange(16) < 8), ({"before": 8}, np.arange(16) >= 8)):
        canvas = tasks.extend(Video(frames[keep]), "x", encode=dreamer.encode, window=5, seed=0, **how)
        shown = np.concatenate(list(dreamer._frames(canvas, [latents])))
        group_by_group = np.concatenate(list(Given(frames, keep[:, None, None]).over_pieces([own], keep)))
        assert np.array_equal(shown[keep], frames[keep])
        assert joint(shown, 8) < 0.93 * joint(group_by_group, 8)
