"""`inventory`: files, an image or this machine -> records of what is installed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.inventory import live
from sakimori.endpoint.inventory.collect import read_file
from sakimori.endpoint.inventory.merge import merged
from sakimori.endpoint.inventory.notes import NOTES
from sakimori.endpoint.inventory.readers import hive
from sakimori.errors import SakimoriError, SourceError
from sakimori.hostile import visible
from sakimori.i18n import Translator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sakimori.endpoint.inventory.record import Product, Record, Update

COLUMNS = (
    "source", "machine", "os", "version", "release", "service_pack", "architecture", "updates",
    "products",
)  # fmt: skip
CONTRACT = ("source", "os", "version", "build", "architecture", "updates", "products", "assumed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to take stock of. Nothing named: this machine, live.

    files: collected by hand, of any kind that is known. root: the top folder of an image of a system.
    hives: (name, file) of registry hives of one machine. merge: put records of one machine together.
    """

    files: tuple[Path, ...] = ()
    root: Path | None = None
    hives: tuple[tuple[str, Path], ...] = ()
    merge: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """The records, and the errors of the sources that gave none."""

    records: tuple[Record, ...]
    errors: tuple[SakimoriError, ...]


def take(job: Job) -> Taken:
    """Read all that the job names. A source that cannot be read is in `errors`; the rest is read."""
    records: list[Record] = []
    errors: list[SakimoriError] = []
    for work in _works(job):
        try:
            records += work()
        except SourceError as error:
            errors.append(error)
    return Taken(merged(records) if job.merge else tuple(records), tuple(errors))


def _works(job: Job) -> list[Callable[[], list[Record]]]:
    """One piece of work per source; this machine where no source is named."""
    works: list[Callable[[], list[Record]]] = [partial(read_file, path) for path in job.files]
    if job.root is not None:
        works.append(partial(_image, job.root))
    if job.hives:
        works.append(partial(_hives, dict(job.hives)))
    return works or [lambda: [live.this_machine(live.facts())]]


def _image(root: Path) -> list[Record]:
    try:
        return [live.image(root, hive.read_named)]
    except OSError as error:
        raise SourceError(error.strerror or str(error), where=str(root)) from error


def _hives(named: dict[str, Path]) -> list[Record]:
    told = hive.read_named(named)
    if told is None:
        where = " + ".join(map(str, named.values()))
        raise SourceError("no system, product or update is in these hives", where=where)
    return [told]


def as_objects(records: tuple[Record, ...]) -> list[dict[str, Any]]:
    """Return records as inventory.schema.json has them. Text is raw: whoever shows it escapes it."""
    return [_object(one) for one in records]


def _object(one: Record) -> dict[str, Any]:
    return {
        "source": one.source,
        "os": one.os,
        "version": one.version,
        "build": one.build,
        "architecture": one.architecture,
        "updates": list(dict.fromkeys(u.id for u in one.updates)),
        "products": [_product(p) for p in one.products],
        "assumed": [n.text for n in one.assumed],
        "reader": one.reader,
        "machine": one.machine,
        "edition": one.edition,
        "release": one.release,
        "service_pack": one.service_pack,
        "ubr": one.ubr,
        "kernel": one.kernel,
        "language": one.language,
        "encoding": one.encoding,
        "installed": one.installed,
        "updates_said": one.said,
        "update_details": [_update(u) for u in one.updates],
        "other_updates": list(one.other_updates),
        "offered": list(one.offered),
    }


def _product(one: Product) -> dict[str, Any]:
    return {
        "name": one.name,
        "version": one.version or None,
        "vendor": one.vendor or None,
        "architecture": one.architecture or None,
        "installed": one.installed or None,
        "purl": one.purl or None,
    }


def _update(one: Update) -> dict[str, Any]:
    return {
        "id": one.id,
        "written": one.written,
        "release": one.release,
        "title": one.title or None,
        "installed": one.installed or None,
        "by": one.by or None,
    }


def as_rows(records: tuple[Record, ...]) -> list[dict[str, Any]]:
    """Return one row per record, for tables: updates and products are counted."""
    return [
        {
            **{name: getattr(one, name) for name in COLUMNS},
            "updates": len({u.id for u in one.updates}),
            "products": len(one.products),
        }
        for one in records
    ]


def assumptions(records: tuple[Record, ...], lang: str) -> list[str]:
    """Return what was assumed as lines to print: the name of each source, its sentences below it."""
    say = Translator(lang)
    lines = []
    for one in records:
        if one.assumed:
            lines.append(visible(one.source, 400))
        lines += [f"  {say.tr(NOTES[n.code], **dict(n.values))}" for n in one.assumed]
    return lines
