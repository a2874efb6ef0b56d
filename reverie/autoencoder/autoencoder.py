"""The video compression network: four frames and 8x8 pixels become one latent of some channels, and back.

The encoder sees one group of four frames and nothing else, so that a latent means the same wherever it stands. The decoder
is causal over latents with a small cache: decoding in pieces equals decoding the whole. Both are a frozen linear codec
(the PCA of 4x8x8 blocks; LeanVAE and DC-AE show that parameter-free linear paths help) plus a learned residual whose last
layer starts at zero, so that training begins at the linear codec. The principal components keep a falling scale
(the square root of their standard deviation): coarse layout weighs more than faint detail for whoever dreams in this space.
Channels are nested (DC-AE 1.5, arXiv 2508.00413): the first few alone decode as well, so `narrowed` cuts a codec of fewer channels out of a wider one.

Not here: the losses (autoencoder/losses.py), fitting the linear codec (`fit_linear` below needs only an array of blocks).
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from reverie.layers.norms import LayerNorm

FRAMES = 4  # frames per latent
SPATIAL = 8  # pixels per latent, both ways
PADDING = 16  # sides are padded to multiples of this, so that a 2x2 patch always fits
IMAGE_LEAD = FRAMES - 1  # of an image, or of a clip that an image begins
LEADS = range(FRAMES)
AT_ONCE = 2**20  # pixels of a frame times groups that pass through the network together; what passes in such pieces needs little more than copies of its frames


Lap = tuple[Tensor, list[Tensor] | None]  # the last two frames as they were decoded, and the decoder's cache of the groups across borders


def latent_plane(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the latents of frames of this size in pixels."""
    return -(-height // PADDING) * PADDING // SPATIAL, -(-width // PADDING) * PADDING // SPATIAL


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """Widths of the residual paths at a quarter and an eighth of the size, and blocks at each; nested: fewer channels that decode as well."""

    latent_channels: int = 32
    nested_channels: tuple[int, ...] = ()
    encoder_widths: tuple[int, int] = (128, 192)
    encoder_blocks: tuple[int, int] = (2, 3)
    decoder_widths: tuple[int, int] = (160, 256)
    decoder_blocks: tuple[int, int] = (3, 4)

    def __post_init__(self) -> None:
        if not all(0 < channels < self.latent_channels for channels in self.nested_channels):
            raise ValueError(f"nested_channels {self.nested_channels}: numbers below latent_channels {self.latent_channels} are needed")
        if min(self.latent_channels, *self.encoder_widths, *self.decoder_widths, *self.encoder_blocks, *self.decoder_blocks) < 1:
            raise ValueError(f"every width and number of blocks must be at least 1: {self}")
        if self.latent_channels > 3 * FRAMES * SPATIAL**2:
            raise ValueError(f"latent_channels {self.latent_channels}: a block of pixels has only {3 * FRAMES * SPATIAL**2} numbers")


class Conv(nn.Module):
    """A convolution over the last axis's channels: [N H W C] -> [N H W D]; 3x3 with zero borders unless `size` is 1.

    The kernel is kept as a matrix [D, C*size*size], which is what Muon turns (training/optim.py).
    """

    def __init__(self, width: int, out: int, size: int = 3, zero: bool = False) -> None:
        super().__init__()
        self.size = size
        bound = 0.0 if zero else (width * size * size) ** -0.5
        self.weight = nn.Parameter(torch.empty(out, width * size * size).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight.to(x.dtype).unflatten(1, (-1, self.size, self.size))
        return F.conv2d(x.permute(0, 3, 1, 2), kernel, self.bias.to(x.dtype), padding=self.size // 2).permute(0, 2, 3, 1)

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *arguments: Any) -> None:
        if (name := f"{prefix}weight") in state:
            state[name] = state[name].flatten(1)  # the first weights kept kernels in four dimensions
        super()._load_from_state_dict(state, prefix, *arguments)


class Block(nn.Module):
    """Residual block within a group of frames: norm, SiLU, 3x3, norm, SiLU, 3x3. [N H W D] -> the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = LayerNorm(width), Conv(width, width)
        self.norm2, self.conv2 = LayerNorm(width), Conv(width, width)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


class CausalMix(nn.Module):
    """A width-3 causal convolution over latents: each sees itself and the two before. [B t h w D] -> the same.

    `past` [B 2 h w D] holds the two latents before the first; zeros where the clip begins. Returns (output, next past).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.mix = LayerNorm(width), Conv(3 * width, width, size=1, zero=True)

    def forward(self, x: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor]:
        h = self.norm(x)
        h = torch.cat([h.new_zeros(h.shape[0], 2, *h.shape[2:]) if past is None else past.to(h.dtype), h], 1)
        taps = torch.cat([h[:, :-2], h[:, 1:-1], h[:, 2:]], -1)
        return x + self.mix(taps.flatten(0, 1)).unflatten(0, x.shape[:2]), h[:, -2:].clone()  # a view would keep all of h


class Encoder(nn.Module):
    """One group of four frames to one latent, residual part. [N H W 12] -> [N H/8 W/8 C]."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        fine, coarse = config.encoder_widths
        self.embed = Conv(3 * FRAMES * 16, fine)
        self.fine = nn.Sequential(*[Block(fine) for _ in range(config.encoder_blocks[0])])
        self.down = Conv(4 * fine, coarse, size=1)
        self.coarse = nn.Sequential(*[Block(coarse) for _ in range(config.encoder_blocks[1])])
        self.norm, self.out = LayerNorm(coarse), Conv(coarse, config.latent_channels, zero=True)

    def forward(self, group: Tensor) -> Tensor:
        x = rearrange(group, "n (h p) (w q) c -> n h w (p q c)", p=4, q=4)
        x = self.fine(self.embed(x))
        x = rearrange(x, "n (h p) (w q) c -> n h w (p q c)", p=2, q=2)
        x = self.coarse(self.down(x))
        return self.out(F.silu(self.norm(x)))


class Decoder(nn.Module):
    """Latents to groups of four frames, residual part, causal over latents. [B t h w C] -> [B t 8h 8w 12]."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        fine, coarse = config.decoder_widths
        self.embed = Conv(config.latent_channels, coarse)
        self.coarse = nn.ModuleList([Block(coarse) for _ in range(config.decoder_blocks[1])])
        self.mixes = nn.ModuleList([CausalMix(coarse) for _ in range(config.decoder_blocks[1])])
        self.up = Conv(coarse, 4 * fine, size=1)
        self.fine = nn.Sequential(*[Block(fine) for _ in range(config.decoder_blocks[0])])
        self.norm, self.out = LayerNorm(fine), Conv(fine, 3 * FRAMES * 16, zero=True)

    def forward(self, latents: Tensor, cache: list[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        shape = latents.shape[:2]
        x = self.embed(latents.flatten(0, 1))
        pasts = []
        for i, (block, mix) in enumerate(zip(self.coarse, self.mixes, strict=True)):
            x, past = mix(block(x).unflatten(0, shape), cache[i] if cache else None)
            x = x.flatten(0, 1)
            pasts.append(past)
        x = rearrange(self.up(x), "n h w (p q c) -> n (h p) (w q) c", p=2, q=2)
        x = self.out(F.silu(self.norm(self.fine(x))))
        x = rearrange(x, "n h w (p q c) -> n (h p) (w q) c", p=4, q=4)
        return x.unflatten(0, shape), pasts


class Autoencoder(nn.Module):
    """encode: video [B 3 T H W] in [-1, 1] -> latents [B C t h w] of unit scale; decode is its inverse up to loss."""

    basis: Tensor  # [C 768], orthonormal rows: the linear codec's components
    mean: Tensor  # [768], of blocks
    scale: Tensor  # [C], of the components in raw latents
    latent_mean: Tensor  # [C], of raw latents
    latent_std: Tensor  # [], of raw latents over all channels

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        block = 3 * FRAMES * SPATIAL**2
        self.register_buffer("basis", torch.eye(config.latent_channels, block))
        self.register_buffer("mean", torch.zeros(block))
        self.register_buffer("scale", torch.ones(config.latent_channels))
        self.register_buffer("latent_mean", torch.zeros(config.latent_channels))
        self.register_buffer("latent_std", torch.ones(()))
        self.compute_dtype = torch.float32  # of the residual paths

    # -- public: unit-scale latents, any size and length ------------------------------------------------------------

    def encode(self, video: Tensor, lead: int = 0) -> Tensor:
        """[B 3 T H W] float in [-1, 1] -> [B C t h w], t = (lead + T) / 4 rounded up, h = H / 8 after padding to 16.

        `lead` copies of the first frame stand in front (3 makes one image one latent); the last frame is repeated to whole
        groups, borders are repeated to multiples of 16 pixels. Raises ValueError for wrong shapes, dtypes and ranges.
        """
        if not isinstance(video, Tensor):
            raise ValueError(f"video is a {type(video).__name__}: one tensor is needed (stack videos of one size, encode others one by one)")
        if video.ndim != 5 or video.shape[1] != 3 or 0 in video.shape:
            raise ValueError(f"video is {list(video.shape)}: [B 3 T H W] without an empty axis is needed")
        if video.dtype not in (torch.float32, torch.bfloat16):
            raise ValueError(f"video is {video.dtype}: float32 or bfloat16 in [-1, 1] is needed")
        if not bool(torch.isfinite(video).all()) or float(video.abs().max()) > 1.001:
            raise ValueError("video has values outside [-1, 1] or not finite: scale uint8 frames by 2 / 255 and subtract 1")
        if lead not in LEADS:
            raise ValueError(f"lead is {lead}: 0, 1, 2 or 3 is allowed")
        num_frames, height, width = video.shape[2:]
        frames = torch.cat([video[:, :, :1]] * lead + [video] + [video[:, :, -1:]] * (-(lead + num_frames) % FRAMES), 2)
        frames = F.pad(frames.flatten(0, 1), (0, -width % PADDING, 0, -height % PADDING), mode="replicate").unflatten(0, frames.shape[:2])
        groups = rearrange(frames, "b c (t f) h w -> b t h w (f c)", f=FRAMES)
        at_once = max(1, AT_ONCE // (height * width))
        raw = torch.cat([self.encode_raw(part) for part in groups.split(at_once, 1)], 1)
        return rearrange((raw - self.latent_mean) / self.latent_std, "b t h w c -> b c t h w")

    def decode(self, latents: Tensor, num_frames: int, height: int, width: int, lead: int = 0, steady: bool = True) -> Tensor:
        """[B C t h w] -> [B 3 num_frames height width] in [-1, 1]; the counterpart of `encode`. steady: frames beside borders of groups come from the group across (`lap`)."""
        first, last = lead, lead + num_frames
        if not isinstance(latents, Tensor) or latents.ndim != 5 or latents.shape[1] != self.config.latent_channels:
            raise ValueError(f"latents are {list(latents.shape) if isinstance(latents, Tensor) else type(latents).__name__}: [B {self.config.latent_channels} t h w] is needed")
        if latents.dtype not in (torch.float32, torch.bfloat16) or not bool(torch.isfinite(latents).all()):
            raise ValueError(f"latents are {latents.dtype}{'' if latents.isfinite().all() else ' with numbers that are not finite'}: finite float32 or bfloat16 is needed")
        need = (-(-last // FRAMES), *latent_plane(height, width))
        if lead not in LEADS or min(num_frames, height, width) < 1 or tuple(latents.shape[2:]) != need:
            raise ValueError(f"latents are {list(latents.shape[2:])} (t h w): {num_frames} frames of {width}x{height} with lead {lead} need {list(need)}")
        result, place, cache, state = latents.new_empty(len(latents), 3, FRAMES * need[0], height, width, dtype=torch.float32), 0, None, None
        for part in latents.split(max(1, AT_ONCE // (height * width)), 2):
            video, cache = self.decode_piece(part, cache)
            if steady:
                video, state = self.lap(video, state)
            result[:, :, place : place + video.shape[2]] = video[..., :height, :width]
            place += video.shape[2]
        if state:
            result[:, :, place:] = state[0][..., :height, :width]
        return result[:, :, first:last]

    def decode_piece(self, latents: Tensor, cache: list[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        """Decode the next latents of a stream: [B C t h w] -> ([B 3 4t 8h 8w], cache for the next piece); None at the start."""
        raw = rearrange(latents, "b c t h w -> b t h w c") * self.latent_std + self.latent_mean
        groups, cache = self.decode_raw(raw, cache)
        return rearrange(groups, "b t h w (f c) -> b c (t f) h w", f=FRAMES).clamp_(-1, 1), cache

    def lap(self, video: Tensor, state: Lap | None) -> tuple[Tensor, Lap]:
        """Make the next decoded groups of a stream steady: [B 3 4t H W], sides in multiples of 16 -> (frames, two later than they came in; state for the next).

        Motion within a group is decoded too small and the step to the next too large. In a group that lies across the border, made of the decoded frames, that step is inside:
        it is encoded, decoded, and its two middle frames taken. The first two frames of a stream, and the last two, which are state[0] at its end, stay as they are.
        """
        held, cache = state or (video[:, :, :0], None)
        frames, first = torch.cat([held, video], 2), 0 if state else FRAMES // 2
        last = first + (frames.shape[2] - first - FRAMES // 2) // FRAMES * FRAMES
        if last > first:
            groups = rearrange(frames[:, :, first:last], "b c (t f) h w -> b t h w (f c)", f=FRAMES)
            across, cache = self.decode_raw(self.encode_raw(groups), cache)
            middle = rearrange(across[..., 3:9].clamp_(-1, 1), "b t h w (f c) -> b c t f h w", f=FRAMES // 2)
            frames[:, :, first:last].unflatten(2, (-1, FRAMES))[:, :, :, 1:3] = middle
        return frames[:, :, :last], (frames[:, :, last:].clone(), cache)

    def preview(self, latents: Tensor) -> Tensor:
        """[B C t h w] -> [B 3 t h w] in [-1, 1]: the mean colour of every latent's block by the linear codec, at next to no cost."""
        colours = self.basis.unflatten(1, (-1, 3)).mean(1).T, self.mean.unflatten(0, (-1, 3)).mean(0)  # [3 C], [3]
        raw = rearrange(latents, "b c t h w -> b t h w c") * self.latent_std + self.latent_mean
        return rearrange(F.linear(raw / self.scale, *colours), "b t h w c -> b c t h w").clamp(-1, 1)

    # -- inside: raw latents, whole groups, sides in multiples of 16 ------------------------------------------------

    def encode_raw(self, groups: Tensor) -> Tensor:
        """[B t H W 12] -> [B t H/8 W/8 C], before normalisation."""
        blocks = rearrange(groups, "b t (h p) (w q) c -> b t h w (p q c)", p=SPATIAL, q=SPATIAL)
        linear = F.linear(blocks.float() - self.mean, self.basis) * self.scale
        return linear + self.encoder(groups.flatten(0, 1).to(self.compute_dtype)).float().unflatten(0, groups.shape[:2])

    def decode_raw(self, raw: Tensor, cache: list[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
        """[B t h w C] -> ([B t 8h 8w 12], cache)."""
        blocks = F.linear(raw / self.scale, self.basis.T) + self.mean
        linear = rearrange(blocks, "b t h w (p q c) -> b t (h p) (w q) c", p=SPATIAL, q=SPATIAL)
        residual, cache = self.decoder(raw.to(self.compute_dtype), cache)
        return linear.add_(residual), cache

    def narrowed(self, channels: int) -> "Autoencoder":
        """The codec of the first `channels` channels alone, as if the others were always zero; its latents want `fit_normalisation`."""
        if channels not in self.config.nested_channels:
            raise ValueError(f"{channels} channels: one of {self.config.nested_channels or 'none'} is nested in these {self.config.latent_channels}")
        nested = tuple(n for n in self.config.nested_channels if n < channels)
        narrow = Autoencoder(dataclasses.replace(self.config, latent_channels=channels, nested_channels=nested))
        state = self.state_dict()
        for name in ("encoder.out.weight", "encoder.out.bias", "basis", "scale", "latent_mean"):
            state[name] = state[name][:channels]
        state["decoder.embed.weight"] = state["decoder.embed.weight"].unflatten(1, (self.config.latent_channels, -1))[:, :channels].flatten(1)
        narrow.load_state_dict(state)
        narrow.compute_dtype = self.compute_dtype
        return narrow

    @torch.no_grad()
    def fit_linear(self, groups: Tensor) -> float:
        """Set the linear codec to the PCA of the 4x8x8 blocks of [N H W 12]; returns the share of variance that it keeps."""
        blocks = rearrange(groups, "n (h p) (w q) c -> (n h w) (p q c)", p=SPATIAL, q=SPATIAL).double()
        mean = blocks.mean(0)
        values, vectors = torch.linalg.eigh(blocks.sub_(mean).T @ blocks / len(blocks))
        order = values.argsort(descending=True)[: self.config.latent_channels]
        kept = values[order].clamp_min(1e-12)
        self.basis.copy_(vectors[:, order].T)
        self.mean.copy_(mean)
        falling = kept.pow(-0.25)  # a component of standard deviation s gets the standard deviation sqrt(s)
        self.scale.copy_(falling / math.sqrt(float((kept * falling**2).mean())))
        return float(kept.sum() / values.sum())

    @torch.no_grad()
    def fit_normalisation(self, raw: Tensor) -> None:
        """Measure what makes raw latents [B t h w C] zero mean per channel and unit scale over all of them."""
        flat = raw.flatten(0, -2).double()
        self.latent_mean.copy_(flat.mean(0))
        self.latent_std.copy_((flat - flat.mean(0)).pow(2).mean().sqrt())
