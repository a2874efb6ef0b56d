"""Beside diffusers: its Wan transformer at our size, its Wan and LTX-Video autoencoders at their published sizes, random weights all.

    pip install -c constraints.txt -e '.[parity]'
    python benchmarks/peers.py            on an idle machine; about 20 minutes on two cores; last line: JSON
    python benchmarks/peers.py --quick    tiny, seconds: does it run?

Both sides take turns within each round, so that a busy minute hurts both alike; the ratio is the median of the rounds' ratios.
(This file must not be called diffusers.py: it would import itself.)
"""

import argparse
import json
import statistics
from collections.abc import Callable
from typing import Any

import torch
from diffusers import AutoencoderKLLTXVideo, AutoencoderKLWan, WanTransformer3DModel

from reverie.autoencoder.autoencoder import Autoencoder
from reverie.evaluation.bench import FULL, QUICK, TEXT, Effort, Machine, Step, flops_of, measure_machine, network, on, piece, ready, seconds_of, texts
from reverie.patches.packing import pack
from reverie.patches.patches import PATCH
from reverie.presets import default, tiny
from reverie.transformer.dit import TransformerConfig


def wan(config: TransformerConfig) -> WanTransformer3DModel:
    """Wan's transformer of our width, depth, heads and feed-forward."""
    torch.manual_seed(0)
    channels = config.token_width // PATCH**2
    return WanTransformer3DModel(
        patch_size=(1, PATCH, PATCH), num_attention_heads=config.heads, attention_head_dim=config.width // config.heads, in_channels=channels, out_channels=channels, text_dim=config.text_width,
        freq_dim=256, ffn_dim=config.feedforward, num_layers=config.depth, cross_attn_norm=True, qk_norm="rms_norm_across_heads",
    )  # fmt: skip


