"""sudo's lines in auth.log, secure or the journal's short-iso form.

    2026-11-24T10:00:01+00:00 host sudo: alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/vi /etc/hosts
    Nov 24 10:00:01 host sudo[12]: ...

The second form has no year: that of the file's last change is taken, one less where it would lie ahead of it.
Source: sudoers(5), "LOG FORMAT".
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sakimori.endpoint.verify.actions._record import Action
from sakimori.endpoint.verify.model import Aside
from sakimori.endpoint.verify.text import time_of

if TYPE_CHECKING:
    from sakimori.endpoint.verify.manifests._source import Source

NAME = "sudo"
TITLE = "sudo's log"

_LINE = re.compile(
    r"^(?P<time>\d{4}-\d\d-\d\dT\S+|\w{3}\s+\d{1,2} [\d:]{8}) (?:\S+ )?sudo(?:\[\d+\])?:\s+(?P<who>\S+) : "
    r"(?P<rest>.*)$"
)
_COMMAND = re.compile(r"COMMAND=(.*)$")


def recognises(source: Source) -> bool:
    """Whether one of the first lines is sudo's, with a command."""
    found = (_LINE.match(line) for line in source.head.splitlines()[:500])
    return any(m and "COMMAND=" in m["rest"] for m in found)


def read(source: Source) -> tuple[list[Action], list[Aside]]:
    """Read the commands; other programs' lines are passed over, sudo's broken ones come aside."""
    actions: list[Action] = []
    aside: list[Aside] = []
    newest = _last_change(source)
    for number, line in enumerate(source.text.splitlines(), 1):
        found = _LINE.match(line)
        command = _COMMAND.search(found["rest"]) if found else None
        if not found or not command or "command not allowed" in found["rest"]:
            continue
        time = _time(found["time"], newest, source)
        if time is None:
            aside.append(Aside(source.at(number), "no time that can be read"))
            continue
        actions.append(
            Action(time=time, who=found["who"], what=command[1].strip(), where=source.at(number))
        )
    return actions, aside


def _last_change(source: Source) -> datetime:
    try:
        return datetime.fromtimestamp(source.path.stat().st_mtime, UTC)
    except OSError:
        return datetime.fromtimestamp(0, UTC)


def _time(text: str, newest: datetime, source: Source) -> datetime | None:
    if text[0].isdigit():
        return time_of(text, source.zone)
    for year in (newest.year, newest.year - 1):
        try:
            found = datetime.strptime(f"{year} {text}", "%Y %b %d %H:%M:%S")  # noqa: DTZ007 - below
        except ValueError:
            continue
        aware = found.replace(tzinfo=source.zone).astimezone(UTC)
        if aware <= newest + timedelta(days=1):
            return aware
    return None
