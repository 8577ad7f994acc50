"""Broken hives, logs, `.reg` texts and security descriptors, for as long as asked: nothing may crash or hang.

PYTHONPATH=src python bench/hive_fuzz.py [MINUTES] [SEED] [FOLDER WITH HIVES]
"""

from __future__ import annotations

import random
import resource
import struct
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from sakimori.endpoint.registry import sddl
from sakimori.endpoint.registry.edit import _same
from sakimori.endpoint.registry.hive import keys_of, open_bytes
from sakimori.endpoint.registry.hive_build import build_hive
from sakimori.endpoint.registry.hive_read import read_tree
from sakimori.endpoint.registry.hive_write import checksum, write_hive
from sakimori.endpoint.registry.model import Key, Value
from sakimori.endpoint.registry.reg_read import parse_reg
from sakimori.endpoint.registry.reg_write import reg_bytes
from sakimori.errors import SakimoriError

SLOWEST = 5.0  # CPU seconds for one file of at most 512 KiB
MARKS = (b"nk", b"vk", b"sk", b"lf", b"lh", b"li", b"ri", b"db", b"hbin", b"HvLE", b"DIRT", b"regf")
SDDL = (
    "O:BAG:SYD:PAI(A;CI;KA;;;BA)(OA;CI;KR;12345678-1234-1234-1234-123456789abc;;BU)"
    "S:(ML;;NW;;;LW)(AU;SA;KA;;;WD)"
)


def hive(chance: random.Random) -> bytes:
    """Build a hive with deep, wide and big parts."""
    when = datetime(2009, 11, 25, tzinfo=UTC)
    keys = [Key("X", when, "BA", "SY", "D:(A;;KA;;;BA)", "", (Value("", 1, b"a\0\0\0"),))]
    keys += [
        Key(f"X\\wide\\{n:04}", when, "SY", "SY", f"D:(A;;0x{n % 9 + 1:x};;;WD)", "", ())
        for n in range(chance.choice((3, 600)))
    ]
    path = "X\\deep"
    for n in range(40):
        path += f"\\{n}"
        keys.append(Key(path, when, None, None, None, None, (Value(f"v{n}", n % 12, bytes(n)),)))
    keys.append(Key("X\\big", when, None, None, None, None, (Value("b", 3, bytes(50_000)),)))
    return build_hive(keys)


def _byte(new: bytearray, at: int, chance: random.Random) -> None:
    new[at] = chance.randrange(256)


def _word(new: bytearray, at: int, chance: random.Random) -> None:
    word = chance.choice((0, 1, 4, 32, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF, len(new)))
    struct.pack_into("<I", new, min(at & ~3, len(new) - 4), word)


def _offset(new: bytearray, at: int, chance: random.Random) -> None:  # one that leads somewhere
    struct.pack_into("<I", new, min(at & ~3, len(new) - 4), chance.randrange(len(new)) & ~7)


def _copy(new: bytearray, at: int, chance: random.Random) -> None:
    other, size = chance.randrange(len(new)), chance.choice((4, 8, 80, 4096))
    new[at : at + size] = new[other : other + size]


def _cut(new: bytearray, at: int, chance: random.Random) -> None:
    if chance.random() < 0.1:
        del new[at:]