def turns(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int) -> dict[str, Any]:
    """Both in turns: milliseconds of each (median) and how many times as fast ours is, with the quartiles of the rounds."""
    pairs = [(seconds_of(ours, "cpu", 1)[0], seconds_of(theirs, "cpu", 1)[0]) for _ in range(rounds)]
    ratios = sorted(b / a for a, b in pairs)
    middle = [1e3 * statistics.median(pair[n] for pair in pairs) for n in (0, 1)]
    spread = [round(ratios[len(ratios) * n // 4], 2) for n in (1, 3)]
    return {"ours_ms": round(middle[0], 2), "diffusers_ms": round(middle[1], 2), "times_as_fast": round(statistics.median(ratios), 2), "quartiles": spread}


def autocast(machine: Machine) -> torch.autocast:
    """How diffusers computes in the same dtype."""
    return torch.autocast("cpu", torch.bfloat16, enabled=machine.dtype == torch.bfloat16)


def training(config: TransformerConfig, machine: Machine, effort: Effort) -> dict[str, Any]:
    """A training step with AdamW of 16 clips of 320 tokens: diffusers has batches of equal clips only."""
    count = min(16, effort.clips)
    step = Step(config, machine, [(5, 8, 8)] * count)
    peer = wan(config).train()
    optimizer = torch.optim.AdamW(peer.parameters(), lr=1e-4, fused=True)
    latents, text, time = torch.randn(count, config.token_width // PATCH**2, 5, 16, 16), torch.randn(count, TEXT, config.text_width), torch.full((count,), 600.0)

    def theirs() -> None:
        with autocast(machine):
            result = peer(latents + torch.randn_like(latents), timestep=time, encoder_hidden_states=text, return_dict=False)[0]
        (result.float() - latents).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    figures = turns(step, theirs, effort.rounds)
    speed = step.flops / (figures["ours_ms"] / 1e3)
    return {"tokens": step.tokens, **figures, "ours_tokens_per_second": round(1e3 * step.tokens / figures["ours_ms"]), "ours_share_of_peak": round(speed / machine.products, 3)}


@torch.inference_mode()
def forwards(config: TransformerConfig, machine: Machine, effort: Effort) -> dict[str, Any]:
    """One evaluation at each length, eager and compiled; diffusers has its weights in the computing dtype too."""
    figures: dict[str, Any] = {}
    for count, (t, h, w) in effort.forwards:
        ours, peer = network(config, machine), wan(config).to(machine.dtype).eval()
        packed, condition = on("cpu", pack([piece((t, h, w), config.token_width)] * count)), texts(ours, count, machine)
        latents, text = (
            torch.randn(count, config.token_width // PATCH**2, t, PATCH * h, PATCH * w, dtype=machine.dtype),
            torch.randn(count, TEXT, config.text_width, dtype=machine.dtype),
        )
        time = torch.full((count,), 600.0)

        def one(ours: Any = ours, packed: Any = packed, condition: Any = condition) -> None:
            ours.denoise(packed, condition)

        def other(peer: Any = peer, latents: torch.Tensor = latents, time: torch.Tensor = time, text: torch.Tensor = text) -> None:
            peer(latents, timestep=time, encoder_hidden_states=text, return_dict=False)

        row = {"eager": turns(one, other, effort.rounds)}
        if effort.compiled:
            for block in [*ours.blocks, *peer.blocks]:
                block.compile()
            one(), other()
            row["compiled"] = turns(one, other, effort.rounds)
        figures[f"{count}x{t * h * w}"] = row
    return figures


@torch.inference_mode()
def autoencoders(preset: Any, machine: Machine, effort: Effort, quick: bool) -> dict[str, Any]:
    """Microseconds per pixel of video and share of the convolutions' peak: one second, 8 frames of ours, 9 (1 + 8) of the peers'."""
    small = {"base_dim": 16, "num_res_blocks": 1} if quick else {}
    networks = {"reverie": ready(Autoencoder(preset.autoencoder), "cpu", machine.dtype), "wan": AutoencoderKLWan(**small).to(machine.dtype).eval()}
    if not quick:
        networks["ltx"] = AutoencoderKLLTXVideo().to(machine.dtype).eval()
    figures: dict[str, Any] = {}
    for name, net in networks.items():
        figures[name] = {"parameters": sum(p.numel() for p in net.parameters())}
        for side in effort.sides:
            frames = 8 if name == "reverie" else 9
            video = torch.rand(1, 3, frames, side, side).to(torch.float32 if name == "reverie" else machine.dtype) * 2 - 1
            if name == "reverie":
                latents = net.encode(video)
                work = {"encode": lambda n=net, v=video: n.encode(v), "decode": lambda n=net, z=latents, s=side: n.decode(z, 8, s, s)}
            else:
                latents = net.encode(video).latent_dist.mode()
                extra = {"temb": None} if name == "ltx" else {}
                work = {"encode": lambda n=net, v=video: n.encode(v), "decode": lambda n=net, z=latents, e=extra: n.decode(z, **e)}
            for what, run in work.items():
                taken = statistics.median(seconds_of(run, "cpu", max(1, effort.rounds // 2)))
                pixels = frames * side * side
                figures[name][f"{what}_{side}x{side}"] = {
                    "ms": round(1e3 * taken, 1), "ns_per_pixel": round(1e9 * taken / pixels, 1), "share_of_peak": round(flops_of(run) / taken / machine.convolutions, 3),
                }  # fmt: skip
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    preset, effort = (tiny(), QUICK) if options.quick else (default(), FULL)
    machine, facts = measure_machine("cpu", effort)
    figures: dict[str, Any] = {"machine": facts}
    for name, measure in {
        "training_step": lambda: training(preset.transformer, machine, effort),
        "forward": lambda: forwards(preset.transformer, machine, effort),
        "autoencoders": lambda: autoencoders(preset, machine, effort, options.quick),
    }.items():
        figures[name] = measure()
        print(f"{name}: {json.dumps(figures[name])}", flush=True)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
