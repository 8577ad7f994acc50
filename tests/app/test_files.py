from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sakimori.app.files import read_json, read_text, write_whole
from sakimori.errors import EngineError, SourceError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_written_whole_or_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    write_whole(path, "first")
    assert path.read_text("utf-8") == "first"

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(EngineError, match="No space left"):
        write_whole(path, b"second")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"first")]


@pytest.mark.parametrize("name", ["", "no/such/folder", "a/below"])
def test_a_path_that_can_be_no_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(SourceError, match="cannot be written"):
        write_whole(tmp_path / name, "x")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{\n\n]", "bad:3: not valid JSON"),
        (b"[NaN]", "NaN is no JSON number"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"[" * 100_000, "not valid JSON"),
    ],
    ids=["syntax", "constant", "bytes", "deep"],
)
def test_broken_json_is_refused_with_its_line(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(SourceError, match=message):
        read_json(tmp_path / "bad")


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfx")
    assert read_text(tmp_path / "a") == "x"


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read_text(tmp_path / "nothing")
