"""How long block files take: 100,000 entries, each format, whole and as changes (CPU seconds).

    python bench/blocks.py [--entries 100000] [--changed 0.1] [--only rpz,nftables]

The list is a CSV in memory of names, addresses, networks, http URLs and JA4 fingerprints, each with
a reason, half with an expiry; in the later list a tenth is others. Each line is the whole way of
`sakimori block`: read the list, write the file and its undo. The aim is 5 s.
"""

from __future__ import annotations

import argparse
import ipaddress
import random
import resource
import time
from datetime import UTC, datetime

from sakimori.takedown import blocks

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def row(kind: str, number: int) -> str:
    if kind == "name":
        return f"host{number}.zone{number % 977}.example"
    if kind == "address":
        version = ipaddress.IPv6Address if number % 4 == 0 else ipaddress.IPv4Address
        return str(version((0x20010DB8 << 96 if number % 4 == 0 else 0x0A000000) + number * 7))
    if kind == "cidr":
        return str(
            ipaddress.ip_network(((0xC6120000 if number % 2 else 0x0A000000) + number * 256, 24))
        )
    if kind == "url":
        return f"http://host{number}.example/gate.php?id={number}&x=a b"
    return f"t13d1516h2_{number:012x}_{number * 3:012x}"


def listed(numbers: list[int], kinds: list[str]) -> str:
    lines = ["kind,value,expires,reason"]
    for number in numbers:
        kind = kinds[number % len(kinds)]
        ends = "2027-03-01T00:00:00Z" if number % 2 else ""
        lines.append(f'{kind},{row(kind, number)},{ends},"C&C of family {number % 40}; reported"')
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--changed", type=float, default=0.1)
    parser.add_argument("--only", default="", help="formats, with commas")
    args = parser.parse_args()
    count, new = args.entries, int(args.entries * args.changed)
    print(f"{count:,} entries, {new:,} of them others in the later list")
    print(
        f"{'format':18} {'read':>6} {'full':>6} {'changes':>8} {'whole way':>10}  {'MB':>6} {'diff MB':>8}"
    )
    for form in blocks.BUILTIN:
        if args.only and form.NAME not in args.only.split(","):
            continue
        kinds = [k for k in form.SUPPORTS if k != "address" or form.NAME != "suricata-dataset"]
        numbers = list(range(count + new))
        random.Random(1).shuffle(numbers)
        first, later = listed(numbers[:count], kinds), listed(numbers[new:], kinds)
        options = blocks.Options(now=NOW)
        begun = time.process_time()
        entries = blocks.read(first).entries
        read = time.process_time()
        old = blocks.state(entries, form, options)
        full = time.process_time()
        others = blocks.read(later).entries
        middle = time.process_time()
        change = blocks.changes(others, form, options, old.text)
        done = time.process_time()
        assert old.count == count, (form.NAME, old.count)
        print(f"{form.NAME:18} {read - begun:6.2f} {full - read:6.2f} {done - middle:8.2f} "
              f"{done - full:10.2f}  {len(old.text) / 1e6:6.1f} {len(change.text) / 1e6:8.1f}", flush=True)  # fmt: skip
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
