"""Names of files: for people's eyes, and for files that nobody named."""

import itertools
import os
import re
from pathlib import Path

SLUG = 40  # characters


def shown(path: str | os.PathLike[str]) -> str:
    """A path on one line: what is not printable (new lines, escape codes, bytes that are not UTF-8) is escaped."""
    return "".join(c if c.isprintable() else f"\\x{ord(c) - 0xDC00:02x}" if 0xDC80 <= ord(c) <= 0xDCFF else c.encode("unicode_escape").decode() for c in os.fspath(path))


def default_name(words: str, seed: int, size: str, ending: str, folder: str | os.PathLike[str] = ".") -> Path:
    """SLUG_SEED_WxH.ending in `folder`, with -2, -3 ... behind the slug if that exists: never a name that is taken."""
    slug = re.sub(r"[^\w]+", "-", words.lower()).strip("-_")[:SLUG].strip("-_") or "video"
    for number in itertools.count(1):
        path = Path(folder) / f"{slug}{'' if number == 1 else f'-{number}'}_{seed}_{size}{ending}"
        if not os.path.lexists(path):
            return path
    raise AssertionError
