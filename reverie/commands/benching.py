"""The command that measures speed: bench."""

import argparse
import json
from typing import Any

from reverie.commands.talking import note, progress, say


def bench(options: argparse.Namespace) -> dict[str, Any]:
    """The machine to figures; the last line is one JSON object."""
    from reverie import __version__
    from reverie.evaluation.bench import FULL, QUICK, bench
    from reverie.presets import default, tiny

    preset, effort = (tiny(), QUICK) if options.quick else (default(), FULL)
    figures: dict[str, Any] = {"reverie": __version__, "preset": "tiny" if options.quick else "default"}
    with progress("measuring") as advance:
        for done, (name, part) in enumerate(bench(preset.transformer, preset.autoencoder, options.device, effort), 1):
            figures[name] = part
            say(options, f"{name.replace('_', ' ')}: {json.dumps(part)}")
            advance(done, 6)
    for dtype, row in figures["agreement"].items():
        if not row["agrees"]:
            note(f"{options.device} in {dtype} differs from the CPU by {row['difference']}, {row['allowed']} is allowed: please report it")
    say(options, json.dumps(figures))
    return figures
