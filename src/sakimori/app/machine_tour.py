"""The demonstration's second part: a machine is scanned, cleaned, put back, and an update is judged.

Everything happens in one folder, on a machine that `machine_demo` planted there, and on two registry
hives that are made here: the second as an update, a family and an unknown hand have left it.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from sakimori.app import machine_cleaning, quarantining, scanning, snapshotting, verifying
from sakimori.app.files import write_whole
from sakimori.app.machine_demo import plant
from sakimori.app.telling import Block
from sakimori.config import Machine
from sakimori.endpoint.registry.model import Key, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.app.machine_demo import Planted
    from sakimori.i18n import Translator

ACTOR = "demo"
_BEGIN = datetime(2009, 11, 24, 9, 0, tzinfo=UTC)
_WINLOGON = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon"
_DRIVERS = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Drivers32"
_ZONES = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Time Zones\Example Standard Time"
_SHELL = "Explorer.exe\0".encode("utf-16-le")
_MANIFEST = f"""Windows Registry Editor Version 5.00

; What the update declares: a time zone's name, nothing of Winlogon.
[HKEY_LOCAL_MACHINE\\{_ZONES}]
"Display"="(UTC+09:00) Example, new rule"
"""


@dataclass(frozen=True, slots=True)
class Tour:
    """What came of the steps, and the statement on the update."""

    steps: tuple[tuple[str, str], ...]
    statement: str
    same: bool  # whether the undo left every file as it had been

    def blocks(self, say: Translator) -> Iterator[Block]:
        """Yield what to print."""
        step, result = say.tr("step"), say.tr("result")
        yield Block(
            title=say.tr("A machine made clean"),
            columns=(step, result),
            rows=tuple({step: name, result: text} for name, text in self.steps),
        )
        yield Block(
            title=say.tr("Who changed the registry: sakimori verify-update"),
            lines=tuple(self.statement.splitlines()),
        )


def tour(folder: Path, say: Translator) -> Tour:
    """Plant a machine in an empty folder and go through it. Raises as the parts do."""
    folder.mkdir(parents=True, exist_ok=True)
    planted, store = plant(folder), folder / "store"
    before = _state(folder, planted)
    steps = [*_cleaned(planted, store, say), *_put_back(store, say)]
    same = _state(folder, planted) == before
    steps.append(
        (
            say.tr("compare"),
            say.tr("every file is as it was") if same else say.tr("something is not as it was"),
        )
    )
    return Tour(tuple(steps), _judged(folder, say), same)


def _cleaned(planted: Planted, store: Path, say: Translator) -> Iterator[tuple[str, str]]:
    """Scan, look for the family, undo it, take the rest, scan again."""
    first = _scan(planted, store)
    yield say.tr("scan"), say.tr(
        "{hits} of {files} files match: {rules}", hits=first.found, files=first.scanned,
        rules=", ".join(sorted({hit.rule for hit in first.hits})),
    )  # fmt: skip
    place = machine_cleaning.Place(root=planted.root, hives=planted.hives)
    looked = machine_cleaning.look(store, place, ["sakimori-test"])
    kinds = Counter(finding.kind for finding in looked.found.findings)
    yield say.tr("clean, dry run"), say.tr(
        "{count} things of the family: {kinds}", count=kinds.total(),
        kinds=", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())),
    )  # fmt: skip
    done = machine_cleaning.clean(store, looked, actor=ACTOR)
    yield say.tr("clean the family"), say.tr("{count} done, {bad} not done", count=len(done.outcomes),
                                  bad=len(done.bad))  # fmt: skip
    why = quarantining.Why(rule="EICAR_test_file", reason="demonstration")
    taken = quarantining.add(store, list(planted.eicar), why, yes=True, actor=ACTOR)
    yield say.tr("quarantine"), say.tr("{count} files locked up", count=len(taken.entries))
    again = _scan(planted, store)
    yield say.tr("scan again"), say.tr("{hits} of {files} files match", hits=again.found,
                                       files=again.scanned)  # fmt: skip


def _scan(planted: Planted, store: Path) -> scanning.Scan:
    asked = scanning.Asked(paths=(str(planted.root),), workers=1)
    return scanning.scan(asked, Machine(store=store))


def _put_back(store: Path, say: Translator) -> Iterator[tuple[str, str]]:
    """Undo the run and put back what was locked up."""
    for run in machine_cleaning.runs(store):
        undone = machine_cleaning.undo(store, run.run, actor=ACTOR)
        yield say.tr("undo"), say.tr("{count} things put back", count=len(undone))
    held = [e.id for e in quarantining.listed(store).entries if e.state == "taken"]
    back = quarantining.restore(store, held, quarantining.Places(), yes=True, actor=ACTOR)
    yield say.tr("restore"), say.tr("{count} files restored", count=len(back.entries))


def _state(folder: Path, planted: Planted) -> dict[str, tuple[int, int, str]]:
    """Return mode, mtime and content of every file of the planted machine."""
    found = {}
    for place, _, names in os.walk(folder / planted.root.name):
        for name in names:
            path = Path(place, name)
            told = path.lstat()
            what = str(path.readlink()) if path.is_symlink() else _digest(path)
            found[str(path)] = (told.st_mode, told.st_mtime_ns, what)
    return found


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _judged(folder: Path, say: Translator) -> str:
    """Make two hives and an update's manifest, and let the update be judged."""
    after = _BEGIN + timedelta(days=1)
    hives = {
        "before": [_key(_ZONES, Display="(UTC+09:00) Example"), _winlogon(_SHELL), _key(_DRIVERS)],
        "after": [
            _key(_ZONES, Display="(UTC+09:00) Example, new rule", written=after),
            _winlogon(_SHELL[:-2], written=after),
            _key(_DRIVERS, aux=r"C:\WINDOWS\system32\..\kfgxz.qtm", written=after),
        ],
    }
    taken = {}
    for name, keys in hives.items():
        taken[name] = folder / f"{name}.snap"
        _take(folder / "hives" / f"SOFTWARE.{name}", keys, taken[name])
    manifest = folder / "KB0000001.reg"
    write_whole(manifest, _MANIFEST)
    inputs = verifying.Inputs(before=taken["before"], after=taken["after"], updates=(manifest,))
    return verifying.in_words(verifying.run(inputs), say)


def _take(hive: Path, keys: list[Key], out: Path) -> None:
    from sakimori.endpoint.registry.hive_build import build_hive  # noqa: PLC0415 - for the demo

    hive.parent.mkdir(parents=True, exist_ok=True)
    write_whole(hive, build_hive(keys))
    snapshotting.take(snapshotting.Asked(hives=(("SOFTWARE", hive),)), out, now=datetime.now(UTC))


def _key(path: str, written: datetime = _BEGIN, **values: str) -> Key:
    made = tuple(Value(name, 1, f"{text}\0".encode("utf-16-le")) for name, text in values.items())
    return Key(path, written, None, None, None, None, made)


def _winlogon(shell: bytes, written: datetime = _BEGIN) -> Key:
    return Key(_WINLOGON, written, None, None, None, None, (Value("Shell", 1, shell),))
