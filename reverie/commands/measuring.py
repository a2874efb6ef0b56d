"""Commands that measure: evaluate."""

import argparse
import json
from pathlib import Path
from typing import Any

from reverie.commands.talking import load, progress, say

QUICK = 8  # cases with --quick


def evaluate_autoencoder(options: argparse.Namespace) -> dict[str, Any]:
    """Footage to PSNR."""
    from reverie.data.shards import Footage
    from reverie.evaluation.reconstruction import evaluate_reconstruction, reconstruction_sheet
    from reverie.evaluation.sheet import check_sheet, save_sheet
    from reverie.layers.precision import fast_dtype
    from reverie.sampling.reverie import BUNDLED, load_autoencoder

    if options.sheet:
        check_sheet(options.sheet)
    autoencoder, about = load_autoencoder(options.autoencoder or BUNDLED / "autoencoder.safetensors")
    autoencoder.compute_dtype = fast_dtype()
    footage = Footage(options.data)
    figures = {**evaluate_reconstruction(autoencoder, footage, options.num_clips), "autoencoder": about["digest"]}
    if options.sheet:
        save_sheet(reconstruction_sheet(autoencoder, footage), options.sheet)
    say(options, json.dumps(figures))
    return {"files": [str(options.sheet)] if options.sheet else [], **figures}


def evaluate_prompts(options: argparse.Namespace) -> dict[str, Any]:
    """A list of prompts to shares of right colours and motions."""
    from reverie.data.shards import Footage
    from reverie.evaluation import prompts
    from reverie.evaluation.sheet import check_sheet, contact_sheet, save_sheet

    videos: list[Any] = []
    look = prompts.look_by(options.probe)
    if options.limit is not None and options.limit < 1:
        raise ValueError(f"--limit {options.limit}: at least 1 is needed")
    if options.sheet:
        if options.footage:
            raise ValueError("--sheet draws what was made from prompts; with --footage nothing is")
        check_sheet(options.sheet)
    if options.footage:
        footage, model = Footage(options.footage), "none: footage"
        asked, found = prompts.check_on_footage(footage, options.limit, look)
    else:
        asked = prompts.prompt_list(options.list)[: options.limit]
        if not options.probe and any(set(prompt.asked) - {"colour", "motion"} for prompt in asked):
            raise ValueError(f"--list {options.list} asks for more than colour and motion: give a --probe (`reverie train probe` makes one)")
        dreamer = load(options.model)
        model = dreamer.digest
        with progress("dreaming") as advance:
            for number, prompt in enumerate(asked):
                videos.append(dreamer.generate(prompt.text, seed=options.seed + number, num_steps=options.num_steps, guidance_scale=options.guidance_scale))
                advance(number + 1, len(asked))
        found = look([video.frames for video in videos])
        for prompt, seen in zip(asked, found, strict=True):
            if missed := prompts.wrong(seen, prompt):
                say(options, f"{prompt.text}: seen {', '.join(f'{name} {value}' for name, value in missed.items())}")
    figures = {**prompts.score(found, asked), "model": model, **({} if options.footage else {"list": options.list, "seed": options.seed})}
    if options.sheet and videos:
        save_sheet(contact_sheet(videos, [prompt.text for prompt in asked], pairs=2), options.sheet)
    say(options, json.dumps(figures))
    return {"files": [str(options.sheet)] if options.sheet else [], **figures}


def evaluate_tasks(options: argparse.Namespace) -> dict[str, Any]:
    """Filmed cases to the figures of every task and the goals that they miss (drift, which takes long, only where it is asked for). RuntimeError, at the end, if one failed."""
    from reverie.config import did_you_mean
    from reverie.evaluation import drift, tasks
    from reverie.evaluation.prompts import look_by
    from reverie.evaluation.sheet import contact_sheet

    names = options.only or list(tasks.MEASURES)
    for name in names:
        if name not in (known := [*tasks.MEASURES, "drift"]):
            raise ValueError(f"no task {name!r}{did_you_mean(name, known)}")
    count = (QUICK if options.quick else 32) if options.num_cases is None else options.num_cases
    if count < (least := 1 if names == ["drift"] else 2):
        raise ValueError(f"--num-cases {count}: at least {least} {'is' if least == 1 else 'are'} needed")
    if options.page and options.page.suffix != ".html":
        raise ValueError(f"{options.page}: a page is an .html")
    look, dreamer = look_by(options.probe), load(options.model)
    seed = tasks.SEED if options.seed is None else options.seed
    cases = tasks.film_cases(count, seed) if names != ["drift"] else []
    figures, sheets, failed = options.so_far, dict[str, Any](), list[str]()  # what is measured outlives whatever stops the rest
    figures |= {"model": dreamer.digest, "cases": len(cases), "footage": f"{tasks.FOOTAGE}, seed {seed}", "read_by": str(options.probe or "image processing"), "unfinished": names}
    _write_report(options.page, figures, sheets)  # a page that cannot be written is known before the work
    with progress("measuring") as advance:
        for done, name in enumerate(names, 1):
            videos: list[Any] = []
            try:
                figures[name] = drift.measure(dreamer, options.num_cases or drift.CASES, videos) if name == "drift" else tasks.MEASURES[name](dreamer, cases, videos, look)
            except Exception as problem:
                if options.debug:
                    raise
                figures[name] = {"failed": f"{type(problem).__name__}: {problem}"}
                failed.append(f"{name} ({problem})")
            figures[name]["missed"] = tasks.missed(name, figures[name])
            figures["unfinished"] = names[done:]
            say(options, f"{name}: {json.dumps(figures[name])}")
            labels = [f"{video.metadata.get('task', name)}: {video.metadata.get('prompt', '')}" for video in videos]
            sheets |= {name: contact_sheet(videos[:6], labels[:6], columns=6, pairs=2)} if videos else {}
            _write_report(options.page, figures, sheets)
            advance(done, len(names))
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(names)} tasks failed: {'; '.join(failed)}")
    return figures


def _write_report(page: Path | None, figures: dict[str, Any], sheets: dict[str, Any]) -> None:
    """What is measured so far, as the page and, beside it, as JSON of the same name; each whole or not at all."""
    from reverie.evaluation.page import page_of
    from reverie.video import whole_file

    if page:
        for path, text in ((page, page_of(figures, sheets)), (page.with_suffix(".json"), json.dumps(figures, indent=1) + "\n")):
            with whole_file(path) as temporary:
                temporary.write_text(text, "utf-8")
        figures["files"] = [str(page), str(page.with_suffix(".json"))]
