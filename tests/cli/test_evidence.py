from __future__ import annotations

import csv
import io
import json
import os
import shutil
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import jsonschema
import pytest

from sakimori.app.evidencing import Evidence
from sakimori.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = "c/keys/evidence.pub.pem"


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True, scope="module")
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Do not sync: these tests do not cut the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        yield


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Ended]:
    """Run `sakimori evidence` in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run_it(*words: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["sakimori", "evidence", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run_it


@pytest.fixture(scope="module")
def _begun_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("begun")
    name = "log\x1b[2J\u202e.txt"
    (folder / name).write_text("192.0.2.9\n")
    kept = Evidence.of(str(folder / "c"), actor="aiko")
    kept.record("input", {"note": "hour 1"}, [folder / name])
    return folder


@pytest.fixture
def begun(run: Callable[..., Ended], tmp_path: Path, _begun_once: Path) -> Callable[..., Ended]:
    """The same, with a chain in `c` that holds a file with a hostile name."""
    shutil.copytree(_begun_once, tmp_path, dirs_exist_ok=True)
    return run


def test_a_chain_is_begun_once_and_files_are_added(
    run: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_text("192.0.2.9\n")
    assert "began" in run("init", "--chain", "c", "--actor", "aiko").err
    assert "already" in run("init", "--chain", "c").err
    added = run("add", "a.log", "--chain", "c", "--actor", "aiko", "--note", "hour 1", "-f", "json")
    (record,) = json.loads(added.out)
    assert (record["kind"], record["actor"], record["body"]) == (
        "input",
        "aiko",
        {"note": "hour 1"},
    )
    assert record["objects"][0]["name"] == "a.log"


def test_a_chain_is_kept_exported_and_verified(begun: Callable[..., Ended]) -> None:
    assert begun("seal", "--chain", "c").code == 0
    given = ("--from", "aiko", "--to", "the court", "--why", "order", "--tlp", "RED")
    assert begun("custody", "--chain", "c", *given).code == 0
    exported = begun("export", "c", "--out", "b.zip")
    assert (exported.code, exported.out) == (0, "")
    verified = begun("verify", "b.zip", "--key", KEY)
    assert verified.code == 0
    assert "nothing was changed" in verified.err
    assert "seal 5" in verified.out


def test_a_changed_bundle_ends_with_a_code_and_its_place(
    begun: Callable[..., Ended], tmp_path: Path
) -> None:
    begun("export", "c", "--out", "b")
    (tmp_path / "b" / "index.html").write_text("x")
    verified = begun("verify", "b", "--key", KEY)
    assert verified.code == 4
    assert "index.html" in verified.out
    assert "nothing was changed" not in verified.err
    rows = list(csv.DictReader(io.StringIO(begun("verify", "b", "--format", "csv").out)))
    assert [(r["code"], r["where"]) for r in rows] == [("changed", "index.html")]
    printed = begun("verify", "b", "--format", "json")
    assert printed.code == 4
    schema = files("sakimori").joinpath("schemas/evidence.schema.json").read_text("utf-8")
    jsonschema.validate(json.loads(printed.out), json.loads(schema))


def test_of_very_many_problems_the_first_are_shown(
    begun: Callable[..., Ended], tmp_path: Path
) -> None:
    begun("seal", "--chain", "c")
    with (tmp_path / "c" / "chain.jsonl").open("ab") as chain:
        chain.write(b"x\n" * 100)
    verified = begun("verify", "c")
    assert verified.out.count("format") == 50
    assert "and 50 more problems" in verified.err
    assert begun("verify", "c", "--format", "csv").out.count("format") == 100


def test_a_workspaces_case_is_found_by_name(run: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    assert run("add", "f", "--chain", "rustock", "--workspace", "ws").code == 0
    assert (tmp_path / "ws/cases/rustock/evidence/chain.jsonl").is_file()
    assert run("export", "rustock", "--out", "b.zip", "-w", "ws").code == 0
    assert run("verify", "b.zip", "--key", "ws/keys/evidence.pub.pem").code == 0


def test_what_is_left_out_is_told_and_a_value_elsewhere_warned_of(
    begun: Callable[..., Ended],
) -> None:
    made = begun("export", "c", "--out", "b", "--redact", "input:actor", "--reason", "safety")
    assert made.code == 0
    assert "left out: 1 parts" in made.err
    assert "WARNING: a value that was left out also stands in record 1" in made.err
    assert "record 2, actor: safety" in begun("verify", "b").out
    again = begun("export", "b", "--out", "b2.tar", "--redact", "note", "--reason", "r",
                  "--keys", "c/keys")  # fmt: skip
    assert again.code == 0
    assert "field note: r" in begun("verify", "b2.tar", "--key", KEY).out


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_the_list_shows_hostile_names_harmlessly(begun: Callable[..., Ended], form: str) -> None:
    begun("seal", "--chain", "c")
    listed = begun("list", "--chain", "c", "--format", form)
    assert listed.code == 0
    assert "hour 1" in listed.out
    assert "\x1b" not in listed.out
    assert "\u202e" not in listed.out
    if form != "json":
        assert "BEGIN PUBLIC KEY" not in listed.out


def test_an_authority_out_of_reach_has_its_own_code(begun: Callable[..., Ended]) -> None:
    begun("seal", "--chain", "c")
    stamped = begun("stamp", "--chain", "c", "--tsa", "http://127.0.0.1:9/")
    assert stamped.code == 6
    assert "127.0.0.1:9/: not stamped: unreachable" in stamped.err
    assert "again later" in stamped.err


def test_a_new_key_is_signed_by_the_old_one(begun: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "old.pem").write_bytes((tmp_path / KEY).read_bytes())
    assert begun("new-key", "--chain", "c").code == 0
    assert begun("export", "c", "--out", "b.zip").code == 0
    for key in ("old.pem", KEY):
        assert begun("verify", "b.zip", "--key", key).code == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("add none.log --chain c", 3, "none.log"),
        ("add c --chain c", 3, "no file"),
        ("add c/chain.jsonl --chain c --kind Bad!", 2, "no kind"),
        ("seal --chain elsewhere", 3, "no chain"),
        ("list --chain elsewhere", 3, "no chain"),
        ("stamp --chain c --tsa tsa.example", 2, "no address"),
        ("stamp --chain c --tsa http://127.0.0.1:9/", 3, "nothing is sealed"),
        ("custody --chain c --from a --to b --why c --tlp WHITE", 2, "TLP"),
        ("export c --out c/chain.jsonl", 2, "there already"),
        ("export c --out none/of/these/../b.zip --redact x --reason y", 2, "no record has"),
        ("export c --out b.zip --redact note", 2, "reason"),
        ("export none --out b.zip", 3, "evidence.pem"),
        ("verify none", 3, "no bundle"),
        ("verify c/chain.jsonl", 3, "no bundle, or a damaged one"),
        ("verify c --key c/chain.jsonl", 3, "no public key"),
        ("verify c --key none.pem", 3, "none.pem"),
        ("verify c --tsa-cert c/chain.jsonl", 2, "no certificate"),
        ("verify c", 4, "no seal"),
        ("verify .", 3, "no chain"),
    ],
)
def test_bad_input_is_one_line_with_a_next_step(
    begun: Callable[..., Ended], words: str, code: int, says: str
) -> None:
    ended = begun(*words.split())
    assert (ended.code, says in ended.err) == (code, True), ended.err
    assert "Traceback" not in ended.err
    assert "hint: " in ended.err
