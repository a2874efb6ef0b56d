"""Speed, measured anywhere: what the machine can do, and what share of it the networks reach. `reverie bench` runs all of it; docs/bench.md explains.

Every figure is the median of several rounds after one that warms up, with the fastest and the slowest beside it. Operations are counted
as 2 per multiplication of a matrix product or convolution, attention included. Weights are random: speed does not depend on them.
"""

import dataclasses
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from reverie.autoencoder.autoencoder import Autoencoder, AutoencoderConfig, Conv
from reverie.diffusion.flow import mix
from reverie.layers.precision import Linear, peak_flops, peak_memory
from reverie.patches.packing import Pack, Piece, extras_of, pack
from reverie.patches.positions import token_positions
from reverie.transformer.dit import Condition, Transformer, TransformerConfig

TEXT = 64  # text tokens
CLOSE = {torch.float32: 1e-3, torch.bfloat16: 5e-2}  # root mean square difference from fp32 on the CPU, over the standard deviation
H100 = {"flops": 989e12, "bytes_per_second": 3.35e12}  # dense bf16 and memory, as NVIDIA states them for the SXM model
TOUCHED = 120  # bytes moved per token, block and width: fp32 residual read and written six times, 16-bit operands of the products between


@dataclass(frozen=True)
class Machine:
    """Where it runs and what it multiplies at: device, dtype of the networks, operations per second of products and convolutions in it."""

    device: str
    dtype: torch.dtype
    products: float
    convolutions: float


@dataclass(frozen=True)
class Effort:
    """How much is measured: rounds of each figure; clips of a training step; lengths of sequences; sizes of pictures; compiled too?"""

    rounds: int
    clips: int
    forwards: tuple[tuple[int, tuple[int, int, int]], ...]  # (clips, grid of each)
    lengths: tuple[int, ...]
    sides: tuple[int, ...]
    compiled: bool


FULL = Effort(5, 48, ((1, (5, 8, 8)), (2, (9, 16, 16))), tuple(64 * 2**n for n in range(10)), (128, 256), True)
QUICK = Effort(2, 4, ((1, (5, 8, 8)), (2, (2, 8, 8))), (64, 256, 1024), (64,), False)


def wait(device: str) -> None:
    """Until the device has done what it was given."""
    if device != "cpu":
        torch.accelerator.synchronize()


def seconds_of(work: Callable[[], Any], device: str, rounds: int) -> list[float]:
    """Seconds of each of `rounds` calls, after one more that warms up."""
    taken = []
    for _ in range(rounds + 1):
        wait(device)
        start = time.perf_counter()
        work()
        wait(device)
        taken.append(time.perf_counter() - start)
    return taken[1:]


def timing(taken: Sequence[float], amounts: dict[str, float], peak: float = 0.0) -> dict[str, float]:
    """Milliseconds (median, fastest, slowest); each amount per second; of "flops" also the share of a peak."""
    middle = statistics.median(taken)
    figures = {"ms": _short(1e3 * middle), "fastest_ms": _short(1e3 * min(taken)), "slowest_ms": _short(1e3 * max(taken))}
    for name, amount in amounts.items():
        figures[f"{name}_per_second"] = _short(amount / middle)
    if peak:
        figures["share_of_peak"] = round(amounts["flops"] / middle / peak, 3)
    return figures


