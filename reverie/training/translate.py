"""Another autoencoder for a trained transformer: its weights, translated to the new latents, from which it is trained on.

Latents of two autoencoders of the same pixels are nearly linear in each other. The translation is fitted on footage (ridge regression): from tokens of the new one to tokens of
the old one, which goes in front of the first layer, and back, behind the last one. Through it the noise of the new latents is k times as strong (k: the
mean length of what one old number is made of), so level sigma is to the old weights what sigma' is, sigma' / (1 - sigma') = k sigma / (1 - sigma), and the layer that
embeds levels is fitted to say so. What the old latents cannot express is learned afterwards.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.data.shards import Footage
from reverie.diffusion.schedules import shifted
from reverie.layers.precision import fast_dtype
from reverie.layers.weights import load_weights, save_weights
from reverie.patches.patches import patchify
from reverie.sampling.reverie import load_autoencoder, token_width_of
from reverie.text.refiner import sinusoids
from reverie.transformer.dit import FREQUENCIES

NUM_CLIPS = 64
RIDGE = 0.01  # of the mean variance
FITTING = 1500  # steps, a few seconds
MIDDLE = 0.5  # the level at which the scale of what the first layer sees is exact


@torch.no_grad()
def translate(transformer: Path, old: Path, new: Path, footage: Footage, output: Path) -> dict[str, float]:
    """Write `transformer`, which knows the latents of the autoencoder `old`, for those of `new`. Returns shares of variance: of the old latents that the new
    ones explain, and of the new that the old explain; and k. ValueError if the weights do not belong to `old` or predict velocities.
    """
    tensors, about = load_weights(transformer, "transformer")
    networks = [load_autoencoder(path) for path in (old, new)]
    if about["autoencoder"] != networks[0][1]["latents"]:
        raise ValueError(f"{transformer} was trained with the latents {about['autoencoder']}, {old} makes {networks[0][1]['latents']}: give the autoencoder of its run")
    if about["config"].get("prediction", "clean") != "clean":
        raise ValueError(f"{transformer} predicts {about['config']['prediction']}: only clean predictions can be translated")
    if about["config"].get("shortcut"):
        raise ValueError(f"{transformer} knows shortcuts, whose steps other latents do not share: give weights without them")
    rows: list[list[Tensor]] = [[], []]
    for index in range(0, len(footage), -(-len(footage) // NUM_CLIPS)):
        video = torch.from_numpy(footage.video(index).frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
        for tokens, (network, _) in zip(rows, networks, strict=True):
            network.compute_dtype = fast_dtype()
            tokens.append(patchify(network.encode(video)[0]).double())
    before, after = (torch.cat(tokens) for tokens in rows)
    inward, shift, known = _linear(after, before)
    outward, centre, told = _linear(before, after)
    k = float(inward.norm(dim=0).mean())
    scale = 1 / (1 - MIDDLE + k * MIDDLE)  # (1 - sigma') / (1 - sigma)
    embed, out = ((tensors[f"{name}.weight"].double(), tensors[f"{name}.bias"].double()) for name in ("embed", "out"))
    translated = {
        "embed.weight": scale * embed[0] @ inward.T, "embed.bias": embed[1] + scale * (1 - MIDDLE) * embed[0] @ shift,
        "out.weight": outward.T @ out[0], "out.bias": out[1] @ outward + centre,
        **_told(k, {name: tensors[name] for name in ("time1.weight", "time1.bias", "time2.weight", "time2.bias")}),
    }  # fmt: skip
    if about["config"].get("skip"):  # gains of single numbers: the diagonal of what they are in the other latents
        gains = scale * inward * outward.T
        translated |= {name: gains @ tensors[name].double() for name in ("skip.weight", "skip.bias")}
    config = {**about["config"], "token_width": token_width_of(networks[1][0])}
    facts = {**{name: value for name, value in about.items() if name != "digest"}, "config": config, "autoencoder": networks[1][1]["latents"]}
    save_weights(output, {**tensors, **{name: value.float() for name, value in translated.items()}}, facts)
    return {"old_explained": round(known, 4), "new_explained": round(told, 4), "noise": round(k, 3)}


def _told(k: float, layers: dict[str, Tensor]) -> dict[str, Tensor]:
    """The layers that embed levels, such that what they say of sigma is what they said of sigma'."""
    sigma = torch.linspace(0, 1, 2001)
    waves, seen = (sinusoids(1000 * levels, FREQUENCIES) for levels in (sigma, shifted(sigma, k)))

    def embedded(rows: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
        return F.linear(F.silu(F.linear(rows, w1, b1)), w2, b2)

    goal = embedded(seen, *layers.values())
    with torch.enable_grad():
        learned = {name: value.clone().requires_grad_() for name, value in layers.items()}
        optimizer = torch.optim.Adam(learned.values(), lr=2e-3)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, FITTING)
        for _ in range(FITTING):
            optimizer.zero_grad()
            F.mse_loss(embedded(waves, *learned.values()), goal).backward()
            optimizer.step()
            schedule.step()
    return {name: value.detach() for name, value in learned.items()}


def _linear(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, float]:
    """(W [in out], b [out], share of variance explained) of y = x W + b."""
    centred, goal = x - x.mean(0), y - y.mean(0)
    weight = torch.linalg.solve(centred.T @ centred + RIDGE * centred.square().sum(0).mean() * torch.eye(x.shape[1], dtype=x.dtype), centred.T @ goal)
    share = 1 - float((goal - centred @ weight).square().sum() / goal.square().sum())
    return weight, y.mean(0) - x.mean(0) @ weight, share
