"""A table of acts: columns time, who, what, and where known target, value, program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.endpoint.verify.actions._record import Action, is_person
from sakimori.endpoint.verify.model import Aside
from sakimori.endpoint.verify.text import table, time_of
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from sakimori.endpoint.verify.manifests._source import Source

NAME = "csv"
TITLE = "CSV with time,who,what[,target,value,program]"

_NAMES = {
    "time": ("time", "timestamp", "when", "date", "日時", "時刻"),
    "who": ("who", "user", "account", "by", "ユーザー", "誰"),
    "what": ("what", "action", "command", "message", "操作", "内容"),
    "target": ("target", "object", "path", "key", "file", "対象"),
    "value": ("value", "name", "値の名前"),
    "program": ("program", "process", "プログラム"),
}


def recognises(source: Source) -> bool:
    """Whether the first row names time, who and what."""
    return {"time", "who", "what"} <= set(_header(next((r for _, r in table(source.head)), [])))


def _header(row: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for at, cell in enumerate(row):
        for meaning, names in _NAMES.items():
            if cell.lower() in names:
                found.setdefault(meaning, at)
    return found


def read(source: Source) -> tuple[list[Action], list[Aside]]:
    """Read the rows; one without a time that can be read, or of no person's account, comes aside."""
    actions: list[Action] = []
    aside: list[Aside] = []
    columns: dict[str, int] = {}
    for line, row in table(source.text):
        if not columns:
            columns = _header(row)
        elif any(row):
            cells = {m: row[at] if at < len(row) else "" for m, at in columns.items()}
            time = time_of(cells["time"], source.zone)
            if time is None or not is_person(cells["who"]):
                why = "no time that can be read" if time is None else "the account is no person's"
                aside.append(Aside(source.at(line), why))
                continue
            actions.append(
                Action(time=time, who=cells["who"], what=cells["what"], where=source.at(line),
                       target=cells.get("target", ""), value=cells.get("value") or None,
                       program=cells.get("program", ""))
            )  # fmt: skip
    if not columns:
        raise SourceError("no header", where=str(source.path), hint="columns: time,who,what")
    return actions, aside