def _short(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


# -- what runs -----------------------------------------------------------------------------------------------------------


def network(config: TransformerConfig, machine: Machine, training: bool = False) -> Transformer:
    """A transformer with random weights everywhere: fp32 masters to train, weights in the computing dtype to sample."""
    torch.manual_seed(0)
    net = Transformer(config)
    for parameter in net.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return net.to(machine.device).train() if training else ready(net, machine.device, machine.dtype)


def ready(net: Any, device: str, dtype: torch.dtype) -> Any:
    """A network to sample with, as `Reverie` holds it."""
    net.compute_dtype = dtype
    for module in net.modules():
        if isinstance(module, Linear | Conv):
            nn.Module.to(module, dtype)
    return net.to(device).eval()


def piece(grid: tuple[int, int, int], width: int, sigma: float = 0.6) -> Piece:
    """A clip of noise in tokens of `width` numbers, with one noise level per latent frame."""
    t, h, w = grid
    level_ids = torch.arange(t).repeat_interleave(h * w)
    return Piece(torch.randn(t * h * w, width), token_positions(torch.arange(t) / 2, (h, w)), torch.full((t,), sigma), level_ids, extras_of(16 * w, 16 * h, 8.0))


def on(device: str, packed: Pack) -> Pack:
    """The pack on a device."""
    tensors: dict[str, Any] = {f.name: value.to(device) for f in dataclasses.fields(packed) if isinstance(value := getattr(packed, f.name), Tensor)}
    return dataclasses.replace(packed, **tensors)


def texts(net: Transformer, count: int, machine: Machine) -> Condition:
    """What `count` texts of TEXT tokens say: made once per prompt, whatever the number of steps."""
    return net.prepare(list(torch.randn(count, TEXT, net.config.text_width, device=machine.device)))


def flops_of(work: Callable[[], Any]) -> float:
    """Operations of the products and convolutions of a call, as torch counts them (the CPU's fused attention it does not count)."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


# -- what is measured ----------------------------------------------------------------------------------------------------


def measure_machine(device: str, effort: Effort) -> tuple[Machine, dict[str, Any]]:
    """Peaks of matrix products (side 2048) and 3x3 convolutions (128 channels, 64x64), in fp32 and bf16; the faster dtype computes."""
    products = {dtype: peak_flops(dtype, device, 2048 if effort.compiled else 512) for dtype in (torch.float32, torch.bfloat16)}
    convolutions = {}
    for dtype in products:
        x = torch.randn(4, 128, 64, 64, device=device, dtype=dtype).to(memory_format=torch.channels_last)
        weight = torch.randn(128, 128, 3, 3, device=device, dtype=dtype).to(memory_format=torch.channels_last)
        taken = seconds_of(lambda x=x, weight=weight: F.conv2d(x, weight, padding=1), device, effort.rounds)  # type: ignore[misc]
        convolutions[dtype] = 2 * 4 * 64 * 64 * 128 * 128 * 9 / min(taken)
    dtype = torch.bfloat16 if products[torch.bfloat16] > 1.3 * products[torch.float32] else torch.float32
    names = {torch.float32: "fp32", torch.bfloat16: "bf16"}
    figures = {
        "device": device, "name": torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine(), "torch": str(torch.__version__),
        "threads": torch.get_num_threads(), "matmul_gflops": {names[d]: round(v / 1e9) for d, v in products.items()},
        "convolution_gflops": {names[d]: round(v / 1e9) for d, v in convolutions.items()}, "computes_in": names[dtype],
    }  # fmt: skip
    return Machine(device, dtype, products[dtype], convolutions[dtype]), figures


class Step:
    """One training step of a pack of clips with AdamW: call it."""

    def __init__(self, config: TransformerConfig, machine: Machine, grids: Sequence[tuple[int, int, int]]) -> None:
        self.net = network(config, machine, training=True)
        self.net.compute_dtype = machine.dtype
        self.packed = on(machine.device, pack([piece(grid, config.token_width) for grid in grids]))
        self.texts = list(torch.randn(len(grids), TEXT, config.text_width, device=machine.device))
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=1e-4, fused=True)
        self.tokens = sum(self.packed.lengths)
        self.flops = 3.0 * sum(self.net.estimate_flops(length) for length in self.packed.lengths)

    def __call__(self) -> None:
        clean = self.packed.tokens
        noisy = dataclasses.replace(self.packed, tokens=mix(clean, torch.randn_like(clean), self.packed.sigma[self.packed.level_ids, None]))
        loss = (self.net.denoise(noisy, self.net.prepare(self.texts)) - clean).square().mean()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()


def measure_training(config: TransformerConfig, machine: Machine, effort: Effort) -> dict[str, Any]:
    """A training step of a pack of clips of 240, 280 and 320 tokens."""
    grids = sorted(((5, 6, 8), (5, 7, 8), (5, 8, 8))[n % 3] for n in range(effort.clips))
    step = Step(config, machine, grids)
    figures = timing(seconds_of(step, machine.device, effort.rounds), {"tokens": step.tokens, "flops": step.flops}, machine.products)
    return {"clips": effort.clips, "tokens": step.tokens, **figures}


@torch.inference_mode()
def measure_forward(config: TransformerConfig, machine: Machine, effort: Effort) -> dict[str, Any]:
    """One evaluation, eager and (in the full run) with compiled blocks."""
    figures: dict[str, Any] = {}
    for count, grid in effort.forwards:
        net = network(config, machine)
        packed, condition = on(machine.device, pack([piece(grid, config.token_width)] * count)), texts(net, count, machine)
        length = packed.lengths[0]
        amounts = {"tokens": float(count * length), "flops": count * net.estimate_flops(length)}
        row: dict[str, Any] = {"eager": timing(seconds_of(lambda n=net, p=packed, c=condition: n.denoise(p, c), machine.device, effort.rounds), amounts, machine.products)}  # type: ignore[misc]
        if effort.compiled:
            row["compiled"] = timing(compiled(net, packed, condition, machine, effort), amounts, machine.products)
        row["h100_ms_computed"] = _short(1e3 * computed(net, count, length))
        figures[f"{count}x{length}"] = row
    return figures


def compiled(net: Transformer, packed: Pack, condition: Condition, machine: Machine, effort: Effort) -> list[float]:
    """Seconds of an evaluation with each block compiled (the first calls, which compile, are not counted)."""
    for block in net.blocks:
        block.compile()
    for _ in range(2):
        net.denoise(packed, condition)
    return seconds_of(lambda: net.denoise(packed, condition), machine.device, effort.rounds)


def computed(net: Transformer, count: int, length: int) -> float:
    """Seconds on one H100 from operations and bytes alone, the larger of the two: computed, not measured; no kernel is that good."""
    weights = 2.0 * sum(p.numel() for p in net.parameters())
    moved = weights + TOUCHED * count * length * net.config.width * net.config.depth
    return max(count * net.estimate_flops(length) / H100["flops"], moved / H100["bytes_per_second"])


@torch.inference_mode()
def measure_lengths(config: TransformerConfig, machine: Machine, effort: Effort) -> list[dict[str, float]]:
    """One clip of ever more tokens: time and memory per token (0 where the system does not tell)."""
    net, rows = network(config, machine), []
    if machine.device == "cuda":
        grown = memory_grown(config, machine, effort.lengths)
    else:  # a process of its own: what this one has freed is not given back, so that its peak says nothing
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            grown = pool.submit(memory_grown, config, machine, effort.lengths).result()
    for length, memory in zip(effort.lengths, grown, strict=True):
        packed, condition = clip_of(length, net, machine)
        rounds = effort.rounds if length < 8192 else 1
        middle = statistics.median(seconds_of(lambda p=packed, c=condition: net.denoise(p, c), machine.device, rounds))  # type: ignore[misc]
        rows.append({"tokens": length, "us_per_token": _short(1e6 * middle / length), "bytes_per_token": round(memory / length), "share_of_peak": round(net.estimate_flops(length) / middle / machine.products, 3)})  # fmt: skip
    return rows


@torch.inference_mode()
def memory_grown(config: TransformerConfig, machine: Machine, lengths: Sequence[int]) -> list[int]:
    """By how many bytes the peak lies above what the network itself takes, after one evaluation of each of these lengths, from short to long."""
    net, grown, before = network(config, machine), [], 0
    if machine.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    for length in (lengths[0], *lengths):  # the first call also loads the libraries
        packed, condition = clip_of(length, net, machine)
        net.denoise(packed, condition)
        before = before or peak_memory(machine.device)
        grown.append(peak_memory(machine.device) - before)
    return grown[1:]


def clip_of(length: int, net: Transformer, machine: Machine) -> tuple[Pack, Condition]:
    """One clip of so many tokens, in planes of 64, and its text."""
    return on(machine.device, pack([piece((length // 64, 8, 8), net.config.token_width)])), texts(net, 1, machine)


@torch.inference_mode()
def measure_autoencoder(config: AutoencoderConfig, machine: Machine, effort: Effort) -> dict[str, Any]:
    """One second at 8 fps, encoded and decoded, beside the peak of convolutions."""
    torch.manual_seed(0)
    net = ready(Autoencoder(config), machine.device, machine.dtype)
    figures: dict[str, Any] = {}
    for side in effort.sides:
        video = torch.rand(1, 3, 8, side, side, device=machine.device) * 2 - 1
        latents = net.encode(video)
        for name, work in {"encode": lambda v=video: net.encode(v), "decode": lambda z=latents, s=side: net.decode(z, 8, s, s)}.items():  # type: ignore[misc]
            amounts = {"pixels": 8.0 * side * side, "flops": flops_of(work)}
            figures[f"{name}_{side}x{side}"] = timing(seconds_of(work, machine.device, effort.rounds), amounts, machine.convolutions)
    return figures


@torch.inference_mode()
def measure_agreement(config: TransformerConfig, machine: Machine) -> dict[str, Any]:
    """How far the device, in fp32 and in the computing dtype, is from fp32 on the CPU: mixed clips, one of them causal."""
    pieces = [dataclasses.replace(piece(grid, config.token_width), causal=causal) for grid, causal in (((2, 3, 5), False), ((3, 4, 4), True), ((1, 4, 4), False))]
    packed = pack(pieces)
    here = Machine("cpu", torch.float32, 0.0, 0.0)
    exact = network(config, here)
    features = torch.randn(len(pieces), TEXT, config.text_width)
    truth = exact.denoise(packed, exact.prepare(list(features)))
    figures: dict[str, Any] = {}
    for dtype in dict.fromkeys((torch.float32, machine.dtype)):
        net = network(config, dataclasses.replace(machine, dtype=dtype))
        condition = net.prepare(list(features.to(machine.device)))
        result = net.denoise(on(machine.device, packed), condition).cpu()
        error = float((result - truth).square().mean().sqrt() / truth.std())
        figures[str(dtype).removeprefix("torch.")] = {"difference": float(f"{error:.2g}"), "allowed": CLOSE[dtype], "agrees": error <= CLOSE[dtype]}
    return figures


def bench(transformer: TransformerConfig, autoencoder: AutoencoderConfig, device: str, effort: Effort) -> Iterator[tuple[str, Any]]:
    """(name, figures) of every part, as each is done. ValueError for a device that is not there."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device):
        raise ValueError(f"no device {device!r} here: there is {', '.join(name for name, found in there.items() if found)}")
    machine, figures = measure_machine(device, effort)
    yield "machine", figures
    yield "agreement", measure_agreement(transformer, machine)
    yield "training_step", measure_training(transformer, machine, effort)
    yield "forward", measure_forward(transformer, machine, effort)
    yield "autoencoder", measure_autoencoder(autoencoder, machine, effort)
    yield "lengths", measure_lengths(transformer, machine, effort)
