"""The measures of reconstruction see what they should."""

from pathlib import Path

import numpy as np
import pytest
import torch

from reverie.autoencoder.autoencoder import Autoencoder
from reverie.data.shards import Footage
from reverie.evaluation import reconstruction
from reverie.evaluation.reconstruction import evaluate_reconstruction, gmsd, ms_ssim
from reverie.video import Video
from tests.conftest import made_clip


def test_a_perfect_copy_scores_perfectly_and_damage_in_order():
    frames = torch.from_numpy(made_clip(0).frames.astype(np.float32)).mean(-1)
    noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(0))
    assert (ms_ssim(frames, frames), gmsd(frames, frames)) == (pytest.approx(1), 0)
    similar = [ms_ssim(frames, frames + scale * noise) for scale in (2, 8, 32)]
    different = [gmsd(frames, frames + scale * noise) for scale in (2, 8, 32)]
    assert similar == sorted(similar, reverse=True) and similar[0] > 0.95 and similar[2] < 0.8
    assert different == sorted(different)
    assert ms_ssim(frames[:, :16, :16], frames[:, :16, :16] + noise[:, :16, :16]) < 1  # smaller than the coarsest window


def test_a_codec_that_jumps_between_groups_is_seen(autoencoder: Autoencoder, footage_folder: Path, monkeypatch: pytest.MonkeyPatch):
    footage = Footage(footage_folder)
    figures = {}
    for name, jump in (("steady", 0), ("jumping", 12)):
        monkeypatch.setattr(reconstruction, "reconstruct", lambda _, video, steady, jump=jump: Video(
            np.clip(video.frames[:16] + jump * (np.arange(16) // 4 % 2)[:, None, None, None], 0, 255).astype(np.uint8), video.fps))  # fmt: skip
        figures[name] = evaluate_reconstruction(autoencoder, footage, 3)
    assert figures["steady"]["joint"] == pytest.approx(1) and figures["steady"]["psnr"] > 60
    assert figures["jumping"]["joint"] > 2
