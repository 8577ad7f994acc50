"""How many orders to a botnet are found in simulated networks, and how many that nobody gave.

    python bench/synchrony.py [--quick]

Each row is one simulated network with bots that obey orders together, next to bots that act by
themselves and to what hosts do together anyway (log-on, patch day, outage, backup). An order counts
when two hosts or more obeyed it, and is found when the detector names one of the same act, within
`CLOSE` seconds and with a host in common. Whole findings only: an order of a remote that did not
reach the reporting limit is not found.

    error     median of |told - true| begin of the act, and of the moment it was given, seconds
    remote    share of the found orders put down to the right controller (address or name)
    bots      share of (order, bot) pairs whose bot is in the finding
    false     orders told that nobody gave, or that accuse a clean host or a wrong remote
    alike     bots that acted together without an order (woken together, for example), with their
              own controller named: not counted as false
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sakimori
from sakimori.app.detecting import prevalence
from sakimori.detectors import synchrony
from sakimori.simulate import Plan, simulate

CLOSE = 60.0  # s
OTHERS = {"dga": 2, "spam": 2, "beacon": 2, "banker": 2}
# seed, hosts, days, bots, channel, orders a day, seconds within which they obey
PLANS = (
    (1, 60, 1, 2, "held", 3, 10),
    (2, 60, 1, 3, "poll", 3, 10),
    (3, 60, 2, 5, "long-poll", 3, 10),
    (4, 60, 1, 20, "held", 4, 5),
    (5, 120, 1, 2, "poll", 4, 10),
    (6, 120, 1, 10, "timed", 4, 10),
    (7, 120, 2, 4, "held", 2, 30),
    (8, 300, 1, 20, "poll", 4, 10),
    (9, 300, 1, 3, "held", 2, 60),
    (10, 60, 7, 4, "long-poll", 1, 10),
    (11, 120, 1, 0, "held", 1, 10),
    (12, 60, 7, 0, "held", 1, 10),
)


@dataclass
class Told:
    """One order as the detector tells it."""

    act: str
    target: str
    peer: str
    acted: float
    ordered: float
    hosts: set[str]


@dataclass
class Row:
    orders: int = 0
    found: int = 0
    right: int = 0
    pairs: int = 0
    pairs_found: int = 0
    false: int = 0
    alike: int = 0
    weeks: float = 0.0
    begin: list[float] = dataclasses.field(default_factory=list)
    given: list[float] = dataclasses.field(default_factory=list)
    missed: list[str] = dataclasses.field(default_factory=list)
    wrong: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0


def told_of(folder: Path, truth: dict[str, Any], row: Row) -> list[Told]:
    """Hunt, and return each order of the remotes that were reported."""
    with sakimori.open(internal=truth["internal"]) as workspace:
        workspace.import_([str(folder)])
        with workspace._duck() as (duck, _filled):
            tables = ("conn", "tls", "http", "dns")
            duck.keep("prevalence", prevalence(*(duck.table(name) for name in tables)))
            given = {n: duck.table(n).select(*c) for n, c in synchrony.READS.items()}
            config = synchrony.Config()
            begun = time.perf_counter()
            findings = duck.arrow(synchrony.detect(**given, config=config)).to_pylist()
            row.seconds = time.perf_counter() - begun
            rows = duck.arrow(synchrony.orders(**given, config=config)).to_pylist()
    reported = {(f["host"], f["peer"]) for f in findings}
    orders: dict[int, Told] = {}
    for one in rows:
        if (one["host"], one["peer"]) in reported:
            acted = one["acted_at"].timestamp()
            ordered = min(acted, one["first_heard"].timestamp() if one["first_heard"] else acted)
            told = Told(one["act"], one["target"], one["peer"], acted, ordered, set())
            orders.setdefault(one["number"], told).hosts.add(one["host"])
    return list(orders.values())


def score(plan: Plan, folder: Path) -> Row:
    simulate(folder, plan)
    truth = json.loads((folder / "truth.json").read_text())
    row = Row(weeks=plan.days / 7)
    told = told_of(folder, truth, row)
    real = [order for order in truth["orders"] if len(order["hosts"]) > 1]
    row.orders = len(real)
    explained: set[int] = set()
    for order in real:
        same = [t for t in told if is_same(t, order)]
        explained |= {id(t) for t in same}
        row.pairs += len(order["hosts"])
        row.pairs_found += len(set().union(*(t.hosts for t in same)) & set(order["hosts"]))
        if not same:
            row.missed.append(f"{order['act']} by {len(order['hosts'])} ({order['channel']})")
            continue
        best = min(same, key=lambda t: abs(t.acted - order["acts"]))
        row.found += 1
        row.right += best.peer in (order["controller"], order["name"])
        row.begin.append(abs(best.acted - order["acts"]))
        row.given.append(abs(best.ordered - order["at"]))
    controllers = {bot["host"]: set(bot["controllers"]) for bot in truth["bots"]}
    for one in told:
        own = all(one.peer in controllers.get(host, ()) for host in one.hosts)
        row.alike += own and id(one) not in explained
        if not own:
            row.false += 1
            row.wrong.append(f"{one.act} {one.target} {one.peer} by {sorted(one.hosts)}")
    return row


def is_same(told: Told, order: dict[str, Any]) -> bool:
    close = abs(told.acted - order["acts"]) <= CLOSE
    return told.act == order["act"] and close and bool(told.hosts & set(order["hosts"]))


def print_row(name: str, row: Row) -> None:
    begin, given = (
        f"{statistics.median(values):.1f}" if values else "-" for values in (row.begin, row.given)
    )
    right = f"{row.right / row.found:.0%}" if row.found else "-"
    bots = f"{row.pairs_found / row.pairs:.0%}" if row.pairs else "-"
    print(
        f"{name:38} {row.orders:6} {row.found:5} {begin:>6} {given:>6} {right:>6} {bots:>5}"
        f" {row.false:5} {row.alike:5} {row.seconds:6.1f}  {'; '.join(row.missed + row.wrong)}",
        flush=True,
    )


def main() -> None:
    plans = PLANS[:3] if "--quick" in sys.argv[1:] else PLANS
    total = Row()
    print(
        f"{'network':38} orders found  begin  given remote  bots false alike      s  missed, wrong"
    )
    for seed, hosts, days, bots, channel, a_day, within in plans:
        plan = Plan(
            seed=seed,
            hosts=hosts,
            days=days,
            botnets={**OTHERS, "orders": bots, "irc-scanner": 3 if bots else 0},
            orders_by=channel,
            orders_a_day=a_day,
            obey_within=float(within),
        )
        with tempfile.TemporaryDirectory() as made:
            row = score(plan, Path(made) / "logs")
        name = f"{hosts} hosts {days} d, {bots} bots {channel} in {within} s"
        print_row(name, row)
        for field in dataclasses.fields(Row):
            setattr(total, field.name, getattr(total, field.name) + getattr(row, field.name))
    total.missed, total.wrong = [], []
    print_row("all", total)
    print(
        f"found {total.found} of {total.orders}; {total.false / total.weeks:.2f} false orders and"
        f" {total.alike / total.weeks:.2f} acts alike without one, a network and week"
    )


if __name__ == "__main__":
    main()
