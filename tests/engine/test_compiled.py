"""SQL that is kept between runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import ibis
import pytest

from sakimori.engine.compiled import Compiled

if TYPE_CHECKING:
    from pathlib import Path

T = ibis.table({"a": "int64"}, name="t")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    file = tmp_path / "detector.py"
    file.write_text("one")
    return file


def never() -> Any:
    pytest.fail("was made again")


def test_what_was_made_once_is_not_made_again(source: Path) -> None:
    first = Compiled([source]).sql("beacon", lambda: T.filter(T.a > 1))
    assert "> 1" in first
    assert Compiled([source]).sql("beacon", never) == first


def test_other_settings_and_other_code_make_their_own(source: Path) -> None:
    Compiled([source]).sql("beacon 1", lambda: T.filter(T.a > 1))
    assert "> 2" in Compiled([source]).sql("beacon 2", lambda: T.filter(T.a > 2))
    source.write_text("two")
    assert "> 3" in Compiled([source]).sql("beacon 1", lambda: T.filter(T.a > 3))


def test_another_version_removes_what_is_old(source: Path) -> None:
    old = Compiled([source])
    old.sql("beacon", lambda: T)
    source.write_text("two")
    Compiled([source]).sql("beacon", lambda: T)
    assert old.folder.is_dir(), "it may be in use"
    os.utime(old.folder, (0, 0))
    source.write_text("three")
    new = Compiled([source])
    new.sql("beacon", lambda: T)
    assert not old.folder.exists()
    assert new.folder.is_dir()
    assert "FROM" in old.sql("beacon", lambda: T), "the old one still works"


def test_nobody_else_may_read_or_change_it(source: Path) -> None:
    compiled = Compiled([source])
    compiled.sql("beacon", lambda: T)
    assert compiled.folder.stat().st_mode & 0o077 == 0


def test_without_a_place_to_write_it_is_made_each_time(source: Path, tmp_path: Path) -> None:
    (tmp_path / "caches").write_text("a file where the folder should be")
    made = [Compiled([source]).sql("beacon", lambda: T) for _ in range(2)]
    assert made[0] == made[1]
    assert "FROM" in made[0]


def test_a_damaged_file_is_made_again(source: Path) -> None:
    compiled = Compiled([source])
    good = compiled.sql("beacon", lambda: T)
    (file,) = compiled.folder.glob("*.sql")
    file.write_bytes(b"\xff\xfe")
    assert compiled.sql("beacon", lambda: T) == good
    assert file.read_text("utf-8") == good


def test_a_relative_place_is_ignored(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "caches")
    assert Compiled([source]).folder.is_absolute()
