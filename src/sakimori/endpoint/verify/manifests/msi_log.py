r"""Windows Installer's verbose log: when it ran, and the values, keys and files that it wrote.

    === Verbose logging started: 11/25/2009  12:00:00  Build type: SHIP UNICODE 4.05.6001.00 ... ===
    MSI (s) (08:18) [12:00:05:546]: Executing op: RegOpenKey(Root=-2147483646,Key=Software\X,,BinaryType=0,,)
    MSI (s) (08:18) [12:00:05:546]: Executing op: RegAddValue(Name=V,Value=#1,)

Times carry no zone. Source: Microsoft, "How to read a Windows Installer verbose log"; lines as Windows Installer
4 and 5 write them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sakimori.endpoint.verify.manifests.msi_tables import value_of
from sakimori.endpoint.verify.model import FileClaim, Manifest, RegistryClaim, Window
from sakimori.endpoint.verify.registry_names import registry_key
from sakimori.endpoint.verify.text import time_of, update_name
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from sakimori.endpoint.verify.manifests._source import Source

NAME = "msi-log"
TITLE = "Windows Installer's verbose log"

_ROOTS = {"-2147483648": "HKCR", "-2147483647": "HKCU", "-2147483646": "HKLM", "-2147483645": "HKU"}
_EDGE = re.compile(r"=== (?:Verbose )?[Ll]ogging (started|stopped): ([\d/.-]+\s+[\d:]+)")
_OP = re.compile(r"Executing op: (\w+)\((.*)\)\s*$")
_OPEN = re.compile(r"Root=(-?\d+),Key=(.*?),(?:SecurityDescriptor=[^,]*)?,")
_ADD = re.compile(r"Name=(.*?),Value=(.*?),(?:\w*=?.*)?$")
_PRODUCT = re.compile(r"(?:Product:|ProductName=)\s*([^,]{1,120}?)(?: -- |,|$)")


def recognises(source: Source) -> bool:
    """Whether logging started, or an operation was carried out, near the beginning."""
    return bool(_EDGE.search(source.head)) or "Executing op: " in source.head


@dataclass
class _State:
    key: str = ""
    folder: str = ""
    product: str = ""
    start: str = ""
    end: str = ""
    registry: list[RegistryClaim] = field(default_factory=list)
    files: list[FileClaim] = field(default_factory=list)


def read(source: Source) -> Manifest:
    """Read window and operations. Raises SourceError when there is neither."""
    state = _State()
    for number, line in enumerate(source.text.splitlines(), 1):
        if edge := _EDGE.search(line):
            if edge[1] == "started":
                state.start = state.start or edge[2]
            else:
                state.end = edge[2]
        elif op := _OP.search(line):
            _operation(op[1], op[2], source.at(number), state)
        if not state.product and (product := _PRODUCT.search(line)):
            state.product = product[1]
    start, end = time_of(state.start, source.zone), time_of(state.end, source.zone)
    if not (start or state.registry or state.files):
        raise SourceError("neither times nor operations are in it", where=str(source.path))
    window = [Window(start=start, end=max(start, end or start), title=state.product or "Windows Installer",
                     where=source.at(1))] if start else []  # fmt: skip
    return Manifest(
        name=state.product or update_name(source.path.stem) or source.path.stem, source=str(source.path),
        format=NAME, declares=frozenset({"files", "registry"}), files=tuple(state.files),
        registry=tuple(state.registry), windows=tuple(window),
    )  # fmt: skip


def _operation(op: str, arguments: str, where: str, state: _State) -> None:
    if op == "RegOpenKey":
        found = _OPEN.search(arguments + ",")
        state.key = registry_key(f"{_ROOTS.get(found[1], '?')}\\{found[2]}") if found else ""
    elif op in ("RegAddValue", "RegRemoveValue", "RegCreateKey", "RegRemoveKey") and state.key:
        state.registry.append(_registry(op, arguments, where, state.key))
    elif op == "SetTargetFolder":
        state.folder = arguments.removeprefix("Folder=").strip(",")
    elif op in ("FileCopy", "FileRemove"):
        name = re.search(r"(?:DestName|FileName)=([^,]+)", arguments)
        if name:
            short, _, long = name[1].partition("|")
            path = (
                state.folder.rstrip("\\") + "\\" + (long or short)
                if state.folder
                else long or short
            )
            action = "removed" if op == "FileRemove" else "written"
            size = re.search(r"FileSize=(\d+)", arguments)
            state.files.append(
                FileClaim(
                    path=path, where=where, action=action, size=int(size[1]) if size else None
                )
            )


def _registry(op: str, arguments: str, where: str, key: str) -> RegistryClaim:
    if op in ("RegCreateKey", "RegRemoveKey"):
        gone = op == "RegRemoveKey"
        return RegistryClaim(
            key=key, name=None, where=where, action="delete" if gone else "set", whole=gone
        )
    added = _ADD.search(arguments)
    if op == "RegRemoveValue" or not added:
        name = re.search(r"Name=([^,]*)", arguments)
        action = "delete" if op == "RegRemoveValue" else "set"
        return RegistryClaim(key=key, name=name[1] if name else "", where=where, action=action)
    kind, data = value_of(added[2])
    return RegistryClaim(key=key, name=added[1], where=where, type=kind, data=data)
