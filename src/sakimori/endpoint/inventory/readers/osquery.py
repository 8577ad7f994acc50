"""osquery results: arrays of rows, several under their names, or lines of its result log.

Source: osquery's schema (os_version, system_info, kernel_info, programs, patches, deb_packages,
rpm_packages) and its logging formats (event, snapshot, batch).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.inventory import dates, jsontext, kb, linux, windows
from sakimori.endpoint.inventory.purl import purl
from sakimori.endpoint.inventory.record import Note, Product, Record, Update, note
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.inventory.source import Source

NAME = "osquery"
TITLE = "osquery results as JSON or log lines"

Row = dict[str, Any]
# Table -> columns that only its rows have together; the first that fits names an array's table.
_TABLES: dict[str, frozenset[str]] = {
    "patches": frozenset({"hotfix_id"}),
    "rpm_packages": frozenset({"name", "version", "release", "arch"}),
    "deb_packages": frozenset({"name", "version", "status", "maintainer"}),
    "programs": frozenset({"name", "version", "publisher"}),
    "kernel_info": frozenset({"version", "path", "device"}),
    "system_info": frozenset({"hostname", "cpu_brand"}),
    "os_version": frozenset({"name", "version", "platform"}),
}
_LOOSE = {"deb_packages": frozenset({"name", "version", "source", "arch"})}
_MARKS = re.compile(
    r'"(?:hotfix_id|hostIdentifier|diffResults|snapshot|platform_like|cpu_brand|os_version'
    r"|deb_packages|rpm_packages|system_info|patches|programs|identifying_number|publisher|platform"
    r'|install_source|maintainer|pkg_group|arch)"'
)


def sniff(source: Source) -> bool:
    """Whether it is JSON with names that osquery's tables or logs have, and rows that fit."""
    if source.head.lstrip()[:1] not in ("{", "[") or not _MARKS.search(source.head):
        return False
    try:
        return any(table for table, _, _, _ in _rows(source))
    except SourceError:
        return bool(
            re.search(r'"(?:hostIdentifier|diffResults|hotfix_id|platform_like)"', source.head)
        )


def read(source: Source) -> list[Record]:
    """Return one record per host that the rows name; of a differential log, what is there at its end."""
    hosts: dict[str, dict[str, dict[str, Row]]] = defaultdict(lambda: defaultdict(dict))
    gone: dict[str, int] = defaultdict(int)
    unknown = 0
    for table, row, host, present in _rows(source):
        if not table:
            unknown += 1
            continue
        key = json.dumps(row, sort_keys=True, default=str)
        if present:
            hosts[host][table][key] = row
        else:
            hosts[host][table].pop(key, None)
            gone[host] += 1
    more = [note("osquery-unknown", count=unknown)] if unknown else []
    return [
        _record(
            source,
            {table: list(rows.values()) for table, rows in tables.items()},
            host,
            more + ([note("osquery-removed", count=gone[host])] if gone[host] else []),
        )
        for host, tables in hosts.items()
    ]


def _rows(source: Source) -> Iterator[tuple[str, Row, str, bool]]:
    """Yield (table or "", row, host, is it there) of every row in the source."""
    for value in _values(source):
        if isinstance(value, list):
            yield from _array("", value, "")
        elif isinstance(value, dict):
            yield from _object(value)


