"""Following infections to their end: a CSV of sightings in, survival by provider out."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sakimori.app.effects import moment, rows
from sakimori.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from sakimori.i18n import Translator
    from sakimori.takedown.effect.survival import Infection, Survival

COLUMNS = ("id", "provider", "first_seen", "last_seen", "told", "end")


def follow(path: Path, gap: int, horizon: int) -> Survival:
    """Read a CSV of infections and follow them; see takedown.effect.survival."""
    from sakimori.takedown.effect import survival  # noqa: PLC0415 - slow to import

    return survival.survival(read_infections(path), gap, horizon)


def read_infections(path: Path) -> list[Infection]:
    """Read infections, one a row. Raises SourceError at the first bad line."""
    read: list[Infection] = []
    known: set[tuple[str, str]] = set()
    for line, row in rows(path, COLUMNS):
        where = f"{path}:{line}"
        one = _infection(row, where)
        if (one.provider, one.id) in known:
            raise SourceError(
                f"{one.id!r} is there twice", where=where, hint="one row an infection"
            )
        known.add((one.provider, one.id))
        read.append(one)
    if not read:
        raise SourceError("there is no row", where=str(path), hint="columns: " + ",".join(COLUMNS))
    return read


def _infection(row: dict[str, str], where: str) -> Infection:
    from sakimori.takedown.effect.survival import Infection  # noqa: PLC0415 - slow to import

    for column in ("id", "provider"):
        if not row[column]:
            raise SourceError(f"there is no {column}", where=where)
    first, last, end = (_day(row[c], c, where) for c in ("first_seen", "last_seen", "end"))
    if not first <= last <= end:
        raise SourceError("first_seen, last_seen and end are not in this order", where=where)
    told = _day(row["told"], "told", where) if row["told"] else None
    return Infection(row["id"], row["provider"], first, last, told, end)


def _day(text: str, column: str, where: str) -> date:
    try:
        return moment(text, column).date()
    except ConfigError as error:
        raise SourceError(str(error), where=where, hint=error.hint) from error


def as_object(found: Survival, say: Translator) -> dict[str, Any]:
    """Return the result as plain JSON values; see survival.schema.json."""
    from sakimori.takedown.effect.survival import SURVIVAL_NOTES  # noqa: PLC0415 - slow to import

    return {
        "providers": [asdict(one) for one in found.providers],
        "telling": asdict(found.telling) if found.telling else None,
        "log_rank_p": found.log_rank_p,
        "horizon_days": found.horizon,
        "gap_days": found.gap,
        "warnings": [say.tr(SURVIVAL_NOTES[code]) for code in found.notes],
    }


def in_words(found: Survival, say: Translator) -> str:
    """Return in one sentence whether telling shortened infections."""
    if found.telling is None:
        return say.tr("Whether telling helps cannot be said from these data.")
    return say.tr(
        "Told infections end at {ratio} times the rate of those not yet told (95 % interval {low}"
        " to {high}).",
        ratio=found.telling.hazard_ratio, low=found.telling.low, high=found.telling.high,
    )  # fmt: skip
