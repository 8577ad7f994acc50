"""What was seen on the wire, column by column: connections, and what was inside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sakimori.simulate.addresses import Column

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Frame: TypeAlias = dict[str, Column]
LOGS = ("conn", "dns", "http", "ssl", "smtp", "irc", "ssh", "x509", "files")
LINK = "of"  # column of every log but conn: the row number of its connection


@dataclass(frozen=True, slots=True)
class Events:
    """Rows of each log. Frames of one log always have the same columns, all of one length.

    Times (`ts`) are seconds since 1970 as float64, text columns hold `str`.
    """

    logs: Mapping[str, Frame] = field(default_factory=dict)

    def count(self, log: str) -> int:
        """Return how many rows a log has."""
        return len(self.logs[log]["ts"]) if log in self.logs else 0


def merged(parts: Iterable[Events]) -> Events:
    """Return all parts as one, links renumbered. Order of rows: that of the parts."""
    frames: dict[str, list[Frame]] = {log: [] for log in LOGS}
    before = 0
    for part in parts:
        for log, frame in part.logs.items():
            linked = {LINK: frame[LINK] + before} if LINK in frame else {}
            frames[log].append({**frame, **linked})
        before += part.count("conn")
    return Events({log: _stacked(given) for log, given in frames.items() if given})


def _stacked(frames: list[Frame]) -> Frame:
    return {name: np.concatenate([frame[name] for frame in frames]) for name in frames[0]}


def on_the_wire(events: Events, start: float, end: float) -> Events:
    """Return what a sensor sees from `start` to before `end`: not what hosts tell themselves.

    A row inside a connection goes with its connection.
    """
    conn = events.logs["conn"]
    ts = conn["ts"]
    kept = (ts >= start) & (ts < end) & (conn["src"] != conn["dst"])
    renumbered = np.cumsum(kept) - 1
    logs = {"conn": {name: column[kept] for name, column in events.logs["conn"].items()}}
    for log, frame in events.logs.items():
        if log != "conn":
            rows = kept[frame[LINK]] & (frame["ts"] < end)
            left = {name: column[rows] for name, column in frame.items()}
            logs[log] = {**left, LINK: renumbered[left[LINK]]}
    return Events(logs)
