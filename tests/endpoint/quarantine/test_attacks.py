"""Files and folders that are swapped, written or in the way while we work; and damage to the store."""

from __future__ import annotations

import os
import resource
import signal
import socket
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import pytest

from sakimori.endpoint import run
from sakimori.endpoint.quarantine import Quarantine, lock, open_key
from sakimori.errors import (
    ConfigError,
    EngineError,
    RefusedError,
    SakimoriError,
    SourceError,
    StateError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.endpoint.quarantine.conftest import Machine

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="needs root")
pytestmark = pytest.mark.usefixtures("no_sync")


class At:
    """A hook that does something once, at one step."""

    def __init__(self, step: str, deed: Callable[[], object]) -> None:
        self.step, self.deed, self.done = step, deed, False

    def __call__(self, step: str) -> None:
        if step == self.step and not self.done:
            self.done = True
            self.deed()


def nothing_is_held(machine: Machine) -> None:
    held = machine.open()
    assert held.entries() == []
    assert held.check() == []
    assert [p for p in machine.store.rglob("*") if p.name == "content"] == []
    assert [p.name for p in machine.files.rglob(".sakimori-*")] == []


# Taking


def swap_for_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def swap_for_file(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"precious")


def swap_by_rename(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.rename(path)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def touch(path: Path) -> None:
    os.utime(path)


@pytest.mark.parametrize("step", ["scratch made", "scratch written", "content placed"])
@pytest.mark.parametrize(
    "deed", [swap_for_link, swap_for_file, swap_by_rename, append, touch], ids=lambda d: d.__name__
)
def test_a_file_that_is_swapped_or_written_meanwhile_is_left_alone(
    step: str, deed: Callable[[Path], None], machine: Machine
) -> None:
    path = machine.file(content=os.urandom(300_000))
    hook = At(step, lambda: deed(path))
    with pytest.raises(RefusedError, match="changed or was replaced"):
        machine.take(path, machine.open(hook))
    assert hook.done
    nothing_is_held(machine)
    assert os.path.lexists(path)
    if deed is swap_for_file:
        assert path.read_bytes() == b"precious"


def test_another_file_that_is_caught_in_the_last_moment_gets_its_name_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sakimori.endpoint.quarantine.folders import Folder  # noqa: PLC0415

    path = machine.file()
    rename = Folder.rename

    def late(self: Folder, old: str, new: str) -> None:
        if old == path.name:
            swap_for_file(path)
        rename(self, old, new)

    monkeypatch.setattr(Folder, "rename", late)
    with pytest.raises(RefusedError, match="changed or was replaced"):
        machine.take(path)
    monkeypatch.undo()
    assert path.read_bytes() == b"precious"
    assert [p.name for p in machine.files.iterdir()] == [path.name]


def test_a_folder_that_becomes_a_link_leads_nowhere(machine: Machine) -> None:
    folder, elsewhere = machine.files / "deep", machine.home / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "bad.bin").write_bytes(b"precious")
    path = machine.file("deep/bad.bin")

    def swap() -> None:
        folder.rename(machine.files / "moved")
        folder.symlink_to(elsewhere)

    machine.take(path, machine.open(At("scratch written", swap)))
    assert (elsewhere / "bad.bin").read_bytes() == b"precious"
    assert list((machine.files / "moved").iterdir()) == []  # the file that was opened was taken
    with pytest.raises(RefusedError, match="symbolic link"):
        machine.restore(machine.open().entries()[0].id)
    with pytest.raises(RefusedError, match="symbolic link"):
        machine.take(path)
    assert (elsewhere / "bad.bin").read_bytes() == b"precious"


def test_only_the_file_that_was_judged_is_taken(machine: Machine) -> None:
    path = machine.file()
    with pytest.raises(RefusedError, match="SHA-256 is another"):
        machine.take(path, expect_sha256="0" * 64)
    assert path.exists()
    nothing_is_held(machine)
    shown = machine.open().preview(path, machine.now)
    assert machine.take(path, expect_sha256=shown.sha256.upper()).sha256 == shown.sha256


def make_socket(path: Path) -> None:
    here = os.open(".", os.O_RDONLY)
    os.chdir(path.parent)  # a socket's path is at most 107 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkdir, "a folder"),
        (os.mkfifo, "a named pipe"),
        (make_socket, "a socket"),
        (lambda p: p.symlink_to("x"), "a symbolic link"),
    ],
)
def test_what_is_no_plain_file_is_refused(
    make: Callable[[Path], object], said: str, machine: Machine
) -> None:
    path = machine.files / "odd"
    make(path)
    for act in (machine.take, lambda p: machine.open().preview(p, machine.now)):
        with pytest.raises(RefusedError, match=said):
            act(path)
    assert os.path.lexists(path)


