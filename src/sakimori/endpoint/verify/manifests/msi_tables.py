r"""Tables of a Windows Installer package, exported as .idt or CSV: File, Registry, ServiceInstall.

The table is known by its columns, or by the third line of an .idt. Text with [Properties] is filled in
on the machine, so such data counts as not declared. Source: Windows Installer SDK, the database tables
of these names, "Registry Table" for the signs before a value (#, #x, #%, [~]), and ".idt" (archive files).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.endpoint.verify.model import Aside, FileClaim, Manifest, ObjectClaim, RegistryClaim
from sakimori.endpoint.verify.registry_data import raw_of
from sakimori.endpoint.verify.registry_names import registry_key
from sakimori.endpoint.verify.text import number_of, table, update_name
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.endpoint.verify.manifests._source import Source

NAME = "msi-table"
TITLE = "tables of a Windows Installer package (File, Registry, ServiceInstall as .idt or CSV)"

_TABLES = {
    "File": ("file", "component_", "filename", "filesize"),
    "Registry": ("registry", "root", "key", "name", "value"),
    "ServiceInstall": ("serviceinstall", "name", "displayname", "servicetype", "starttype"),
}
_ROOTS = {"-1": ("HKLM", "HKCU"), "0": ("HKCR",), "1": ("HKCU",), "2": ("HKLM",), "3": ("HKU",)}
_TYPE_ROW = re.compile(r"^[sSiIlLvVgG]\d{1,3}$")
_FORMATTED = re.compile(r"\[[^\]~\\][^\]]*\]")

Claim = FileClaim | RegistryClaim | ObjectClaim


def recognises(source: Source) -> bool:
    """Whether the first row holds the columns of one of the tables."""
    return any(_table(row) for _, row in list(table(source.head))[:3])


def _table(row: list[str]) -> str:
    lower = [cell.lower() for cell in row]
    return next((t for t, columns in _TABLES.items() if set(columns) <= set(lower)), "")


def read(source: Source) -> Manifest:
    """Read the rows; one whose cells make no sense comes aside."""
    kind, columns = "", list[str]()
    claims: list[Claim] = []
    aside: list[Aside] = []
    for line, row in table(source.text):
        if not columns:
            kind = _table(row)
            columns = [cell.lower() for cell in row] if kind else []
        elif any(row) and not _is_header(row, kind):
            cells = dict(zip(columns, row, strict=False))
            try:
                claims.extend(_READ[kind](cells, source.at(line)))
            except (KeyError, ValueError) as error:
                aside.append(Aside(source.at(line), f"cannot be read: {error}"))
    if not claims:
        raise SourceError("the table has no row that can be read", where=str(source.path))
    return Manifest(
        name=update_name(source.path.stem) or source.path.stem, source=str(source.path), format=NAME,
        declares=frozenset({"File": {"files"}, "Registry": {"registry"},
                            "ServiceInstall": {"services", "registry"}}[kind]),
        files=tuple(c for c in claims if isinstance(c, FileClaim)),
        registry=tuple(c for c in claims if isinstance(c, RegistryClaim)),
        objects=tuple(c for c in claims if isinstance(c, ObjectClaim)), aside=tuple(aside),
    )  # fmt: skip


def _is_header(row: list[str], kind: str) -> bool:
    """The second and third line of an .idt: column types, and the table's name with its keys."""
    types = [cell for cell in row if cell]
    return all(_TYPE_ROW.match(cell) for cell in types) or (kind in row[:2] and len(types) <= 3)


def _file(cells: dict[str, str], where: str) -> list[Claim]:
    short, _, long = cells["filename"].partition("|")
    version = cells.get("version", "")
    size = number_of(cells["filesize"])
    if not short or (cells["filesize"] and size is None):
        raise ValueError("no file name, or a size that is no number")
    return [
        FileClaim(path=long or short, where=where, size=size,
                  version=version if re.match(r"^\d+(\.\d+)+$", version) else None)
    ]  # fmt: skip


def _registry(cells: dict[str, str], where: str) -> list[Claim]:
    roots = _ROOTS.get(cells["root"])
    key = cells["key"].strip("\\")
    if roots is None or not key:
        raise ValueError("no root from -1 to 3, or no key")
    if "[" in key:
        raise ValueError("the key holds a [Property], whose value is known on the machine only")
    name, value = cells["name"], cells["value"]
    return [_claim(registry_key(f"{root}\\{key}"), name, value, where) for root in roots]


def _claim(key: str, name: str, value: str, where: str) -> RegistryClaim:
    if name in ("+", "-", "*") and not value:
        deleted = name == "-"
        return RegistryClaim(
            key=key, name=None, where=where, whole=deleted, action="delete" if deleted else "set"
        )
    kind, data = value_of(value)
    return RegistryClaim(key=key, name=name, where=where, type=kind, data=data)


def value_of(value: str) -> tuple[str | None, tuple[bytes, ...]]:
    """Return type and raw data of a Registry table's value; no data where it holds a [Property]."""
    if value.startswith("#x"):
        return "REG_BINARY", raw_of("REG_BINARY", value[2:])
    if value.startswith("#%"):
        kind, text = "REG_EXPAND_SZ", value[2:]
    elif value.startswith("##"):
        kind, text = "REG_SZ", value[1:]
    elif value.startswith("#"):
        return "REG_DWORD", raw_of("REG_DWORD", value[1:].lstrip("+"))
    else:
        kind, text = ("REG_MULTI_SZ" if "[~]" in value else "REG_SZ"), value
    return kind, () if _FORMATTED.search(text) else raw_of(kind, text)[:1]


def _service(cells: dict[str, str], where: str) -> list[Claim]:
    name = cells["name"]
    if not name or "[" in name:
        raise ValueError("no name, or one with a [Property]")
    key = registry_key(f"HKLM\\SYSTEM\\CurrentControlSet\\Services\\{name}")
    numbers = {"Type": "servicetype", "Start": "starttype", "ErrorControl": "errorcontrol"}
    claims: list[Claim] = [
        ObjectClaim(object="service", name=name, where=where),
        RegistryClaim(key=key, name=None, where=where),
    ]
    for value, column in numbers.items():
        number = number_of(cells.get(column, ""))
        if number is not None:
            plain = (
                number & 0x7FFF if value == "ErrorControl" else number
            )  # the top bit is for the installer
            claims.append(RegistryClaim(key=key, name=value, where=where, type="REG_DWORD",
                                        data=raw_of("REG_DWORD", plain)))  # fmt: skip
    for value, column in {"DisplayName": "displayname", "ObjectName": "startname"}.items():
        text = cells.get(column, "")
        if text:
            data = () if _FORMATTED.search(text) else raw_of("REG_SZ", text)[:1]
            claims.append(RegistryClaim(key=key, name=value, where=where, type="REG_SZ", data=data))
    claims.append(RegistryClaim(key=key, name="ImagePath", where=where, type="REG_EXPAND_SZ"))
    return claims


_READ: dict[str, Callable[[dict[str, str], str], list[Claim]]] = {
    "File": _file, "Registry": _registry, "ServiceInstall": _service,
}  # fmt: skip
