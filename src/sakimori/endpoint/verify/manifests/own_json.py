r"""Sakimori's own manifest: JSON, as the schema `update-manifest` has it, and simple relatives of it.

    {"update": "KB976098", "complete": ["registry"],
     "files": [{"path": "C:\\WINDOWS\\system32\\a.dll", "sha256": "...", "size": 1, "version": "5.1"}],
     "registry": [{"key": "HKLM\\SOFTWARE\\X", "name": "V", "type": "REG_SZ", "data": "text"}],
     "packages": [{"name": "hello", "version": "2.10-3"}], "services": ["svc"]}

What others write is read as far as its meaning is plain: a list of rows alone, values nested below a key,
a path or key as a bare string. `complete` true means everything the form can declare, permissions
included.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.verify.model import (
    SUBJECTS,
    Aside,
    FileClaim,
    Manifest,
    ObjectClaim,
    RegistryClaim,
)
from sakimori.endpoint.verify.registry_data import raw_of, type_of
from sakimori.endpoint.verify.registry_names import registry_key
from sakimori.endpoint.verify.security import parts_of
from sakimori.endpoint.verify.text import number_of, update_name
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.verify.manifests._source import Source

NAME = "json"
TITLE = "update manifest (JSON)"

_HASHES = ("md5", "sha1", "sha256", "sha512")
_LENGTHS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_OBJECTS = {"packages": "package", "services": "service", "jobs": "job", "users": "user"}
_NAMED = ("update", "kb", "id", "name", "title")
_DELETES = ("delete", "deleted", "remove", "removed")


def recognises(source: Source) -> bool:
    """Whether it begins like JSON: a brace, or a bracket with a brace, quote or bracket after it."""
    bare = "".join(source.head[:400].strip("\ufeff \r\n\t").split())
    return bare.startswith(("{", "[{", '["', "[[", "[]"))


@dataclass
class _Found:
    files: list[FileClaim] = field(default_factory=list)
    registry: list[RegistryClaim] = field(default_factory=list)
    objects: list[ObjectClaim] = field(default_factory=list)
    aside: list[Aside] = field(default_factory=list)


def read(source: Source) -> Manifest:
    """Read it. An entry that is malformed comes aside with its place, such as `m.json: registry[2]`."""
    whole = _parsed(source)
    found = _Found()
    if isinstance(whole, list):
        whole = {"entries": whole}
    for name, entries in whole.items():
        _section(name.lower(), entries, source, found)
    if not (found.files or found.registry or found.objects) and not _empty_on_purpose(whole):
        raise SourceError(
            "it declares nothing that can be used", where=str(source.path),
            hint='sections: "files", "registry", "packages", "services", "jobs", "users"',
        )  # fmt: skip
    return Manifest(
        name=_name(whole, source), source=str(source.path), format=NAME,
        declares=_declares(whole, found), files=tuple(found.files), registry=tuple(found.registry),
        objects=tuple(found.objects), complete=_complete(whole, source), aside=tuple(found.aside),
    )  # fmt: skip


def _parsed(source: Source) -> Any:
    try:
        whole = json.loads(source.text)
    except json.JSONDecodeError as error:
        raise SourceError(f"not valid JSON: {error.msg}", where=source.at(error.lineno)) from error
    except (ValueError, RecursionError) as error:
        raise SourceError("not valid JSON: nested too deep", where=str(source.path)) from error
    if not isinstance(whole, (dict, list)):
        raise SourceError("neither an object nor a list", where=str(source.path))
    return whole


def _empty_on_purpose(whole: dict[str, Any]) -> bool:
    """Whether it says, by empty sections, that the update touches nothing of a kind."""
    return any(whole.get(name) == [] for name in ("files", "registry", *_OBJECTS))


def _name(whole: dict[str, Any], source: Source) -> str:
    given = next((whole[n] for n in _NAMED if isinstance(whole.get(n), (str, int))), "")
    text = str(given)
    if text.isdigit():
        return f"KB{text}"
    return text or update_name(source.path.stem) or source.path.stem


def _declares(whole: dict[str, Any], found: _Found) -> frozenset[str]:
    """The form can declare all; a section that is not there is one it does not speak of."""
    kinds = {"files"} if found.files or "files" in whole else set()
    if found.registry or "registry" in whole:
        kinds |= {"registry"}
    if whole.get("declares_acl") or any(claim.security for claim in found.registry):
        kinds |= {"acl"}
    inside = {claim.object for claim in found.objects}
    return frozenset(kinds | {n for n, o in _OBJECTS.items() if o in inside or n in whole})


def _complete(whole: dict[str, Any], source: Source) -> frozenset[str]:
    said = whole.get("complete", False)
    if said is True:
        return frozenset(SUBJECTS)
    if not said:
        return frozenset()
    listed = {said} if isinstance(said, str) else set(said) if isinstance(said, list) else {None}
    if not listed <= set(SUBJECTS):
        raise SourceError(
            "complete names something that is no subject", where=str(source.path),
            hint="true, false, or some of " + ", ".join(SUBJECTS),
        )  # fmt: skip
    return frozenset(str(one) for one in listed)


def _section(name: str, entries: Any, source: Source, found: _Found) -> None:
    known = ("files", "file", "registry", "registry_values", "registry_keys", "entries", *_OBJECTS)
    if name not in known:
        return
    if isinstance(entries, dict):
        entries = _unfolded(entries, about_files=name.startswith("file"))
    if not isinstance(entries, list):
        found.aside.append(Aside(f"{source.path}: {name}", "no list"))
        return
    for at, entry in enumerate(entries):
        where = f"{source.path}: {name}[{at}]"
        try:
            _entry(name, entry, where, found)
        except (TypeError, ValueError, AttributeError) as error:
            found.aside.append(Aside(where, f"cannot be read: {error}"))


def _unfolded(entries: dict[str, Any], *, about_files: bool) -> list[Any]:
    r"""`{"C:\\a.dll": "sha256"}` and `{key: {name: data}}` as lists of entries."""
    found: list[Any] = []
    for path, rest in entries.items():
        if isinstance(rest, dict) and not about_files:
            values = [{"name": n, "data": d} for n, d in rest.items()]
            found.append({"key": path, "values": values})
        elif isinstance(rest, dict):
            found.append({"path": path, **rest})
        else:
            found.append({"path": path, "hash": rest} if isinstance(rest, str) else path)
    return found


def _entry(name: str, entry: Any, where: str, found: _Found) -> None:
    if name in _OBJECTS:
        found.objects.append(_object(_OBJECTS[name], entry, where))
        return
    if name.startswith("file") or (name == "entries" and not _about_registry(entry)):
        found.files.append(_file(entry, where))
        return
    found.registry.extend(_registry(entry, where))


def _about_registry(entry: Any) -> bool:
    if isinstance(entry, str):
        return registry_key(entry).startswith("HK")
    return isinstance(entry, dict) and bool({"key", "registry_key"} & {k.lower() for k in entry})


def _pick(entry: dict[str, Any], *names: str) -> Any:
    lower = {k.lower().replace(" ", "_"): v for k, v in entry.items()}
    return next((lower[n] for n in names if n in lower and lower[n] is not None), None)


def _object(kind: str, entry: Any, where: str) -> ObjectClaim:
    if isinstance(entry, str):
        return ObjectClaim(object=kind, name=entry, where=where)
    version = _pick(entry, "version", "after")
    removed = str(_pick(entry, "action") or "") in _DELETES
    before = _pick(entry, "before", "from")
    name = _pick(entry, "name", "package", "service")
    if not isinstance(name, str) or not name:
        raise ValueError("no name")
    return ObjectClaim(
        object=kind, name=name, where=where, before=None if before is None else str(before),
        version="" if removed else None if version is None else str(version),
    )  # fmt: skip


def _file(entry: Any, where: str) -> FileClaim:
    if isinstance(entry, str):
        return FileClaim(path=entry, where=where)
    path = _pick(entry, "path", "file", "name", "file_name", "filename")
    if not isinstance(path, str) or not path:
        raise ValueError("no path")
    hashes = {h: str(_pick(entry, h)).lower() for h in _HASHES if _pick(entry, h)}
    if given := _pick(entry, "hash", "digest"):
        bare = str(given).rpartition(":")[2].strip().lower()
        hashes.setdefault(_LENGTHS.get(len(bare), "unknown"), bare)
    if any(len(v) not in _LENGTHS or _LENGTHS[len(v)] != k for k, v in hashes.items()):
        raise ValueError("a hash has the wrong length")
    size, mode, version = (_pick(entry, n) for n in ("size", "mode", "version"))
    action = str(_pick(entry, "action") or "written")
    return FileClaim(
        path=path, where=where, size=None if size is None else number_of(str(size)), hashes=hashes,
        version=None if version is None else str(version), target=_pick(entry, "target"),
        mode=None if mode is None else _mode(mode), owner=_pick(entry, "owner"),
        kind=str(_pick(entry, "kind") or "file"), action="removed" if action in _DELETES else "written",
    )  # fmt: skip


def _mode(mode: Any) -> int:
    return int(mode, 8) & 0o7777 if isinstance(mode, str) else int(mode) & 0o7777


def _registry(entry: Any, where: str) -> Iterator[RegistryClaim]:
    if isinstance(entry, str):
        yield RegistryClaim(key=registry_key(entry), name=None, where=where)
        return
    key = registry_key(str(_pick(entry, "key", "registry_key", "path", "subkey") or ""))
    if not key:
        raise ValueError("no key")
    deleted = str(_pick(entry, "action") or "") in _DELETES
    yield _one_value(key, entry, where, deleted=deleted)
    values = _pick(entry, "values")
    if isinstance(values, dict):
        values = [{"name": n, "data": d} for n, d in values.items()]
    for value in values or ():
        named = {"name": value} if isinstance(value, str) else value
        yield _one_value(key, {**named}, where, deleted=deleted)


def _one_value(key: str, entry: dict[str, Any], where: str, *, deleted: bool) -> RegistryClaim:
    name, data = _pick(entry, "name", "value_name"), _pick(entry, "data", "value_data", "text")
    value = _pick(entry, "value")
    if name is None and value is not None:
        name = value
    elif data is None:
        data = value
    if name in ("@", "(default)", "(Default)"):
        name = ""
    given = _pick(entry, "type", "value_type")
    kind = type_of(given) if given is not None else _natural(data)
    if given is not None and kind is None:
        raise ValueError(f"{given!r} is no type")
    raw = (*raw_of(kind, data), *raw_of("REG_BINARY", _pick(entry, "raw", "data_hex")))
    return RegistryClaim(
        key=key, name=None if name is None else str(name), where=where, type=kind, data=raw,
        action="delete" if deleted else "set", whole=bool(_pick(entry, "whole")) or (deleted and name is None),
        security=_security(entry),
    )  # fmt: skip


def _natural(data: Any) -> str | None:
    """The type that a datum has when none is given: a number is a DWORD, text says nothing."""
    return (
        "REG_DWORD" if isinstance(data, int) else "REG_MULTI_SZ" if isinstance(data, list) else None
    )


def _security(entry: dict[str, Any]) -> dict[str, str]:
    acl = _pick(entry, "acl", "sddl", "security")
    parts = parts_of(acl) if isinstance(acl, str) else dict(acl) if isinstance(acl, dict) else {}
    named = {n: str(_pick(entry, n)) for n in ("owner", "group", "dacl", "sacl") if _pick(entry, n)}
    return {str(k): str(v) for k, v in {**parts, **named}.items()}