def test_a_device_is_refused(machine: Machine) -> None:
    with pytest.raises(RefusedError, match="a device"):
        machine.take(machine.home.__class__("/dev/null"))


@pytest.mark.parametrize("name", ["nowhere", "no/folder", "x" * 256, "x/" * 3000, "a\0b"])
def test_what_is_missing_is_said(name: str, machine: Machine) -> None:
    with pytest.raises(SourceError):
        machine.take(machine.files / name)


def test_our_own_files_and_ways_up_are_refused(machine: Machine) -> None:
    machine.take(machine.file())
    for path in (machine.store / "key.check", machine.home / "store" / "keys" / "quarantine.key"):
        with pytest.raises(RefusedError, match="belongs to the quarantine"):
            machine.take(path)
    with pytest.raises(RefusedError, match=r"\.\."):
        machine.take(machine.files / ".." / "x")


@as_root
@pytest.mark.parametrize("mark", ["i", "a"])
def test_a_file_with_a_mark_is_refused_with_its_name(mark: str, machine: Machine) -> None:
    path = machine.file()
    if not run.run(["chattr", f"+{mark}", str(path)]).ok:
        pytest.skip("chattr does not work here")
    try:
        with pytest.raises(RefusedError, match="immutable" if mark == "i" else "append-only"):
            machine.take(path)
        assert path.exists()
    finally:
        run.run(["chattr", f"-{mark}", str(path)])


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    folder.mkdir()
    if not run.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]).ok:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        run.run(["umount", "-l", str(folder)])


@as_root
def test_another_file_system_and_a_read_only_one(machine: Machine) -> None:
    folder = machine.files / "disk"
    with mounted(folder):
        path = machine.file("disk/bad.bin")
        before = machine.state_of(path)
        entry = machine.take(path)
        machine.restore(entry.id)
        assert machine.state_of(path) == before
        run.run(["mount", "-o", "remount,ro", str(folder)])
        with pytest.raises(EngineError, match="Read-only"):
            machine.take(path)
        with pytest.raises(RefusedError, match="read-only"):
            machine.open().preview(path, machine.now)
        assert machine.state_of(path) == before
        assert [e.state for e in machine.open().entries()] == ["restored"]
        assert machine.open().check() == []


