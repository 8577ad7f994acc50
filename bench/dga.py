"""How well generated names are told from real ones, and the hosts that ask for them.

    python bench/dga.py [FOLDER] [--hosts N]

FOLDER holds `dga_sample.csv` (class,family,name), `opendns-top.txt` and `opendns-random.txt`; without it
`dga-domains/input` of the shared captures is read. Two views:

by name   share of a family's names above the threshold that leaves 1 in 100, 1,000 and 10,000 real
          names above it. Real are the names of opendns-random and the `legit` rows. opendns-top is
          printed apart: what is asked most holds many sinkholed generated names.
by host   bots ask K names of one family (all but the last missing) among real names that exist and a
          few that do not, over twenty minutes, or over a day; clean hosts ask the real names only.

Nothing here is learnt from the families: the model knows words only, and the thresholds are those
shipped. So every family is held out of the training. It is not held out of the design: the length of
the model's memory and the limits were chosen while looking at these lists.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from sakimori.detectors import dga
from sakimori.detectors._names import excess
from sakimori.tables import ALL

SHARED = Path(__file__).resolve().parents[2] / "shared/data/network/dga-domains/input"
OF_WORDS = ("gozi", "matsnu")
PRONOUNCEABLE = ("simda", "symmi", "vawtrak")
RATES = (1e-2, 1e-3, 1e-4)
ASKED = (5, 10, 20, 40)
REAL, DEAD = 60, 6  # names a host asks besides: those that exist, and those that do not
START_US = 1_750_000_000_000_000
SPANS = {"burst": 1200.0, "day": 80_000.0}

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=SHARED)
    parser.add_argument(
        "--hosts", type=int, default=40, help="bots of each family, and clean hosts x5"
    )
    given = parser.parse_args()
    if not (given.folder / "dga_sample.csv").is_file():
        sys.exit(f"skipped: no name lists at {given.folder}")
    families, real, top = read(given.folder)
    by_name(families, real, top)
    for span in SPANS:
        by_host(families, real, given.hosts, span)


def read(folder: Path) -> tuple[dict[str, list[str]], list[str], list[str]]:
    """Return the names of each family, the real ones and those most asked."""
    families: dict[str, list[str]] = defaultdict(list)
    real = (folder / "opendns-random.txt").read_text().split()
    with (folder / "dga_sample.csv").open(newline="") as rows:
        for kind, family, name in csv.reader(rows):
            (families[family] if kind == "dga" else real).append(name)
    return dict(families), sorted(set(real)), (folder / "opendns-top.txt").read_text().split()


def labels(names: list[str]) -> list[str | None]:
    """Return the label of each name that somebody chose, as the detector sees it."""
    rows = [{"ts": START_US, "src_ip": "10.0.0.1", "query": n, "qtype": "A", "src_inside": True}
            for n in names]  # fmt: skip
    seen = dga._registered(table_of(rows)).select("name", "label").distinct().to_pyarrow()
    return seen["label"].to_pylist()


def table_of(rows: list[Row], name: str = "dns") -> ibis.Table:
    schema = ibis.schema({c: ALL[name].types[c] for c in dga.READS[name]}).to_pyarrow()
    return ibis.memtable(pa.Table.from_pylist(rows, schema=schema))


def by_name(families: dict[str, list[str]], real: list[str], top: list[str]) -> None:
    clean = excess(labels(real))
    found = {family: excess(labels(names)) for family, names in families.items()}
    groups = {
        "letters": [f for f in found if f not in OF_WORDS + PRONOUNCEABLE],
        "pronounceable": [f for f in found if f in PRONOUNCEABLE],
        "words": [f for f in found if f in OF_WORDS],
    }
    shipped = dga.Config().min_nats
    limits = [*(float(np.quantile(clean, 1 - rate)) for rate in RATES), shipped]
    print(f"by name: {len(clean)} real names; share found at a false-positive rate of")
    heads = [*(f"{rate:g} (>{limit:.1f})" for rate, limit in zip(RATES, limits, strict=False)),
             f"{(clean > shipped).mean():.4f} (>{shipped:g}, shipped)"]  # fmt: skip
    print(f"{'family':22} {'names':>6} {'mean':>6}  " + "  ".join(f"{h:>14}" for h in heads))
    for title, members in groups.items():
        for family in sorted(members):
            line(family, found[family], limits)
        line(f"= {title}", np.concatenate([found[f] for f in members]), limits)
    line("= all families", np.concatenate(list(found.values())), limits)
    line("opendns-top", excess(labels(top)), limits)
    line("real", clean, limits)


def line(title: str, nats: np.ndarray, limits: list[float]) -> None:
    shares = "  ".join(f"{(nats > limit).mean():14.4f}" for limit in limits)
    print(f"{title:22} {len(nats):6} {nats.mean():6.1f}  {shares}")


def by_host(families: dict[str, list[str]], real: list[str], hosts: int, span: str) -> None:
    rnd = random.Random(5)
    rows: list[Row] = []
    bots = {}
    for family, names in sorted(families.items()):
        for asked in ASKED:
            for _ in range(hosts):
                # Bots of one network would share names: each host is a network of its own here.
                host = f"10.{len(bots) // 65536}.{len(bots) // 256 % 256}.{len(bots) % 256}"
                bots[host] = (family, asked)
                mine = rnd.sample(names, asked)
                rows += questions(host, mine[:-1], "NXDOMAIN", span, rnd)
                rows += questions(host, mine[-1:], "NOERROR", span, rnd)
                rows += background(host, real, span, rnd)
    clean = {f"10.200.{n // 256}.{n % 256}" for n in range(5 * hosts)}
    for host in sorted(clean):
        rows += background(host, real, span, rnd)
    found = dga.detect(table_of(rows), table_of([], "conn"), dga.Config()).to_pyarrow().to_pylist()
    nats = {f["host"]: f["score"] * dga.WEIGHT for f in found}
    print(
        f"\nby host, {span}: share with a finding / suspected by it alone (3.9 nats); of {hosts} each"
    )
    print(f"{'family':14} " + " ".join(f"{f'{k} names':>13}" for k in ASKED))
    for family in sorted(families):
        cells = []
        for asked in ASKED:
            mine = [nats.get(h, 0.0) for h, what in bots.items() if what == (family, asked)]
            any_, alone = np.mean([n > 0 for n in mine]), np.mean([n >= 3.9 for n in mine])
            cells.append(f"{any_:6.2f} /{alone:5.2f}")
        print(f"{family:14} " + " ".join(cells))
    wrong = [nats[h] for h in sorted(clean) if h in nats]
    print(f"clean hosts: {len(clean)}, with a finding {len(wrong)},"
          f" suspected by it alone {sum(n >= 3.9 for n in wrong)}")  # fmt: skip


def background(host: str, real: list[str], span: str, rnd: random.Random) -> list[Row]:
    """Return what any host asks: names that exist and a few dead or mistyped ones."""
    names = rnd.sample(real, REAL + DEAD)
    return questions(host, names[:REAL], "NOERROR", span, rnd) + questions(
        host, names[REAL:], "NXDOMAIN", span, rnd
    )


def questions(host: str, names: list[str], rcode: str, span: str, rnd: random.Random) -> list[Row]:
    answers = ["198.51.100.7"] if rcode == "NOERROR" else []
    return [
        {"ts": START_US + int(rnd.uniform(0, SPANS[span]) * 1e6), "uid": f"{host}-{n}",
         "src_ip": host, "dst_ip": "192.0.2.53", "query": name, "qtype": "A", "rcode": rcode,
         "answers": answers, "src_inside": True, "dst_inside": False}
        for n, name in enumerate(names)
    ]  # fmt: skip


if __name__ == "__main__":
    main()
