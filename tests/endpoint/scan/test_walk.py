from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from sakimori.endpoint.hits import Trouble
from sakimori.endpoint.scan import Scanner, walk
from sakimori.endpoint.scan.walk import Found, Walk


def seen(root: Path, **options: object) -> tuple[dict[str, str], Walk]:
    """Return what is found below root: path -> "" for a file, or why not."""
    walked = Walk(**options)  # type: ignore[arg-type]
    found = {
        os.path.relpath(f.path, root): f.reason if isinstance(f, Trouble) else ""
        for f in walked.files([str(root)])
    }
    return found, walked


def test_every_plain_file_is_found_in_order_of_names(tmp_path: Path) -> None:
    for name in ("b/c/z", "b/a", "a", "c", "b/c/y"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert list(seen(tmp_path)[0]) == ["a", "c", "b/a", "b/c/y", "b/c/z"]


def test_names_of_any_bytes_are_kept_as_they_are(tmp_path: Path) -> None:
    names = [b"new\nline", b"\xff\xfe", b"\x1b[31m", "\u202egpj.exe".encode(), b" ", b"-rf"]
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).touch()  # noqa: PTH118
    assert {os.fsencode(name) for name in seen(tmp_path)[0]} == set(names)


def test_what_is_no_file_is_told_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(tmp_path)  # a socket's path is short
        listening.bind("sock")
    assert seen(tmp_path)[0] == {"fifo": "a FIFO is not opened", "sock": "a socket is not opened"}


def test_links_are_counted_and_loops_told(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/file").touch()
    (tmp_path / "d/up").symlink_to("..")
    (tmp_path / "d/self").symlink_to("self")
    (tmp_path / "d/none").symlink_to("none-such")
    (tmp_path / "other").symlink_to("d/file")
    found, walked = seen(tmp_path)
    assert found["d/file"] == ""
    assert "back to a folder above" in found["d/up"]
    assert "levels of symbolic links" in found["d/self"]
    assert walked.left == {"symbolic links": 2}
    assert "other" not in found


def test_links_are_followed_where_asked_and_no_folder_is_entered_twice(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/file").touch()
    (tmp_path / "again").symlink_to("d")
    (tmp_path / "up").symlink_to(".")
    (tmp_path / "link").symlink_to("d/file")
    (tmp_path / "none").symlink_to("none-such")
    found, walked = seen(tmp_path, follow=True)
    assert [name for name, why in found.items() if not why] == ["link", "again/file"]
    assert "back to a folder above" in found["up"]
    assert "No such file" in found["none"]
    assert walked.left == {"folders reached before": 1}


def test_a_link_that_is_named_is_followed(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/file").touch()
    (tmp_path / "link").symlink_to("d")
    assert [f.path for f in Walk().files([str(tmp_path / "link")])] == [str(tmp_path / "link/file")]


def test_a_missing_path_is_told_and_the_others_are_walked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = list(Walk().files([str(tmp_path / "none"), str(tmp_path / "file")]))
    assert isinstance(found[0], Trouble)
    assert isinstance(found[1], Found)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0)
    assert seen(tmp_path)[0] == {"d": "folder: Permission denied"}


def test_a_folder_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "file").touch()
    scandir = os.scandir

    def refuse(path: object) -> object:
        if str(path).endswith("/d"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", refuse)
    assert seen(tmp_path)[0] == {"d": "folder: Permission denied", "file": ""}


def test_folders_deeper_than_a_path_may_be_long_are_read(
    tmp_path: Path, scanner: Scanner, eicar: bytes
) -> None:
    at = os.open(tmp_path, os.O_RDONLY)
    for _ in range(120):
        os.mkdir("n" * 60, dir_fd=at)
        below = os.open("n" * 60, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    with open("e.com", "wb", opener=lambda p, f: os.open(p, f, dir_fd=at)) as file:
        file.write(eicar)
    os.close(at)
    (found,) = Walk().files([str(tmp_path)])
    assert isinstance(found, Found)
    assert len(found.path) > 7000
    assert len(scanner.file(found.path).hits) == 1


def test_what_is_excluded_is_not_entered_and_counted(tmp_path: Path) -> None:
    for name in ("keep/a.txt", "keep/b.log", "gone/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found, walked = seen(tmp_path, exclude=("*.log", "gone"))
    assert list(found) == ["keep/a.txt"]
    assert walked.left == {"excluded": 2}
    assert list(seen(tmp_path, exclude=(f"{tmp_path}/keep/*",))[0]) == ["gone/c.txt"]


@pytest.mark.skipif(not Path("/proc/self/mounts").exists(), reason="needs Linux's /proc")
def test_the_kernels_own_file_systems_are_left_out_unless_named() -> None:
    assert "/proc" in walk._kernel_folders(["/"])
    assert "/proc" not in walk._kernel_folders(["/proc/self"])
    walked = Walk(exclude=("[!/p]*",))
    assert not [f for f in walked.files(["/"]) if f.path.startswith("/proc")]
    assert walked.left["the kernel's own file systems"] == 1
    assert any(isinstance(f, Found) for f in Walk().files(["/proc/self/fdinfo"]))


def test_another_file_system_is_not_entered_where_asked(tmp_path: Path) -> None:
    entered = Walk(one_file_system=True)
    told = tmp_path.stat()
    assert entered._folder("x", told, told.st_dev) is not None
    assert entered._folder("x", told, told.st_dev + 1) is None
    assert entered.left == {"other file systems": 1}
