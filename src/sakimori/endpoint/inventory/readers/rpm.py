"""RPM packages: `rpm -qa`, also with --last or a --qf of name, version, release and processor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory import linux
from sakimori.endpoint.inventory.purl import purl
from sakimori.endpoint.inventory.record import Product, Record, note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.inventory.source import Source

NAME = "rpm"
TITLE = "rpm -qa, plain or with --qf"

_ARCH = (
    r"x86_64(?:_v[2-4])?|noarch|i[3-6]86|aarch64|ppc64(?:le)?|s390x?|armv\w+|riscv64|src|\(none\)"
    r"|ia64|loongarch64"
)
# bash-5.1.8-6.el9.x86_64, also followed by a date; an epoch may stand before the version
_NEVRA = re.compile(
    rf"^(?P<name>[A-Za-z0-9_][\w.+-]*)-(?P<version>(?:\d+:)?[\w.+~^]+)-(?P<release>[\w.+~^]+?)"
    rf"\.(?P<arch>{_ARCH})(?:\s.*)?$"
)
_BARE = re.compile(
    r"^(?P<name>[A-Za-z0-9_][\w.+-]*)-(?P<version>\d[\w.+~^]*)-(?P<release>[\w+~^]*\.\w[\w.+~^]*)\s*$"
)
_KEY = re.compile(r"^(?P<name>gpg-pubkey)-(?P<version>[0-9a-f]{8})-(?P<release>[0-9a-f]{8})")
_CELLS = re.compile(rf"^(?:\d+:)?[\w.+~^-]+$|^(?:{_ARCH})$")
_SPLIT = re.compile(r"[\t|;,]")


def sniff(source: Source) -> bool:
    """Whether most lines are names of RPM packages, or cells that end in a processor."""
    lines = [line.strip() for line in source.head.split("\n")[:60] if line.strip()]
    known = sum(_row(line) is not None for line in lines)
    return known > 0 and known * 2 >= len(lines)


def read(source: Source, distribution: str = "") -> list[Record]:
    """Return one record; signing keys, which rpm lists as packages, are counted apart.

    `distribution` is the namespace of package URLs where it is known; else the releases tell it.
    """
    rows, keys, left = [], 0, 0
    for line in source.text.splitlines():
        row = _row(line.strip())
        if row is None:
            left += bool(line.strip())
        elif row[0] == "gpg-pubkey":
            keys += 1
        else:
            rows.append(row)
    distribution = distribution or linux.distribution_of("\n".join(f"{row[1]}." for row in rows))
    products = tuple(_products(rows, distribution))
    architecture = linux.commonest([p.architecture for p in products])
    return [
        Record(
            source=source.name,
            reader=NAME,
            architecture=architecture,
            encoding=source.encoding,
            products=products,
            assumed=(
                *source.notes(),
                note("packages-only"),
                note("distribution", name=distribution)
                if distribution
                else note("no-distribution"),
                *([note("type", architecture=architecture, label="packages")]
                  if architecture else []),
                *([note("keys", count=keys)] if keys else []),
                *([note("lines-left", count=left)] if left else []),
            ),
        )
    ]  # fmt: skip


def _products(rows: list[tuple[str, str, str]], distribution: str) -> Iterator[Product]:
    for name, version, processor in rows:
        epoch, colon, rest = version.rpartition(":")
        more = {"arch": processor, "epoch": epoch if colon and epoch != "0" else ""}
        yield Product(
            name=name,
            version=version.removeprefix("0:"),
            architecture=processor,
            purl=purl("rpm", distribution, name, rest, **more) if distribution else "",
        )


def _row(line: str) -> tuple[str, str, str] | None:
    """Return (name, version-release, processor) of a line; None where it is none."""
    found = _NEVRA.match(line) or _KEY.match(line) or _BARE.match(line)
    if found is not None:
        arch = found.groupdict().get("arch") or ""
        version = f"{found['version']}-{found['release']}"
        return found["name"], version, "" if arch == "(none)" else arch
    cells = [cell.strip(" \"'") for cell in _SPLIT.split(line)]
    return _of_cells(cells) if len(cells) >= 3 else None


def _of_cells(cells: list[str]) -> tuple[str, str, str] | None:
    """Cells of a --qf: name, then epoch or version, then release, and a processor somewhere."""
    at = next((i for i in range(len(cells) - 1, 1, -1) if re.fullmatch(_ARCH, cells[i])), None)
    if at is None:
        return None
    name, numbers = cells[0], cells[1:at]
    if len(numbers) > 1 and re.fullmatch(r"\d+|\(none\)", numbers[0]) and len(numbers) == 3:
        epoch = "" if numbers[0] in ("0", "(none)") else f"{numbers[0]}:"
        numbers = [epoch + numbers[1], *numbers[2:]]
    if not re.fullmatch(r"[A-Za-z0-9_][\w.+-]*", name) or not all(map(_CELLS.match, numbers)):
        return None
    return name, "-".join(numbers), cells[at]
