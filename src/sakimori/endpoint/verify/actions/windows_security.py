"""Events 4657, 4663 and 4670 of the Windows Security log, exported as XML, JSON or CSV.

4657: a registry value was modified. 4663: an object was accessed, counted only where the access writes. 4670:
permissions were changed. Read: XML as wevtutil and Event Viewer save it, JSON as Get-WinEvent,
Winlogbeat or EvtxECmd give it (fields anywhere within an event), CSV with the same field names. Source:
Microsoft, "Audit Registry" and the pages of these events.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.verify.actions._record import Action, is_person
from sakimori.endpoint.verify.model import Aside
from sakimori.endpoint.verify.text import table, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.verify.manifests._source import Source

NAME = "windows-security"
TITLE = "Windows Security events 4657, 4663, 4670 (XML, JSON, CSV)"

_IDS = {"4657": "registry value modified", "4663": "object written", "4670": "permissions changed"}
_EVENT = re.compile(r"<Event[\s>].*?</Event>", re.DOTALL)
_DATA = re.compile(r"<Data Name=['\"](\w+)['\"]>(.*?)</Data>", re.DOTALL)
_ID = re.compile(r"<EventID[^>]*>(\d+)</EventID>")
_CREATED = re.compile(r"SystemTime=['\"]([^'\"]+)['\"]")
# Access rights that change something: write, append, delete, permissions, owner, set value, subkey.
_WRITES = re.compile(
    r"%%(?:1537|1539|1540|4417|4418|4420|4433|4434)|(?i:write|delete|set value|0x2\b|0x4\b)"
)
_TIMES = ("timecreated", "time_created", "systemtime", "date and time", "@timestamp", "time", "timestamp",
          "日付と時刻")  # fmt: skip
_NESTED = ("event", "system", "eventdata", "winlog", "data", "payload", "timecreated", "attributes")


def recognises(source: Source) -> bool:
    """Whether it holds one of the events and the name of an object field."""
    head = source.head
    return any(one in head for one in _IDS) and bool(re.search(r"(?i)object_?name", head))


def read(source: Source) -> tuple[list[Action], list[Aside]]:
    """Read the events that a person's account caused; broken ones come aside."""
    actions: list[Action] = []
    aside: list[Aside] = []
    for where, fields in _events(source, aside):
        event = str(fields.get("eventid", fields.get("id", fields.get("event id", "")))).strip()
        if event not in _IDS or not _counts(event, fields):
            continue
        who = "\\".join(
            p for p in (fields.get("subjectdomainname"), fields.get("subjectusername")) if p
        )
        if not is_person(who):
            continue
        time = next((time_of(str(fields[t]), source.zone) for t in _TIMES if fields.get(t)), None)
        if time is None or not fields.get("objectname"):
            aside.append(Aside(where, "an event without time or object"))
            continue
        actions.append(
            Action(time=time, who=who, what=f"{event} {_IDS[event]}", where=where,
                   target=str(fields["objectname"]), value=fields.get("objectvaluename"),
                   program=str(fields.get("processname", "")))
        )  # fmt: skip
    return actions, aside


def _counts(event: str, fields: dict[str, Any]) -> bool:
    rights = f"{fields.get('accesslist', '')} {fields.get('accesses', '')} {fields.get('accessmask', '')}"
    return event != "4663" or bool(_WRITES.search(rights))


def _events(source: Source, aside: list[Aside]) -> Iterator[tuple[str, dict[str, Any]]]:
    text = source.text.lstrip("\ufeff \r\n")
    if text.startswith("<"):
        yield from _of_xml(source)
    elif text.startswith(("{", "[")):
        yield from _of_json(source, text, aside)
    else:
        rows = table(source.text)
        header = [cell.lower().replace("_", "") for cell in next(rows, (0, []))[1]]
        for line, row in rows:
            yield source.at(line), dict(zip(header, row, strict=False))


def _of_xml(source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    """By pattern, not by a parser: no entity is ever resolved."""
    for found in _EVENT.finditer(source.text):
        body = found[0]
        fields: dict[str, Any] = {n.lower(): _unescaped(v) for n, v in _DATA.findall(body)}
        for name, pattern in (("eventid", _ID), ("systemtime", _CREATED)):
            if one := pattern.search(body):
                fields[name] = one[1]
        yield source.at(source.text.count("\n", 0, found.start()) + 1), fields


def _unescaped(text: str) -> str:
    for escaped, plain in (
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", '"'),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ):
        text = text.replace(escaped, plain)
    return text.strip()


def _of_json(source: Source, text: str, aside: list[Aside]) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        whole = json.loads(text)
        entries = whole if isinstance(whole, list) else [whole]
        places = [f"{source.path}: [{at}]" for at in range(len(entries))]
    except (ValueError, RecursionError):
        entries, places = [], []
        for number, line in enumerate(source.text.splitlines(), 1):
            try:
                entries.append(json.loads(line) if line.strip() else {})
                places.append(source.at(number))
            except (ValueError, RecursionError):
                aside.append(Aside(source.at(number), "not valid JSON"))
    for where, entry in zip(places, entries, strict=True):
        if isinstance(entry, dict):
            yield where, dict(_flat(entry, 0))


def _flat(entry: dict[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    """Give the fields of an event wherever they lie in it, names in small letters."""
    for name, value in entry.items():
        lower = name.lower().lstrip("@#")
        if name.lower() not in _TIMES:
            lower = lower.replace("_", "")
        if isinstance(value, dict) and depth < 6 and (lower in _NESTED or depth):
            yield from _flat(value, depth + 1)
        elif isinstance(value, list):
            named = [v for v in value if isinstance(v, dict) and "@Name" in v]
            yield from ((str(v["@Name"]).lower(), v.get("#text")) for v in named)
        elif not isinstance(value, dict):
            yield name.lower() if name.lower() in _TIMES else lower, value
