"""What was cleaned on a machine: its runs, and counts per family and month, from the journals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sakimori.app.machine_cleaning import FOLDER
from sakimori.endpoint.recipes import Journal
from sakimori.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

    from sakimori.endpoint.recipes import Progress


@dataclass(frozen=True, slots=True)
class Run:
    """One run in the store: half-done, done, half-undone, undone or damaged."""

    run: str
    begun: datetime
    actor: str
    state: str
    families: tuple[str, ...]
    findings: int
    place: str


def _journals(store: Path) -> list[Journal]:
    """Return the journals of all runs. Raises OSError where the folder may not be read."""
    folder = store / FOLDER
    names = sorted(folder.iterdir()) if folder.is_dir() else []
    return [Journal(path) for path in names if (path / "plan.json").is_file()]


def runs(store: Path) -> list[Run]:
    """Return every run, the oldest first; one that cannot be read as damaged."""
    found = [_run(journal) for journal in _journals(store)]
    return sorted(found, key=lambda run: run.begun)


def _run(journal: Journal) -> Run:
    name = journal.folder.name
    try:
        plan, progress = journal.plan(), journal.progress()
    except StateError:
        begun = datetime.strptime(name[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
        return Run(name, begun, "", "damaged", (), 0, "")
    return Run(
        run=plan.run,
        begun=plan.begun,
        actor=plan.actor,
        state=progress.state,
        families=tuple(dict.fromkeys(f.family for f in plan.findings)),
        findings=len(plan.findings),
        place=str(plan.place["root"] or "registry"),
    )


def counts(store: Path) -> list[dict[str, Any]]:
    """Return per month and family: runs that found it, things found, cleaned, left and undone.

    A row with the family "" counts the month's runs as a whole, also those that found nothing. What
    was only looked at without --yes is not counted. Raises StateError for a run that cannot be read.
    """
    totals: dict[tuple[str, str], Counter[str]] = {}
    for journal in _journals(store):
        plan, progress = journal.plan(), journal.progress()
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
