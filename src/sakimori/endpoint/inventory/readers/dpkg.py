"""Debian packages: the status file, `dpkg -l`, `dpkg-query -W`, `apt list --installed`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory import linux
from sakimori.endpoint.inventory.purl import purl
from sakimori.endpoint.inventory.record import Product, Record, note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.inventory.source import Source

NAME = "dpkg"
TITLE = "dpkg's status file, dpkg -l, dpkg-query -W or apt list --installed"

_NAME = r"[a-z0-9][a-z0-9+.\-]+"
_VERSION = r"\d[A-Za-z0-9.+:~\-]*"
_TABLE = re.compile(rf"^([uirph][ncHUFWti])(R?)\s+({_NAME})(?::(\w+))?\s+({_VERSION})\s+(\w+)\b")
_QUERY = re.compile(rf"^({_NAME})(?::(\w+))?\t({_VERSION})(?:\t(\w[\w-]*))?\s*$")
_APT = re.compile(rf"^({_NAME})/\S+ ({_VERSION}) (\w+) \[(installed\b[^\]]*)\]")
_STATUS = re.compile(r"(?m)^Status: \w+ \w+ [\w-]+\s*$")

# (name, version, processor, maker, is it installed)
Row = tuple[str, str, str, str, bool]


def sniff(source: Source) -> bool:
    """Whether it has stanzas with Package and Status, or lines of one of the lists."""
    head = source.head
    if _STATUS.search(head) and re.search(r"(?m)^Package: ", head):
        return True
    lines = [line for line in head.split("\n")[:60] if line.strip()]
    rows = sum(bool(_TABLE.match(x) or _QUERY.match(x) or _APT.match(x)) for x in lines)
    return rows > 0 and rows * 2 >= len(lines) - 6


def read(source: Source, distribution: str = "") -> list[Record]:
    """Return one record; packages that are removed or half installed are counted apart.

    `distribution` is the namespace of package URLs where it is known; else the packages tell it.
    """
    text = source.text
    stanzas = bool(_STATUS.search(source.head))
    rows = list(_stanzas(text) if stanzas else _lines(text))
    known = distribution or linux.distribution_of(text[:4_000_000])
    return [_record(rows, known, source)]


def _record(rows: list[Row], distribution: str, source: Source) -> Record:
    products = tuple(
        Product(
            name=package,
            version=version,
            vendor=maker,
            architecture=processor,
            purl=purl("deb", distribution, package, version, arch=processor)
            if distribution
            else "",
        )
        for package, version, processor, maker, installed in rows
        if installed
    )
    architecture = linux.commonest([p.architecture for p in products])
    left = sum(not row[4] for row in rows)
    return Record(
        source=source.name,
        reader=NAME,
        architecture=architecture,
        encoding=source.encoding,
        products=products,
        assumed=(
            *source.notes(),
            note("packages-only"),
            note("distribution", name=distribution) if distribution else note("no-distribution"),
            *([note("type", architecture=architecture, label="packages")] if architecture else []),
            *([note("packages-left", count=left)] if left else []),
        ),
    )


def _stanzas(text: str) -> Iterator[Row]:
    for stanza in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        fields = dict(re.findall(r"(?m)^([A-Z][\w-]*): ?(.*)$", stanza))
        if "Package" in fields:
            state = fields.get("Status", "").split()
            yield (
                fields["Package"].strip(),
                fields.get("Version", "").strip(),
                fields.get("Architecture", "").strip(),
                fields.get("Maintainer", "").partition("<")[0].strip(),
                state[-1:] == ["installed"],
            )


def _lines(text: str) -> Iterator[Row]:
    for line in text.splitlines():
        if found := _TABLE.match(line):
            yield found[3], found[5], found[6], "", found[1][1] == "i"
        elif found := _QUERY.match(line):
            yield found[1], found[3], found[4] or found[2] or "", "", True
        elif found := _APT.match(line):
            yield found[1], found[2], found[3], "", True
