"""From machines to verdicts: tied, not tied, cannot tell; and who explains whom.

An exposure is tied when machines that have it show the symptom more often, within operating systems, by more
than chance (exact test, adjusted for the number of exposures tried), and this is still so
within strata of every other exposure that is tied at first sight. It is not tied when its whole interval, so
adjusted, lies below LEAST. All else is "cannot tell".
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from sakimori.endpoint.study.model import Adjusted, Exposure, Note, Study
from sakimori.endpoint.study.tables import (
    Table,
    exact,
    fisher,
    holm,
    homogeneity,
    pooled_ratio,
    risk_ratio,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sakimori.endpoint.study.model import Collected, Machine
    from sakimori.endpoint.study.tables import Ratio

LEVEL = 0.05
LEAST = 2.0  # a ratio that would matter: below it, even the interval's end is no tie worth the name
FEWEST = 5  # machines with and without the exposure, and symptoms, below which nothing is concluded
UNRESOLVED = ("inseparable", "perhaps-explained", "together")
_MOST_RIVALS = 6  # exposures that strata are formed of at once

Name = tuple[str, str]


def study(collected: Collected) -> Study:
    """Return what the machines say about every exposure, and the answer over all."""
    machines = collected.machines
    known = [m for m in machines if m.symptom is not None]
    names = list(collected.exposures)
    p_values = [exact(_tables(known, name, ())) for name in names]
    adjusted = holm(p_values)
    rivals = [n for n, p in zip(names, adjusted, strict=True) if p < LEVEL and _raised(known, n)]
    found = [_exposure(machines, name, p, rivals) for name, p in zip(names, adjusted, strict=True)]
    return Study(
        machines=len(machines), with_symptom=sum(bool(m.symptom) for m in known),
        without_symptom=sum(not m.symptom for m in known), unknown_symptom=len(machines) - len(known),
        strata=tuple(sorted(Counter(m.stratum for m in machines).items())),
        exposures=tuple(found), answer=_answer(found), notes=collected.notes,
    )  # fmt: skip


def _is_exposed(machine: Machine, name: Name) -> bool | None:
    """Whether it had the exposure when the symptom began; one that came later cannot be its cause."""
    exposed = machine.exposed.get(name)
    return False if exposed and _is_late(machine, name) else exposed


def _is_late(machine: Machine, name: Name) -> bool:
    since = machine.since.get(name)
    return bool(
        machine.symptom and since and machine.symptom_since and machine.symptom_since < since
    )


def _tables(machines: Sequence[Machine], name: Name, by: Sequence[Name]) -> list[Table]:
    return [table for _, table in _by_stratum(machines, name, by)]


def _by_stratum(
    machines: Sequence[Machine], name: Name, by: Sequence[Name]
) -> list[tuple[str, Table]]:
    """Count machines by operating system and the exposures in `by`; those with an unknown are left out."""
    cells: dict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for machine in machines:
        exposed = _is_exposed(machine, name)
        others = tuple(machine.exposed.get(one) for one in by)
        if exposed is None or machine.symptom is None or None in others:
            continue
        cells[machine.stratum, *others][2 * (not exposed) + (not machine.symptom)] += 1
    return [(str(key[0]), Table(*cells[key])) for key in sorted(cells, key=str)]


def _whole(machines: Sequence[Machine], name: Name) -> Table:
    tables = _tables(machines, name, ())
    return Table(*(sum(getattr(t, cell) for t in tables) for cell in "abcd"))


def _raised(machines: Sequence[Machine], name: Name) -> bool:
    ratio = pooled_ratio(_tables(machines, name, ()))
    return ratio is not None and ratio.value > 1


def _exposure(
    machines: Sequence[Machine], name: Name, p_holm: float, rivals: Sequence[Name]
) -> Exposure:
    known = [m for m in machines if m.symptom is not None]
    strata = _by_stratum(known, name, ())
    tables = [table for _, table in strata]
    whole = _whole(known, name)
    others = [one for one in rivals if one != name]
    adjusted = [_adjusted(known, name, (one,)) for one in others]
    if len(others) > 1:
        adjusted.append(_adjusted(known, name, others[:_MOST_RIVALS]))
    pooled, same = pooled_ratio(tables), homogeneity(tables)
    late = sum(_is_late(m, name) for m in machines if m.exposed.get(name))
    verdict, notes = _verdict(whole, p_holm, pooled, adjusted)
    if verdict == "tied":
        verdict, notes = _separable(known, name, others, adjusted)
    if late and not whole.a:
        verdict, notes = "not tied", []  # the remark "all-late" says why
    return Exposure(
        kind=name[0], name=name[1], overall=whole, strata=tuple(strata), ratio=risk_ratio(whole),
        pooled=pooled, fisher_p=fisher(whole), p_value=exact(tables), p_holm=p_holm, homogeneity_p=same,
        adjusted=tuple(adjusted), missing=len(machines) - whole.n, late=late, verdict=verdict,
        notes=(*notes, *_remarks(whole, pooled, same, late)),
    )  # fmt: skip


def _adjusted(machines: Sequence[Machine], name: Name, by: Sequence[Name]) -> Adjusted:
    tables = _tables(machines, name, by)
    return Adjusted(tuple(one[1] for one in by), pooled_ratio(tables), exact(tables))


def _verdict(
    whole: Table, p_holm: float, pooled: Ratio | None, adjusted: Sequence[Adjusted]
) -> tuple[str, list[Note]]:
    """The verdict before rivals are asked whether they explain the tie."""
    short = min(whole.exposed, whole.unexposed, whole.a + whole.c)
    if short < FEWEST or pooled is None:
        return "cannot tell", [Note("few", {"least": FEWEST})]
    if p_holm < LEVEL and pooled.value > 1:
        return "tied", []
    if p_holm < LEVEL:
        return "not tied", [Note("less")]
    best = [pooled, *(one.ratio for one in adjusted if one.ratio)]
    high = max(ratio.high for ratio in best)
    if high < LEAST:
        return "not tied", [Note("narrow", {"high": high})]
    return "cannot tell", [Note("wide", {"high": high})]


def _separable(
    machines: Sequence[Machine], name: Name, rivals: Sequence[Name], adjusted: Sequence[Adjusted]
) -> tuple[str, list[Note]]:
    """Ask each rival whether it explains the tie: alone, and then all of them at once."""
    level = LEVEL / (1 + len(rivals))  # each of those tied at first sight is tried again
    for rival, mine in zip(rivals, adjusted, strict=False):
        if _holds(mine, level):
            continue
        stays = _holds(_adjusted(machines, rival, (name,)), level)
        if not stays:
            return "cannot tell", [Note("inseparable", {"other": rival[1]})]
        if mine.ratio is not None and mine.ratio.high < LEAST:
            return "not tied", [Note("explained", {"other": rival[1], "high": mine.ratio.high})]
        return "cannot tell", [Note("perhaps-explained", {"other": rival[1]})]
    together = adjusted[-1] if len(rivals) > 1 else None
    if together and not _holds(together, level):
        return "cannot tell", [Note("together", {"others": together.by})]
    return "tied", []


def _holds(adjusted: Adjusted, level: float) -> bool:
    """Whether a tie is still there among machines that are alike in another exposure."""
    ratio = adjusted.ratio
    return adjusted.p_value < level and ratio is not None and ratio.value > 1


def _remarks(whole: Table, pooled: Ratio | None, same: float | None, late: int) -> list[Note]:
    notes = []
    if pooled and pooled.corrected:
        notes.append(Note("corrected"))
    if same is not None and same < LEVEL:
        notes.append(Note("differs-by-stratum", {"p": same}))
    if late:
        notes.append(Note("late", {"count": late}))
        if whole.a == 0:
            notes.append(Note("all-late"))
    return notes


def _answer(found: Sequence[Exposure]) -> str:
    """Over all: a kind, several, neither where no tie shows, or cannot tell.

    It cannot be told where ties could not be taken apart, or nothing had enough machines.
    """
    tied = {one.kind for one in found if one.verdict == "tied"}
    if len(tied) > 1:
        return "several"
    if tied:
        return next(iter(tied))
    open_ties = any(note.code in UNRESOLVED for one in found for note in one.notes)
    few = all(any(note.code == "few" for note in one.notes) for one in found)
    return "cannot tell" if open_ties or few else "neither"
