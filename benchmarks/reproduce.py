"""From nothing to a pair of networks, after the recipe of the pair that ships: footage, autoencoder, transformer, both together, figures. One command, which goes on where it was stopped.

    python benchmarks/reproduce.py -o runs/pair --dry-run           the commands that are to do
    python benchmarks/reproduce.py -o runs/pair                     all of them, hours: docs/reproduce.md
    python benchmarks/reproduce.py -o runs/pair --stop-after 150    a stretch: no part begins, and no training goes on, after so many minutes (Ctrl-C and a kill do no harm either)
    python benchmarks/reproduce.py -o runs/try --quick              every command on a few clips, for a few steps: minutes, and nothing is learned

Writes footage, runs and OUTPUT/model, a folder for `--model`. The last line is JSON: minutes of every part (without those of a stretch that was killed) and what was measured, also in OUTPUT/report.json.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from reverie.data.shards import Footage
from reverie.video import whole_file

SIZES = "128x128 128x128 160x96 128x128 96x160"
# clips, seed, more: what the autoencoder learns from (the first two also the transformer), what the transformer alone, and what is for measuring
FOOTAGE = {
    "pixels/toys": (3000, 21, f"--world toys --sizes {SIZES} --num-frames 16 16 24 33"),
    "pixels/driven": (600, 21, f"--world driven --sizes {SIZES} --num-frames 16 32 24 33"),
    "pixels/diorama": (800, 2, "--num-frames 13 --sizes 128x128 192x192 160x96 96x160"),
    "pixels/photographs": (400, 2, "--world photographs --num-frames 13 --sizes 128x128 192x192 160x96 96x160"),
    "dreams/small": (600, 23, "--world toys --sizes 64x64 --num-frames 16 16 24 33"),
    "dreams/rates": (600, 22, f"--world toys --fps 4 6 12 16 24 --sizes {SIZES} 64x64 --num-frames 17 17 33 25"),
    "unseen/toys": (128, 10, "--world toys --num-frames 16"),
    "unseen/photographs": (100, 3, "--world photographs --num-frames 13 --sizes 128x128 160x96 96x160"),
}
STEPS, QUICK = {"autoencoder": 2400, "transformer": 1200, "last": 300}, 30  # with --quick so many clips, and a tenth as many steps
AUTOENCODER = {"autoencoder.latent_channels": 16, "autoencoder.nested_channels": "[]"}
TRANSFORMER = {"tokens_per_step": 12288, "ema_decay": 0.99, "warmup_steps": 20, "muon_learning_rate": 0.012, "learning_rate": 8e-4, "decay_share": 0.4}
LAST = {**TRANSFORMER, "muon_learning_rate": 0.0035, "learning_rate": 2.4e-4, "decay_share": 0.96}


PROCESSES = min(2, os.cpu_count() or 1)  # that train the transformer: two of one thread are faster than one of two


class Recipe:
    """Part after part, in a folder; its report has the minutes and figures of those that were done, in this stretch or an earlier one."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.folder, self.quick, self.dry = options.output, options.quick, options.dry_run
        self.deadline = time.monotonic() + 60 * options.stop_after
        path = self.folder / "report.json"
        self.report: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"quick": self.quick, "minutes": {}, "figures": {}}
        if self.report["quick"] != self.quick:
            raise ValueError(f"{self.folder} was begun {'with' if self.report['quick'] else 'without'} --quick: go on so, or name another folder")

    def run(self, name: str, words: list[str | Path], done: Callable[[], bool] | None = None, processes: int = 1) -> None:
        """A command of ours, unless it is done; one whose last line is what we want is done when that is there."""

        def finished() -> bool:
            return done() if done else name in self.report["figures"]

        if finished():
            return
        said = [str(word) for word in words]
        if self.dry:
            print(shlex.join(["reverie", *said]))
            return
        start = time.monotonic()
        if start < self.deadline:
            print(shlex.join(["reverie", *said]), file=sys.stderr, flush=True)
            stretch = ["--stop-after", f"{max(1, round(self.deadline - start))}s"] if "--run" in said and self.deadline < float("inf") else []
            code, text = _call([*said, *stretch, "--json"], processes)
            self.report["minutes"][name] = round(self.report["minutes"].get(name, 0) + (time.monotonic() - start) / 60, 1)
            if not done and not code:
                self.report["figures"][name] = json.loads(text.splitlines()[-1])
            self.folder.mkdir(parents=True, exist_ok=True)
            with whole_file(self.folder / "report.json") as temporary:
                temporary.write_text(json.dumps(self.report, indent=1) + "\n")
            if code:
                sys.exit(code)
        if not finished():
            print("stopped; the same command goes on", file=sys.stderr)
            sys.exit(0)

    def train(self, name: str, network: str, words: list[str | Path], settings: dict[str, Any]) -> Path:
        """Train a network; returns its weights."""
        run, prefix = self.folder / "runs" / name, "" if network == "autoencoder" else "transformer_training."
        if self.quick:
            settings = {**settings, **({"tokens_per_step": 2048} if prefix else {})}
        length = f"{network}_training.num_steps={QUICK // 10 if self.quick else STEPS[name]}"
        preset: list[str | Path] = ["--preset", "tiny"] if self.quick else []
        changed = [length, *(f"{prefix}{key}={value}" for key, value in settings.items())]
        weights = run / f"{network}.safetensors"
        self.run(name, ["train", network, *words, *preset, "--run", run, "--set", *changed], weights.exists, PROCESSES if prefix else 1)
        return weights

    def choose(self, source: Path, target: Path, fits: Callable[[dict[str, Any]], bool], share: int = 1) -> None:
        """`choose`, or that it is to do."""
        if self.dry:
            print(f"# of {source} every {share}. clip that {fits.__name__} is linked into {target}")
        else:
            choose(source, target, fits, share)


