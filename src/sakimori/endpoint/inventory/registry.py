"""What the registry of a Windows machine says of system, products and updates.

Paths are compared by their ends, so that it does not matter what a hive was mounted as, nor whether
keys come from a hive, a `.reg` export or the live registry.
Source: Microsoft, "Uninstall Registry Key", "Windows Setup and Servicing", KB 2876019 (UBR).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory import dates, kb, windows
from sakimori.endpoint.inventory.record import Note, Product, Record, Update, note
from sakimori.endpoint.inventory.servicing import IDENTITY, Package, installed_of
from sakimori.endpoint.registry.model import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sakimori.endpoint.registry.model import Key
    from sakimori.endpoint.registry.source import Problem

_INSTALLED = 112  # CurrentState of a package of Component Based Servicing
_REMOVABLE = re.compile(r"(?i)(?:security update|update|hotfix|service pack|patch)")
_LAST = {"currentversion", "select", "environment", "computername", "productoptions"}
_ABOVE = {"uninstall", "packages", "hotfix"}
Values = dict[str, str | int | None]


@dataclass(slots=True)
class _Seen:
    """What was met on the way through the keys."""

    version: Values = field(default_factory=dict)
    machine: str = ""
    processor: str = ""
    wide: bool = False  # a view for 32-bit programs exists: the system has 64 bits
    server: bool | None = None
    products: list[Product] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    packages: list[Package] = field(default_factory=list)
    hidden: int = 0
    current: int = 1
    sets: dict[int, dict[str, str]] = field(default_factory=dict)


def record_of(source: str, reader: str, keys: Iterable[Key]) -> Record | None:
    """Return the record of keys of one machine; None where nothing of an inventory is in them."""
    seen = _Seen()
    for key in keys:
        path = key.path.lower()
        if "\\wow6432node" in path:
            seen.wide = seen.wide or "uninstall" in path or path.count("\\") < 3
        for pattern, act in _KEYS if _may_matter(path) else ():
            found = pattern.search(path)
            if found is not None:
                act(seen, key, found)
                break
    _chosen(seen)
    if not (seen.version or seen.products or seen.updates or seen.packages or seen.processor):
        return None
    return _record(source, reader, seen)


def _may_matter(path: str) -> bool:
    """Whether a key can be one of those below, by its last two names: most of a hive cannot."""
    above, _, last = path.rpartition("\\")
    return (
        last in _LAST
        or above.rpartition("\\")[2] in _ABOVE
        or ("\\updates\\" in path and last.startswith(("kb", "q")))
    )


def _values(key: Key) -> Values:
    """Values by lower-case name: text, or a whole number of up to eight bytes."""
    return {
        v.name.lower(): text_of(v)
        if v.type in (1, 2, 7)
        else int.from_bytes(v.data[:8], "little")
        if v.type in (4, 11)
        else None
        for v in key.values
    }


def _text(values: Values, *names: str) -> str:
    for name in names:
        value = values.get(name)
        if value not in (None, ""):
            return str(value).strip()
    return ""


def _number(values: Values, name: str) -> int | None:
    value = values.get(name)
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() else None


def _on_version(seen: _Seen, key: Key, _: re.Match[str]) -> None:
    values = _values(key)
    if not seen.version and ("currentbuild" in values or "productname" in values):
        seen.version = values


def _on_uninstall(seen: _Seen, key: Key, found: re.Match[str]) -> None:
    """A product, or an update that can be removed: those carry a KB and say what they belong to."""
    values = _values(key)
    name = _text(values, "displayname")
    number = kb.KB.search(name) or kb.KB.search(found["name"])
    day = dates.iso(_text(values, "installdate"))
    kind = f"{_text(values, 'releasetype')} {name}"
    if number and (_REMOVABLE.search(kind) or _text(values, "parentkeyname")):
        written = kb.bare(key.path.rsplit("\\", 1)[-1])
        made = kb.update_of(written) or Update(id=f"KB{number[1]}", written=f"KB{number[1]}")
        seen.updates.append(
            Update(
                id=made.id, written=made.written, release=made.release, title=name, installed=day
            )
        )
    elif name and not _number(values, "systemcomponent"):
        seen.products.append(
            Product(
                name=name,
                version=_text(values, "displayversion"),
                vendor=_text(values, "publisher"),
                architecture="x86" if "wow6432node" in found[0] else "",
                installed=day,
            )
        )
    else:
        seen.hidden += 1


def _on_hotfix(seen: _Seen, key: Key, _: re.Match[str]) -> None:
    values = _values(key)
    made = kb.update_of(
        key.path.rsplit("\\", 1)[-1],
        title=_text(values, "description", "fix description"),
        installed=dates.iso(_text(values, "installeddate")),
        by=_text(values, "installedby"),
    )
    if made is not None and (_number(values, "installed") != 0):
        seen.updates.append(made)


def _on_package(seen: _Seen, key: Key, _: re.Match[str]) -> None:
    values = _values(key)
    identity = IDENTITY.fullmatch(key.path.rsplit("\\", 1)[-1])
    if identity is not None and "currentstate" in values:
        high, low = _number(values, "installtimehigh"), _number(values, "installtimelow")
        day = _filetime(high, low) if high else ""
        installed = _number(values, "currentstate") == _INSTALLED
        seen.packages.append(Package(identity[1], identity[2], identity[4], day, installed))


def _filetime(high: int, low: int | None) -> str:
    """A day from two halves of 100 ns since 1601."""
    try:
        ticks = (high << 32) | (low or 0)
        return (
            (datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10))
            .date()
            .isoformat()
        )
    except OverflowError:
        return ""


def _on_select(seen: _Seen, key: Key, _: re.Match[str]) -> None:
    seen.current = _number(_values(key), "current") or 1


def _on_environment(seen: _Seen, key: Key, found: re.Match[str]) -> None:
    _of_set(seen, found)["processor"] = _text(_values(key), "processor_architecture")


def _on_name(seen: _Seen, key: Key, found: re.Match[str]) -> None:
    _of_set(seen, found)["machine"] = _text(_values(key), "computername")


def _on_options(seen: _Seen, key: Key, found: re.Match[str]) -> None:
    _of_set(seen, found)["type"] = _text(_values(key), "producttype")


def _of_set(seen: _Seen, found: re.Match[str]) -> dict[str, str]:
    return seen.sets.setdefault(int(found["set"] or 0), {})


def _chosen(seen: _Seen) -> None:
    """Take machine and processor from the control set that was last started."""
    one = seen.sets.get(0) or seen.sets.get(seen.current) or next(iter(seen.sets.values()), {})
    seen.machine, seen.processor = one.get("machine", ""), one.get("processor", "")
    seen.server = one["type"] in ("ServerNT", "LanmanNT") if one.get("type") else None


def _path(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|\\){pattern}$")


_SET = r"(?:controlset(?P<set>\d{3})|currentcontrolset)\\control\\"
_KEYS: tuple[tuple[re.Pattern[str], Callable[[_Seen, Key, re.Match[str]], None]], ...] = (
    (_path(r"microsoft\\windows nt\\currentversion"), _on_version),
    (
        _path(r"(?:wow6432node\\)?microsoft\\windows\\currentversion\\uninstall\\(?P<name>[^\\]+)"),
        _on_uninstall,
    ),
    (_path(r"component based servicing\\packages\\[^\\]+"), _on_package),
    (_path(r"microsoft\\windows nt\\currentversion\\hotfix\\[^\\]+"), _on_hotfix),
    (_path(r"microsoft\\updates\\(?:[^\\]+\\){1,2}(?:kb|q)\d+[^\\]*"), _on_hotfix),
    (_path(r"select"), _on_select),
    (_path(_SET + r"session manager\\environment"), _on_environment),
    (_path(_SET + r"computername\\computername"), _on_name),
    (_path(_SET + r"productoptions"), _on_options),
)


def _record(source: str, reader: str, seen: _Seen) -> Record:
    values = seen.version
    version, build = _numbers(values)
    name, names = windows.name_of(_text(values, "productname"), build)
    release = windows.release_of(name, build)
    written = _text(values, "displayversion", "releaseid")
    architecture, typed = _architecture(seen)
    removable, revision, packaged = installed_of(seen.packages)
    pack = re.search(r"\d", _text(values, "csdversion"))
    updates = kb.unique((*seen.updates, *removable))
    ubr = _number(values, "ubr")
    day = _number(values, "installdate")
    return Record(
        source=source,
        reader=reader,
        os=name,
        version=version,
        build=build,
        ubr=ubr if ubr is not None else revision[1] if revision and revision[0] == build else None,
        release=written or release,
        service_pack=int(pack[0]) if pack else 0 if values else None,
        edition=windows.edition_of(name) if name else None,
        architecture=architecture,
        machine=seen.machine or None,
        installed=_day(day),
        updates=updates,
        products=tuple(dict.fromkeys(seen.products)),
        assumed=(
            *names,
            *([note("release", release=release, build=build)] if release and not written else []),
            *typed,
            *packaged,
            *([note("hidden", count=seen.hidden)] if seen.hidden else []),
            *([] if updates or seen.packages else [note("no-updates")]),
            *kb.spelling_notes(updates),
        ),
    )


def _numbers(values: Values) -> tuple[str | None, str | None]:
    """Version and build. Since Windows 10 the old CurrentVersion stands still at 6.3."""
    build = _text(values, "currentbuildnumber", "currentbuild") or None
    major, minor = (
        _number(values, "currentmajorversionnumber"),
        _number(values, "currentminorversionnumber"),
    )
    front = f"{major}.{minor or 0}" if major is not None else _text(values, "currentversion")
    return (f"{front}.{build}" if front and build else None), build


def _day(seconds: int | None) -> str | None:
    """Seconds since 1970 as a day; a DWORD always is one."""
    if not seconds or seconds >= 1 << 32:
        return None
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _architecture(seen: _Seen) -> tuple[str | None, list[Note]]:
    lab = re.search(
        r"\.(amd64|x86|arm64|ia64)(?:fre|chk)", _text(seen.version, "buildlabex", "buildlab")
    )
    for text, label in (
        (seen.processor, "PROCESSOR_ARCHITECTURE"),
        (lab[1] if lab else "", "BuildLabEx"),
        ("x64" if seen.wide else "", "Wow6432Node"),
    ):
        known = windows.architecture_of(text) if text else None
        if known:
            return known, [note("type", architecture=known, label=label)]
    return None, [note("type-unknown")]


def troubles(problems: Sequence[Problem]) -> list[Note]:
    """Say how much of a registry could not be read."""
    if not problems:
        return []
    first = f"{problems[0].where}: {problems[0].reason}"
    return [note("problems", count=len(problems), first=first)]
