"""How long a map takes: 20,000 groups x 1,500 controllers, built, expanded, hung, planned, drawn.

PYTHONPATH=src python bench/map.py [GROUPS] [CONTROLLERS]
"""

from __future__ import annotations

import random
import resource
import sys
import time
from datetime import UTC, date, datetime

from sakimori.i18n import Translator
from sakimori.takedown.map import Index, Limits, Material, Options, make, next_steps, to_plan
from sakimori.takedown.map.draw import svg
from sakimori.takedown.map.model import Contact, Holding, PdnsRecord, Registration, Suspect
from sakimori.takedown.map.pivots import marks_of, propose, unrelated

T = datetime(2026, 3, 2, tzinfo=UTC)


def network(groups: int, count: int) -> Material:
    """Make bots that call 2 to 6 of the controllers each; half of those are names."""
    chance = random.Random(1)
    names = [f"c{n}.zone{n % 400}.example" for n in range(count // 2)]
    addresses = [f"192.{n >> 16 & 63}.{n >> 8 & 255}.{n & 255}" for n in range(count - count // 2)]
    controllers = names + addresses
    contacts = []
    for group in range(groups):
        called = chance.sample(controllers, chance.randint(2, 6))
        for bot in range(chance.randint(1, 5)):
            host = f"10.{group >> 8 & 255}.{group & 255}.{bot}"
            contacts += [
                Contact(host, c, f"net-{group % 40}", first_seen=T, last_seen=T) for c in called
            ]
    pdns = [
        PdnsRecord(name, "A", chance.choice(addresses), T, T, 3) for name in names for _ in range(2)
    ]
    pdns += [
        PdnsRecord(f"o{n}.other.example", "A", chance.choice(addresses), T, T) for n in range(9000)
    ]
    pdns += [
        PdnsRecord(f"zone{n}.example", "NS", f"ns1.dns{n % 30}.example", T, T) for n in range(400)
    ]
    return Material(
        contacts=tuple(contacts), suspects=tuple(Suspect(c, 0.9) for c in controllers),
        pdns=tuple(pdns),
        registrations=tuple(
            Registration(f"zone{n}.example", f"Registrar {n % 9}", created=T) for n in range(400)
        ),
        holdings=tuple(
            Holding(f"192.{a}.{b}.0/24", f"Hoster {b % 20}", f"{64500 + b}", country="NL")
            for a in range(2) for b in range(0, 250, 5)
        ),
    )  # fmt: skip


def main() -> None:
    groups, count = (int(w) for w in [*sys.argv[1:], *("20000", "1500")[len(sys.argv) - 1 :]])
    material = network(groups, count)
    print(f"{len(material.contacts):,} contacts, {len(material.pdns):,} passive DNS records")
    rows: list[tuple[str, float, str]] = []

    def timed(label: str, job: object, told: object) -> object:
        begin, cpu = time.perf_counter(), time.process_time()
        found = job()  # type: ignore[operator]
        rows.append((label, time.process_time() - cpu, told(found)))  # type: ignore[operator]
        print(
            f"{label:28}{time.perf_counter() - begin:8.2f} s wall {rows[-1][1]:8.2f} s CPU  {rows[-1][2]}"
        )
        return found

    options = Options(today=date(2026, 3, 2), limits=Limits(), lookup=Index(material.pdns))
    drawn = timed(
        "map",
        lambda: make(material, options),
        lambda m: f"{len(m.groups):,} groups, {len(m.nodes):,} nodes, {len(m.edges):,} edges",
    )
    timed(
        "graph for plan",
        lambda: to_plan(drawn),
        lambda g: (
            f"{len(g['resources']):,} resources, {sum(len(x['paths']) for x in g['groups']):,} ways"
        ),
    )
    timed("next steps", lambda: next_steps(drawn, "JP"), lambda a: f"{len(a):,} steps")
    timed(
        "pivots of 40 botnets",
        lambda: propose(marks_of(drawn, material), unrelated(drawn)),
        lambda p: f"{len(p):,} proposals",
    )
    timed("picture", lambda: svg(drawn, Translator("en"), "net"), lambda s: f"{len(s):,} bytes")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
