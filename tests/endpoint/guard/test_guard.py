"""The guard on a real folder: what is written is looked at, whatever happens in between."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from sakimori.endpoint.guard.guard import Guard, Plan, Verdict
from sakimori.endpoint.guard.seen import Seen, identity
from sakimori.endpoint.hits import Hit, Trouble
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

MARK = b"bad"


@dataclass
class Look:
    hits: tuple[Hit, ...] = ()
    troubles: tuple[Trouble, ...] = ()


@dataclass
class Scanner:
    """Calls a file bad that holds MARK."""

    looked: list[str] = field(default_factory=list)

    def file(self, path: Path) -> Look:
        self.looked.append(str(path))
        try:
            data = path.read_bytes()
        except OSError as error:
            return Look(troubles=(Trouble(path=str(path), reason=str(error)),))
        return self.data(str(path), data)

    def data(self, name: str, data: bytes) -> Look:
        hit = Hit(path=name, member=None, rule="r", kind="yara", family="f", sha256="0" * 64)
        return Look(hits=(hit,) if MARK in data else ())


@dataclass
class Running:
    guard: Guard
    scanner: Scanner
    verdicts: list[Verdict]

    def until(self, wanted: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until something holds; fail when it does not in time."""
        end = time.monotonic() + seconds
        while not wanted():
            assert time.monotonic() < end, (self.guard.counts, len(self.verdicts))
            time.sleep(0.01)

    def names(self) -> set[str]:
        return {os.path.basename(verdict.path) for verdict in self.verdicts}  # noqa: PTH119


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., AbstractContextManager[Running]]]:
    (tmp_path / "watched").mkdir()

    @contextmanager
    def start(*, baseline: bool = False, definitions: str = "1") -> Iterator[Running]:
        verdicts: list[Verdict] = []
        scanner = Scanner()
        guard = Guard(
            Plan(folders=(tmp_path / "watched",), excluded=(tmp_path / "watched" / "store",)),
            scanner,
            Seen(tmp_path / "seen.sqlite", definitions),
            verdicts.append,
        )
        ready = threading.Event()
        thread = threading.Thread(
            target=guard.run, kwargs={"baseline": baseline, "ready": ready.set}
        )
        thread.start()
        assert ready.wait(10)
        running = Running(guard, scanner, verdicts)
        running.until(lambda: guard.counts.sweeps > 0)
        try:
            yield running
        finally:
            guard.stop()
            thread.join(10)
        assert not thread.is_alive()

    return start


def test_a_written_file_is_looked_at_at_once(
    started: Callable[..., AbstractContextManager[Running]], tmp_path: Path
) -> None:
    with started() as running:
        (tmp_path / "watched" / "x").write_bytes(MARK)
        running.until(lambda: bool(running.verdicts))
    assert [h.rule for h in running.verdicts[0].hits] == ["r"]
    assert running.verdicts[0].latency < 5  # the bench has the figure


@pytest.mark.slow
def test_none_of_five_thousand_files_is_missed(
    started: Callable[..., AbstractContextManager[Running]], tmp_path: Path
) -> None:
    with started() as running:
        for number in range(5000):
            (tmp_path / "watched" / f"f{number}").write_bytes(b"%d" % number)
        running.until(lambda: len(running.verdicts) >= 5000, 60)
        running.until(lambda: len(running.names()) == 5000)
    assert running.names() == {f"f{number}" for number in range(5000)}


def test_what_comes_by_rename_is_looked_at_under_its_new_name(
    started: Callable[..., AbstractContextManager[Running]], tmp_path: Path
) -> None:
    (tmp_path / "outside").write_bytes(MARK)
    with started() as running:
        (tmp_path / "outside").rename(tmp_path / "watched" / "inside")
        running.until(lambda: "inside" in running.names())


def test_a_folder_that_is_moved_in_is_looked_at_whole(
    started: Callable[..., AbstractContextManager[Running]], tmp_path: Path
) -> None:
    deep = tmp_path / "outside" / "a" / "b"
    deep.mkdir(parents=True)
    for name in ("one", "two"):
        (deep / name).write_bytes(MARK)
    with started() as running:
        (tmp_path / "outside").rename(tmp_path / "watched" / "outside")
        running.until(lambda: {"one", "two"} <= running.names())


def test_files_in_folders_made_this_moment_are_not_missed(
    started: Callable[..., AbstractContextManager[Running]], tmp_path: Path
) -> None:
    with started() as running:
        for number in range(50):
            place = tmp_path / "watched" / f"d{number}" / "e"
            place.mkdir(parents=True)
            (place / f"f{number}").write_bytes(b"x")
        running.until(lambda: len(running.names()) == 50)


def test_what_came_while_nobody_watched_is_found_at_the_start(
    started: Callable[..., AbstractContextManager[Running]], tmp_path: Path
) -> None:
    watched = tmp_path / "watched"
    (watched / "old").write_bytes(b"x")
    (watched / "moved").mkdir()
    with started() as running:
        running.until(lambda: "old" in running.names())
    (watched / "new").write_bytes(MARK)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "long ago").write_bytes(MARK)
    os.utime(tmp_path / "elsewhere" / "long ago", (1, 1))
    (tmp_path / "elsewhere").rename(watched / "elsewhere")
    with started() as running:
        running.until(lambda: {"new", "long ago"} <= running.names())
        time.sleep(0.1)
    assert "old" not in running.names()


def test_what_was_changed_with_its_time_set_back_is_found(
    started: Callable[..., AbstractContextManager[Running]], tmp_path: Path
) -> None:
    file = tmp_path / "watched" / "x"
    file.write_bytes(b"good")
    with started() as running:
        running.until(lambda: "x" in running.names())
    before = file.stat()
    file.write_bytes(b"bad!")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with started() as running:
        running.until(lambda: "x" in running.names())
    assert running.verdicts[0].hits


