"""For any bytes in a file: only bad lines go, and undoing gives the very bytes back."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sakimori.endpoint.recipes import Tree
from sakimori.endpoint.recipes.tree import look_of

if TYPE_CHECKING:
    from pathlib import Path

_WORDS = st.sampled_from(
    [b"127.0.0.1", b"evil.example", b"EVIL.example.", b"good.example", b"#", b"/opt/badthing", b" ",
     b"\t", b"\n", b"\r\n", b"\r", b"\xff", b"\0", b"\xe3\x80\x80", b"notevil.example"]
)  # fmt: skip
_BYTES = st.lists(_WORDS, max_size=25).map(b"".join) | st.binary(max_size=40)
ITEMS = """
- {hosts: [evil.example], source: s}
- {job: cron, contains: /opt/badthing, source: s}
"""


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hosts=_BYTES, cron=_BYTES)
def test_any_file_is_cleaned_and_put_back(box: Any, hosts: bytes, cron: bytes) -> None:
    shutil.rmtree(box.folder / "clean", ignore_errors=True)
    box.put("/etc/hosts", hosts)
    box.put("/etc/crontab", cron)
    before = box.state()
    outcomes = box.clean(ITEMS)
    assert {o.outcome for o in outcomes} <= {"done"}, [o.reason for o in outcomes]
    assert not box.find(ITEMS).findings
    kept = [line for line in cron.splitlines(keepends=True) if b"/opt/badthing" not in line
            or line.lstrip().startswith(b"#")]  # fmt: skip
    assert (box.root / "etc/crontab").read_bytes() == b"".join(kept)
    innocent = [x for x in hosts.splitlines(keepends=True) if b"evil" not in x.lower()]
    assert b"".join(innocent) == b"".join(
        x for x in (box.root / "etc/hosts").read_bytes().splitlines(keepends=True) if x in innocent
    )
    assert {u.outcome for u in box.undo()} <= {"undone"}
    assert box.state() == before


def test_a_file_that_is_a_mount_of_its_own_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise OSError(errno.EBUSY, "busy")

    (tmp_path / "hosts").write_text("old and longer")
    look = look_of((tmp_path / "hosts").stat())
    monkeypatch.setattr(os, "replace", busy)
    Tree(tmp_path).write("/hosts", b"new", look, ".aside", times=True)
    assert (tmp_path / "hosts").read_text() == "new"
    assert (tmp_path / "hosts").stat().st_mtime_ns == look.mtime
    assert [p.name for p in tmp_path.iterdir()] == ["hosts"]


def test_a_write_that_fails_leaves_the_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    (tmp_path / "hosts").write_text("old")
    look = look_of((tmp_path / "hosts").stat())
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        Tree(tmp_path).write("/hosts", b"new", look, ".aside")
    assert (tmp_path / "hosts").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["hosts"]


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no extended attributes here")
@pytest.mark.parametrize(
    ("number", "done"), [(errno.ENOTSUP, True), (errno.EPERM, False)], ids=["none there", "refused"]
)
def test_attributes_are_kept_or_the_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, done: bool
) -> None:
    def listed(_handle: int) -> list[str]:
        raise OSError(number, "as the file system says")

    (tmp_path / "hosts").write_text("old")
    look = look_of((tmp_path / "hosts").stat())
    monkeypatch.setattr(os, "listxattr", listed)
    if done:
        Tree(tmp_path).write("/hosts", b"new", look, ".aside")
    else:
        with pytest.raises(OSError, match="as the file system says"):
            Tree(tmp_path).write("/hosts", b"new", look, ".aside")
    assert (tmp_path / "hosts").read_text() == ("new" if done else "old")
    assert [p.name for p in tmp_path.iterdir()] == ["hosts"]
