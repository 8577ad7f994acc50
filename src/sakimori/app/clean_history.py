"""What was cleaned on a machine: its runs, and counts per family and month, from the journals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sakimori.app.machine_cleaning import FOLDER
from sakimori.endpoint.recipes import Journal, Plan

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from sakimori.endpoint.recipes import Progress


@dataclass(frozen=True, slots=True)
class Run:
    """One run in the store, as a line of a list."""

    run: str
    begun: datetime
    actor: str
    state: str
    families: tuple[str, ...]
    findings: int
    place: str


def _journals(store: Path) -> list[tuple[Plan, Progress]]:
    folder = store / FOLDER
    found: list[tuple[Plan, Progress]] = []
    names = sorted(p.parent.name for p in folder.glob("*/plan.json")) if folder.is_dir() else []
    for name in names:
        journal = Journal(folder / name)
        found.append((journal.plan(), journal.progress()))
    return found


def runs(store: Path) -> list[Run]:
    """Return every run, the oldest first."""
    return [
        Run(
            run=plan.run,
            begun=plan.begun,
            actor=plan.actor,
            state=progress.state,
            families=tuple(dict.fromkeys(f.family for f in plan.findings)),
            findings=len(plan.findings),
            place=str(plan.place["root"] or "registry"),
        )
        for plan, progress in _journals(store)
    ]


def counts(store: Path) -> list[dict[str, Any]]:
    """Return per month and family: runs that found it, things found, cleaned, left and undone.

    A row with the family "" counts the month's runs as a whole, also those that found nothing. What
    was only looked at without --yes is not counted.
    """
    totals: dict[tuple[str, str], Counter[str]] = {}
    for plan, progress in _journals(store):
        month = f"{plan.begun:%Y-%m}"
        per = {f.family: Counter[str]() for f in plan.findings}
        for number, finding in enumerate(plan.findings):
            per[finding.family] += _counted(progress, number)
        whole = sum(per.values(), Counter[str]())
        for family, counter in (*per.items(), ("", whole)):
            total = totals.setdefault((month, family), Counter())
            total.update(counter)
            total["runs"] += 1
    columns = ("runs", "found", "cleaned", "left", "undone")
    return [
        {"month": month, "family": family, **{name: total[name] for name in columns}}
        for (month, family), total in sorted(totals.items())
    ]


def _counted(progress: Progress, number: int) -> Counter[str]:
    outcome = progress.outcomes[number]["outcome"] if progress.outcomes is not None else ""
    undone = any(step == "undone" for at, step in progress.last.items() if at[0] == number)
    done = outcome == "done"
    return Counter({"found": 1, "cleaned": int(done), "left": int(not done), "undone": int(undone)})
