"""Trains variants of the autoencoder equally long on the same cuts and says what each choice is worth. `python benchmarks/autoencoders.py --help`

Every variant changes one thing of `base` (the preset's with narrower paths, so that it takes minutes); 4x16x16 also has a third more weights. The last line is JSON.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from reverie.autoencoder import losses
from reverie.autoencoder.autoencoder import FRAMES, Autoencoder, AutoencoderConfig, Block, CausalMix, Conv
from reverie.data.sampling import CUTS, check_crops, crops_at, numbers_of
from reverie.data.shards import Footage
from reverie.evaluation.reconstruction import evaluate_reconstruction
from reverie.layers.precision import fast_dtype
from reverie.training import ema, objectives
from reverie.training.objectives import Cuts, autoencoder_objective
from reverie.training.optim import gradient_norm, make_optimizers, rate_factor, scale_gradients

CONFIG = AutoencoderConfig(latent_channels=32, nested_channels=(16, 24), encoder_widths=(96, 160), decoder_widths=(96, 192))


class Unstarted(Autoencoder):
    """Without the linear codec: random weights, latents of unit scale."""

    def fit_linear(self, groups: Tensor) -> float:
        self.basis.zero_()
        for conv in (self.encoder.out, self.decoder.out):
            nn.init.normal_(conv.weight, std=conv.weight.shape[1] ** -0.5)
        return 0.0


class Remembering(Autoencoder):
    """An encoder that sees the past as the decoder does: each latent knows of the two before."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__(config)
        width, count = config.encoder_widths[1], config.encoder_blocks[1]
        self.encoder.mixes = nn.ModuleList([CausalMix(width) for _ in range(count)])

    def encode_raw(self, groups: Tensor) -> Tensor:
        blocks = rearrange(groups, "b t (h p) (w q) c -> b t h w (p q c)", p=8, q=8)
        e = self.encoder
        x = rearrange(groups.flatten(0, 1).to(self.compute_dtype), "n (h p) (w q) c -> n h w (p q c)", p=4, q=4)
        x = e.down(rearrange(e.fine(e.embed(x)), "n (h p) (w q) c -> n h w (p q c)", p=2, q=2))
        for block, mix in zip(e.coarse, e.mixes, strict=True):
            x = mix(block(x).unflatten(0, groups.shape[:2]), None)[0].flatten(0, 1)
        residual = e.out(F.silu(e.norm(x))).float().unflatten(0, groups.shape[:2])
        return F.linear(blocks.float() - self.mean, self.basis) * self.scale + residual


class Short(Conv):
    """A 1x1 convolution to or from planes of half the size, with a shortcut without parameters: neighbouring channels of (c p q) averaged or repeated (arXiv 2410.10733)."""

    def forward(self, x: Tensor) -> Tensor:
        down, out = x.shape[-1] > len(self.weight), len(self.weight)
        taken = rearrange(x, "n h w (k c) -> n h w (c k)", k=4) if down else x
        taken = F.adaptive_avg_pool1d(taken.flatten(0, 1), out).unflatten(0, x.shape[:2])
        return super().forward(x) + (taken if down else rearrange(taken, "n h w (c k) -> n h w (k c)", k=4))


