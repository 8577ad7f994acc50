"""What others know: a shared format in, rows of table `indicator` out; one file per format.

To add one: write `<format>.py` with NAME, TITLE, `recognises` and `read` (copy `plain.py`), list
it in BUILTIN, add `tests/intel/test_<format>.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.errors import SourceError
from sakimori.intel import _open, csv_feed, misp, plain, stix
from sakimori.intel._contract import Importer, Indicator, Options, Reject
from sakimori.intel._table import VALID_DAYS, storable, table_of
from sakimori.intel._values import Refusal, Value, normalise, refang

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

__all__ = [
    "BUILTIN",
    "VALID_DAYS",
    "Importer",
    "Indicator",
    "Options",
    "Refusal",
    "Reject",
    "Value",
    "load",
    "normalise",
    "recognise",
    "refang",
]

# The order is the order of asking: the strictest first, the generic one last.
BUILTIN: tuple[Importer, ...] = (stix, misp, csv_feed, plain)
MOST_REJECTS = 100_000
_TEXT_SHOWN = 200


def recognise(head: bytes) -> Importer | None:
    """Return the first importer that knows the content, or None."""
    return next((importer for importer in BUILTIN if importer.recognises(head)), None)


def load(path: Path, options: Options, now: datetime) -> tuple[pa.Table, list[Reject]]:
    """Read one file of indicators: rows of table `indicator`, and what was refused.

    The format is known by its content; gzip, zstd and xz are unpacked. `now` (aware) is the time
    of import: validity counts from it where the source tells no time. After 100,000 rejects only
    their number is kept. Lists are read in bounded memory apart from the result.

    Raises SourceError when the file cannot be read or is none of the formats.
    """
    head = _open.head(path)
    importer = recognise(head)
    if importer is None:
        raise SourceError(_unknown(head), where=str(path), hint=_hint())
    rejects: list[Reject] = []
    return table_of(_good(importer.read(path, options), rejects), options, now), rejects


def _good(found: Iterable[Indicator | Reject], rejects: list[Reject]) -> Iterator[Indicator]:
    """Pass the indicators on, and put the rejects aside."""
    dropped = 0
    for item in found:
        if isinstance(item, Indicator):
            yield item
        elif len(rejects) < MOST_REJECTS:
            text = storable(item.text[:_TEXT_SHOWN])
            rejects.append(Reject(item.line, storable(item.reason), text))
        else:
            dropped += 1
    if dropped:
        rejects.append(Reject(0, f"{dropped} more were refused"))


def _unknown(head: bytes) -> str:
    if not head.strip():
        return "is empty"
    if _open.text_of(head).lstrip().startswith("<"):
        return "is a web page or XML, not a list of indicators"
    return "is no format of indicators we know"


def _hint() -> str:
    return "formats: " + ", ".join(importer.TITLE for importer in BUILTIN)
