"""Made-up captures of one host each, after families and programs as they are publicly described.

    python bench/families.py [--seed N] [CASE ...]

A case's name, or a part of it, picks cases. Prints one row a case: whether the host is a bot, the
verdict, the score, what was found (detector:score:nats, those that count first), and whether a
controller is among the first five; then the sums. No capture holds a real family's names.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from _capture import INSIDE, Capture
from _cases_botnets import BOTNETS
from _cases_bots import BOTS
from _cases_clean import CLEAN, FLOWS_TOO

import sakimori
import sakimori.errors
from sakimori.verdicts.evidence import weigh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHOWN = 6


@dataclass(frozen=True)
class Case:
    name: str
    bot: bool
    hours: float
    play: Callable[[Capture], None]
    flows: bool


@dataclass
class Row:
    case: Case
    verdict: str = "clean"
    score: float = 0.0
    found: list[str] = field(default_factory=list)
    controller: bool | None = None
    broken: list[str] = field(default_factory=list)


def cases() -> Iterator[Case]:
    for name, (hours, play) in {**BOTS, **BOTNETS}.items():
        yield Case(name, True, hours, play, name.endswith("flows"))
    for name, (hours, play) in CLEAN.items():
        yield Case(name, False, hours, play, flows=False)
        if name in FLOWS_TOO:
            yield Case(f"{name} flows", False, hours, play, flows=True)


def run(case: Case, seed: int) -> Row:
    capture = Capture(case.name, case.hours, seed)
    case.play(capture)
    row = Row(case)
    with tempfile.TemporaryDirectory() as folder, sakimori.open(internal=[INSIDE]) as workspace:
        capture.write(Path(folder), ("conn",) if case.flows else ())
        workspace.import_([folder])
        report = workspace.hunt()
        try:
            host = workspace.host(capture.host)
        except sakimori.errors.SourceError:
            return row
    row.verdict, row.score = host.verdict, host.score
    counted = [w.finding for w in host.counted]
    rest = [f for f in host.findings if f not in counted]
    for finding in (*counted, *rest)[:SHOWN]:
        mark = "" if finding in counted else "("
        about = finding.details.get("reasons") or finding.details.get("unit") or ""
        about = "+".join(about) if isinstance(about, list) else about
        row.found.append(
            f"{mark}{finding.detector}:{finding.score:.2f}:{weigh(finding).nats:.1f}"
            f"[{finding.peer or ''}:{finding.peer_port or ''} {about}]"
        )
    if capture.controllers and case.bot:
        first = [c.controller for c in report.controllers[:5]]
        row.controller = any(c in capture.controllers for c in first)
    row.broken = [c.detector for c in report.failed]
    return row


def show(row: Row) -> None:
    told = {None: "-", True: "yes", False: "no"}[row.controller]
    wrong = (row.verdict == "clean") == row.case.bot
    print(
        f"{'!' if wrong else ' '} {row.case.name:22} {'bot' if row.case.bot else 'clean':5}"
        f" {row.verdict:9} {row.score:5.3f} {told:3}"
        f" {' '.join(row.found)} {' '.join(f'BROKEN:{b}' for b in row.broken)}",
        flush=True,
    )


def sums(rows: list[Row]) -> None:
    bots = [r for r in rows if r.case.bot]
    clean = [r for r in rows if not r.case.bot]
    known = [r for r in bots if r.controller is not None]
    print(
        f"\nbots {len(bots)}: infected {sum(r.verdict == 'infected' for r in bots)}, infected or"
        f" suspected {sum(r.verdict != 'clean' for r in bots)}; a controller among the first five"
        f" {sum(bool(r.controller) for r in known)} of {len(known)}; clean {len(clean)}: infected"
        f" {sum(r.verdict == 'infected' for r in clean)}, suspected"
        f" {sum(r.verdict == 'suspected' for r in clean)}"
    )
    print("missed:", ", ".join(r.case.name for r in bots if r.verdict == "clean"))
    print("accused:", ", ".join(r.case.name for r in clean if r.verdict != "clean"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help="names of cases, or parts of them")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rows = []
    for case in cases():
        if not given.cases or any(part in case.name for part in given.cases):
            rows.append(run(case, given.seed))
            show(rows[-1])
    sums(rows)


if __name__ == "__main__":
    main()
