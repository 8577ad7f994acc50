from __future__ import annotations

import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.endpoint.snapshot import attributes, files, places
from sakimori.endpoint.snapshot.ground import Ground, moment
from sakimori.endpoint.snapshot.model import place

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="files of a Unix machine")
NOBODY = files.Owners({0: "root"}, {})


def taken(root: Path, *roots: str, **more: Any) -> tuple[dict[str, dict[str, Any]], Ground]:
    ground = Ground(str(root), live=False)
    records = list(files.collect(ground, files.Wanted(roots or ("/",), **more), NOBODY))
    assert records == sorted(records, key=place)
    return {record.key: record.state for record in records}, ground


def test_every_kind_of_file_is_told_and_only_regular_ones_are_opened(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "fifo")  # opening it would wait for ever
    listening = socket.socket(socket.AF_UNIX)
    here = os.open(tmp_path, os.O_RDONLY)
    listening.bind(f"/proc/self/fd/{here}/socket")  # paths of sockets must be short
    os.close(here)
    listening.close()
    held, ground = taken(tmp_path)
    assert {key: state["type"] for key, state in held.items()} == {
        "/": "directory", "/plain": "file", "/link": "symlink", "/fifo": "fifo", "/socket": "socket",
    }  # fmt: skip
    assert held["/link"]["target"] == "/etc/passwd"
    assert held["/plain"]["sha256"].startswith("ba7816bf")
    assert held["/plain"]["size"] == 3
    assert ground.gaps == []


def test_hostile_names_survive(tmp_path: Path) -> None:
    names = [b"\xff\xfe", b"new\nline", b"\x1b[31m", b"a\\b", b"*", "サクラ".encode()]
    for name in names:
        with open(os.fsencode(tmp_path) + b"/" + name, "wb"):  # noqa: PTH123 - bytes
            pass
    held, _ = taken(tmp_path)
    assert {os.fsencode(key) for key in held} == {b"/"} | {b"/" + name for name in names}


def test_deep_folders_and_a_thousand_files_come_in_order(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 100)
    deep.mkdir(parents=True)
    (deep / "end").touch()
    for number in range(400):
        (tmp_path / f"n{number}").write_bytes(b"x" * number)
    held, _ = taken(tmp_path, threads=3)
    assert "/d" * 100 + "/end" in held
    assert len(held) == 1 + 101 + 400
    assert held["/n399"]["size"] == 399


def test_a_tree_of_links_in_circles_ends(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "up").symlink_to("..")
    held, _ = taken(tmp_path)
    assert set(held) == {"/", "/a", "/a/up"}


def test_hard_links_name_the_first_of_them(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "c").write_bytes(b"x")
    held, _ = taken(tmp_path)
    assert [held[key].get("linked_to") for key in ("/a", "/b", "/c")] == [None, "/a", None]


def test_what_may_not_be_read_is_told_and_not_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "in").touch()
    listed, opened = os.listdir, os.open

    def refuse(path: Any, *more: Any, **named: Any) -> Any:
        if str(path).endswith(("secret", "closed")):
            raise PermissionError(13, "Permission denied")
        return (listed if not more and not named else opened)(path, *more, **named)

    monkeypatch.setattr("os.listdir", refuse)
    monkeypatch.setattr("os.open", refuse)
    held, ground = taken(tmp_path)
    assert held["/secret"]["sha256"] is None
    assert held["/secret"]["unread"] == "Permission denied"
    assert "/closed/in" not in held
    assert {(gap.key, gap.reason) for gap in ground.gaps} == {
        ("/secret", "Permission denied"), ("/closed", "Permission denied"),
    }  # fmt: skip


def test_a_file_that_changes_while_it_is_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x")
    reading = os.read

    def grow(handle: int, size: int) -> bytes:
        with path.open("ab") as file:
            file.write(b"more")
        return reading(handle, size)

    monkeypatch.setattr("os.read", grow)
    held, ground = taken(tmp_path, threads=1)
    assert held["/log"]["unread"] == "changed while it was read"
    assert [gap.key for gap in ground.gaps] == ["/log"]


def test_a_file_that_becomes_a_fifo_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"x")
    looked = os.lstat

    def swap(path: Any) -> os.stat_result:
        info = looked(path)
        if str(path).endswith("/a"):
            os.unlink(path)  # noqa: PTH108
            os.mkfifo(path)
        return info

    monkeypatch.setattr("os.lstat", swap)
    held, ground = taken(tmp_path)
    assert held["/a"]["sha256"] is None
    assert [gap.reason for gap in ground.gaps] == ["no regular file"]