def _values(source: Source) -> Iterator[Any]:
    """One JSON value, or one a line."""
    try:
        yield jsontext.parsed(source)
    except SourceError:
        lines = [line for line in source.text.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        for line in lines:
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                continue


def _object(value: Row) -> Iterator[tuple[str, Row, str, bool]]:
    host = jsontext.text(value.get("hostIdentifier"))
    query = jsontext.text(value.get("name"))
    difference = value.get("diffResults")
    if "snapshot" in value:
        yield from _array(query, value["snapshot"], host)
    elif isinstance(difference, dict):
        yield from _array(query, difference.get("removed"), host, present=False)
        yield from _array(query, difference.get("added"), host)
    elif isinstance(value.get("columns"), dict):
        there = value.get("action") != "removed"
        yield from _array(query, [value["columns"]], host, present=there)
    elif table := _table("", value):
        yield table, value, "", True
    else:
        for name, rows in value.items():
            yield from _array(name, rows if isinstance(rows, list) else [rows], "")


def _array(
    query: str, rows: Any, host: str, *, present: bool = True
) -> Iterator[tuple[str, Row, str, bool]]:
    for row in jsontext.objects(rows):
        yield _table(query, row), row, host, present


def _table(query: str, row: Row) -> str:
    """Name a row's table by its columns, else by the query's name."""
    columns = row.keys()
    for table, needed in (*_TABLES.items(), *_LOOSE.items()):
        if needed <= columns:
            return table
    return next((t for t in _TABLES if re.search(rf"(?:^|[_/:.-]){t}$", query)), "")


def _record(source: Source, tables: dict[str, list[Row]], host: str, more: list[Note]) -> Record:
    system = (tables.get("os_version") or [{}])[0]
    info = (tables.get("system_info") or [{}])[0]
    kernel = (tables.get("kernel_info") or [{}])[0]
    named = _system(system)
    processor = jsontext.text(system.get("arch")) or jsontext.text(info.get("cpu_type"))
    architecture = linux.machine_of(processor)
    updates = [u for row in tables.get("patches", ()) if (u := _patch(row))]
    machine = (jsontext.text(info.get("hostname")) or host
               or next((jsontext.text(r.get("csname")) for r in tables.get("patches", ())), ""))  # fmt: skip
    label = "os_version.arch" if system.get("arch") else "system_info.cpu_type"
    return Record(
        source=source.name,
        reader=NAME,
        os=named.os,
        version=named.version,
        build=named.build,
        ubr=named.ubr,
        release=named.release,
        service_pack=named.service_pack,
        edition=named.edition,
        architecture=architecture,
        machine=machine or None,
        kernel=jsontext.text(kernel.get("version")) or None,
        encoding=source.encoding,
        installed=named.installed,
        updates=kb.unique(updates),
        products=tuple(_products(tables, jsontext.text(system.get("platform")))),
        assumed=(
            *source.notes(),
            *named.assumed,
            *([note("type", architecture=architecture, label=label)] if architecture else []),
            *([] if "patches" in tables or "Windows" not in (named.os or "")
              else [note("no-updates")]),
            *kb.spelling_notes(updates),
            *more,
        ),
    )  # fmt: skip


def _system(row: Row) -> Record:
    """What a row of os_version says, as a record of its own."""
    name, platform = jsontext.text(row.get("name")), jsontext.text(row.get("platform"))
    if platform != "windows" and "Windows" not in name:
        version = jsontext.text(row.get("version")).split(" ")[0]
        return Record(
            source="", reader=NAME, os=name or None, version=version or None,
            build=jsontext.text(row.get("build")) or None,
            release=jsontext.text(row.get("codename")) or None,
        )  # fmt: skip
    version_ = windows.version_of(jsontext.text(row.get("version")))
    build = (version_.build if version_ else "") or jsontext.text(row.get("build"))
    known, notes = windows.name_of(name, build)
    release = windows.release_of(known, build)
    day = jsontext.text(row.get("install_date"))
    revision = jsontext.text(row.get("revision"))
    return Record(
        source="", reader=NAME, os=known, version=version_.version if version_ else None,
        build=build or None, release=release,
        ubr=int(revision) if revision.isdecimal() else version_.ubr if version_ else None,
        service_pack=version_.service_pack if version_ else None,
        edition=windows.edition_of(known) if known else None,
        installed=_day(day) or None,
        assumed=tuple(
            notes + ([note("release", release=release, build=build)] if release else [])
        ),
    )  # fmt: skip


def _day(text: str) -> str:
    """A date as text, or seconds since 1970."""
    if re.fullmatch(r"\d{9,10}", text):
        return datetime.fromtimestamp(int(text), UTC).date().isoformat()
    return dates.iso(text)


def _patch(row: Row) -> Update | None:
    return kb.update_of(
        jsontext.text(row.get("hotfix_id")),
        title=jsontext.text(row.get("description")),
        installed=dates.iso(jsontext.text(row.get("installed_on"))),
        by=jsontext.text(row.get("installed_by")),
    )


def _products(tables: dict[str, list[Row]], platform: str) -> Iterator[Product]:
    for row in tables.get("programs", ()):
        yield Product(
            name=jsontext.text(row.get("name")),
            version=jsontext.text(row.get("version")),
            vendor=jsontext.text(row.get("publisher")),
            installed=_day(jsontext.text(row.get("install_date"))),
        )
    for row in tables.get("deb_packages", ()):
        if "installed" in (jsontext.text(row.get("status")) or "installed"):
            yield _package("deb", row, platform, jsontext.text(row.get("maintainer")))
    for row in tables.get("rpm_packages", ()):
        yield _package("rpm", row, platform, jsontext.text(row.get("vendor")))


def _package(kind: str, row: Row, platform: str, maker: str) -> Product:
    name, version = jsontext.text(row.get("name")), jsontext.text(row.get("version"))
    release, arch = jsontext.text(row.get("release")), jsontext.text(row.get("arch"))
    if kind == "rpm" and release:
        version = f"{version}-{release}"
    namespace = {"rhel": "redhat"}.get(platform, platform)
    return Product(
        name=name,
        version=version,
        vendor=maker.partition("<")[0].strip(),
        architecture=arch,
        purl=purl(kind, namespace, name, version, arch=arch) if namespace and name else "",
    )
