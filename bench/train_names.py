"""Make the model of names (`names.bin`) from word lists.

    python bench/train_names.py WORDS... > src/sakimori/detectors/names.bin

Each file holds one word a line. Words, pairs of words joined (as in domain names) and Japanese
syllables in Latin letters are counted; digits and hyphens get a little weight everywhere.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np

from sakimori.detectors._names import ALPHABET, SIZE, STEP

ONSETS = [
    "k",
    "s",
    "t",
    "n",
    "h",
    "m",
    "y",
    "r",
    "w",
    "g",
    "z",
    "d",
    "b",
    "p",
    "ky",
    "sh",
    "ch",
    "ny",
    "hy",
    "my",
    "ry",
    "gy",
    "j",
    "by",
    "py",
    "ts",
    "f",
]
SYLLABLES = [o + v for o in ["", *ONSETS] for v in "aiueo"] + ["n"]


def texts(words: list[str], rnd: random.Random) -> list[str]:
    """Return what names are made of: words, two words joined, and Japanese-like words."""
    pairs = [rnd.choice(words) + rnd.choice(words) for _ in words]
    japanese = [
        "".join(rnd.choices(SYLLABLES, k=rnd.randint(2, 5))) for _ in range(len(words) // 2)
    ]
    short = [
        "".join(rnd.choices("abcdefghijklmnopqrstuvwxyz", k=rnd.randint(2, 4)))
        for _ in range(len(words) // 20)
    ]
    tagged = [
        rnd.choice(words) + rnd.choice("-0123456789") + rnd.choice(["", rnd.choice(words)])
        for _ in range(len(words) // 10)
    ]
    return words + pairs + japanese + short + tagged


def main() -> None:
    rnd = random.Random(7)
    words = sorted(
        {
            word
            for name in sys.argv[1:]
            for word in Path(name).read_text("utf-8").lower().split()
            if word.isascii() and word.isalpha() and len(word) > 2
        }
    )
    counts = np.zeros((SIZE, SIZE, SIZE))
    at = {letter: code for code, letter in enumerate(ALPHABET)}
    for text in texts(words, rnd):
        codes = [at["^"], at["^"], *(at[c] for c in text), at["^"]]
        np.add.at(counts, (codes[:-2], codes[1:-1], codes[2:]), 1)
    single = counts.sum(axis=(0, 1)) + 20
    double = counts.sum(axis=0) + 2 * single / single.sum()
    pair = double / double.sum(axis=1, keepdims=True)
    triple = counts + 5 * pair[None, :, :]
    probability = triple / triple.sum(axis=2, keepdims=True)
    packed = np.clip(np.round(-np.log(probability) / STEP), 0, 255).astype(np.uint8)
    sys.stdout.buffer.write(packed.tobytes())


if __name__ == "__main__":
    main()
