"""A file that comes back is the file that was taken, in everything that the system lets us set."""

from __future__ import annotations

import os
import shutil
import struct
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sakimori.endpoint import run
from sakimori.endpoint.quarantine.model import as_plain, from_plain
from sakimori.endpoint.quarantine.sealing import CHUNK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.endpoint.quarantine.conftest import Machine

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="needs root")
names = st.one_of(
    st.binary(min_size=1, max_size=255),
    st.sampled_from([b"a\nb", b"\xff\xfe", b"\x1b[31m", b"x" * 255, "防人".encode(), b"-rf", b" "]),
).filter(lambda n: b"/" not in n and b"\0" not in n and n not in (b".", b".."))
modes = st.integers(0, 0o7777).map(lambda mode: mode if ROOT else mode | 0o600)
times = st.integers(0, 4_000_000_000 * 10**9)
xattrs = st.dictionaries(
    st.text("abcxyz.-é", min_size=1, max_size=20).map("user.{}".format),
    st.binary(max_size=60), max_size=3,
)  # fmt: skip
sizes = st.sampled_from([0, 1, 511, CHUNK - 1, CHUNK, CHUNK + 1])


@pytest.mark.usefixtures("no_sync")
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(names, modes, times, times, xattrs, sizes, st.binary(min_size=1, max_size=9))
def test_any_file_comes_back_as_it_was(
    machine: Machine, name: bytes, mode: int, atime: int, mtime: int, more: dict[str, bytes],
    size: int, seed: bytes,
) -> None:  # fmt: skip
    content = (seed * (size // len(seed) + 1))[:size]
    path = machine.file(name, content)
    for key, value in more.items():
        os.setxattr(path, key, value)
    path.chmod(mode)
    os.utime(path, ns=(atime, mtime))
    before = machine.state_of(path)
    entry = machine.take(path)
    assert os.fsencode(entry.path) == os.fsencode(path)
    assert not os.path.lexists(path)
    assert machine.restore(entry.id).lacking == ()
    assert machine.state_of(path) == before
    assert from_plain(as_plain(entry)) == entry
    path.unlink()


def to_and_fro(machine: Machine, path: Path, **more: Any) -> None:
    before = machine.state_of(path)
    entry = machine.take(path)
    assert machine.restore(entry.id, **more).lacking == ()
    assert machine.state_of(path) == before


@as_root
def test_owner_and_set_id_bits_come_back(machine: Machine) -> None:
    path = machine.file()
    os.chown(path, 12345, 54321)
    path.chmod(0o6755)
    to_and_fro(machine, path)
    assert path.stat().st_mode & 0o7777 == 0o6755


def acl(*entries: tuple[int, int, int]) -> bytes:
    """POSIX ACL as the kernel stores it (linux/posix_acl_xattr.h): version, then tag, perm, id."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)


NOBODY = 0xFFFFFFFF
ACL = acl(
    (1, 6, NOBODY), (2, 4, 4711), (4, 4, NOBODY), (0x10, 4, NOBODY), (0x20, 0, NOBODY)
)  # u::rw-, u:4711:r--, g::r--, m::r--, o::---


def test_an_access_list_comes_back(machine: Machine) -> None:
    path = machine.file()
    try:
        os.setxattr(path, "system.posix_acl_access", ACL)
    except OSError:
        pytest.skip("no ACLs on this file system")
    os.utime(path, ns=(5, 6))
    entry = machine.take(path)
    assert entry.attributes.acl == ACL
    machine.restore(entry.id)
    assert os.getxattr(path, "system.posix_acl_access") == ACL
    assert path.stat().st_mtime_ns == 6


@pytest.mark.skipif(not shutil.which("setfacl"), reason="setfacl is not installed")
def test_getfacl_says_the_same_before_and_after(machine: Machine) -> None:
    path = machine.file()
    assert run.run(["setfacl", "-m", "u:4711:rwx,g:99:r", str(path)]).ok
    before = run.run(["getfacl", "-n", "-p", str(path)])
    to_and_fro(machine, path)
    assert run.run(["getfacl", "-n", "-p", str(path)]).out == before.out
    assert b"4711" in before.out


def test_what_the_folder_gives_new_files_is_taken_off(machine: Machine) -> None:
    path = machine.file()
    path.chmod(0o600)
    before = machine.state_of(path)
    entry = machine.take(path)
    try:
        os.setxattr(machine.files, "system.posix_acl_default", ACL)
    except OSError:
        pytest.skip("no ACLs on this file system")
    assert machine.restore(entry.id).lacking == ()
    assert machine.state_of(path) == before


@as_root
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("security.capability", struct.pack("<IIIII", 0x02000001, 0x2400, 0, 0, 0)),
        ("trusted.made_up", b"\0\xff"),
        ("security.made_up", b"x"),
    ],
)
def test_attributes_that_only_root_may_set_come_back(
    name: str, value: bytes, machine: Machine
) -> None:
    path = machine.file()
    os.chown(path, 1234, 1234)
    path.chmod(0o755)
    try:
        os.setxattr(path, name, value)
    except OSError:
        pytest.skip(f"{name} cannot be set on this file system")
    to_and_fro(machine, path)
    assert os.getxattr(path, name) == value


def test_holes_stay_holes(machine: Machine) -> None:
    path = machine.file(content=b"")
    with path.open("r+b") as file:
        file.seek(8 << 20)
        file.write(b"end")
    if path.stat().st_blocks * 512 > 1 << 20:
        pytest.skip("no holes on this file system")
    to_and_fro(machine, path)
    assert path.stat().st_blocks * 512 < 1 << 20


def test_a_symbolic_link_itself_can_be_taken(machine: Machine) -> None:
    path = machine.files / "link"
    path.symlink_to(b"../nowhere \xff".decode("utf-8", "surrogateescape"))
    os.utime(path, ns=(7, 8), follow_symlinks=False)
    entry = machine.take(path, symlink=True)
    assert not os.path.lexists(path)
    assert machine.restore(entry.id).lacking == ()
    assert os.fsencode(path.readlink()) == b"../nowhere \xff"
    assert path.lstat().st_mtime_ns == 8


def test_the_original_keeps_its_access_time_when_a_take_is_refused(machine: Machine) -> None:
    path = machine.file()
    before = path.stat()
    with pytest.raises(Exception, match="SHA-256"):
        machine.take(path, expect_sha256="0" * 64)
    assert path.stat() == before


def test_a_large_file_needs_little_memory(machine: Machine) -> None:
    path = machine.file(content=b"")
    os.truncate(path, 64 << 20)
    machine.take(machine.file("warm"))
    tracemalloc.start()
    try:
        entry = machine.take(path)
        machine.restore(entry.id)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert path.stat().st_size == 64 << 20