def _call(words: list[str], processes: int) -> tuple[int, str]:
    """(exit code, what it printed). Ctrl-C reaches the command itself, which writes a checkpoint; SIGTERM is handed on."""
    many = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m", "--"] if processes > 1 else []
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes))} if processes > 1 else {}
    with subprocess.Popen([sys.executable, "-m", *many, "reverie.cli", *words], stdout=subprocess.PIPE, text=True, env={**os.environ, **threads}) as child:
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        text = child.communicate()[0]
    return child.returncode, text


def holds(folder: Path, count: int) -> bool:
    """Whether a folder has all its clips."""
    try:
        return len(Footage(folder)) == count
    except ValueError:  # none yet
        return False


def choose(source: Path, target: Path, fits: Callable[[dict[str, Any]], bool], share: int = 1) -> None:
    """The clips of a folder that fit, and of those every `share`-th: the same shards (linked), with shorter manifests."""
    footage = Footage(source)
    chosen = {entry.key for entry in [entry for n, entry in enumerate(footage.entries) if fits(footage.scene(n))][::share]}
    target.mkdir(parents=True, exist_ok=True)
    for manifest in source.glob("*.jsonl"):
        shard, lines = manifest.with_suffix(".tar").name, [line for line in manifest.read_text("utf-8").split("\n") if line and json.loads(line)["key"] in chosen]
        if lines and not (target / shard).exists():
            (target / shard).hardlink_to(source / shard)
        if lines:
            with whole_file(target / manifest.name) as temporary:
                temporary.write_text("\n".join(lines) + "\n", "utf-8")


def is_any(scene: dict[str, Any]) -> bool:
    """Every clip."""
    return True


def is_alone_and_still(scene: dict[str, Any]) -> bool:
    """One thing before a still camera: what the last steps learn from."""
    return len(scene["subjects"]) == 1 and scene["camera"]["kind"] == "static"


def main() -> None:
    """Part after part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--stop-after", type=float, default=float("inf"), metavar="MINUTES", help="end at a checkpoint after so many minutes")
    parser.add_argument("--quick", action="store_true", help="a few clips and steps of the preset `tiny`")
    parser.add_argument("--dry-run", action="store_true", help="print the commands that are to do")
    options = parser.parse_args()
    try:
        recipe = Recipe(options)
    except ValueError as problem:
        parser.error(str(problem))
    out = options.output
    for name, (clips, seed, more) in FOOTAGE.items():
        count, folder = QUICK if options.quick else clips, out / name
        recipe.run(f"render {name}", ["worlds", "render", "--num-clips", str(count), "--seed", str(seed), *more.split(), "-o", folder], partial(holds, folder, count))
    codec = recipe.train("autoencoder", "autoencoder", ["--data", out / "pixels"], AUTOENCODER)
    for name in ("toys", "photographs"):
        recipe.run(f"codec {name}", ["evaluate", "autoencoder", "--data", out / "unseen" / name, "--autoencoder", codec])
    for name, share in (("toys", 1), ("driven", 3), ("rates", 1)):
        if name != "rates":
            recipe.choose(out / "pixels" / name, out / "dreams" / name, is_any)
        recipe.choose(out / "dreams" / name, out / "chosen" / name, is_alone_and_still, share)
    known: list[str | Path] = ["--autoencoder", codec, "--validate", out / "unseen/toys"]
    begun = recipe.train("transformer", "transformer", ["--data", out / "dreams", *known], TRANSFORMER)
    whole = recipe.train("last", "transformer", ["--data", out / "chosen", *known, "--start", begun], LAST)
    recipe.run("bundle", ["train", "bundle", "--autoencoder", codec, "--transformer", whole, "-o", out / "model"], (out / "model/transformer.safetensors").exists)
    for name in ("main", "varied", "chinese"):
        recipe.run(name, ["evaluate", "prompts", "--model", out / "model", "--list", name, *(["--limit", "2"] if options.quick else [])])
    if not options.dry_run:
        print(json.dumps(recipe.report))


if __name__ == "__main__":
    main()
