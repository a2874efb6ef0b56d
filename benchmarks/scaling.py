"""Sora's scaling picture: 1x, 4x and 16x the training compute, one list of prompts, the same seeds.

    python benchmarks/scaling.py --data footage/train -o runs/scaling --dry-run     what it takes
    python benchmarks/scaling.py --data footage/train -o runs/scaling               last line: JSON

Needs 8,000 rendered clips and about 1e15 floating-point operations: two hours on one thread of the machine of docs/log.md, and four minutes
of sampling. It may be stopped at any time (Ctrl-C, SIGTERM, a kill): the same command goes on, and finished parts are not done again.
Writes curves.png, a sheet per size and scaling.md, which becomes docs/scaling.md.
"""

import argparse
import contextlib
import io
import json
import sys
from pathlib import Path

from reverie.cli import main as command
from reverie.presets import default
from reverie.sampling.reverie import BUNDLED
from reverie.transformer.dit import Transformer, TransformerConfig
from reverie.video import whole_file

BATCH = 48  # clips
TOKENS = 240  # of a clip, on average: five latent frames of 48 tokens
# width and depth grow with the length of the run, so that both the network and what it has seen share the growth
SIZES = {
    "1x": TransformerConfig(width=128, depth=6, heads=2, feedforward=512),
    "4x": TransformerConfig(width=192, depth=9, heads=3, feedforward=704),
    "16x": TransformerConfig(),
}
STEPS = 700  # of the largest; the others get what their share of compute allows
SHEET = 8  # prompts on the sheet


def flops_per_step(config: TransformerConfig) -> float:
    """Of a batch, forward and backward."""
    return 3.0 * BATCH * Transformer(config).estimate_flops(TOKENS)


def plan() -> dict[str, tuple[TransformerConfig, int]]:
    """Config and number of steps of each size: exactly a quarter and a sixteenth of the largest one's compute, to one step."""
    whole = STEPS * flops_per_step(SIZES["16x"])
    return {name: (config, round(whole * int(name[:-1]) / 16 / flops_per_step(config))) for name, config in SIZES.items()}


def reverie(*words: str) -> str:
    """Run a command of ours; returns the last line of its output."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = command(words)
    if code:
        sys.exit(code)
    return out.getvalue().splitlines()[-1] if out.getvalue() else ""


def main() -> None:
    """Train, judge, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--autoencoder", type=Path, default=BUNDLED / "autoencoder.safetensors")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    figures: dict[str, dict[str, object]] = {}
    for name, (config, num_steps) in plan().items():
        flops = num_steps * flops_per_step(config)
        parameters = sum(p.numel() for p in Transformer(config).parameters())
        figures[name] = {"flops": flops, "parameters": parameters, "num_steps": num_steps, "clips": num_steps * BATCH}
        print(f"{name}: {parameters / 1e6:.1f} M parameters, {num_steps} steps of {BATCH} clips, {flops:.2e} operations", file=sys.stderr)
    if options.dry_run:
        print(json.dumps(figures))
        return
    options.output.mkdir(parents=True, exist_ok=True)
    asked, request = {name: str(value) for name, value in vars(options).items() if name not in ("output", "dry_run")}, options.output / "request.json"
    if request.exists() and json.loads(request.read_text()) != asked:
        parser.error(f"{options.output} holds results of another request: {request.read_text()}")
    with whole_file(request) as temporary:
        temporary.write_text(json.dumps(asked))
    for name, (config, num_steps) in plan().items():
        run, model, report = options.output / name, options.output / f"{name}-model", options.output / f"{name}.json"
        shape = [f"transformer.{field}={getattr(config, field)}" for field in ("width", "depth", "heads", "feedforward")]
        length = [f"transformer_training.{key}={value}" for key, value in (("num_steps", num_steps), ("batch_size", BATCH), ("sample_every", 10**6))]
        if not report.exists():
            reverie("train", "transformer", "--data", str(options.data), "--autoencoder", str(options.autoencoder), "--run", str(run), "--set", *shape, *length)
            if not (run / "transformer.safetensors").exists():
                sys.exit("stopped; the same command goes on")
            reverie("train", "bundle", "--autoencoder", str(options.autoencoder), "--transformer", str(run / "transformer.safetensors"), "-o", str(model))
            reverie("evaluate", "prompts", "--limit", str(SHEET), "--model", str(model), "--sheet", str(options.output / f"{name}.png"))
            text = reverie("evaluate", "prompts", "--model", str(model), "--json")
            with whole_file(report) as temporary:
                temporary.write_text(text)
        figures[name] |= json.loads(report.read_text())
    reverie("train", "plot", *(str(options.output / name) for name in SIZES), "-o", str(options.output / "curves.png"))
    lines = ["| compute | parameters | clips seen | colour right | motion right |", "|---|---|---|---|---|"]
    for name, row in figures.items():
        judged = [f"{row[f'{what}_right']} of {row['prompts']} ({row[f'{what}_interval'][0]:.0%}-{row[f'{what}_interval'][1]:.0%})" for what in ("colour", "motion")]  # type: ignore[index]
        lines.append(f"| {name}: {row['flops']:.1e} | {row['parameters'] / 1e6:.1f} M | {row['clips']:,} | {judged[0]} | {judged[1]} |")  # type: ignore[operator,str-format]
    learning = f"rates of the default preset ({default().transformer_training.learning_rate:g}, Muon {default().transformer_training.muon_learning_rate:g})"
    pictures = "\n\n".join(f"{name}:\n\n![The first {SHEET} prompts of the list, {name}]({name}.png)" for name in SIZES)
    text = (
        f"# More compute, better dreams\n\nOne list of 64 prompts, seeds 0 to 63, 95% intervals; {learning}.\n\n" + "\n".join(lines) + f"\n\n![Curves](curves.png)\n\n{pictures}\n"
    )
    (options.output / "scaling.md").write_text(text)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
