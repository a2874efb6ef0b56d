"""How well the autoencoder gives footage back: PSNR over all pixels and over those that move."""

import numpy as np
import torch
from PIL import Image

from reverie.autoencoder.autoencoder import FRAMES, Autoencoder
from reverie.autoencoder.losses import moving_mask
from reverie.data.shards import Footage
from reverie.evaluation.sheet import contact_sheet
from reverie.video import Video


def reconstruct(autoencoder: Autoencoder, video: Video) -> Video:
    """The first whole groups of four frames, there and back."""
    frames = video.frames[: max(1, video.num_frames // FRAMES * FRAMES)]
    pixels = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    with torch.inference_mode():
        decoded = autoencoder.decode(autoencoder.encode(pixels), *frames.shape[:3])[0]
    return Video(((decoded.permute(1, 2, 3, 0) + 1) * 127.5).round().to(torch.uint8).numpy(), video.fps)


def evaluate_reconstruction(autoencoder: Autoencoder, footage: Footage, num_clips: int) -> dict[str, float]:
    """Mean and 10th percentile over clips, dB: `psnr` of all pixels, `moving_psnr` of those that change by more than 6/255."""
    if num_clips < 1:
        raise ValueError(f"{num_clips} clips: at least 1 is needed")
    whole, moving = [], []
    for index in range(min(num_clips, len(footage))):
        video = footage.video(index)
        back = reconstruct(autoencoder, video)
        frames = video.frames[: back.num_frames]
        error = ((frames.astype(np.float32) - back.frames) ** 2).mean(-1)
        whole.append(_decibel(error.mean()))
        mask = moving_mask(torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1)[0, 0].numpy()
        if mask.any():
            moving.append(_decibel(error[mask].mean()))
    figures = {"clips": float(len(whole)), "psnr": float(np.mean(whole)), "psnr_p10": float(np.percentile(whole, 10))}
    if moving:
        figures |= {"moving_psnr": float(np.mean(moving)), "moving_psnr_p10": float(np.percentile(moving, 10))}
    return figures


def reconstruction_sheet(autoencoder: Autoencoder, footage: Footage, num_clips: int = 6) -> Image.Image:
    """Rows of originals with the reconstruction below each."""
    videos, labels = [], []
    for index in range(min(num_clips, len(footage))):
        video = footage.video(index)
        videos += [video, reconstruct(autoencoder, video)]
        labels += [f"original: {footage.entries[index].captions[0]}", "reconstruction"]
    return contact_sheet(videos, labels, columns=6)


def _decibel(error: float) -> float:
    return 10 * float(np.log10(255**2 / max(float(error), 1e-6)))
