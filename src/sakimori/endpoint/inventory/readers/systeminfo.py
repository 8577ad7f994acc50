"""What Windows' `systeminfo` prints, in any language and encoding, as list or CSV."""

from __future__ import annotations

import csv
import io
import re
import textwrap
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory import dates, kb, windows
from sakimori.endpoint.inventory.labels import meanings, normal
from sakimori.endpoint.inventory.record import Note, Record, note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sakimori.endpoint.inventory.record import Update
    from sakimori.endpoint.inventory.source import Source

NAME = "systeminfo"
TITLE = "systeminfo, in any language"

_LABEL = re.compile(r"^([^\s\[][^:\uff1a]{0,60}?)\s*[:\uff1a](?!\\)\s*(.*)$")
_ITEM = re.compile(r"\[\d{1,4}\]\s*:?")
_PARTIAL = re.compile(r"\[\d*\]?\s*$")
_VERSION = re.compile(r"^\d{1,2}\.\d{1,2}\.(\d{3,5})\b(?=.*\b\1\b)")
_MACHINE = re.compile(r"(?i)(?<![a-z0-9])(x64|x86|arm64|arm|ia64|itanium)(?![a-z0-9]).*")
_BASED = re.compile(r"(?i)based|basi|PC|ベース|电脑|電腦|компьютер")


@dataclass(slots=True)
class _Field:
    """A label and the lines of its value."""

    label: str
    lines: list[str] = field(default_factory=list)
    continued: int = 0

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", " ".join(self.lines))).strip()


@dataclass(frozen=True, slots=True)
class _Found:
    """Fields by meaning, and what was assumed to find them."""

    fields: dict[str, _Field]
    everything: tuple[_Field, ...]
    language: str | None
    notes: tuple[Note, ...]

    def text(self, name: str) -> str:
        return self.fields[name].text if name in self.fields else ""


def sniff(source: Source) -> bool:
    """Whether it has the version line of systeminfo and one more field, by label or by shape."""
    for fields in _machines(source.head)[:1]:
        found = _meaning(fields)
        return "version" in found.fields and bool(found.fields.keys() & {"os", "hotfixes", "type"})
    return False


def read(source: Source) -> list[Record]:
    """Return one record per machine: one for the list form, one per row of CSV."""
    return [_record(source, _meaning(fields)) for fields in _machines(source.text)]


def _machines(text: str) -> list[list[_Field]]:
    first = text.lstrip()[:1]
    return _of_csv(text) if first == '"' else [_of_list(text)]


