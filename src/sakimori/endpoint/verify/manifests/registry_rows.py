"""A table of registry changes: columns key, name, type, data, action, in any order, CSV or TSV.

`name` empty is the default value when there is data or a type, else the key itself; `@` and
`(default)` are the default value. `action` is set (assumed), delete, or key. `acl` may hold the
key's SDDL. A line `# complete: registry` says that nothing else in the registry is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.endpoint.verify.manifests.registry_file import completeness
from sakimori.endpoint.verify.model import Aside, Manifest, RegistryClaim
from sakimori.endpoint.verify.registry_data import raw_of, type_of
from sakimori.endpoint.verify.registry_names import registry_key
from sakimori.endpoint.verify.security import parts_of
from sakimori.endpoint.verify.text import table, update_name
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from sakimori.endpoint.verify.manifests._source import Source

NAME = "registry-rows"
TITLE = "registry changes (CSV with key, name, type, data)"

_NAMES = {
    "key": ("key", "registry key", "subkey", "key path", "keypath", "path", "registry path", "キー", "レジストリ キー"),
    "name": ("name", "value name", "valuename", "value", "値の名前", "名前"),
    "type": ("type", "value type", "reg type", "種類", "型"),
    "data": ("data", "value data", "valuedata", "データ", "値のデータ"),
    "action": ("action", "operation", "change", "操作"),
    "acl": ("acl", "sddl", "permissions", "security", "アクセス許可"),
}  # fmt: skip
_SET = ("", "set", "add", "added", "modify", "modified", "write", "create", "change", "changed")
_DELETE = ("delete", "deleted", "remove", "removed", "-")


def recognises(source: Source) -> bool:
    """Whether one of the first rows is a header with key and name, type or data."""
    for count, (_, row) in enumerate(table(source.head)):
        if _header(row):
            return True
        if count > 20:
            return False
    return False


def read(source: Source) -> Manifest:
    """Read the rows; one without a key, or with a type or action that is none, comes aside."""
    claims: list[RegistryClaim] = []
    aside: list[Aside] = []
    columns: dict[str, int] = {}
    complete = frozenset[str]()
    for line, row in table(source.text):
        if not any(row) or row[0].startswith(("#", ";")):
            complete |= completeness(",".join(row).rstrip(", "))
        elif not columns:
            columns = _header(row)
        else:
            cells = {m: row[at] if at < len(row) else "" for m, at in columns.items()}
            claim = claim_of(cells, source.at(line))
            (aside if isinstance(claim, Aside) else claims).append(claim)  # type: ignore[arg-type]
    if not claims:
        raise SourceError(
            "no row can be read", where=str(source.path), hint="columns: key,name,type,data,action"
        )
    acl = {"acl"} if any(claim.security for claim in claims) else set()
    return Manifest(
        name=update_name(source.path.stem) or source.path.stem, source=str(source.path), format=NAME,
        declares=frozenset({"registry"} | acl), registry=tuple(claims), complete=complete,
        aside=tuple(aside),
    )  # fmt: skip


def _header(row: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for at, cell in enumerate(row):
        bare = " ".join(cell.lower().replace("_", " ").split())
        for meaning, names in _NAMES.items():
            if bare in names:
                found.setdefault(meaning, at)
    if "name" not in found or "data" not in found:
        return found if "key" in found and {"type", "action", "acl"} & set(found) else {}
    return found if "key" in found else {}


def claim_of(cells: dict[str, str], where: str) -> RegistryClaim | Aside:
    """Return the claim of one row, or why there is none."""
    key = registry_key(cells.get("key", ""))
    action = cells.get("action", "").lower()
    if not key:
        return Aside(where, "no key")
    if action not in (*_SET, *_DELETE, "key"):
        return Aside(where, f"the action {action!r} is neither set, delete nor key")
    kind = type_of(cells["type"]) if cells.get("type") else None
    if cells.get("type") and kind is None:
        return Aside(where, f"the type {cells['type']!r} is none")
    name: str | None = cells.get("name", "")
    if name in ("@", "(default)", "(Default)", "(既定)"):
        name = ""
    elif not name and (action == "key" or not (kind or cells.get("data"))):
        name = None
    empty = "" if kind in ("REG_SZ", "REG_EXPAND_SZ") else None
    given = cells.get("data") or empty
    data = raw_of(kind, given) if name is not None and action not in _DELETE else ()
    return RegistryClaim(
        key=key, name=name, where=where, action="delete" if action in _DELETE else "set", type=kind,
        data=data, whole=name is None and action in _DELETE, security=parts_of(cells.get("acl", "")),
    )  # fmt: skip
