from __future__ import annotations

import io
import json
import os
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import jsonschema
import pytest

from sakimori.app import blocking
from sakimori.cli import main
from sakimori.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GOOD = "kind,value,expires,reason\nname,evil.example,,C2\naddress,192.0.2.7,2026-12-01,C2\n"
MIXED = GOOD + "name,bad name,,\nurl,http://evil.example/x,,\nname,old.example,2020-01-01,\n"
NOW = ("--now", "2026-11-25T12:30:00Z")


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def block(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Ended]:
    """Run `sakimori block` in this process, in a folder of its own, with the lists there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.csv").write_text(GOOD)
    (tmp_path / "mixed.csv").write_text(MIXED)

    def run(*words: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["sakimori", "block", *map(str, words), *NOW])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run


def test_the_file_is_on_stdout_and_the_words_on_stderr(block: Callable[..., Ended]) -> None:
    ended = block("good.csv", "--to", "rpz")
    assert ended.code == 0
    assert ended.out.startswith("; sakimori block: rpz\n")
    assert "*.evil.example CNAME .\n" in ended.out
    assert "2 entries written" in ended.err
    assert block("good.csv", "--to", "rpz").out == ended.out


def test_what_is_not_written_is_named_and_the_rest_is_written(block: Callable[..., Ended]) -> None:
    ended = block("mixed.csv", "--to", "rpz")
    assert ended.code == 6
    assert "evil.example CNAME ." in ended.out
    assert "old.example" not in ended.out
    assert "mixed.csv:4: it is no full name" in ended.err
    assert "mixed.csv:5: DNS response policy zone: a url cannot be expressed" in ended.err
    assert "http://" not in ended.err
    assert "1 expired" in ended.err


def test_a_whole_host_stands_for_a_url_only_when_asked(block: Callable[..., Ended]) -> None:
    ended = block("mixed.csv", "--to", "hosts", "--url-hosts")
    assert "a url cannot" not in ended.err
    assert ended.out.count("evil.example") == 2
    assert "http://evil.example/x" in block("mixed.csv", "--to", "pac", "--url-hosts").out


def test_changes_are_those_from_the_earlier_file_or_list(
    block: Callable[..., Ended], tmp_path: Path
) -> None:
    assert block("good.csv", "--to", "exabgp", "-o", "old.txt").out == ""
    (tmp_path / "new.csv").write_text("kind,value\naddress,192.0.2.8\n")
    expected = [
        "withdraw route 192.0.2.7/32 next-hop self community [65535:666]",
        "withdraw flow route { match { destination 192.0.2.7/32; } then { discard; } }",
        "announce route 192.0.2.8/32 next-hop self community [65535:666]",
        "announce flow route { match { destination 192.0.2.8/32; } then { discard; } }",
    ]
    for previous in ("old.txt", "good.csv"):
        ended = block("new.csv", "--to", "exabgp", "--previous", previous, "--undo", "undo.txt")
        assert (ended.code, ended.out.splitlines()) == (0, expected)
        back = (tmp_path / "undo.txt").read_text()
        assert "announce route 192.0.2.7/32" in back
        assert "withdraw route 192.0.2.8/32" in back
    same = block("new.csv", "--to", "exabgp", "--previous", "new.csv")
    assert (same.out, "nothing changes" in same.err) == ("", True)


def test_a_written_file_is_followed_and_can_be_taken_back(
    block: Callable[..., Ended], tmp_path: Path
) -> None:
    block("good.csv", "--to", "rpz", "--out", "zone")
    first = (tmp_path / "zone").read_text()
    (tmp_path / "new.csv").write_text("kind,value\nname,other.example\n")
    block("new.csv", "--to", "rpz", "--out", "zone", "--undo", "back")
    second, back = (tmp_path / "zone").read_text(), (tmp_path / "back").read_text()
    assert "2026112500" in first
    assert "2026112501" in second
    assert first.replace("2026112500", "2026112502") == back
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] == ".") == []


def test_json_says_all_and_follows_its_schema(block: Callable[..., Ended]) -> None:
    ended = block("mixed.csv", "--to", "suricata-dataset", "--format", "json")
    schema = json.loads(files("sakimori").joinpath("schemas/block.schema.json").read_text("utf-8"))
    told = json.loads(ended.out)
    jsonschema.validate(told, schema)
    assert ended.code == 6
    assert (told["entries"], told["expired"], told["changes"]) == (1, 1, False)
    assert [item["line"] for item in told["left_out"]] == [3, 5]
    assert [item["line"] for item in told["rejected"]] == [4]


def test_words_are_japanese_when_asked(block: Callable[..., Ended]) -> None:
    assert "書き出し" in block("good.csv", "--to", "rpz", "--lang", "ja").err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("good.csv", "--to", "rpzz"), 2, "did you mean rpz?"),
        (("good.csv", "--to", "rpz", "--format", "csv"), 2, "a format of its own"),
        (("good.csv", "--to", "rpz", "--policy", "x"), 2, "no policy is named"),
        (("good.csv", "--to", "rpz", "--out", "good.csv"), 2, "the same file"),
        (("good.csv", "--to", "rpz", "--out", "a", "--undo", "a"), 2, "the same file"),
        (("none.csv", "--to", "rpz"), 3, "none.csv: No such file"),
        ((".", "--to", "rpz"), 3, "Is a directory"),
        (("good.csv", "--to", "rpz", "--previous", "none"), 3, "none: No such file"),
        (("good.csv", "--to", "rpz", "--previous", "other.txt"), 3, "other.txt: the previous"),
        (("other.txt", "--to", "rpz"), 3, "has no header with kind and value"),
        (("good.csv", "--to", "rpz", "--out", "no/such/folder"), 3, "cannot be written"),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_line_with_its_place(
    block: Callable[..., Ended], tmp_path: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    (tmp_path / "other.txt").write_text("hello\n")
    ended = block(*words)
    assert ended.code == code
    assert told in ended.err
    assert "Traceback" not in ended.err
    assert (tmp_path / "good.csv").read_text() == GOOD


@pytest.mark.parametrize("time", ["tomorrow", "2026-13-01", "", "0001-01-01T00:00:00+09:00"])
def test_a_time_that_is_none_is_refused(time: str) -> None:
    with pytest.raises(ConfigError, match="is no time"):
        blocking.moment(time)


def test_a_full_disk_leaves_the_earlier_file(
    block: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block("good.csv", "--to", "hosts", "--out", "hosts")
    before = (tmp_path / "hosts").read_text()

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    ended = block("mixed.csv", "--to", "hosts", "--out", "hosts")
    assert ended.code == 3
    assert "No space left" in ended.err
    assert (tmp_path / "hosts").read_text() == before
    assert not list(tmp_path.glob(".*"))


def test_bytes_that_are_no_text_and_marks_that_hide_are_shown_harmless(
    block: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / "bad.csv").write_bytes(
        b"kind,value,expires,reason\nname,\xff\xfe.example,,\nname,\x1b[2Jx\xe2\x80\xae.example,,\n"
        b"address,192.0.2.9,,\xff\x00\x1b]0;x\x07\n"
    )
    ended = block("bad.csv", "--to", "dnsmasq")
    assert ended.code == 6
    assert "bad.csv:2:" in ended.err
    assert "bad.csv:3:" in ended.err
    assert "bogus-nxdomain=192.0.2.9 # 0 x\n" in ended.out.replace("]", "")
    assert not {"\x1b", "\x00", "\u202e", "\x07"} & set(ended.out + ended.err)


def test_a_list_can_come_from_a_pipe(
    block: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(GOOD.encode())))
    assert "0.0.0.0 evil.example" in block("-", "--to", "hosts").out