def test_reading_leaves_access_times_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x")
    os.utime(path, ns=(1, 2))
    taken(tmp_path)
    assert (path.stat().st_atime_ns, path.stat().st_mtime_ns) == (1, 2)


def test_exclusions_and_own_files_are_left_out(tmp_path: Path) -> None:
    for name in ("a.log", "b", "own.snap", "cache/x", "cache/y/z"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    own = frozenset({str(tmp_path / "own.snap")})
    held, _ = taken(tmp_path, excluded=("*.log", "/cache/*"), own=own)
    assert set(held) == {"/", "/b", "/cache"}
    assert held["/"]["mtime"] is None  # our own writing moves it


def test_roots_may_be_patterns_files_and_missing(tmp_path: Path) -> None:
    for name in ("home/a/.ssh/id", "home/b/.profile", "home/b/data", "etc/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    held, ground = taken(tmp_path, "/home/*/.ssh", "/home/*/.profile", "/etc", "/etc/x", "/no")
    assert set(held) == {
        "/etc", "/etc/x", "/home/a/.ssh", "/home/a/.ssh/id", "/home/b/.profile",
    }  # fmt: skip
    assert ground.gaps == []


def test_autoruns_say_what_they_run(tmp_path: Path) -> None:
    (tmp_path / "etc/xdg/autostart").mkdir(parents=True)
    (tmp_path / "etc/xdg/autostart/x.desktop").write_text("[Desktop Entry]\nExec=/opt/evil -q\n")
    (tmp_path / "etc/ld.so.preload").write_text("# no\n/opt/evil.so\n")
    held, _ = taken(tmp_path)
    assert held["/etc/xdg/autostart/x.desktop"]["runs"] == ["/opt/evil -q"]
    assert held["/etc/ld.so.preload"]["runs"] == ["/opt/evil.so"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0), "cap_net_raw+ep"),
        (struct.pack("<5I", 0x02000000, 1 << 13, 0, 0, 0), "cap_net_raw+p"),
        (struct.pack("<5I", 0x02000001, 1, 1 << 1, 1 << 6, 0), "cap_dac_override+ei cap_chown,cap_perfmon+ep"),
        (struct.pack("<6I", 0x03000001, 1 << 13, 0, 0, 0, 1000), "cap_net_raw+ep [rootid=1000]"),
        (struct.pack("<5I", 0x02000001, 0, 0, 1 << 31, 0), "cap_63+ep"),
        (b"", None),
        (b"\0\0\0\2", None),
        (b"\0" * 20, None),
    ],
)  # fmt: skip
def test_capabilities_are_decoded(value: bytes, text: str | None) -> None:
    assert attributes.capability_text(value) == text


def test_an_access_list_is_decoded_and_what_has_no_known_form_stays_raw() -> None:
    entries = [
        (1, 6, 2**32 - 1),
        (2, 4, 1000),
        (4, 0, 2**32 - 1),
        (16, 4, 2**32 - 1),
        (32, 0, 2**32 - 1),
    ]
    raw = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    assert attributes.acl_text(raw) == "user::rw-,user:1000:r--,group::---,mask::r--,other::---"
    assert attributes.sorted_out({
        "system.posix_acl_access": raw, "system.posix_acl_default": raw[:-1], "user.x": b"\xff",
    }) == {
        "acl": {"access": attributes.acl_text(raw)},
        "xattrs": {"system.posix_acl_default": raw[:-1].hex(), "user.x": "ff"},
    }  # fmt: skip


def test_attributes_of_a_real_file_are_taken(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    try:
        os.setxattr(tmp_path / "a", "user.mark", b"\x01")
    except (OSError, AttributeError) as error:
        pytest.skip(f"no extended attributes here: {error}")
    held, _ = taken(tmp_path)
    assert held["/a"]["xattrs"] == {"user.mark": "01"}


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1_259_107_200_123_456_789, "2009-11-25T00:00:00.123456789Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (10**21, "@1000000000000.000000000"),
    ],
)
def test_times_are_exact_to_the_nanosecond(nanoseconds: int, text: str) -> None:
    assert moment(nanoseconds) == text


def test_patterns_stand_for_one_part_in_roots() -> None:
    found = places.below(("/home/*/.ssh", "/etc"), "/")
    assert [bool(found.match(key)) for key in ("/home/a/.ssh", "/home/a/.ssh/x", "/home/a/b/.ssh", "/etc", "/etcetera", "/etc/a\nb")] == [True, True, False, True, False, True]  # fmt: skip
