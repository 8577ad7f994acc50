"""How odd a name looks: a model of which letters follow which. No detector, so not in the registry.

The model is `names.bin`: for each pair of characters the log-probability of the next, in one byte,
learnt from a list of English words and from Japanese syllables, which are facts about languages, not
from any list of domain names. `bench/train_names.py` makes it again from any word list.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-^"  # ^ marks both ends
SIZE = len(ALPHABET)
_LONGEST = 63  # of a DNS label
_EDGE = SIZE - 1
STEP = 1 / 24  # log-probability per unit of a byte, natural logarithm


@cache
def _model() -> np.ndarray[Any, Any]:
    raw = files("sakimori.detectors").joinpath("names.bin").read_bytes()
    return -np.frombuffer(raw, dtype=np.uint8).astype(np.float32) * STEP


@cache
def _codes() -> np.ndarray[Any, Any]:
    table = np.full(256, ALPHABET.index("-"), dtype=np.int32)
    for code, letter in enumerate(ALPHABET):
        table[ord(letter)] = code
    return table


def surprise(labels: list[str | None]) -> np.ndarray[Any, Any]:
    """Return each label's mean surprise per character in nats; about 2 for words, 4 for random.

    NaN for null and "". Characters outside the DNS alphabet count as hyphens.
    """
    raw = [(label or "").lower().encode("ascii", "replace")[:_LONGEST] for label in labels]
    lengths = np.array([len(text) for text in raw], dtype=np.int64)
    grid = np.full((len(raw), _LONGEST + 3), _EDGE, dtype=np.int32)
    flat = np.frombuffer(b"".join(raw), dtype=np.uint8)
    rows = np.repeat(np.arange(len(raw)), lengths)
    columns = np.arange(len(flat)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    grid[rows, columns + 2] = _codes()[flat]
    index = (grid[:, :-2] * SIZE + grid[:, 1:-1]) * SIZE + grid[:, 2:]
    steps = np.arange(index.shape[1])[None, :] <= lengths[:, None]
    total = np.where(steps, _model()[index], 0.0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(lengths > 0, -total / (lengths + 1), np.nan)


@ibis.udf.scalar.pyarrow(signature=(("string",), "float64"))  # type: ignore[untyped-decorator]
def oddness(label: Any) -> Any:
    """Return `surprise` of each label, as a vectorised function of the engine.

    "" gives NaN and not null, which DuckDB refuses from a function given no null.
    """
    return pa.array(surprise(label.to_pylist()), pa.float64())
