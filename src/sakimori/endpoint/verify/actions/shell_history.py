"""bash's and zsh's history with times: `#1259150400` before a command, or `: 1259150400:0;command`.

Without times a command says nothing about when, so such lines come aside. Whose history it is comes from the
path (`/home/alice/.bash_history`). Source: bash(1) HISTTIMEFORMAT, zshoptions(1) EXTENDED_HISTORY.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sakimori.endpoint.verify.actions._record import Action
from sakimori.endpoint.verify.model import Aside

if TYPE_CHECKING:
    from sakimori.endpoint.verify.manifests._source import Source

NAME = "shell-history"
TITLE = "shell history with times (bash, zsh)"

_BASH = re.compile(r"^#(\d{9,10})$")
_ZSH = re.compile(r"^: (\d{9,10}):\d+;(.*)$")


def recognises(source: Source) -> bool:
    """Whether one of the first lines is a time of either shell, or the name says history."""
    lines = source.head.splitlines()[:50]
    timed = any(_BASH.match(line) or _ZSH.match(line) for line in lines)
    return timed or source.path.name.endswith("_history")


def read(source: Source) -> tuple[list[Action], list[Aside]]:
    """Read the commands that have a time."""
    who = _owner(source)
    actions: list[Action] = []
    aside: list[Aside] = []
    time: datetime | None = None
    for number, line in enumerate(source.text.splitlines(), 1):
        if stamp := _BASH.match(line):
            time = datetime.fromtimestamp(int(stamp[1]), UTC)
            continue
        command = line
        if stamped := _ZSH.match(line):
            time, command = datetime.fromtimestamp(int(stamped[1]), UTC), stamped[2]
        if not command.strip():
            continue
        if time is None:
            aside.append(Aside(source.at(number), "a command without a time"))
            continue
        actions.append(Action(time=time, who=who, what=command.strip(), where=source.at(number)))
    return actions, aside


def _owner(source: Source) -> str:
    """Return whose history it is by the folder it lies in, else the file's name."""
    parts = source.path.parts
    for folder in ("home", "Users"):
        if folder in parts[:-2]:
            return parts[parts.index(folder) + 1]
    return "root" if len(parts) > 1 and parts[-2] == "root" else source.path.name
