"""Linux's audit log: what a logged-in person's process did to a file.

    type=SYSCALL msg=audit(1764003600.123:42): ... auid=1000 uid=0 exe="/usr/bin/vim" AUID="alice" ...
    type=PATH msg=audit(1764003600.123:42): item=1 name="/etc/hosts" nametype=NORMAL ...

Records of one event have the same number. `auid` is who logged in, kept over su and sudo; events without
one are the system's own and no person's. Text with odd characters is hexadecimal. Source: audit.rules(7),
auditd's message dictionary (field names auid, exe, name, proctitle).
"""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sakimori.endpoint.verify.actions._record import Action, is_person
from sakimori.endpoint.verify.model import Aside

if TYPE_CHECKING:
    from sakimori.endpoint.verify.manifests._source import Source

NAME = "auditd"
TITLE = "Linux audit log"

_HEAD = re.compile(r"^(?:node=\S+ )?type=(\w+) msg=audit\((\d{9,10})\.\d+:(\d+)\):\s*(.*)$")
_FIELD = re.compile(r"(\w+)=(\"[^\"]*\"|'[^']*'|\S+)")
_HEX = re.compile(r"^(?:[0-9A-F]{2})+$")
_READS = ("PARENT", "UNKNOWN")


def recognises(source: Source) -> bool:
    """Whether the first lines are audit records."""
    return any(_HEAD.match(line) for line in source.head.splitlines()[:10])


def read(source: Source) -> tuple[list[Action], list[Aside]]:
    """Read the events that name a file and a person; lines that are no record come aside."""
    events: dict[str, list[tuple[str, int, int, dict[str, str]]]] = defaultdict(list)
    aside: list[Aside] = []
    for number, line in enumerate(source.text.splitlines(), 1):
        found = _HEAD.match(line)
        if found:
            fields = dict(_FIELD.findall(found[4]))
            events[found[3]].append((found[1], int(found[2]), number, fields))
        elif line.strip() and line.strip() != "----":
            aside.append(Aside(source.at(number), "no audit record"))
    return [act for records in events.values() for act in _acts(records, source)], aside


def _acts(records: list[tuple[str, int, int, dict[str, str]]], source: Source) -> list[Action]:
    call = next((f for kind, _, _, f in records if kind == "SYSCALL"), {})
    who = _plain(call.get("AUID", "")) or call.get("auid", "")
    if not is_person(who) or call.get("success") == "no":
        return []
    folder = next((_plain(f.get("cwd", "")) for kind, _, _, f in records if kind == "CWD"), "")
    title = next((_plain(f.get("proctitle", "")) for k, _, _, f in records if k == "PROCTITLE"), "")
    program = _plain(call.get("exe", ""))
    acts = []
    for kind, second, number, fields in records:
        name = _plain(fields.get("name", ""))
        if kind == "PATH" and name and fields.get("nametype") not in _READS:
            path = name if name.startswith("/") else f"{folder.rstrip('/')}/{name}"
            acts.append(
                Action(time=datetime.fromtimestamp(second, UTC), who=who,
                       what=title.replace("\0", " ") or program, where=source.at(number), target=path,
                       program=program)
            )  # fmt: skip
    return acts


def _plain(text: str) -> str:
    """Return a field's text: quoted, or hexadecimal where it holds odd characters."""
    if text[:1] in ("'", '"'):
        return text[1:-1]
    if _HEX.match(text) and len(text) > 4:
        return bytes.fromhex(text).decode("utf-8", "replace")
    return "" if text == "(null)" else text
