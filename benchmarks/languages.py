"""How many Chinese captions does a model need to follow Chinese prompts? Token features of both languages lie close together, so perhaps few.

    python benchmarks/languages.py --data footage/train --unseen footage/unseen -o runs/languages --dry-run     what it takes
    python benchmarks/languages.py --data footage/train --unseen footage/unseen -o runs/languages               last line: JSON

One network per share of Chinese captions (0, 10 and 50%) is trained on the same clips, noise and steps; the bundled one is measured beside them. Judged by the
error on unseen clips, with the same noise, under their own caption and under that of another clip, in either language: `followed` is by how much the right words
are better than wrong ones in Chinese, as a share of the same in English (1: as well understood; 0: not read), with a 95% interval (bootstrap over groups of 8 clips).
At the settings below 15 minutes of one idle thread per share. It may be stopped at any time; the same command goes on, and finished parts are not done again.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import reverie
from reverie.data.latents import LatentClips
from reverie.data.sampling import index_of
from reverie.data.shards import Footage
from reverie.presets import PRESETS
from reverie.sampling.reverie import BUNDLED, Reverie
from reverie.training.distributed import start
from reverie.training.loop import Stretch
from reverie.training.objectives import transformer_objective
from reverie.training.runs import bundle, transformer_run
from reverie.video import whole_file

CLIPS, GROUP, SEEDS = 128, 8, (0, 1)  # unseen clips, how many are evaluated together, each with so many draws of noise
CONDITIONS = ("english", "chinese", "english of another", "chinese of another")


def is_chinese(text: str) -> bool:
    """Whether a caption is: the others are English."""
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


def mixed(captions: tuple[str, ...], percent: int) -> tuple[str, ...]:
    """The same captions, each as often as makes `percent` of them Chinese."""
    chinese = tuple(text for text in captions if is_chinese(text))
    english = tuple(text for text in captions if not is_chinese(text))
    if not chinese or not english:
        raise ValueError(f"captions in both languages are needed, not {captions}")
    unit = np.gcd(percent, 100 - percent)
    return english * int(len(chinese) * (100 - percent) // unit) + chinese * int(len(english) * percent // unit)


def footage_of(folder: Path, percent: int) -> Footage:
    """The footage told in this mix: the clips, and so their cached latents, are the same."""
    footage = Footage(folder)
    footage.entries = [replace(entry, captions=mixed(entry.captions, percent), still_captions=mixed(entry.still_captions, percent)) for entry in footage.entries]
    return footage


def paired(footage: Footage, dreamer: Reverie) -> dict[str, list[Any]]:
    """Unseen clips under each condition."""
    clips = LatentClips(footage, "", dreamer.autoencoder).whole(range(min(CLIPS, len(footage))), 0)
    captions = [footage.entries[index_of(clip.number, len(footage), 0)].captions for clip in clips]
    told = {}
    for language, wanted in (("english", False), ("chinese", True)):
        texts = [next(text for text in several if is_chinese(text) == wanted) for several in captions]
        told[language] = [replace(clip, caption=text) for clip, text in zip(clips, texts, strict=True)]
        told[f"{language} of another"] = [replace(clip, caption=text) for clip, text in zip(clips, texts[1:] + texts[:1], strict=True)]
    return told


@torch.inference_mode()
def judge(dreamer: Reverie, told: dict[str, list[Any]]) -> dict[str, Any]:
    """Errors per condition, and how well Chinese is followed, over all levels of noise and where only words can say what moves (above 0.8)."""
    groups = []
    for first in range(0, len(told["english"]), GROUP):
        parts = [told[condition][first : first + GROUP] for condition in CONDITIONS]
        figures = [[transformer_objective(dreamer.encoder, dreamer.transformer, part, seed, "shared")[2] for part in parts] for seed in SEEDS]
        groups.append([[sum(row[n][name][0] for row in figures) for n in range(len(CONDITIONS))] for name in ("error_shared", "error_0.8")])
    rng, sums = np.random.default_rng(0), np.array(groups)  # [groups, all levels or high ones, conditions]; draws of noise of the same clips are no cases of their own
    result: dict[str, Any] = {"clips": len(told["english"])}
    for n, name in enumerate(("all_levels", "above_0.8")):
        total = sums[:, n].sum(0)
        draws = [_followed(sums[rng.integers(0, len(sums), len(sums)), n].sum(0)) for _ in range(2000)]
        result[name] = {condition: round(float(value / total[2]), 4) for condition, value in zip(CONDITIONS, total, strict=True)}  # wrong English words: 1
        result[name] |= {"followed": round(_followed(total), 3), "interval": [round(float(v), 3) for v in np.percentile(draws, (2.5, 97.5))]}
    return result


def _followed(errors: np.ndarray) -> float:
    english, chinese, wrong_english, wrong_chinese = errors
    return float((wrong_chinese - chinese) / (wrong_english - english))


def train(options: argparse.Namespace, percent: int, folder: Path, dry: bool) -> dict[str, Any]:
    """One network, to the end; or what it would take."""
    preset = PRESETS[options.preset]()
    training = replace(
        preset.transformer_training, num_steps=options.num_steps, warmup_steps=options.num_steps // 12, decay_share=0.5, sample_every=10**6, checkpoint_minutes=3.0
    )  # fmt: skip
    footage = footage_of(options.data, percent)

    def progress(what: str, done: int, total: int, figures: dict[str, float]) -> None:
        if done % 10 == 0:
            print(f"{percent}%: {what} {done} of {total} {figures.get('loss', '')}", file=sys.stderr)

    with start() as world:
        run = transformer_run(preset.transformer, training, footage, options.autoencoder, folder, progress, lambda *_: None, world, world.size, dry=dry)
        if dry:
            return run.rehearse(world, Stretch())
        if run.train(world, Stretch(), progress) is None:
            sys.exit("stopped; the same command goes on")
    return {}


def main() -> None:
    """Train, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="footage with captions in both languages; its latents are cached there")
    parser.add_argument("--unseen", type=Path, required=True, help="other footage of the same world")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--autoencoder", type=Path, default=BUNDLED / "autoencoder.safetensors")
    parser.add_argument("--preset", default="small", choices=PRESETS)
    parser.add_argument("--num-steps", type=int, default=240)
    parser.add_argument("--percents", type=int, nargs="+", default=[0, 10, 50], help="of Chinese captions: a network for each")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    if not all(0 <= percent <= 100 for percent in options.percents):
        parser.error("--percents: between 0 and 100 each")
    names = {f"{percent}%": percent for percent in options.percents}
    if options.dry_run:
        print(json.dumps({name: train(options, percent, options.output / name, True) for name, percent in names.items()}))
        return
    options.output.mkdir(parents=True, exist_ok=True)
    asked, request = {name: str(value) for name, value in vars(options).items() if name not in ("output", "dry_run", "percents")}, options.output / "request.json"
    if request.exists() and json.loads(request.read_text()) != asked:
        parser.error(f"{options.output} holds results of another request: {request.read_text()}")
    with whole_file(request) as temporary:
        temporary.write_text(json.dumps(asked))
    figures: dict[str, Any] = {}
    for name in ("bundled", *names):
        report, weights = options.output / f"{name}.json", options.output / name / "transformer.safetensors"
        if not report.exists():
            if name == "bundled":
                dreamer = reverie.load()
            else:
                if not weights.exists():
                    train(options, names[name], options.output / name, False)
                bundle(options.autoencoder, weights, options.output / f"{name}-model")
                dreamer = reverie.load(options.output / f"{name}-model")
            row = {"model": dreamer.digest, **judge(dreamer, paired(Footage(options.unseen), dreamer))}
            with whole_file(report) as temporary:
                temporary.write_text(json.dumps(row))
        figures[name] = json.loads(report.read_text())
        print(f"{name}: {json.dumps(figures[name])}", file=sys.stderr)
    print(json.dumps(figures))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