class Shortened(Autoencoder):
    """Shortcuts around the encoder's halving and the decoder's doubling."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__(config)
        self.encoder.down.__class__ = self.decoder.up.__class__ = Short


class Coarser(Autoencoder):
    """4x16x16 with four times the channels per latent that `latent_channels` says of 8x8 ones: a latent per token, of as many numbers."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__(config)
        coarse, channels = config.decoder_widths[1], config.latent_channels
        block = 3 * FRAMES * 16**2
        self.basis, self.mean, self.scale = torch.eye(channels, block), torch.zeros(block), torch.ones(channels)
        self.latent_mean = torch.zeros(channels)
        wide = config.encoder_widths[1]
        self.encoder.norm, self.encoder.out = nn.Identity(), nn.Identity()  # type: ignore[assignment]
        inner = {"down": Conv(4 * wide, wide, size=1), "coarse": Block(wide), "fine": Block(coarse), "up": Conv(coarse, 4 * coarse, size=1)}
        self.inner = nn.ModuleDict(inner)  # names that Muon takes, as of the base
        self.last, self.first = Conv(wide, channels, zero=True), Conv(channels, coarse)
        self.decoder.embed = Conv(coarse, coarse)

    def encode_raw(self, groups: Tensor) -> Tensor:
        blocks = rearrange(groups, "b t (h p) (w q) c -> b t h w (p q c)", p=16, q=16)
        x = self.encoder(groups.flatten(0, 1).to(self.compute_dtype))
        x = self.last(self.inner["coarse"](self.inner["down"](rearrange(x, "n (h p) (w q) c -> n h w (p q c)", p=2, q=2))))
        return F.linear(blocks.float() - self.mean, self.basis) * self.scale + x.float().unflatten(0, groups.shape[:2])

    def decode_raw(self, raw: Tensor, cache: list[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
        blocks = F.linear(raw / self.scale, self.basis.T) + self.mean
        linear = rearrange(blocks, "b t h w (p q c) -> b t (h p) (w q) c", p=16, q=16)
        x = self.inner["up"](self.inner["fine"](self.first(raw.flatten(0, 1).to(self.compute_dtype))))
        residual, cache = self.decoder(rearrange(x, "n h w (p q c) -> n (h p) (w q) c", p=2, q=2).unflatten(0, raw.shape[:2]), cache)
        return linear + residual.float(), cache

    def decode(self, latents: Tensor, num_frames: int, height: int, width: int, lead: int = 0, steady: bool = False) -> Tensor:
        if steady:
            raise ValueError("these are decoded group by group")
        return self.decode_piece(latents, None)[0][:, :, lead : lead + num_frames, :height, :width]

    def fit_linear(self, groups: Tensor) -> float:
        blocks = rearrange(groups, "n (h p) (w q) c -> (n h w) (p q c)", p=16, q=16)
        blocks = blocks[torch.randperm(len(blocks), generator=torch.Generator().manual_seed(0))[:12_000]]
        self.mean.copy_(blocks.mean(0))
        _, values, vectors = torch.svd_lowrank(blocks - self.mean, self.config.latent_channels + 16, niter=4)
        kept = (values[: self.config.latent_channels].square() / len(blocks)).clamp_min(1e-12)
        self.basis.copy_(vectors[:, : self.config.latent_channels].T)
        falling = kept.pow(-0.25)
        self.scale.copy_(falling / (kept * falling**2).mean().sqrt())
        return 0.0


@dataclasses.dataclass(frozen=True)
class Variant:
    """One thing that differs from the base."""

    network: Callable[[AutoencoderConfig], Autoencoder] = Autoencoder
    config: AutoencoderConfig = CONFIG
    moving_weight: float = losses.MOVING_WEIGHT
    nested_share: float = objectives.NESTED_SHARE
    halved_weight: float = 0.0
    muon: float = 0.01
    latent_noise: float = objectives.LATENT_NOISE


def _channels(count: int) -> AutoencoderConfig:
    return dataclasses.replace(CONFIG, latent_channels=count, nested_channels=())


VARIANTS = {
    "base": Variant(), "16 channels": Variant(config=_channels(16)), "24 channels": Variant(config=_channels(24)), "32 channels, not nested": Variant(config=_channels(32)),
    "4x16x16, 64 channels": Variant(Coarser, _channels(64)), "4x16x16, 128 channels": Variant(Coarser, _channels(128)),
    "AdamW": Variant(muon=0.0), "no linear start": Variant(Unstarted), "no weight on what moves": Variant(moving_weight=1.0),
    "scale equivariance": Variant(halved_weight=0.0625), "half of the cuts nested": Variant(nested_share=0.5), "no latent noise": Variant(latent_noise=0.0), "encoder sees the past": Variant(Remembering),
    "shortcuts": Variant(Shortened),
}  # fmt: skip


def learn(variant: Variant, footage: Footage, num_steps: int, batch_size: int) -> Autoencoder:
    """Train; returns the average."""
    torch.manual_seed(0)
    losses.MOVING_WEIGHT, objectives.NESTED_SHARE, objectives.LATENT_NOISE = variant.moving_weight, variant.nested_share, variant.latent_noise
    network = variant.network(variant.config)
    network.fit_linear(crops_at(footage, range(192), 99).flatten(0, 1))
    network.compute_dtype = fast_dtype()
    optimizers, averaged = make_optimizers(network, 7e-4, variant.muon, 0.01), ema.start(network)
    parameters = list(network.parameters())
    for step in range(num_steps):
        numbers = numbers_of(step, batch_size // CUTS)
        cuts = Cuts(crops_at(footage, numbers, 0), numbers)
        loss, count, _ = autoencoder_objective(0.0, network, cuts, 0)
        loss = loss / count
        if variant.halved_weight:
            loss = loss + variant.halved_weight * halved_loss(network, cuts.groups)
        loss.backward()
        scale_gradients(parameters, min(1.0, 1.0 / (gradient_norm(parameters) + 1e-6)))
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate_factor(step, num_steps, 30, num_steps // 10)
            optimizer.step()
            optimizer.zero_grad()
        ema.update(averaged, network, 0.99, step)
    network.load_state_dict(averaged)
    return network.eval()


def halved_loss(network: Autoencoder, groups: Tensor) -> Tensor:
    """Scale equivariance (arXiv 2502.14831): the means of 2x2 latents of a quarter of the cuts decode to frames of half the size."""
    raw, groups = network.encode_raw(groups[::4]), groups[::4]
    small = [F.avg_pool2d(x.flatten(0, 1).permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1).unflatten(0, (-1, x.shape[1])) for x in (raw, groups)]
    decoded, target = (rearrange(x, "b t h w (f c) -> b c (t f) h w", f=FRAMES) for x in (network.decode_raw(small[0])[0], small[1]))
    return losses.reconstruction_loss(decoded, target)


@torch.no_grad()
def locality(network: Autoencoder, footage: Footage, num_clips: int) -> dict[str, float]:
    """dB of the third group of clips, decoded among its neighbours: encoded with them, encoded alone (a keyframe, what an extension backward
    or a loop's seam asks for), and how far the two latents are apart as a share of their scale."""
    num_clips = min(num_clips, len(footage))
    network.fit_normalisation(network.encode_raw(crops_at(footage, range(64), 7)))
    errors, apart = torch.zeros(2, num_clips), torch.zeros(num_clips)
    for clip in range(num_clips):
        video = (torch.from_numpy(footage.video(clip).frames[:12]).permute(3, 0, 1, 2)[None].float() / 127.5 - 1)[..., :96, :96]
        with_past = network.encode(video)
        alone = torch.cat([with_past[:, :, :2], network.encode(video[:, :, 8:])], 2)
        apart[clip] = (with_past - alone)[:, :, 2].square().mean().sqrt()
        for which, latents in enumerate((with_past, alone)):
            errors[which, clip] = (network.decode(latents, 12, 96, 96, steady=False)[:, :, 8:] - video[:, :, 8:]).square().mean()
    both = (10 * torch.log10(4 / errors)).mean(1)
    return {"third_group": float(both[0]), "encoded_alone": float(both[1]), "latents_apart": float(apart.mean())}


def linear_past(footage: Footage, unseen: Footage, num_clips: int, channels: tuple[int, ...] = (16, 24, 32)) -> dict[str, list[float]]:
    """dB of the third group under linear codecs alone: [local, told the past]. The latter is closed-loop prediction: what the blocks decoded before
    (least squares) leave open goes through principal components of its own.
    """
    known, new = (_blocks(folder, count) for folder, count in ((footage, 600), (unseen, num_clips)))
    mean, found = known.flatten(0, 2).mean(0), {}
    known, new = known - mean, new - mean

    def components(blocks: Tensor, count: int) -> Tensor:
        chosen = torch.randperm(len(blocks), generator=torch.Generator().manual_seed(0))[:40_000]
        return torch.svd_lowrank(blocks[chosen], count + 8, niter=4)[2][:, :count]

    def chain(blocks: Tensor, first: Tensor, following: Tensor, predict: Tensor) -> Tensor:
        decoded = [blocks[:, 0] @ first @ first.T]
        for group in blocks[:, 1:].unbind(1):
            guess = decoded[-1] @ predict
            decoded.append(guess + (group - guess) @ following @ following.T)
        return torch.stack(decoded, 1)

    for count in channels:
        first = components(known.flatten(0, 2), count)
        decoded = known @ first @ first.T
        for _ in range(3):  # the predictor's inputs are what it has helped to decode
            inputs, targets = decoded[:, :-1].flatten(0, 2), known[:, 1:].flatten(0, 2)
            predict = torch.linalg.solve(inputs.T @ inputs + 1e-5 * len(inputs) * torch.eye(inputs.shape[1]), inputs.T @ targets)
            following = components(targets - inputs @ predict, count)
            decoded = chain(known, first, following, predict)
        both = (new @ first @ first.T, chain(new, first, following, predict))
        found[f"{count} channels"] = [round(float((10 * torch.log10(4 / (x - new)[:, 2].square().mean((1, 2)))).mean()), 2) for x in both]
    return found


def _blocks(footage: Footage, num_clips: int) -> Tensor:
    """Blocks [n 3 144 768] of clips, from all over the footage: the first three groups, 96x96 pixels."""
    clips = (footage.video(int(i)).frames[:12, :96, :96] for i in torch.linspace(0, len(footage) - 1, min(num_clips, len(footage))).long())
    return torch.stack([rearrange(torch.from_numpy(clip).float() / 127.5 - 1, "(t f) (h p) (w q) c -> t (h w) (f p q c)", f=FRAMES, p=8, q=8) for clip in clips])


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="footage to learn from, clips of 12 frames or more")
    parser.add_argument("--unseen", type=Path, required=True, help="footage to measure on")
    parser.add_argument("--num-steps", type=int, default=600)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--num-clips", type=int, default=64, help="to measure on")
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    options = parser.parse_args()
    footage, unseen, table = Footage(options.data), Footage(options.unseen), {}
    for folder in (footage, unseen):
        check_crops(folder.entries)
    linear = linear_past(footage, unseen, options.num_clips)
    print("linear, local and told the past", linear, flush=True)
    for name in options.only:
        start = time.monotonic()
        network = learn(VARIANTS[name], footage, options.num_steps, options.batch_size)
        minutes = (time.monotonic() - start) / 60
        figures = {"minutes": minutes, **locality(network, unseen, options.num_clips), **evaluate_reconstruction(network, unseen, options.num_clips, steady=False)}
        table[name] = {key: round(value, 3) for key, value in figures.items()}
        print(name, table[name], flush=True)
    print(json.dumps({"num_steps": options.num_steps, "batch_size": options.batch_size, "data": footage.digest(), "unseen": unseen.digest(), "linear": linear, "variants": table}))


if __name__ == "__main__":
    main()
