"""`Reverie`: the networks that belong together, loaded, with the verbs. `reverie.load()` gives the bundled one."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from reverie import __version__
from reverie.autoencoder.autoencoder import Autoencoder, AutoencoderConfig, Conv
from reverie.config import from_dict, to_dict
from reverie.layers.precision import Linear, fast_dtype
from reverie.layers.weights import load_weights
from reverie.patches.patches import PATCH
from reverie.sampling import tasks
from reverie.sampling.canvas import Canvas
from reverie.sampling.sampler import SamplerConfig, sample
from reverie.text.encoder import TextEncoder, sentence_encoder
from reverie.text.vocabulary import unknown_words
from reverie.transformer.dit import Transformer, TransformerConfig
from reverie.video import Video, frames_digest

BUNDLED = Path(__file__).parent.parent / "weights"
NATIVE_AREA = 192 * 192  # pixels: larger images are scaled down before they are animated
Progress = Callable[[int, int], None]  # (steps done, steps in all)


def load_autoencoder(path: Path) -> tuple[Autoencoder, dict[str, Any]]:
    """An autoencoder from its file, fp32 and ready to use, and the file's metadata."""
    tensors, about = load_weights(path, "autoencoder")
    with torch.device("meta"):  # no time for random weights that are replaced at once
        network = Autoencoder(from_dict(AutoencoderConfig, about["config"]))
    network.load_state_dict(tensors, assign=True)
    return network.eval(), about


def check_pair(autoencoder: Autoencoder, config: TransformerConfig) -> None:
    """ValueError unless the transformer's tokens have the width of the autoencoder's patches."""
    width = PATCH**2 * autoencoder.config.latent_channels
    if config.token_width != width:
        raise ValueError(f"token_width is {config.token_width}: patches of this autoencoder's latents have {width} numbers")


def load(folder: str | Path | None = None, dtype: torch.dtype | None = None) -> "Reverie":
    """The bundled model, or the one in `folder` (autoencoder.safetensors, transformer.safetensors), on the CPU, offline.

    dtype: to compute in; by default bf16 where this machine multiplies it faster than fp32. Raises ValueError, in one line,
    for files that are missing, damaged or do not belong together.
    """
    folder = BUNDLED if folder is None else Path(folder)
    autoencoder, about_autoencoder = load_autoencoder(folder / "autoencoder.safetensors")
    tensors, about = load_weights(folder / "transformer.safetensors", "transformer")
    encoder = sentence_encoder()
    if about["autoencoder"] != about_autoencoder["digest"]:
        raise ValueError(f"{folder}: the transformer was trained with autoencoder {about['autoencoder']}, this one is {about_autoencoder['digest']}")
    if about["text"] != encoder.digest:
        raise ValueError(f"{folder}: the transformer was trained with text encoder {about['text']}, this one is {encoder.digest}")
    with torch.device("meta"):
        transformer = Transformer(from_dict(TransformerConfig, about["config"]))
    check_pair(autoencoder, transformer.config)
    transformer.load_state_dict(tensors, assign=True)
    return Reverie(autoencoder, transformer.eval(), encoder, about["digest"], tuple(about["vocabulary"]), dtype or fast_dtype())


