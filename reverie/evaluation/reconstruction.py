"""How well the autoencoder gives footage back: PSNR over all pixels and over those that move, MS-SSIM, GMSD, and steadiness at the joints of groups."""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from reverie.autoencoder.autoencoder import FRAMES, Autoencoder
from reverie.autoencoder.losses import moving_mask
from reverie.data.shards import Footage
from reverie.evaluation.sheet import contact_sheet
from reverie.video import Video

SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # the weights of MS-SSIM, finest first
WINDOW = 11  # pixels of its window


def reconstruct(autoencoder: Autoencoder, video: Video, steady: bool = True) -> Video:
    """The first whole groups of four frames, there and back; not steady: group by group."""
    frames = video.frames[: max(1, video.num_frames // FRAMES * FRAMES)]
    pixels = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    with torch.inference_mode():
        num_frames, height, width = frames.shape[:3]
        decoded = autoencoder.decode(autoencoder.encode(pixels), num_frames, height, width, steady=steady)[0]
    return Video(((decoded.permute(1, 2, 3, 0) + 1) * 127.5).round().to(torch.uint8).numpy(), video.fps)


def evaluate_reconstruction(autoencoder: Autoencoder, footage: Footage, num_clips: int, steady: bool = True) -> dict[str, float]:
    """Means over clips; of the first four also what a tenth of the clips does not reach (NAME_p10). steady: as `Autoencoder.decode` has it.

    psnr: dB, of all pixels; moving_psnr: of those that change by more than 6/255, over the clips (moving_clips) that have some; ms_ssim: of luma, 1 is equal (Wang 2003);
    gmsd: of luma, 0 is equal (arXiv 1308.3052); joint: the change between neighbouring frames at borders of groups over that inside of
    them, as a share of the same in the originals, over all clips together (1: no joint to be seen).
    """
    if num_clips < 1:
        raise ValueError(f"{num_clips} clips: at least 1 is needed")
    found: dict[str, list[float]] = {"psnr": [], "moving_psnr": [], "ms_ssim": [], "gmsd": []}
    changes = np.zeros((2, 2, 2))  # [reconstruction, original] [at borders, inside] [sum, count]
    for index in range(min(num_clips, len(footage))):
        video = footage.video(index)
        back = reconstruct(autoencoder, video, steady)
        frames = video.frames[: back.num_frames]
        error = ((frames.astype(np.float32) - back.frames) ** 2).mean(-1)
        found["psnr"].append(_decibel(error.mean()))
        mask = moving_mask(torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1)[0, 0].numpy()
        if mask.any():
            found["moving_psnr"].append(_decibel(error[mask].mean()))
        found["ms_ssim"].append(ms_ssim(_luma(frames), _luma(back.frames)))
        found["gmsd"].append(gmsd(_luma(frames), _luma(back.frames)))
        for which, shown in enumerate((back.frames, frames)):
            change = np.abs(np.diff(shown.astype(np.float32), axis=0)).mean((1, 2, 3))
            border = np.arange(1, len(shown)) % FRAMES == 0
            changes[which] += [[change[border].sum(), border.sum()], [change[~border].sum(), (~border).sum()]]
    figures = {"clips": float(len(found["psnr"])), "moving_clips": float(len(found["moving_psnr"]))}
    for name, values in found.items():
        if values:
            figures |= {name: float(np.mean(values)), f"{name}_p10": float(np.percentile(values, 90 if name == "gmsd" else 10))}
    means = changes[..., 0] / np.maximum(changes[..., 1], 1)
    if (means > 0).all():
        figures["joint"] = float(means[0, 0] / means[0, 1] / (means[1, 0] / means[1, 1]))
    return figures


def ms_ssim(a: Tensor, b: Tensor) -> float:
    """Multi-scale structural similarity of luma [T H W] in [0, 255], with as many of the five scales as fit; the mean over frames."""
    places = torch.arange(WINDOW, dtype=torch.float32) - WINDOW // 2
    gauss = torch.exp(-places.square() / (2 * 1.5**2))
    kernel = (gauss[:, None] * gauss / gauss.sum() ** 2)[None, None]
    scales = [w for n, w in enumerate(SCALES) if min(a.shape[1:]) >= WINDOW * 2**n] or [SCALES[0]]
    x, y, result = a[:, None], b[:, None], torch.ones(len(a))
    for n, weight in enumerate(scales):
        size = min(WINDOW, *x.shape[2:])
        window = kernel if size == WINDOW else torch.full((1, 1, size, size), 1 / size**2)
        mx, my = F.conv2d(x, window), F.conv2d(y, window)
        vx, vy, c = F.conv2d(x * x, window) - mx * mx, F.conv2d(y * y, window) - my * my, F.conv2d(x * y, window) - mx * my
        contrast = (2 * c + 58.5225) / (vx + vy + 58.5225)
        if n == len(scales) - 1:
            contrast = contrast * (2 * mx * my + 6.5025) / (mx * mx + my * my + 6.5025)
        result = result * contrast.mean((1, 2, 3)).clamp_min(0) ** (weight / sum(scales))
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return float(result.mean())


def gmsd(a: Tensor, b: Tensor) -> float:
    """Gradient magnitude similarity deviation of luma [T H W] in [0, 255]; the mean over frames."""
    across = torch.tensor([1.0, 0.0, -1.0]).expand(3, 3) / 3
    kernels = torch.stack([across, across.T])[:, None]
    x, y = (F.conv2d(F.avg_pool2d(v[:, None], 2), kernels, padding=1).square().sum(1).sqrt() for v in (a, b))
    similarity = (2 * x * y + 170) / (x * x + y * y + 170)
    return float(similarity.flatten(1).std(1, correction=0).mean())


def reconstruction_sheet(autoencoder: Autoencoder, footage: Footage, num_clips: int = 6) -> Image.Image:
    """Rows of originals with the reconstruction below each."""
    videos, labels = [], []
    for index in range(min(num_clips, len(footage))):
        video = footage.video(index)
        videos += [video, reconstruct(autoencoder, video)]
        entry = footage.entries[index]
        labels += [f"original: {(entry.captions or (entry.key,))[0]}", "reconstruction"]
    return contact_sheet(videos, labels, columns=6)


def _luma(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(frames.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32))


def _decibel(error: float) -> float:
    return 10 * float(np.log10(255**2 / max(float(error), 1e-6)))
