"""The outbox: notices as files, and a ledger of all that happened to each. Nothing is forgotten.

`FOLDER/outbox/<reference>.eml` for people to look at; `FOLDER/notices.sqlite` for what was done.
Every step is committed before the next begins, so a cut-off at any moment leaves the truth.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import orjson

from sakimori.errors import StateError
from sakimori.intel.contacts import Contact
from sakimori.takedown.notify.events import VictimEvent, parse_time
from sakimori.takedown.notify.group import Schedule
from sakimori.takedown.notify.tracking import RANK, Step, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sakimori.takedown.notify.message import Notice

_TABLES = """
CREATE TABLE IF NOT EXISTS notice (
    digest TEXT PRIMARY KEY, kind TEXT NOT NULL, provider TEXT NOT NULL, mail TEXT NOT NULL,
    country TEXT NOT NULL, message_id TEXT NOT NULL, reference TEXT NOT NULL, ips INTEGER NOT NULL,
    events INTEGER NOT NULL, tlp TEXT NOT NULL, wave INTEGER NOT NULL, first TEXT NOT NULL,
    told TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS step (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL, state TEXT NOT NULL, at TEXT NOT NULL,
    note TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS step_digest ON step (digest);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One notice in the ledger, with all of its steps in the order they were written."""

    digest: str
    kind: str  # notice, reminder, escalation
    provider: str
    mail: str
    country: str
    message_id: str
    reference: str
    ips: int
    events: int
    tlp: str
    wave: int  # 0: no waves
    first: str  # of reminders and escalations: the Message-ID of the first notice
    steps: tuple[Step, ...] = ()

    @property
    def state(self) -> str:
        """The furthest state, as `tracking.STATES` ranks them."""
        return state_of(self.steps)

    @property
    def last_note(self) -> str:
        """What was said last."""
        return next((s.note for s in reversed(self.steps) if s.note), "")


class Outbox:
    """A folder of notices. Use as a context manager.

    Raises StateError when the folder or its ledger cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ledger = folder / "notices.sqlite"
        try:
            if not folder.exists():
                folder.mkdir(mode=0o700, parents=True)  # it will hold the addresses of victims
            (folder / "outbox").mkdir(exist_ok=True)
            self._db = sqlite3.connect(self._ledger, timeout=30, isolation_level=None)
            self._db.execute(
                "PRAGMA journal_mode = WAL"
            )  # one write to the disk per step, not three
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_TABLES)
        except (sqlite3.Error, OSError) as error:
            raise StateError(
                f"the outbox cannot be used: {error}",
                where=str(self._ledger),
                hint="check the folder and free space; do not delete the ledger: it says what was"
                " sent",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the ledger."""
        self._db.close()

    def _do(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run a statement. Raises StateError when the disk is full or the file is damaged."""
        try:
            return self._db.execute(sql, values)
        except sqlite3.Error as error:
            raise StateError(f"the ledger cannot be used: {error}", where=str(self._ledger),
                             hint="free some space and run the same command again") from error  # fmt: skip

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others from sending from this folder. Raises StateError when someone is."""
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StateError(
                    "another process is sending from this folder",
                    where=str(self.folder),
                    hint="wait until it is done",
                ) from error
            yield

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write many rows as one step: all of them or none."""
        self._do("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:  # a full disk has undone it already
                self._do("ROLLBACK")
            raise
        self._do("COMMIT")

    def put(self, notice: Notice, wave: int, first: str, now: datetime) -> bool:
        """Keep a notice: its file aside and then renamed, then its row. False: it was there."""
        path = self.path_of(notice.reference)
        if not path.exists():
            aside = path.with_suffix(".part")
            aside.write_bytes(notice.mail.as_bytes())
            aside.replace(path)
        row = (
            notice.digest, notice.occasion.kind, notice.provider, notice.contact.mail,
            notice.contact.country, notice.message_id, notice.reference,
            len({e.ip for e in notice.events}), len(notice.events), notice.tlp, wave, first,
            _as_text(notice),
        )  # fmt: skip
        done = self._do(
            "INSERT OR IGNORE INTO notice VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row
        )
        if done.rowcount:
            self.record(Step(notice.digest, "prepared", now))
        return bool(done.rowcount)

    def schedule(self) -> Schedule | None:
        """Return the order that was drawn, or None. Raises StateError when its file is damaged."""
        path = self.folder / "schedule.json"
        if not path.exists():
            return None
        try:
            value = orjson.loads(path.read_bytes())
            return Schedule(str(value["seed"]), tuple(tuple(map(str, w)) for w in value["waves"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StateError("the order of telling cannot be read", where=str(path)) from error

    def keep_schedule(self, schedule: Schedule) -> None:
        """Write down the order of telling with its seed, for whoever measures the effect."""
        path = self.folder / "schedule.json"
        aside = path.with_suffix(".part")
        aside.write_bytes(orjson.dumps(asdict(schedule), option=orjson.OPT_INDENT_2))
        aside.replace(path)

    def path_of(self, reference: str) -> Path:
        """Return where a notice lies to be looked at."""
        return self.folder / "outbox" / f"{reference}.eml"

    def record(self, step: Step) -> None:
        """Write down that something happened. Raises StateError for a state we do not know."""
        if step.state not in RANK and step.state != "sending":
            raise StateError(f"no state is named {step.state!r}")
        self._do(
            "INSERT INTO step (digest, state, at, note) VALUES (?, ?, ?, ?)",
            (step.digest, step.state, step.at.astimezone(UTC).isoformat(), step.note[:500]),
        )

    def entries(self) -> list[Entry]:
        """Return every notice, by provider and the order of making."""
        steps: dict[str, list[Step]] = {}
        for digest, state, at, note in self._do(
            "SELECT digest, state, at, note FROM step ORDER BY id"
        ):
            if state != "sending":
                steps.setdefault(digest, []).append(
                    Step(digest, state, datetime.fromisoformat(at), note)
                )
        rows = self._do(
            "SELECT digest, kind, provider, mail, country, message_id, reference, ips, events, tlp,"
            " wave, first FROM notice ORDER BY provider, rowid"
        ).fetchall()
        return [Entry(*(*row, tuple(steps.get(row[0], ())))) for row in rows]

    def entry(self, digest: str) -> Entry | None:
        """Return one notice."""
        return next((e for e in self.entries() if e.digest == digest), None)

    def told(self, digest: str) -> tuple[Contact, tuple[VictimEvent, ...]] | None:
        """Return whom a notice told what, so that it can be repeated; None when it was forgotten."""
        row = self._do("SELECT told FROM notice WHERE digest = ?", (digest,)).fetchone()
        if row is None or not row[0]:
            return None
        value = json.loads(row[0])
        events = (VictimEvent(**{**e, "time": parse_time(e["time"])}) for e in value["events"])
        return Contact(**value["contact"]), tuple(events)

    def told_events(self) -> frozenset[str]:
        """Return the ids of all events that a server took or may have taken in some notice."""
        rows = self._do(
            "SELECT DISTINCT digest FROM step WHERE state IN ('sent', 'uncertain')"
        ).fetchall()
        told = (self.told(digest) for (digest,) in rows)
        return frozenset(event.id for one in told if one for event in one[1])

    def forget(self, before: datetime) -> int:
        """Delete the victims' addresses from notices whose last step is older; returns how many.

        What was done to whom stays: provider, counts, steps. Such a notice cannot be repeated.
        """
        old = [e for e in self.entries() if e.steps and e.steps[-1].at < before]
        forgotten = 0
        for entry in old:
            self.path_of(entry.reference).unlink(missing_ok=True)
            done = self._do(
                "UPDATE notice SET told = '' WHERE digest = ? AND told != ''", (entry.digest,)
            )
            forgotten += done.rowcount
        if forgotten:
            self._do("VACUUM")  # or the pages that were freed still hold them
            self._do("PRAGMA wal_checkpoint(TRUNCATE)")
        return forgotten

    def broken_off(self) -> list[str]:
        """Return notices whose sending began and has no end: the process was cut off there."""
        rows = self._do(
            "SELECT digest, state FROM step WHERE id IN (SELECT max(id) FROM step GROUP BY digest)"
        )
        return [digest for digest, state in rows if state == "sending"]

    def last_state(self, digest: str) -> str:
        """Return the state written last."""
        row = self._do(
            "SELECT state FROM step WHERE digest = ? ORDER BY id DESC LIMIT 1", (digest,)
        ).fetchone()
        return str(row[0]) if row else ""

    def has(self, digest: str, states: Sequence[str]) -> bool:
        """Whether a notice was ever in one of these states."""
        marks = ", ".join("?" for _ in states)
        found = self._do(
            f"SELECT 1 FROM step WHERE digest = ? AND state IN ({marks}) LIMIT 1",  # noqa: S608 - only question marks
            (digest, *states),
        ).fetchone()
        return found is not None


def _as_text(notice: Notice) -> str:
    """What was told to whom, for reminders: the same data as lies beside it in the outbox."""
    names = [f.name for f in fields(VictimEvent)]
    events = [{name: getattr(event, name) for name in names} for event in notice.events]
    told = {"contact": asdict(notice.contact), "events": events}
    return json.dumps(told, default=lambda time: time.isoformat())  # in ASCII, whatever was seen