def test_new_definitions_look_at_everything_again(
    started: Callable[..., AbstractContextManager[Running]], tmp_path: Path
) -> None:
    (tmp_path / "watched" / "x").write_bytes(b"x")
    with started() as running:
        running.until(lambda: "x" in running.names())
    with started(definitions="2") as running:
        running.until(lambda: "x" in running.names())


def test_with_a_baseline_only_what_changes_is_looked_at(
    started: Callable[..., AbstractContextManager[Running]], tmp_path: Path
) -> None:
    (tmp_path / "watched" / "there").write_bytes(MARK)
    with started(baseline=True) as running:
        time.sleep(0.2)
        (tmp_path / "watched" / "new").write_bytes(b"x")
        running.until(lambda: "new" in running.names())
    assert running.names() == {"new"}


def test_lost_events_are_made_good_by_a_sweep(
    started: Callable[..., AbstractContextManager[Running]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        Guard, "_changed", lambda _self, _path: None
    )  # as if the kernel dropped all
    with started() as running:
        (tmp_path / "watched" / "x").write_bytes(MARK)
        time.sleep(0.1)
        running.guard._lost()
        running.until(lambda: "x" in running.names())
    assert running.guard.counts.lost == 1


class Panic(BaseException):
    """Native code that gave up is no Exception."""


@pytest.mark.parametrize("error", [Panic("native"), ValueError("odd"), MemoryError()])
def test_a_scan_that_fails_is_told_and_the_guard_goes_on(
    started: Callable[..., AbstractContextManager[Running]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    def fail_once(scanner: Scanner, path: Path) -> Look:
        if path.name == "breaks":
            raise error
        return Look()

    monkeypatch.setattr(Scanner, "file", fail_once)
    with started() as running:
        (tmp_path / "watched" / "breaks").write_bytes(b"x")
        running.until(lambda: "breaks" in running.names())
        (tmp_path / "watched" / "next").write_bytes(b"x")
        running.until(lambda: "next" in running.names())
    assert running.verdicts[0].troubles[0].reason.startswith("the scan failed")


def test_a_watcher_that_died_is_noticed_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sakimori.endpoint.guard.guard._PATIENCE", 0.2)
    (tmp_path / "watched").mkdir()
    (tmp_path / "pulse").mkdir()
    verdicts: list[Verdict] = []
    plan = Plan(folders=(tmp_path / "watched",), pulse=tmp_path / "pulse", pulse_every=0.2)
    guard = Guard(plan, Scanner(), Seen(tmp_path / "seen.sqlite", "1"), verdicts.append)
    running = Running(guard, Scanner(), verdicts)
    thread = threading.Thread(target=guard.run)
    thread.start()
    running.until(lambda: guard.counts.sweeps > 0)
    assert guard._following is not None
    guard._following.stop()
    (tmp_path / "watched" / "x").write_bytes(MARK)
    running.until(lambda: "x" in running.names())
    guard.stop()
    thread.join(10)
    assert guard.counts.restarts >= 1


def test_the_guards_own_store_is_left_alone(
    started: Callable[..., AbstractContextManager[Running]], tmp_path: Path
) -> None:
    (tmp_path / "watched" / "store").mkdir()
    with started() as running:
        (tmp_path / "watched" / "store" / "x").write_bytes(MARK)
        (tmp_path / "watched" / "y").write_bytes(b"y")
        running.until(lambda: "y" in running.names())
    assert running.names() == {"y"}


def test_pipes_and_links_are_not_opened(
    started: Callable[..., AbstractContextManager[Running]], tmp_path: Path
) -> None:
    with started() as running:
        os.mkfifo(tmp_path / "watched" / "pipe")
        (tmp_path / "watched" / "link").symlink_to("/etc/passwd")
        (tmp_path / "watched" / "y").write_bytes(b"y")
        running.until(lambda: "y" in running.names())
    assert running.names() == {"y"}


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "\udcff", "\u202e" + "fdp.exe"])
def test_hostile_names_are_looked_at(
    started: Callable[..., AbstractContextManager[Running]], tmp_path: Path, name: str
) -> None:
    with started() as running:
        (tmp_path / "watched" / name).write_bytes(MARK)
        running.until(lambda: name in running.names())


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    seen = Seen(tmp_path / "seen.sqlite", "1")
    guard = Guard(Plan(folders=(tmp_path / "none",)), Scanner(), seen, lambda _: None)
    with pytest.raises(SourceError, match="cannot be watched"):
        guard.run()
    seen.close()


def test_a_broken_record_of_what_was_seen_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "seen.sqlite").write_bytes(b"no database" * 100)
    seen = Seen(tmp_path / "seen.sqlite", "1")
    assert seen.restarted
    seen.record("x", (1, 2, 3, 4, 5))
    seen.close()
    again = Seen(tmp_path / "seen.sqlite", "1")
    assert again.same("x", (1, 2, 3, 4, 5))
    assert not again.same("x", (1, 2, 3, 4, 6))
    again.forget("x")
    assert not again.restarted
    again.close()


def test_large_device_numbers_fit_the_database(tmp_path: Path) -> None:
    status = os.stat_result((0o100644, (1 << 64) - 1, 1 << 63, 1, 0, 0, 5, 0, 0, 0))
    now = identity(status)
    seen = Seen(tmp_path / "seen.sqlite", "1")
    seen.record("x", now)
    seen.flush()
    assert seen.same("x", now)
    seen.close()
    with sqlite3.connect(tmp_path / "seen.sqlite") as data:
        assert data.execute("select count(*) from seen").fetchone() == (1,)
    data.close()