def _of_csv(text: str) -> list[list[_Field]]:
    """Rows of `/fo csv`: a header of labels, then one row per machine."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text.strip("\r\n"))) if row]
    except csv.Error:
        return []
    if not rows or sum(normal(cell) in meanings() for cell in rows[0]) < 3:
        return []
    return [
        [_Field(label, [value]) for label, value in zip(rows[0], row, strict=False)]
        for row in rows[1:]
        if row != rows[0]
    ]


def _of_list(text: str) -> list[_Field]:
    """Lines `Label:   value`; indented lines and lines without a label belong to the one before."""
    fields: list[_Field] = []
    for line in textwrap.dedent(text.replace("\r", "")).split("\n"):
        if not line.strip():
            continue
        found = _LABEL.match(line)
        if found is not None:
            fields.append(_Field(found[1], [found[2]]))
        elif fields:
            fields[-1].lines.append(line)
            fields[-1].continued += not line[0].isspace() and line[0] != "["
    return fields


def _meaning(fields: Sequence[_Field]) -> _Found:
    """Tell what each field is: by its label, else by its place and shape."""
    languages: Counter[str] = Counter()
    named: dict[str, _Field] = {}
    for one in fields:
        for name, language in meanings().get(normal(one.label), ()):
            languages[language] += 1
            named.setdefault(name, one)
    if "version" in named and windows.version_of(named["version"].text) is None:
        del named["version"]
    likely, count = languages.most_common(1)[0] if languages else ("", 0)
    told = note("language", language=likely, count=count) if count > 1 else note("language-unknown")
    _by_shape(fields, named)
    return _Found(named, tuple(fields), likely if count > 1 else None, (told,))


def _by_shape(fields: Sequence[_Field], named: dict[str, _Field]) -> None:
    """Add what no label told: the version line, the two before it, the processor, the updates."""
    for name, fits in _SHAPES.items():
        if name not in named:
            known = {id(one) for one in named.values()}
            match = next((one for one in fields if id(one) not in known and fits(one)), None)
            if match is not None:
                named[name] = match
    if "version" not in named:
        return
    at = next(i for i, one in enumerate(fields) if one is named["version"])
    for step, name in ((1, "os"), (2, "host")):
        if name not in named and at >= step:
            named[name] = fields[at - step]


def _is_list_of_updates(one: _Field) -> bool:
    items = _items(one)
    known = sum(kb.update_of(item) is not None for item in items)
    return known > 0 and known * 2 >= len(items)


_SHAPES: dict[str, Callable[[_Field], bool]] = {
    "version": lambda one: _VERSION.match(one.text) is not None,
    "type": lambda one: (
        bool(_MACHINE.search(one.text) and _BASED.search(one.text)) and len(one.text) < 40
    ),
    "hotfixes": _is_list_of_updates,
}


def _record(source: Source, found: _Found) -> Record:
    version = windows.version_of(found.text("version"))
    build = version.build if version else None
    name, names = windows.name_of(found.text("os"), build)
    release = windows.release_of(name, build)
    architecture, typed = _architecture(found, name, build)
    installed, dated = _installed(found)
    said, updates, others, listed = _updates(found)
    continued = sum(one.continued for one in found.everything)
    return Record(
        source=source.name,
        reader=NAME,
        os=name,
        version=version.version if version else None,
        build=build,
        ubr=version.ubr if version else None,
        release=release,
        service_pack=version.service_pack if version else None,
        edition=windows.edition_of(name) if name else None,
        architecture=architecture,
        machine=found.text("host") or None,
        language=found.language,
        encoding=source.encoding,
        installed=installed,
        said=said,
        updates=updates,
        other_updates=others,
        assumed=(
            *source.notes(),
            *found.notes,
            *([note("continued", count=continued)] if continued else []),
            *names,
            *_packs(found, version),
            *([note("release", release=release, build=build)] if release else []),
            *typed,
            *dated,
            *listed,
        ),
    )


def _packs(found: _Found, version: windows.Version | None) -> list[Note]:
    if version is None:
        return []
    text = found.text("version")
    if version.service_pack:
        return [note("pack", number=version.service_pack, text=text)]
    return [note("pack-none", text=text)]


def _architecture(
    found: _Found, name: str | None, build: str | None
) -> tuple[str | None, list[Note]]:
    if "type" in found.fields:
        one = found.fields["type"]
        known = windows.architecture_of(one.text)
        return known, [note("type", architecture=known, label=one.label)] if known else []
    wide = bool(build and int(build) >= 22000)  # Windows 11: 64 bits only
    for one in found.everything if wide else ():
        text = re.search(r"(?:AMD64|Intel64|ARM\w*)[^\n]*\bFamily\b.*", one.text)
        if text is not None:
            known = "arm64" if text[0].startswith("ARM") else "x64"
            values = {"architecture": known, "os": name, "text": text[0]}
            return known, [note("type-processor", **values)]
    return None, [note("type-unknown")]


def _installed(found: _Found) -> tuple[str | None, list[Note]]:
    text = found.text("installed")
    if not text:
        return None, []
    order = dates.order_of(found.text(name) for name in ("installed", "booted", "bios"))
    day = dates.iso(text, order)
    if not day:
        return None, [note("date-order", text=text)]
    told = bool(order) and not dates.iso(text)
    return day, [note("date", order="day/month" if order == "dmy" else "month/day")] if told else []


def _items(one: _Field) -> list[str]:
    """Entries of a numbered list, without what was cut off at its end."""
    body = _PARTIAL.sub("", re.sub(r"\s+", " ", "\n".join(one.lines)))
    return [item.strip(" ,") for item in _ITEM.split(body)[1:] if item.strip(" ,")]


def _updates(
    found: _Found,
) -> tuple[int | None, tuple[Update, ...], tuple[str, ...], list[Note]]:
    """Return the number that is said, the updates, other entries, and what was assumed."""
    one = found.fields.get("hotfixes")
    if one is None:
        return None, (), (), [note("no-updates")]
    items = _items(one)
    count = re.search(r"\d+", _ITEM.split(one.text)[0])
    said = int(count[0]) if count else None
    notes: list[Note] = []
    if said is not None and said > len(items):
        notes.append(note("cut", said=said, listed=len(items)))
        whole = _PARTIAL.search("\n".join(one.lines)) is not None
        if items and not whole and re.fullmatch(r"(?i)[KQ]?B?\d{0,6}", items[-1]):
            notes.append(note("cut-entry", entry=items.pop()))
    updates = [update for item in items if (update := kb.update_of(item))]
    others = [kb.bare(item) for item in items if kb.update_of(item) is None]
    return said, kb.unique(updates), *_others(others, notes, updates)


def _others(
    others: list[str], notes: list[Note], updates: list[Update]
) -> tuple[tuple[str, ...], list[Note]]:
    files = [item for item in others if re.fullmatch(r"(?i)file \d+", item)]
    named = tuple(dict.fromkeys(item for item in others if item not in set(files)))
    if files:
        notes.append(note("files", count=len(files)))
    if named:
        notes.append(note("others", count=len(named), names=", ".join(named[:8])))
    return named, [*notes, *kb.spelling_notes(updates)]
