"""The command that makes a file again: rerun."""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reverie.commands.talking import digest_of, note, say, use_threads


def rerun(options: argparse.Namespace) -> dict[str, Any]:
    """What a file remembers of how it was made, done once more; says whether the frames are the same."""
    from reverie.video import check_target, default_name, probe, shown

    facts = probe(options.file)
    made = facts.get("made", {})
    name = shown(options.file)
    words = _words(made, name)
    inputs = {given["word"]: _input(given, options) for given in made.get("inputs", [])}
    again = _parsed([str(inputs.get(number, word)) for number, word in enumerate(words)], set(inputs.values()), options.parse, name)
    again.model, again.json, again.quiet, again.debug, again.no_metadata = options.model, options.json, True, options.debug, False
    use_threads(made)
    ending = options.file.suffix or ".mkv"
    output = options.output or default_name(str(made.get("prompt", "")), made["seed"] if isinstance(made.get("seed"), int) else 0, facts["size"], ending)
    if options.output and options.output.exists() and options.output.samefile(options.file):
        raise ValueError(f"{name}: is the file itself; name another with -o")
    width, height = (int(side) for side in facts["size"].split("x"))
    check_target(output, facts["num_frames"], width, height, facts["fps"])
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".reverie-") as folder:
        again.output = Path(folder) / f"again{output.suffix}"
        files = again.run(again)["files"]
        position = made.get("position", 0)
        if not 0 <= position < len(files):
            raise ValueError(f"{name}: remembers that it is number {position} of {len(files)} videos")
        remade = probe(files[position]).get("made")
        os.replace(files[position], output)
        companion = Path(f"{files[position]}.latents.safetensors")
        if companion.exists():
            os.replace(companion, Path(f"{output}.latents.safetensors"))
    if remade is None:
        say(options, f"{shown(output)}  (not compared: {output.suffix} remembers nothing)")
        return {"files": [str(output)], "same_frames": None, "differing": {}}
    same = remade.get("frames") == made.get("frames")
    differing = {
        key: [made.get(key), remade.get(key)]
        for key in ("model", "autoencoder", "version", "torch", "threads", "precision", "given")
        if made.get(key, remade.get(key)) != remade.get(key)
    }
    say(options, f"{shown(output)}  {'the same frames, bit by bit' if same else 'not the same frames'}")
    for key, (before, now) in differing.items():
        note("the files that the storyboard names are others now" if key == "given" else f"made with {key} {before}, now with {now}")
    return {"files": [str(output)], "same_frames": same, "differing": differing}


def _words(made: dict[str, Any], name: str) -> list[str]:
    """The remembered command line. It comes from a file, so its shape is checked; argparse checks the rest."""
    words = made.get("command")
    if words is None:
        raise ValueError(f"{name}: does not remember a command line" + (" (it was made from Python with more than words: call the same method again)" if made else ""))
    inputs = made.get("inputs", [])
    fine = isinstance(words, list) and words and all(isinstance(word, str) for word in words) and isinstance(inputs, list)
    places = range(1, len(words)) if fine else range(0)
    if not fine or not all(isinstance(i, dict) and i.get("word") in places and isinstance(i.get("name"), str) and isinstance(i.get("digest"), str) for i in inputs):
        raise ValueError(f"{name}: what it remembers of its command line is damaged")
    if not isinstance(made.get("position", 0), int):
        raise ValueError(f"{name}: what it remembers of its position is damaged")
    return list(words)


def _parsed(words: list[str], inputs: set[Path], parse: Callable[[list[str]], argparse.Namespace], name: str) -> argparse.Namespace:
    """The options of a remembered command: one that makes a video, from no other files than those whose digests are known."""
    try:
        again = parse(words)
    except SystemExit:  # --help
        again = argparse.Namespace()
    if not getattr(again, "repeatable", False):
        raise ValueError(f"{name}: remembers the command {words[0]}, which makes no video")
    given = [item for key, value in vars(again).items() if key not in ("output", "model") for item in (value if isinstance(value, list) else [value])]
    if any(isinstance(item, Path) and item not in inputs for item in given):
        raise ValueError(f"{name}: what it remembers of its command line is damaged")
    return again


def _input(given: dict[str, Any], options: argparse.Namespace) -> Path:
    """The file with the remembered digest: one of --input, or one of the remembered name beside the file or here."""
    from reverie.video import shown

    plain = Path(given["name"]).name  # never a path of the file's choosing
    if plain in ("", ".."):
        raise ValueError(f"{shown(options.file)}: what it remembers of its command line is damaged")
    for path in [*options.input, options.file.parent / plain, Path(plain)]:
        if path.exists() and digest_of(path) == given["digest"]:
            return path.absolute()
    raise ValueError(f"{shown(options.file)}: was made from {shown(plain)} (sha256 {given['digest'][:16]}...): put that file beside it, or give it with --input")
