"""How made up a name looks: a model of which letters follow which. No detector, so not in the registry.

The model is `names.bin`: for each three characters the surprise of the next (its negative natural
log-probability) in one byte, deflated. It is learnt from lists of English, Spanish, Portuguese, Dutch
and Polish words, and from syllables of other languages, joined and clipped as people do for names:
facts about languages, not about any list of domain names. `bench/train_names.py` makes it again.

    made up   sum over the characters of (surprise, at most CAP, less ORDINARY), in nats

Random letters surprise by about 4 nats each and words by about 2, so the sum grows with the length
of a random name and falls with that of a name of words: 20 is plain, below 0 is a word.
"""

from __future__ import annotations

import re
import zlib
from functools import cache
from importlib.resources import files
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

ALPHABET = "abcdefghijklmnopqrstuvwxyz0^"  # 0 is any number; ^ marks both ends and a hyphen
SIZE = len(ALPHABET)
ORDER = 4  # the next character after three
STEP = 1 / 6  # nats per unit of a byte
CAP = 6.0  # no single pair of letters decides: names have abbreviations in them
ORDINARY = 2.6  # nats a character; between words (2) and random letters (4)
_LONGEST = 63  # of a DNS label
_EDGE = SIZE - 1
_ENDS = re.compile(r"^[0-9-]+|[0-9-]+$")
_NUMBER = re.compile(r"[0-9]+")


@cache
def _model() -> np.ndarray[Any, Any]:
    raw = zlib.decompress(files("sakimori.detectors").joinpath("names.bin").read_bytes())
    return np.frombuffer(raw, dtype=np.uint8).astype(np.float32) * STEP


@cache
def _codes() -> np.ndarray[Any, Any]:
    table = np.full(256, _EDGE, dtype=np.int32)
    for code, letter in enumerate(ALPHABET):
        table[ord(letter)] = code
    return table


def letters_of(label: str | None) -> str:
    """Return what the model looks at: no numbers at the ends (cdn77), any other number as 0.

    "" for names in another script (xn--), which the model does not know.
    """
    text = (label or "").lower()[:_LONGEST]
    if text.startswith("xn--"):
        return ""
    return _NUMBER.sub("0", _ENDS.sub("", text))


def excess(labels: list[str | None]) -> np.ndarray[Any, Any]:
    """Return how much more each label surprises than an ordinary one, in nats; 0 for nothing."""
    raw = [letters_of(label).encode("ascii", "replace") for label in labels]
    lengths = np.array([len(text) for text in raw], dtype=np.int64)
    grid = np.full((len(raw), _LONGEST + ORDER), _EDGE, dtype=np.int32)
    flat = np.frombuffer(b"".join(raw), dtype=np.uint8)
    rows = np.repeat(np.arange(len(raw)), lengths)
    columns = np.arange(len(flat)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    grid[rows, columns + ORDER - 1] = _codes()[flat]
    steps = _LONGEST + 1  # one more than letters: the end, too, is more or less likely
    index = np.zeros((len(raw), steps), dtype=np.int32)
    for back in range(ORDER):
        index = index * SIZE + grid[:, back : back + steps]
    inside = np.arange(steps)[None, :] <= lengths[:, None]
    total = np.where(inside, np.minimum(_model()[index], CAP), 0.0).sum(axis=1)
    return np.where(lengths > 0, total - ORDINARY * lengths, 0.0)


@ibis.udf.scalar.pyarrow(signature=(("string",), "float64"))  # type: ignore[untyped-decorator]
def made_up(label: Any) -> Any:
    """Return `excess` of each label, as a vectorised function of the engine."""
    return pa.array(excess(label.to_pylist()), pa.float64())
