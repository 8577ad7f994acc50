from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sakimori.errors import StateError
from sakimori.takedown.sinkhole.secret import key_of, write_new

if TYPE_CHECKING:
    from pathlib import Path


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "ws" / "secret.key"
    key = key_of(path)
    assert len(key) == 32
    assert key_of(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["secret.key"]


def test_two_workspaces_have_two_keys(tmp_path: Path) -> None:
    assert key_of(tmp_path / "a") != key_of(tmp_path / "b")


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    key_of(tmp_path / "k")
    (tmp_path / "k").chmod(0o640)
    with pytest.raises(StateError, match="others may read"):
        key_of(tmp_path / "k")


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    write_new(tmp_path / "k", b"short")
    with pytest.raises(StateError, match="32 bytes"):
        key_of(tmp_path / "k")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError):
        key_of(tmp_path / "file" / "k")


def test_a_file_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    write_new(tmp_path / "f", b"1")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "f", b"2")
    assert (tmp_path / "f").read_bytes() == b"1"
    assert os.listdir(tmp_path) == ["f"]  # noqa: PTH208 - hidden files too