def _field(new: bytearray, at: int, chance: random.Random) -> None:  # of a record, not of data
    found = new.find(chance.choice(MARKS), at)
    place = found + chance.randrange(80)
    if found >= 0 and place + 4 <= len(new):
        struct.pack_into("<I", new, place, chance.choice((at & ~7, 0xFFFFFFFF, 0xFFFF)))


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change a few places in a way that formats dislike."""
    new = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 30, 300))):
        if len(new) < 8:
            break
        change = chance.choice((_byte, _word, _offset, _copy, _cut, _field, _field))
        change(new, chance.randrange(len(new)), chance)
    if len(new) >= 512 and chance.random() < 0.8:
        struct.pack_into("<I", new, 508, checksum(new))
    return bytes(new)


def try_hive(corpus: list[tuple[bytes, list[bytes]]], chance: random.Random) -> str:
    data, logs = chance.choice(corpus)
    data = mutated(data, chance)
    given = [(f"log{n}", mutated(log, chance)) for n, log in enumerate(logs)]
    opened = open_bytes(data, "fuzz", given)
    read = keys_of(opened, "X", "fuzz")
    held = sum(len(v.data) + len(v.name) for key in read.keys for v in key.values)
    assert held <= len(opened.data) + 65536, "more data than the file has"
    if not opened.tree.problems:
        back = read_tree(write_hive(opened.tree.root, written=0, base=opened.data[:4096]), "again")
        assert _same(opened.tree.root, back.root), "written anew it reads otherwise"
        return "hive: read whole, rewritten"
    return "hive: read with problems"


def try_reg(texts: list[bytes], chance: random.Random) -> str:
    read = parse_reg(mutated(chance.choice(texts), chance), "fuzz.reg")
    steps = [(key.path, list(key.values)) for key in read.keys]
    again = parse_reg(reg_bytes(steps), "again.reg")
    assert [k.values for k in again.keys] == [k.values for k in read.keys], "comes back otherwise"
    return "reg: read with problems" if read.problems else "reg: read whole"


def try_sddl(raws: list[bytes], chance: random.Random) -> str:
    told = sddl.from_bytes(mutated(chance.choice(raws), chance))
    again = sddl.from_bytes(sddl.to_bytes(told))
    assert told.problem or again == told, f"{told.sddl} became {again.sddl}"
    return "sddl: malformed" if told.problem else "sddl: read"


def corpus_of(folder: Path | None, chance: random.Random) -> list[tuple[bytes, list[bytes]]]:
    corpus: list[tuple[bytes, list[bytes]]] = [(hive(chance), []) for _ in range(3)]
    files = [p for p in sorted(folder.rglob("*")) if p.is_file()] if folder else []
    for path in files:
        if path.stat().st_size <= 1 << 20 and path.open("rb").read(4) == b"regf":
            logs = [
                p
                for p in files
                if p.name.startswith(path.name + ".") and p.stat().st_size < 1 << 18
            ]
            corpus.append((path.read_bytes(), [p.read_bytes() for p in logs]))
    return corpus


def main() -> None:
    minutes, seed = (float(w) for w in [*sys.argv[1:3], *("5", "1")[len(sys.argv[1:3]) :]])
    chance = random.Random(seed)
    corpus = corpus_of(Path(sys.argv[3]) if len(sys.argv) > 3 else None, chance)
    texts = [
        reg_bytes(
            [
                ("HKLM\\A", [Value("a", 1, b"x\0\0\0"), Value("", 7, bytes(60)), "gone"]),
                ("HKLM\\B", None),
            ]
        ),
        b'REGEDIT4\r\n\r\n[HKLM\\A]\r\n"a"="b\\\\c"\r\n@=dword:0a\r\n"h"=hex(7):41,42,\\\r\n  00\r\n',
    ]
    raws = [sddl.to_bytes(sddl.parse(SDDL)), sddl.to_bytes(sddl.parse("D:NO_ACCESS_CONTROL"))]
    said: Counter[str] = Counter()
    slowest, end = 0.0, time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        state, start = chance.getstate(), time.process_time()
        try:
            which = chance.random()
            if which < 0.5:
                said[try_hive(corpus, chance)] += 1
            elif which < 0.75:
                said[try_reg(texts, chance)] += 1
            else:
                said[try_sddl(raws, chance)] += 1
        except SakimoriError as error:
            lines = "one line" if "\n" not in str(error) else "SEVERAL LINES"
            said[f"refused: {type(error).__name__}, {lines}"] += 1
        except BaseException:
            print("state hash", hash(state))
            raise
        slowest = max(slowest, time.process_time() - start)
        assert slowest < SLOWEST, f"{slowest:.1f} s for one file"
    for what, count in sorted(said.items()):
        print(f"{count:8}  {what}")
    print(
        f"slowest {slowest:.2f} CPU s; {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB"
    )


if __name__ == "__main__":
    main()