@contextmanager
def no_room() -> Iterator[None]:
    """No file may grow beyond 100,000 bytes: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)


def test_without_room_the_file_stays_where_it_is(machine: Machine) -> None:
    path = machine.file(content=os.urandom(300_000))
    before = machine.state_of(path)
    with no_room(), pytest.raises(EngineError, match="cannot be copied"):
        machine.take(path)
    assert machine.state_of(path) == before
    nothing_is_held(machine)
    entry = machine.take(path)
    with no_room(), pytest.raises(EngineError, match="still in quarantine"):
        machine.restore(entry.id)
    assert list(machine.files.iterdir()) == []
    assert machine.open().check() == []
    machine.restore(entry.id)
    assert machine.state_of(path) == before


def test_other_names_of_the_file_stay(machine: Machine) -> None:
    path = machine.file()
    other = machine.files / "other"
    other.hardlink_to(path)
    entry = machine.take(path)
    assert entry.attributes.links == 2
    assert other.read_bytes() == b"made up\n"
    machine.restore(entry.id)
    assert path.stat().st_ino != other.stat().st_ino


# Putting back


def test_a_file_that_is_there_now_is_not_written_over(machine: Machine) -> None:
    path = machine.file()
    entry = machine.take(path)
    path.write_bytes(b"precious")
    with pytest.raises(RefusedError, match="another file is there"):
        machine.restore(entry.id)
    assert path.read_bytes() == b"precious"
    held = machine.open()
    held.restore(entry.id, replace=True, now=machine.now)
    assert path.read_bytes() == b"made up\n"
    (displaced,) = held.displaced
    assert b"".join(held.content(displaced.id)) == b"precious"


def test_a_file_that_comes_in_the_last_moment_is_not_written_over(machine: Machine) -> None:
    path = machine.file()
    entry = machine.take(path)
    held = machine.open(At("attributes set", lambda: path.write_bytes(b"precious")))
    with pytest.raises(RefusedError, match="another file is there"):
        held.restore(entry.id, now=machine.now)
    assert path.read_bytes() == b"precious"
    assert [p.name for p in machine.files.iterdir()] == [path.name]
    assert held.entry(entry.id).state == "taken"


def test_a_scratch_file_that_is_swapped_is_found(machine: Machine) -> None:
    path = machine.file()
    entry = machine.take(path)

    def swap() -> None:
        (scratch,) = machine.files.iterdir()
        swap_for_file(scratch)

    held = machine.open(At("attributes set", swap))
    with pytest.raises(RefusedError, match="put another file in its place"):
        held.restore(entry.id, now=machine.now)
    assert held.entry(entry.id).state == "taken"
    assert held.check() == []


def test_a_folder_that_is_gone_is_said_and_another_place_taken(machine: Machine) -> None:
    folder = machine.files / "deep"
    folder.mkdir()
    entry = machine.take(machine.file("deep/bad.bin"))
    folder.rmdir()
    with pytest.raises(SourceError, match="No such file or directory"):
        machine.restore(entry.id)
    done = machine.restore(entry.id, to=machine.files / "here")
    assert done.restored_to == str(machine.files / "here")
    with pytest.raises(RefusedError, match="not in quarantine: restored"):
        machine.restore(entry.id)


@as_root
def test_without_the_right_to_give_files_away_what_lacks_is_said(machine: Machine) -> None:
    machine.restore(machine.take(machine.file("before")).id)  # what is imported late is there now
    path = machine.file()
    os.chown(path, 1234, 1234)
    path.chmod(0o6755)
    os.setxattr(path, "security.made_up", b"x")
    entry = machine.take(path)
    for there in (machine.home, *machine.home.rglob("*")):
        os.chown(there, 4242, 4242)
    for parent in machine.home.parents:  # however deep the tests' folder lies
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(stat.S_IMODE(mode) | 0o055)

    def as_somebody() -> None:
        os.setgroups([])
        os.setgid(4242)
        os.setuid(4242)
        lacking = " ".join(machine.restore(entry.id).lacking)
        assert "owner is 4242, was 1234" in lacking
        assert "group is 4242, was 1234" in lacking
        assert "mode is 0755, was 6755" in lacking
        assert "security.made_up is not as it was" in lacking

    assert in_child(as_somebody) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert machine.open().entry(entry.id).lacking


def in_child(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        _run(work)
    return os.waitpid(child, 0)[1]


def _run(work: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


# Two at once, and the key


def test_two_processes_take_turns(machine: Machine) -> None:
    files = [machine.file(f"{n}.bin", str(n % 7).encode()) for n in range(20)]
    machine.take(machine.file("first"))

    def half(first: int) -> Callable[[], None]:
        def work() -> None:
            for path in files[first::2]:
                machine.take(path)

        return work

    children = []
    for first in (0, 1):
        child = os.fork()
        if child == 0:
            _run(half(first))
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    held = machine.open()
    assert len(held.entries()) == 21
    assert held.check() == []
    assert held.recover() == []


def test_who_waits_too_long_is_told(machine: Machine) -> None:
    machine.take(machine.file())
    with (
        lock.locked(machine.store),
        pytest.raises(StateError, match="another process"),
        lock.locked(machine.store, 0.02),
    ):
        pass


def test_many_that_begin_at_once_get_one_key(machine: Machine) -> None:
    keys = machine.home / "keys"
    out = machine.home / "out"
    out.mkdir()
    children = []
    for number in range(6):
        child = os.fork()
        if child == 0:
            _run(lambda number=number: (out / str(number)).write_bytes(open_key(keys)))  # type: ignore[misc]
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6
    assert len({path.read_bytes() for path in out.iterdir()}) == 1
    assert [p.name for p in keys.iterdir()] == ["quarantine.key"]
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert stat.S_IMODE((keys / "quarantine.key").stat().st_mode) == 0o600


def test_a_key_that_others_read_or_that_is_none_is_refused(machine: Machine) -> None:
    keys = machine.home / "keys"
    open_key(keys)
    (keys / "quarantine.key").chmod(0o640)
    with pytest.raises(ConfigError, match="others can read"):
        open_key(keys)
    (keys / "quarantine.key").chmod(0o600)
    (keys / "quarantine.key").write_text("sakimori quarantine key 1\nabcd\n")
    with pytest.raises(SourceError, match="no key"):
        open_key(keys)


def test_another_key_is_told_from_damage(machine: Machine) -> None:
    machine.take(machine.file())
    with pytest.raises(StateError, match="another key"):
        Quarantine(machine.store, bytes(32))


# Damage, and what is shared


def test_any_changed_byte_in_the_store_is_found(machine: Machine) -> None:
    machine.take(machine.file())
    machine.restore(machine.take(machine.file("gone.bin", b"other")).id)
    held = machine.open()
    assert held.check() == []
    files = [p for p in (machine.store / "items").rglob("*") if p.is_file()]
    assert len(files) == 3
    for path in files:
        data = path.read_bytes()
        for at in range(0, len(data), 1 if path.name == "content" else 7):
            path.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
            assert held.check() != [], (path, at)
        path.write_bytes(data[:-1])
        assert held.check()
        path.unlink()
        if not path.name.endswith(".restored"):  # history that nobody misses
            assert held.check()
        path.write_bytes(data)
    assert held.check() == []
    (machine.store / "items" / "stray").write_bytes(b"")
    assert "no file of the quarantine" in held.check()[0].reason


def test_a_damaged_file_is_not_put_back(machine: Machine) -> None:
    path = machine.file(content=os.urandom(300_000))
    entry = machine.take(path)
    content = next(machine.store.rglob("content"))
    data = bytearray(content.read_bytes())
    data[-1] ^= 1
    content.write_bytes(data)
    with pytest.raises(StateError, match="damaged"):
        machine.restore(entry.id)
    assert list(machine.files.iterdir()) == []
    path.write_bytes(b"precious")
    with pytest.raises(StateError, match="damaged"):
        machine.restore(entry.id, replace=True)
    assert path.read_bytes() == b"precious"
    assert machine.open().entry(entry.id).state == "taken"


def test_records_that_change_places_are_found(machine: Machine) -> None:
    one, two = machine.take(machine.file("1", b"1")), machine.take(machine.file("2", b"2"))
    records = sorted(machine.store.rglob("*.taken"))
    first = records[0].read_bytes()
    records[0].write_bytes(records[1].read_bytes())
    records[1].write_bytes(first)
    assert len(machine.open().check()) == 2
    entries, faults = machine.open().listed()
    assert entries == []
    assert len(faults) == 2
    with pytest.raises(SourceError, match="cannot be read"):
        machine.open().entry(one.id)
    assert two.id != one.id


def test_the_same_content_is_stored_once_and_kept_as_long_as_one_needs_it(machine: Machine) -> None:
    one, two = machine.take(machine.file("1")), machine.take(machine.file("2"))
    assert one.id[:32] == two.id[:32]
    assert len(list(machine.store.rglob("content"))) == 1
    held = machine.open()
    assert held.delete(one.id, machine.now).state == "deleted"
    assert held.check() == []
    machine.restore(two.id)
    assert list(machine.store.rglob("content")) == []
    assert (machine.files / "2").read_bytes() == b"made up\n"
    assert [e.state for e in held.entries()] in (["deleted", "restored"], ["restored", "deleted"])


def test_a_second_copy_mends_a_damaged_content(machine: Machine) -> None:
    one = machine.take(machine.file("1"))
    content = next(machine.store.rglob("content"))
    content.write_bytes(b"broken")
    machine.take(machine.file("2"))
    assert machine.open().check() == []
    machine.restore(one.id)
    assert (machine.files / "1").read_bytes() == b"made up\n"


def test_a_content_whose_records_are_gone_is_said_and_kept(machine: Machine) -> None:
    machine.take(machine.file())
    next(machine.store.rglob("*.taken")).unlink()
    assert machine.open().recover() == []
    assert "records are gone" in machine.open().check()[0].reason


def test_an_entry_is_found_by_a_part_of_its_id(machine: Machine) -> None:
    one, two = machine.take(machine.file("1", b"1")), machine.take(machine.file("2", b"2"))
    held = machine.open()
    for entry in (one, two):
        assert held.entry(entry.id) == entry
        assert held.entry(entry.id[-8:]) == entry
        assert held.entry(entry.id[:12]) == entry
    for ident in ("", "zz", "../..", one.id + "0"):
        with pytest.raises(SourceError, match="no such entry"):
            held.entry(ident)


def test_nothing_is_made_before_the_first_take(machine: Machine) -> None:
    held = Quarantine(machine.store, bytes(32))
    assert (held.entries(), held.check(), held.recover()) == ([], [], [])
    assert not machine.store.exists()
    with pytest.raises(SakimoriError):
        held.entry("x")


def test_only_the_owner_can_look_into_the_store(machine: Machine) -> None:
    machine.store.mkdir(parents=True, mode=0o755)
    machine.take(machine.file())
    for path in (machine.store, *machine.store.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_store_that_cannot_be_made_is_said(machine: Machine) -> None:
    path = machine.file()
    held = machine.open()
    machine.store.write_text("in the way")
    with pytest.raises(EngineError, match="cannot be made"):
        machine.take(path, held)
    assert path.exists()
