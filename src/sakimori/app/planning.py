"""`plan`: from a graph of groups and resources to the cuts, on plain files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sakimori.app.files import read_json, read_text
from sakimori.errors import ConfigError
from sakimori.takedown import known
from sakimori.takedown.plan import Limits, Lists, graph_of, make_plan
from sakimori.takedown.plan.gates import values_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sakimori.takedown.plan import Plan


@dataclass(frozen=True, slots=True)
class ListFiles:
    """Files behind the gates; see docs/guides/plan.md for their forms."""

    sinkholes: tuple[Path, ...] = ()
    top: tuple[Path, ...] = ()
    known: Path | None = None


def plan_file(
    graph: Path,
    limits: Limits,
    files: ListFiles | None = None,
    unknown: Sequence[float] = (0.1, 0.3),
) -> Plan:
    """Return the plan for a GRAPH.json. Raises SourceError, ConfigError for shares beyond 0..1."""
    for share in unknown:
        if not 0 <= share < 1:
            raise ConfigError(f"--unknown is {share:g}", hint="a share such as 0.1")
    problem = graph_of(read_json(graph), str(graph), limits)
    return make_plan(problem, lists_of(files or ListFiles()), unknown=unknown)


def lists_of(files: ListFiles) -> Lists:
    """Return the gates' lists from their files."""
    extended = known.BUILTIN
    if files.known is not None:
        extended = known.parse(read_text(files.known).splitlines(), str(files.known))
    return Lists(sinkholes=_values(files.sinkholes), top=_values(files.top), known=extended)


def _values(files: Sequence[Path]) -> frozenset[str]:
    return frozenset[str]().union(*(values_of(read_text(f).splitlines()) for f in files))


def budgets(given: Sequence[str], option: str) -> dict[str, float]:
    """Return NAME=COST options as numbers. Raises ConfigError."""
    found = {}
    for text in given:
        name, equals, amount = text.rpartition("=")
        try:
            cost = float(amount)
        except ValueError:
            cost = -1.0
        if not equals or not name or not 0 <= cost < float("inf"):
            raise ConfigError(f"{option} {text!r} is not NAME=COST", hint="such as registrar-a=5")
        found[name] = cost
    return found


def with_budgets(limits: Limits, partners: Sequence[str], jurisdictions: Sequence[str]) -> Limits:
    """Return limits with NAME=COST options added."""
    return replace(
        limits,
        partners=budgets(partners, "--partner-budget"),
        jurisdictions=budgets(jurisdictions, "--jurisdiction-budget"),
    )
