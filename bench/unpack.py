"""How fast containers are unpacked, and what it costs to tell that a file is none.

    PYTHONPATH=src python bench/unpack.py

Throughput is MB that came out per CPU second, on 32 MB of program code and text of this machine; then all
gzip files of /usr/share/doc; then the cost of `kind_of` on files of /usr/lib.
"""

from __future__ import annotations

import gzip
import itertools
import lzma
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/endpoint/unpack"))

import unpack_samples as samples
import zstandard

from sakimori.endpoint.unpack import Member, kind_of, unpack


def material(size: int) -> bytes:
    out = bytearray()
    for path in sorted(Path("/usr/lib").rglob("*")):
        if path.is_file() and not path.is_symlink():
            out += path.read_bytes()[: 1 << 20]
        if len(out) >= size:
            break
    return bytes(out[:size])


def rate(sources: list[Path | bytes]) -> tuple[float, float]:
    """MB out, CPU seconds."""
    began, out = time.process_time(), 0
    for source in sources:
        out += sum(len(i.data) for i in unpack(source) if isinstance(i, Member))
    return out / 1e6, time.process_time() - began


def main() -> None:
    data = material(32_000_000)
    packed: dict[str, bytes] = {
        "gz": gzip.compress(data, 6),
        "zip": samples.zipped({"a": data}),
        "xz": lzma.compress(data, preset=1),
        "zstd": zstandard.compress(data, 3),
        "cab MSZIP": samples.cab({"a": data}),
        "tar": samples.tarred({"a": data}),
    }
    list(unpack(samples.zstd(b"imported before it is timed")))
    print(f"{'kind':16}{'MB in':>8}{'MB out':>8}{'CPU s':>8}{'MB/s':>8}")
    for kind, content in packed.items():
        out, took = rate([content])
        print(f"{kind:16}{len(content) / 1e6:8.1f}{out:8.1f}{took:8.2f}{out / took:8.0f}")
    docs: list[Path | bytes] = list(Path("/usr/share/doc").rglob("*.gz"))
    out, took = rate(docs)
    print(f"{len(docs)} gz of doc{'':4}{out:12.1f}{took:8.2f}{out / took:8.0f}")
    files = (p for p in Path("/usr/lib").rglob("*") if p.is_file() and not p.is_symlink())
    heads = []
    for path in itertools.islice(files, 0, 9_000, 3):
        with path.open("rb") as file:
            head, size = file.read(65536), path.stat().st_size
            file.seek(max(0, size - 22))
            heads.append((head, size, file.read()))
    none = [h for h in heads if kind_of(*h) is None]
    began = time.process_time()
    for _ in range(20):
        for head, size, tail in none:
            kind_of(head, size, tail)
    took = (time.process_time() - began) / 20 / len(none)
    print(
        f"kind_of: {took * 1e6:.2f} microseconds each on {len(none)} files of /usr/lib that are none"
    )


if __name__ == "__main__":
    main()
