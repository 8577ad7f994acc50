"""The items of a recipe, from nodes: one function for each kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.recipes.model import (
    ACTIONS,
    AUTORUNS,
    JOBS,
    KINDS,
    MANAGERS,
    AutorunItem,
    Condition,
    FileItem,
    HostsItem,
    JobItem,
    ProcessItem,
    ServiceItem,
)
from sakimori.endpoint.recipes.patterns import wrong_glob
from sakimori.endpoint.recipes.registry_items import registry_item

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.endpoint.recipes.model import Item
    from sakimori.endpoint.recipes.nodes import Node

_COMMON = ("source", "action", "note", "always-bad")
_CONDITIONS = ("sha256", "size", "contains", "rule")
_START = re.compile(r"(/|~/|%[A-Za-z]+%/).+")
_VARIABLES = (
    "%SystemRoot%", "%SystemDrive%", "%ProgramFiles%", "%ProgramData%", "%UserProfile%",
    "%AppData%", "%LocalAppData%", "%Temp%",
)  # fmt: skip
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
_UNIT = re.compile(r"[A-Za-z0-9@:_.\\-]{1,200}")
_LEAF = re.compile(r"[^/\\\0*?\[\]]{1,200}")
_SHORTEST = 6  # bytes of a marker


def item(node: Node, sources: frozenset[str]) -> Item:
    """Return one item. Its kind is its first key. Raises SourceError with the place."""
    kind = next((key for key in node.value if key in KINDS), "") if node.tag == "map" else ""
    if not kind:
        node.wrong("an item begins with its kind", f"one of {', '.join(KINDS)}")
    make, own = _MAKE[kind]
    given = node.fields((kind, *own, *_COMMON), (kind, "source"))
    source = given["source"].text()
    if source not in sources:
        given["source"].wrong(f"no source has the id {source!r}")
    common = {
        "line": node.line,
        "source": source,
        "action": given["action"].choice(ACTIONS) if "action" in given else "clean",
        "note": given["note"].text() if "note" in given else "",
        "always_bad": "always-bad" in given and given["always-bad"].flag(),
    }
    return make(node, given, common)


def _file(node: Node, given: dict[str, Node], common: dict[str, Any]) -> FileItem:
    path = path_of(given["file"])
    when = condition(given)
    if when.empty and not common["always_bad"]:
        node.wrong(
            "a path alone does not decide",
            "give sha256, contains or rule; or `always-bad: true` where the source says so",
        )
    return FileItem(path=path, when=when, **common)


def path_of(node: Node) -> str:
    """Return a path that begins at the root, a home or a Windows variable, with little wildcards."""
    text = node.text().replace("\\", "/")
    variable = text.split("/", 1)[0]
    if not _START.fullmatch(text) or (variable[:1] == "%" and variable not in _VARIABLES):
        node.wrong(f"{text!r} begins nowhere", f"/, ~/ or one of {', '.join(_VARIABLES)}")
    parts = [part for part in text.split("/") if part]
    if any(part in (".", "..") for part in parts) or text.endswith("/"):
        node.wrong("a file is expected, without . and ..")
    problem = wrong_glob(parts)
    if problem:
        node.wrong(problem)
    return text


def condition(given: dict[str, Node]) -> Condition:
    """Return what must hold of a file's bytes."""
    low, high = None, None
    if "size" in given:
        size = given["size"].fields(("from", "to"))
        low = size["from"].number(0, 2**40) if "from" in size else None
        high = size["to"].number(0, 2**40) if "to" in size else None
    hashes = given["sha256"].texts() if "sha256" in given else ()
    for text in hashes:
        if not re.fullmatch("[0-9a-fA-F]{64}", text):
            given["sha256"].wrong(f"{text!r} is no SHA-256")
    return Condition(
        sha256=tuple(text.lower() for text in hashes),
        smallest=low,
        largest=high,
        contains=tuple(m.encode() for m in markers(given)),
        rule=given["rule"].text() if "rule" in given else "",
    )


