r"""A `.reg` file as a list of declared changes: values set, values and keys deleted.

Source: Microsoft KB310516 (how to add, modify or delete registry subkeys and values by a .reg file).
A comment `; complete: registry` says that nothing else in the registry is touched; such a file says
nothing of permissions unless the comment names `acl` as well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.endpoint.registry.model import type_name
from sakimori.endpoint.verify.model import SUBJECTS, Aside, Manifest, RegistryClaim
from sakimori.endpoint.verify.registry_data import terminated
from sakimori.endpoint.verify.registry_names import registry_key
from sakimori.endpoint.verify.text import update_name
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.verify.manifests._source import Source

NAME = "reg"
TITLE = "registry changes (.reg)"

_HEAD = ("windows registry editor version 5.00", "regedit4")
_ENTRY = re.compile(r'^(?:@|"(?P<name>(?:[^"\\]|\\.)*)")\s*=\s*(?P<data>.*)$', re.DOTALL)
_HEX = re.compile(r"^hex(?:\(([0-9a-fA-F]+)\))?:(.*)$", re.DOTALL | re.IGNORECASE)
COMPLETE = re.compile(r"^[;#]\s*complete\s*:\s*([a-z, ]+)$", re.IGNORECASE)


def recognises(source: Source) -> bool:
    """Whether the first line that is no comment is a .reg file's."""
    for line in source.head.splitlines():
        bare = line.strip().strip("\ufeff").lower()
        if bare and not bare.startswith(";"):
            return bare in _HEAD
    return False


def read(source: Source) -> Manifest:
    """Read the entries; one that is malformed comes aside with its line."""
    claims: list[RegistryClaim] = []
    aside: list[Aside] = []
    ansi = "regedit4" in source.head[:400].lower()
    key, complete = "", frozenset[str]()
    for number, line in _logical(source.text):
        where = source.at(number)
        complete |= completeness(line)
        if line.startswith("["):
            key = _key(line, where, claims, aside)
        elif line and not line.startswith(";") and line.lower() not in _HEAD:
            claim = _value(line, key, where, ansi=ansi)
            (aside if isinstance(claim, Aside) else claims).append(claim)  # type: ignore[arg-type]
    if not claims:
        raise SourceError("no entry can be read", where=str(source.path), hint="is it a .reg file?")
    return Manifest(
        name=update_name(source.path.stem) or source.path.stem, source=str(source.path), format=NAME,
        declares=frozenset({"registry"}), registry=tuple(claims), complete=complete, aside=tuple(aside),
    )  # fmt: skip


def completeness(line: str) -> frozenset[str]:
    """Return what a comment says is listed completely."""
    found = COMPLETE.match(line.strip())
    return frozenset(re.split(r"[ ,]+", found[1].lower()) if found else ()) & frozenset(SUBJECTS)


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """Give lines with their numbers; a line that ends in a backslash goes on in the next."""
    started, held = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip().strip("\ufeff")
        started = started or number
        if (
            bare.endswith("\\")
            and not bare.startswith(("[", ";"))
            and "hex" in (held + bare).lower()
        ):
            held += bare[:-1]
            continue
        yield started, held + bare
        started, held = 0, ""
    if held:
        yield started, held


def _key(line: str, where: str, claims: list[RegistryClaim], aside: list[Aside]) -> str:
    if not line.rstrip().endswith("]"):
        aside.append(Aside(where, "a key's line has no closing bracket"))
        return ""
    path = line.rstrip()[1:-1].strip()
    deleted = path.startswith("-")
    key = registry_key(path.removeprefix("-"))
    claims.append(
        RegistryClaim(
            key=key, name=None, where=where, action="delete" if deleted else "set", whole=deleted
        )
    )
    return "" if deleted else key


def _value(line: str, key: str, where: str, *, ansi: bool) -> RegistryClaim | Aside:
    found = _ENTRY.match(line)
    if not found:
        return Aside(where, 'neither a key nor "name"=data')
    if not key:
        return Aside(where, "a value outside of any key")
    name = re.sub(r"\\(.)", r"\1", found["name"] or "")
    data = found["data"].strip()
    if data == "-":
        return RegistryClaim(key=key, name=name, where=where, action="delete")
    typed = _data(data, ansi=ansi)
    if typed is None:
        return Aside(where, "the data is neither text, dword nor hex")
    return RegistryClaim(
        key=key, name=name, where=where, type=type_name(typed[0]), data=(typed[1],)
    )


def _data(data: str, *, ansi: bool) -> tuple[int, bytes] | None:
    if len(data) >= 2 and data.startswith('"') and data.endswith('"'):
        return 1, terminated(re.sub(r"\\(.)", r"\1", data[1:-1]))
    if dword := re.fullmatch(r"(?i)dword:\s*([0-9a-f]{1,8})", data):
        return 4, int(dword[1], 16).to_bytes(4, "little")
    if not (found := _HEX.match(data)):
        return None
    try:
        raw = bytes.fromhex(re.sub(r"[\s,\\]", "", found[2]))
    except ValueError:
        return None
    number = int(found[1], 16) if found[1] else 3
    if ansi and number in (2, 7):
        raw = raw.decode("cp1252", "replace").encode("utf-16-le")
    return number, raw
