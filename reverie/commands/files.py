"""Commands about files: sheet, info, vocabulary; and the film that a file tells of: storyboard."""

import argparse
import json
from typing import Any

from reverie.commands.making import Strip
from reverie.commands.talking import announce, digest_of, kept, load, note, progress, read_given, save, say, say_unknown


def sheet(options: argparse.Namespace) -> dict[str, Any]:
    """Files to a contact sheet."""
    from reverie.evaluation.sheet import contact_sheet, save_sheet
    from reverie.video import shown

    if options.output.suffix.lower() != ".png":
        raise ValueError(f"{options.output}: a sheet is a .png")
    if options.columns < 1:
        raise ValueError(f"--columns {options.columns}: at least 1 is needed")
    videos = [read_given(path) for path in options.files]
    labels = [str(video.metadata.get("prompt", shown(path.name))) for video, path in zip(videos, options.files, strict=True)]
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


def storyboard(options: argparse.Namespace) -> dict[str, Any]:
    """A TOML file to a film in several shots; what is wrong in it, or in what it names, is refused before the model is loaded."""
    from reverie.sampling import storyboard as boards
    from reverie.video import check_target, default_name

    board = boards.load(options.file)
    for text in board.notes:
        note(text)
    (width, height), seed = map(int, board.size.split("x")), board.seed if options.seed is None else options.seed
    output = options.output or default_name("storyboard", seed, board.size, ".mkv" if width % 2 or height % 2 else ".mp4")  # H.264 has even sides only
    check_target(output, sum(shot.num_frames for shot in board.shots), width, height, board.fps)
    dreamer, strip, words = load(options.model), Strip(options), " ".join(shot.prompt for shot in board.shots)
    say_unknown(dreamer, words)
    given = [digest_of(options.file.parent / name) for shot in board.shots for name in (shot.image or shot.clip, *(one.image or one.clip for one in shot.cast)) if name]
    with kept(dreamer, options, output, given) as journal, progress("dreaming") as advance:
        settings = {name: getattr(options, name) for name in ("num_steps", "guidance_scale", "negative_prompt", "solver")}
        settings |= {"seed": seed, "journal": journal, "progress": advance, "watch": strip.watch, "announce": lambda canvases, config: announce(dreamer, canvases, config)}
        video = boards.film(dreamer, board, options.file.parent, settings)
        save(options, video, output)
    if "draft" in video.metadata:
        note(f"dreamed at {video.metadata['draft']} and refined to {video.size}: that is larger than what the model knows")
    return {"files": [str(output), *strip.save(options, output)], "unknown_words": dreamer.unknown_words(words), **video.metadata}