class Reverie:
    """The autoencoder, the transformer and the text encoder as one thing that makes videos.

    digest names the transformer's weights; vocabulary lists the words of the captions that it learned from.
    """

    def __init__(self, autoencoder: Autoencoder, transformer: Transformer, encoder: TextEncoder, digest: str, vocabulary: tuple[str, ...], dtype: torch.dtype) -> None:
        self.autoencoder, self.transformer, self.encoder = autoencoder, transformer, encoder
        self.digest, self.vocabulary = digest, vocabulary
        for network in (autoencoder, transformer):
            network.compute_dtype = dtype
            for module in network.modules():
                if isinstance(module, Linear | Conv):  # cast once instead of at every step
                    nn.Module.to(module, dtype)

    def unknown_words(self, prompt: str) -> list[str]:
        """The words of a prompt that the model never met."""
        return unknown_words(prompt, self.vocabulary)

    def generate(
        self, prompt: str, *, seconds: float = 2.0, size: str = "128x128", fps: float = 8.0, seed: int = 0, num_frames: int | None = None,
        num_steps: int = SamplerConfig.num_steps, guidance_scale: float = SamplerConfig.guidance_scale, negative_prompt: str = "",
        progress: Progress | None = None,
    ) -> Video:  # fmt: skip
        """Words to a clip of `seconds` (or `num_frames`; 1 makes an image) at `fps`, `size` WxH. The seed decides everything else.

        Raises ValueError, in one line, for what cannot be made.
        """
        width, height = tasks.parse_size(size)
        frames = tasks.num_frames_of(seconds, fps) if num_frames is None else num_frames
        canvas = tasks.text_to_video(
            prompt, channels=self.autoencoder.config.latent_channels, width=width, height=height, num_frames=frames, fps=fps, seed=seed, negative_prompt=negative_prompt
        )
        clip = self.film([canvas], SamplerConfig(num_steps=num_steps, guidance_scale=guidance_scale), progress)[0]
        settings = {"seconds": frames / fps, "size": size, "fps": fps, "seed": seed, "num-steps": num_steps, "guidance-scale": guidance_scale, "negative-prompt": negative_prompt}
        command = ["generate", *(f"--{name}={value}" for name, value in settings.items()), "--", prompt]  # what `reverie rerun` runs
        return replace(clip, metadata={**clip.metadata, "command": command, "frames": frames_digest(clip.frames)})

    def animate(
        self, image: Video, prompt: str, *, num_frames: int = 17, fps: float = 8.0, seed: int = 0, num_steps: int = SamplerConfig.num_steps,
        guidance_scale: float = SamplerConfig.guidance_scale, negative_prompt: str = "", progress: Progress | None = None,
    ) -> Video:  # fmt: skip
        """The first frame of `image` comes alive; it is frame 0 of the result, exactly. Use `fit` on a picture that is too large."""
        canvas = tasks.image_to_video(image, prompt, autoencoder=self.autoencoder, num_frames=num_frames, fps=fps, seed=seed, negative_prompt=negative_prompt)
        clip = self.film([canvas], SamplerConfig(num_steps=num_steps, guidance_scale=guidance_scale), progress)[0]
        return replace(clip, frames=_keep_first(clip.frames, image.frames[0]))

    def film(self, canvases: Sequence[Canvas], config: SamplerConfig, progress: Progress | None = None) -> list[Video]:
        """Fill canvases, together, and decode them. Clip n depends on canvas n alone."""
        result: list[Tensor] = []
        for done, result in sample(self.transformer, self.encoder, canvases, config):  # noqa: B007  (its last value is the result)
            if progress:
                progress(done, config.num_steps)
        return [self._decode(canvas, latents, config) for canvas, latents in zip(canvases, result, strict=True)]

    @torch.inference_mode()
    def _decode(self, canvas: Canvas, latents: Tensor, config: SamplerConfig) -> Video:
        shown = latents[:, canvas.shown]
        video = self.autoencoder.decode(shown[None], canvas.num_frames, canvas.height, canvas.width, canvas.lead)[0]
        frames = ((video.permute(1, 2, 3, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
        metadata = {
            "prompt": canvas.prompt, "negative_prompt": canvas.negative_prompt, "seed": canvas.seed, "size": f"{canvas.width}x{canvas.height}",
            "num_frames": canvas.num_frames, "fps": canvas.fps, **asdict(config), "model": self.digest, "version": __version__, "precision": str(self.transformer.compute_dtype).removeprefix("torch."),
            "lead": canvas.lead, "torch": str(torch.__version__), "threads": torch.get_num_threads(),
        }  # fmt: skip
        return Video(frames, canvas.fps, metadata, shown.numpy())

    def describe(self) -> dict[str, Any]:
        """What is loaded: configs, sizes, digests."""
        networks = {"autoencoder": self.autoencoder, "transformer": self.transformer}
        parameters = {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()}
        return {
            "version": __version__,
            "model": self.digest,
            "parameters": parameters,
            "config": {k: to_dict(n.config) for k, n in networks.items()},
            "words": len(self.vocabulary),
        }


def fit(image: Video) -> Video:
    """The image, scaled down (Lanczos) to the area that the bundled model knows if it is larger; sides become multiples of 16."""
    height, width = image.frames.shape[1:3]
    if width * height <= NATIVE_AREA:
        return image
    scale = (128 * 128 / (width * height)) ** 0.5
    size = tuple(max(16, round(side * scale / 16) * 16) for side in (width, height))
    return Video(np.asarray(Image.fromarray(image.frames[0]).resize(size, Image.Resampling.LANCZOS))[None].copy(), image.fps)


def _keep_first(frames: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Frame 0 becomes `first` exactly; what the autoencoder lost of it fades out over the next four frames."""
    residual = first.astype(np.float32) - frames[0]
    fade = np.maximum(0, 1 - np.arange(len(frames)) / 5).reshape(-1, 1, 1, 1)
    return np.clip(frames + fade * residual, 0, 255).round().astype(np.uint8)
