"""Broken containers of every kind for some minutes: nothing may be raised, hang, grow or be written.

    PYTHONPATH=src python bench/unpack_fuzz.py --minutes 5 --seed 1

Prints each failure with what makes it again, then counts. Exit code 1 where anything failed.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/endpoint/unpack"))

import unpack_samples as samples

from sakimori.endpoint.unpack import Limits, unpack

SLOW = 2.0  # CPU seconds


def mutated(data: bytes, dice: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        at, kind = dice.randrange(len(out) + 1), dice.randrange(7)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            out[at:at] = dice.randbytes(dice.randrange(1, 9))
        elif kind == 2:
            del out[at : at + dice.randrange(1, 64)]
        elif kind == 3:
            del out[at:]
        elif kind == 4:
            out[at : at + 4] = dice.choice(
                (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\1\0")
            )
        elif kind == 5:
            start = dice.randrange(len(out) + 1)
            out[at:at] = out[start : start + dice.randrange(1, 600)]
        else:
            out[at : at + 1] = bytes((dice.randrange(256),))
    return bytes(out)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    content = samples.EICAR + bytes(range(256)) * 40
    bases = {name: wrap(content) for name, wrap in samples.WRAPS.items()}
    bases |= {
        f"{name} in tar.gz": samples.WRAPS["gz"](samples.tarred({"x": d}))
        for name, d in bases.items()
    }
    end, runs, failures, slowest = time.monotonic() + 60 * args.minutes, 0, 0, (0.0, "")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        while time.monotonic() < end:
            name = list(bases)[runs % len(bases)]
            dice = random.Random(f"{args.seed}/{runs}")
            data, began = mutated(bases[name], dice), time.process_time()
            try:
                for _ in unpack(data, name="f", passwords=["infected"], limits=Limits(seconds=10)):
                    pass
            except Exception as error:  # noqa: BLE001 - this is what is looked for
                failures += 1
                print(f"RAISED {name} run {runs}: {error!r}", flush=True)
            took = time.process_time() - began
            slowest = max(slowest, (took, f"{name} run {runs}"))
            if took > SLOW:
                failures += 1
                print(f"SLOW {name} run {runs}: {took:.1f} s", flush=True)
            runs += 1
        written = sum(1 for _ in Path(folder).rglob("*"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"seed {args.seed}: {runs:,} runs over {len(bases)} samples, {failures} failures, {written} files written"
    )
    print(f"slowest {slowest[0]:.2f} CPU s ({slowest[1]}), peak memory {peak:.0f} MB")
    return 1 if failures or written else 0


if __name__ == "__main__":
    sys.exit(main())