def markers(given: dict[str, Node], key: str = "contains") -> tuple[str, ...]:
    """Return markers. An entry that is itself a list is joined, so that no file holds it whole."""
    if key not in given:
        return ()
    node = given[key]
    entries = [node] if node.tag == "str" else node.list()
    found = tuple("".join(entry.texts()) for entry in entries)
    for text in found:
        if len(text.encode()) < _SHORTEST:
            node.wrong(f"{text!r} is in many files", f"give {_SHORTEST} bytes or more")
    return found


def _process(node: Node, given: dict[str, Node], common: dict[str, Any]) -> ProcessItem:
    exe = given["process"].text(empty=True)
    if "/" in exe:
        exe = path_of(given["process"])
    made = ProcessItem(
        exe=exe,
        of_file="of-file" in given and given["of-file"].flag(),
        deleted="deleted" in given and given["deleted"].flag(),
        command=markers(given, "command"),
        **common,
    )
    if not (made.of_file or made.deleted or made.command or common["always_bad"]):
        node.wrong("a name alone does not decide", "add of-file, deleted or command")
    if not (exe or made.of_file):
        node.wrong("which process?", "name its program, or give of-file")
    return made


def _service(node: Node, given: dict[str, Node], common: dict[str, Any]) -> ServiceItem:
    name = given["service"].text()
    if not _UNIT.fullmatch(name) or name in (".", ".."):
        node.wrong(f"{name!r} is no name of a service")
    dotted = name.endswith((".service", ".timer", ".socket", ".path"))
    manager = given["manager"].choice(MANAGERS) if "manager" in given else "systemd"
    if manager == "systemd" and not dotted:
        node.wrong(f"{name!r} is no unit", "such as x.service or x.timer; or name the manager")
    made = ServiceItem(
        name=name,
        manager=manager,
        contains=markers(given),
        missing="missing" in given and given["missing"].flag(),
        beside=given["beside"].text() if "beside" in given else "",
        **common,
    )
    if (made.missing or made.beside) and manager != "windows":
        node.wrong("missing and beside are for services of Windows")
    if not (made.contains or made.missing or common["always_bad"]):
        node.wrong("a name alone does not decide", "add contains, or `always-bad: true`")
    return made


def _job(node: Node, given: dict[str, Node], common: dict[str, Any]) -> JobItem:
    where = given["job"].choice(JOBS)
    name = given["name"].text() if "name" in given else ""
    found = markers(given)
    if (where == "task") != bool(name):
        node.wrong("a task has a name, other jobs have none")
    parts = name.replace("\\", "/").strip("/").split("/")
    if name and not all(_LEAF.fullmatch(p) and p not in (".", "..") for p in parts):
        given["name"].wrong(f"{name!r} is no name of a task")
    if not (found or (name and common["always_bad"])):
        node.wrong("give what the job contains")
    return JobItem(where=where, name="/".join(parts) if name else "", contains=found, **common)


def _hosts(node: Node, given: dict[str, Node], common: dict[str, Any]) -> HostsItem:
    names = given["hosts"].texts()
    for name in names:
        if not _HOST.fullmatch(name) or name.lower() == "localhost":
            node.wrong(f"{name!r} is no host name to remove")
    address = given["address"].text() if "address" in given else ""
    return HostsItem(names=tuple(n.lower() for n in names), address=address, **common)


def _autorun(node: Node, given: dict[str, Node], common: dict[str, Any]) -> AutorunItem:
    where = given["autorun"].choice(AUTORUNS)
    name = given["name"].text() if "name" in given else ""
    found = markers(given)
    if name and where != "run-key" and not _LEAF.fullmatch(name):
        given["name"].wrong(f"{name!r} is no name of a file")
    if not (found or (name and common["always_bad"])):
        node.wrong("give what it contains, or a name and `always-bad: true`")
    return AutorunItem(where=where, name=name, contains=found, **common)


_MAKE: dict[str, tuple[Callable[..., Item], tuple[str, ...]]] = {
    "file": (_file, _CONDITIONS),
    "process": (_process, ("of-file", "deleted", "command")),
    "service": (_service, ("manager", "contains", "missing", "beside")),
    "job": (_job, ("name", "contains")),
    "registry": (registry_item, ("name", "bad", "good", "unterminated", "delete-key")),
    "hosts": (_hosts, ("address",)),
    "autorun": (_autorun, ("name", "contains")),
}
