"""Commands about files: sheet, info, vocabulary."""

import argparse
import json
from typing import Any

from reverie.commands.talking import load, read_given, say


def sheet(options: argparse.Namespace) -> dict[str, Any]:
    """Files to a contact sheet."""
    from reverie.evaluation.sheet import check_sheet, contact_sheet, save_sheet
    from reverie.video import shown

    check_sheet(options.output)
    if options.columns < 1:
        raise ValueError(f"--columns {options.columns}: at least 1 is needed")
    videos = [read_given(path) for path in options.files]
    prompts = [video.metadata.get("prompt", shown(path.name)) for video, path in zip(videos, options.files, strict=True)]
    labels = [", then ".join(map(str, prompt)) if isinstance(prompt, list) else str(prompt) for prompt in prompts]
    save_sheet(contact_sheet(videos, labels, options.columns), options.output)
    say(options, shown(options.output))
    return {"files": [str(options.output)]}


def info(options: argparse.Namespace) -> dict[str, Any]:
    """What a file, or the bundled model, remembers."""
    from reverie.video import probe

    facts = load(None).describe() if options.file is None else probe(options.file)
    say(options, json.dumps(facts, indent=1, ensure_ascii=False))
    return facts


def vocabulary(options: argparse.Namespace) -> dict[str, Any]:
    """The words that the bundled model has met."""
    words = list(load(None).vocabulary)
    latin = [word for word in words if word.isascii()]
    say(options, f"{', '.join(latin)}\n{' '.join(word for word in words if not word.isascii())}")
    return {"words": words}
