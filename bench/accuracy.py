"""How many bots and controllers are found, and how many clean hosts are accused.

    python bench/accuracy.py [DIR ...] [--workspace-memory 700MB]

Each DIR holds `input/` (or logs beside it) and `truth.json`; without DIR, every capture in
`../shared/data/network` and one network mixed from them. Prints one row a capture and the sums over
the counted ones. Truth is used for scoring only, `internal` apart, which any user would give.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import sakimori
import sakimori.errors

SHARED = Path(__file__).resolve().parents[2] / "shared/data/network"
MIX = [
    "mirai-iot23-34-1=2",
    "njrat-ctu230=2",
    "simda-ctu355=2",
    "fakesoftware-mta-2025-01-22=1",
    "benign-ctu-normal-40=20",
    "benign-ctu-normal-43=20",
    "unlabelled-rita-proxy=10",
]


@dataclass
class Row:
    name: str
    counted: bool
    bots: int = 0
    infected: int = 0
    found: int = 0
    has_controllers: bool = False
    controller: bool = False
    clean: int = 0
    clean_infected: list[str] = field(default_factory=list)
    clean_suspected: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    above_clean: int = 0
    not_run: list[str] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""


def score(folder: Path) -> Row:
    truth = json.loads((folder / "truth.json").read_text())
    name = truth.get("capture", folder.name)
    row = Row(name, truth.get("counted", True))
    logs = folder / "input" if (folder / "input").is_dir() else folder
    begun = time.perf_counter()
    try:
        with sakimori.open(internal=truth["internal"] or None) as workspace:
            workspace.import_([str(logs)])
            report = workspace.hunt()
    except sakimori.errors.SakimoriError as error:
        row.error = str(error)[:60]
        return row
    row.seconds = time.perf_counter() - begun
    verdicts = {h.host: h for h in report.hosts}
    bots, clean = truth["infected"], truth["clean"]
    judged = [h for h in verdicts.values() if h.host not in bots]
    accused = judged if clean == "all" else [h for h in judged if h.host in clean]
    row.bots = len(bots)
    row.clean = report.clean + len(accused) if clean == "all" else len(clean)
    row.found = sum(b in verdicts for b in bots)
    row.infected = sum(b in verdicts and verdicts[b].verdict == "infected" for b in bots)
    row.missed = [b for b in bots if b not in verdicts]
    row.clean_infected = [h.host for h in accused if h.verdict == "infected"]
    row.clean_suspected = [h.host for h in accused if h.verdict == "suspected"]
    worst = max((h.score for h in accused), default=0.0)
    row.above_clean = sum(b in verdicts and verdicts[b].score > worst for b in bots)
    row.has_controllers = bool(truth["controllers"])
    row.controller = any(c.controller in truth["controllers"] for c in report.controllers[:5])
    row.not_run = [c.detector for c in report.coverage if not c.ran]
    return row


def main() -> None:
    folders = [Path(a) for a in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as made:
        if not folders:
            if not SHARED.is_dir():
                sys.exit(f"no captures at {SHARED}: name folders with truth.json")
            folders = sorted(p.parent for p in SHARED.glob("*/truth.json"))
            mixed = Path(made) / "mix-of-52"
            subprocess.run(
                [sys.executable, str(SHARED / "mix.py"), str(mixed), *MIX],
                check=True,
                capture_output=True,
            )
            folders.append(mixed)
        rows = []
        print(
            f"{'capture':30} {'bots':>4} {'infected':>8} {'found':>5} {'C&C<=5':>6} {'clean':>5}"
            f" {'called inf.':>11} {'susp.':>5} {'ahead':>5} {'s':>5}  not run / missed"
        )
        for folder in folders:
            row = score(folder)
            rows.append(row)
            print_row(row)
    print_sums([r for r in rows if r.counted and not r.name.startswith("mix")], "counted captures")


def print_row(row: Row) -> None:
    controller = ("yes" if row.controller else "no") if row.has_controllers else "-"
    notes = row.error or " ".join(
        [
            *row.not_run,
            *(f"MISSED:{m}" for m in row.missed),
            *(f"ACCUSED:{h}" for h in row.clean_infected),
        ]
    )
    mark = "" if row.counted else " *"
    print(
        f"{row.name + mark:30.30} {row.bots:4} {row.infected:8} {row.found:5} {controller:>6}"
        f" {row.clean:5} {len(row.clean_infected):11} {len(row.clean_suspected):5}"
        f" {row.above_clean:5} {row.seconds:5.1f}  {notes}",
        flush=True,
    )


def print_sums(rows: list[Row], title: str) -> None:
    bots = sum(r.bots for r in rows)
    known = [r for r in rows if r.has_controllers]
    clean = sum(r.clean for r in rows)
    print(
        f"\n{title}: {len(rows)}; bots {bots}: infected {sum(r.infected for r in rows)},"
        f" infected or suspected {sum(r.found for r in rows)};"
        f" a controller among the first five {sum(r.controller for r in known)} of {len(known)};"
        f" clean hosts {clean}: infected {sum(len(r.clean_infected) for r in rows)},"
        f" suspected {sum(len(r.clean_suspected) for r in rows)};"
        f" failed to read {sum(bool(r.error) for r in rows)}  (* not counted)"
    )


if __name__ == "__main__":
    main()
