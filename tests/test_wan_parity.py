"""Parity with an independent implementation: a tiny diffusers WanTransformer3DModel, random weights copied into ours."""

import pytest
import torch
from torch import Tensor

from reverie.patches.packing import Piece, pack
from reverie.patches.patches import patchify, unpatchify
from reverie.transformer.dit import Condition, Transformer, TransformerConfig

WIDTH, DEPTH, FEEDFORWARD, TEXT = 256, 3, 192, 48


def peer(heads: int) -> torch.nn.Module:
    """Wan 2.2's layout at a tiny size, every weight random."""
    models = pytest.importorskip("diffusers.models.transformers.transformer_wan", reason="diffusers is not installed", exc_type=ImportError)
    network = models.WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=heads, attention_head_dim=WIDTH // heads, in_channels=16, out_channels=16, text_dim=TEXT, freq_dim=256,
        ffn_dim=FEEDFORWARD, num_layers=DEPTH, cross_attn_norm=True, qk_norm="rms_norm_across_heads", eps=1e-6,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * (0.05 if parameter.ndim < 2 else parameter[0].numel() ** -0.5))
    return network.eval()


def copied(network: torch.nn.Module, heads: int) -> Transformer:
    """Ours with the peer's weights; what Wan does not have (places, the frame's extras) is zero."""
    ours = Transformer(TransformerConfig(token_width=64, text_width=TEXT, width=WIDTH, depth=DEPTH, heads=heads, feedforward=FEEDFORWARD, prediction="velocity")).eval()
    theirs = network.state_dict()
    state = {name: torch.zeros_like(value) for name, value in ours.state_dict().items()}
    embed = theirs["patch_embedding.weight"][:, :, 0]  # [D C 2 2]; our patches run over (row, column, channel)
    state["embed.weight"], state["embed.bias"] = embed.permute(0, 2, 3, 1).flatten(1), theirs["patch_embedding.bias"]
    for mine, name in {"time1": "time_embedder.linear_1", "time2": "time_embedder.linear_2", "modulation": "time_proj"}.items():
        for kind in ("weight", "bias"):
            state[f"{mine}.{kind}"] = theirs[f"condition_embedder.{name}.{kind}"]
    for n in range(DEPTH):
        for mine, name in {
            "attention.q": "attn1.to_q", "attention.k": "attn1.to_k", "attention.v": "attn1.to_v", "attention.out": "attn1.to_out.0", "cross.q": "attn2.to_q", "cross.k": "attn2.to_k",
            "cross.v": "attn2.to_v", "cross.out": "attn2.to_out.0", "norm_cross": "norm2", "wide": "ffn.net.0.proj", "narrow": "ffn.net.2",
        }.items():  # fmt: skip
            for kind in ("weight", "bias"):
                state[f"blocks.{n}.{mine}.{kind}"] = theirs[f"blocks.{n}.{name}.{kind}"]
        for mine, name in {"attention": "attn1", "cross": "attn2"}.items():
            for norm in ("norm_q", "norm_k"):
                state[f"blocks.{n}.{mine}.{norm}.weight"] = theirs[f"blocks.{n}.{name}.{norm}.weight"]
        state[f"blocks.{n}.table"] = theirs[f"blocks.{n}.scale_shift_table"][0]
    state["table"] = theirs["scale_shift_table"][0]
    state["out.weight"], state["out.bias"] = theirs["proj_out.weight"], theirs["proj_out.bias"]
    ours.load_state_dict(state)
    return ours


def conditioned(ours: Transformer, network: torch.nn.Module, text: Tensor) -> Condition:
    """Keys and values of the peer's own text states: its text projection stands where our refiner does."""
    with torch.no_grad():
        states = network.condition_embedder.text_embedder(text)
        return Condition(tuple(block.cross.prepare(states.flatten(0, 1)) for block in ours._blocks()), (text.shape[1],) * len(text))


@pytest.mark.parametrize("heads", [2, 4], ids=["heads of 128, as published", "heads of 64"])
@pytest.mark.parametrize("per_token", [False, True], ids=["one time step", "a time step per token (Wan 2.2 TI2V-5B)"])
def test_our_blocks_are_those_of_wan(per_token: bool, heads: int):
    network = peer(heads)
    ours = copied(network, heads)
    t, h, w = 3, 4, 6
    generator = torch.Generator().manual_seed(1)
    latents, text = torch.randn(16, t, 2 * h, 2 * w, generator=generator), torch.randn(1, 7, TEXT, generator=generator)
    sigma = torch.rand(t * h * w, generator=generator) if per_token else torch.full((1,), 0.6)
    level_ids = torch.arange(t * h * w) if per_token else torch.zeros(t * h * w, dtype=torch.long)
    positions = torch.stack(torch.meshgrid(torch.arange(t), torch.arange(h), torch.arange(w), indexing="ij"), -1).flatten(0, 2).float()  # Wan counts patches
    with torch.no_grad():
        theirs = network(latents[None], timestep=1000 * sigma[None] if per_token else 1000 * sigma, encoder_hidden_states=text, return_dict=False)[0][0]
        tokens = ours.denoise(pack([Piece(patchify(latents), positions, sigma, level_ids, torch.zeros(3))]), conditioned(ours, network, text))
    assert theirs.std() > 0.1
    assert torch.allclose(unpatchify(tokens, (t, h, w)), theirs, atol=1e-4)  # fp32, sums in another order
