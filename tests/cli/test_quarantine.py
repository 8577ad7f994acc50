from __future__ import annotations

import json
import os
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import jsonschema
import pytest

from sakimori.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = os.fsdecode(b"bad\n\xff\x1b[31m=1.bin")


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Ended]:
    """Run `sakimori quarantine` in this process, with a store and a file of a hostile name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAKIMORI_STORE", str(tmp_path / "store"))
    (tmp_path / NAME).write_bytes(b"made up")

    def ran(*words: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["sakimori", "quarantine", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return ran


def valid(text: str) -> Any:
    schema = json.loads(files("sakimori").joinpath("schemas/quarantine.schema.json").read_text())
    plain = json.loads(text)
    jsonschema.validate(plain, schema)
    return plain


def test_from_a_proposal_to_the_file_that_is_back(
    run: Callable[..., Ended], tmp_path: Path
) -> None:
    shown = run("add", NAME)
    assert shown.code == 0
    assert "proposed" in shown.out
    assert "Nothing was changed" in shown.err
    assert (tmp_path / NAME).exists()
    taken = run("add", NAME, "--yes", "--reason", "by hand", "--format", "json")
    entry = valid(taken.out)["entries"][0]
    assert entry["path"] == str(tmp_path.resolve() / NAME)
    assert "Files taken into quarantine: 1" in taken.err
    short = entry["id"][-8:]
    assert "Nothing was changed" in run("restore", short).err
    assert not (tmp_path / NAME).exists()
    assert run("restore", short, "--yes").code == 0
    assert (tmp_path / NAME).read_bytes() == b"made up"


def test_hostile_names_do_nothing_to_terminal_or_spreadsheet(run: Callable[..., Ended]) -> None:
    run("add", NAME, "--yes", "--rule", "=cmd()")
    for words in ([], ["--format", "csv"], ["--format", "json"]):
        told = run("list", *words)
        assert told.code == 0
        assert not set(told.out) & {"\x1b", "\udcff"}
        assert ",=cmd()" not in told.out
    short = run("list", "--format", "csv").out.splitlines()[1].split(",")[0]
    shown = run("show", short)
    assert shown.code == 0
    assert "\x1b" not in shown.out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["add", "nowhere", "--yes"], 3, "no such file"),
        (["add", NAME, "--sha256", "00"], 5, "SHA-256 is another"),
        (["restore", "12"], 3, "no such entry"),
    ],
)
def test_errors_are_one_line_with_a_code(
    words: list[str], code: int, said: str, run: Callable[..., Ended]
) -> None:
    told = run(*words)
    assert told.code == code
    assert said in told.err
    assert "Traceback" not in told.err


def test_hard_links_are_told(run: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "other").hardlink_to(tmp_path / NAME)
    told = run("add", "other", "--yes", "--format", "csv")
    assert "other names of this file (hard links), which stay where they are: 1" in told.err
    ident = told.out.splitlines()[1].split(",")[0]
    assert "is its own now" in run("restore", ident, "--yes").err


def test_what_is_in_the_way_is_taken_on_request(run: Callable[..., Ended], tmp_path: Path) -> None:
    ident = run("add", NAME, "--yes", "--format", "csv").out.splitlines()[1].split(",")[0]
    (tmp_path / NAME).write_bytes(b"precious")
    assert run("restore", ident, "--yes").code == 5
    done = run("restore", ident, "--yes", "--replace", "--format", "json")
    assert len(valid(done.out)["displaced"]) == 1
    assert "was in the way" in done.err


def test_check_delete_export_and_recover_end_well(
    run: Callable[..., Ended], tmp_path: Path
) -> None:
    ident = run("add", NAME, "--yes", "--format", "csv").out.splitlines()[1].split(",")[0]
    assert "all whole: 1" in run("check").err
    assert run("export", ident, "--out", "x.zip", "--yes").code == 0
    assert (tmp_path / "x.zip").exists()
    assert "Nothing was interrupted" in run("recover").err
    next((tmp_path / "store").rglob("content")).write_bytes(b"broken")
    broken = run("check", "--format", "json")
    assert broken.code == 4
    assert len(valid(broken.out)["faults"]) == 1
    assert run("delete", ident, "--yes").code == 0
    assert "Nothing is in quarantine" in run("list").err
    assert "deleted" in run("list", "--all", "--format", "csv").out


def test_what_a_crash_left_is_ended_and_told(run: Callable[..., Ended], tmp_path: Path) -> None:
    run("add", NAME, "--yes")
    record = next((tmp_path / "store").rglob("*.taken"))
    record.rename(record.with_suffix(".taking"))
    assert run("check").code == 4
    told = run("recover", "--format", "json")
    assert valid(told.out)["recovered"][0]["outcome"] == "taken"
    assert run("check").code == 0


def test_it_speaks_japanese(run: Callable[..., Ended]) -> None:
    assert "何も変更していません" in run("add", NAME, "--lang", "ja").err
