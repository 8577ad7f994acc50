"""The 2009 case and a real Debian upgrade, through the command as a user runs it."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jsonschema
import pytest

from sakimori.app.snapshotting import Asked, take
from sakimori.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from syrupy.assertion import SnapshotAssertion

ENDPOINT = Path(__file__).parents[1] / "endpoint"
SCHEMA = json.loads(
    files("sakimori").joinpath("schemas/verify-update.schema.json").read_text("utf-8")
)
KB = "KB915597.reg"


def helper(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


november = helper(ENDPOINT / "verify/_november.py")
debian = helper(ENDPOINT / "_debian.py")


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        told = json.loads(self.out)
        jsonschema.validate(told, SCHEMA, cls=jsonschema.Draft202012Validator)
        return told


@pytest.fixture(scope="module")
def hives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the snapshots of all cases, and the update's manifest."""
    folder = tmp_path_factory.mktemp("november")
    november.snapshots(folder)
    (folder / KB).write_text(november.MANIFEST)
    (folder / "prose.txt").write_text("no manifest, no log, no recipe\n")
    return folder


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, hives: Path
) -> Callable[..., Ended]:
    monkeypatch.chdir(hives)

    def run_it(*words: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["sakimori", "verify-update", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        return Ended(code, *capsys.readouterr())

    return run_it


TOLD_APART = {
    "terminator": ("Shell", november.WINLOGON, ["terminator"], "unknown"),
    "permissions": (None, november.WINLOGON, ["acl"], "unknown"),
    "family": ("midi9", november.DRIVERS, ["added"], "family"),
}


@pytest.mark.parametrize("case", TOLD_APART)
def test_the_cases_of_november_2009_are_told_apart(
    run: Callable[..., Ended], case: str, snapshot: SnapshotAssertion
) -> None:
    told = run("before.snap", f"{case}.snap", "--update", KB, "--format", "json").told
    name, key, layers, to = TOLD_APART[case]
    (other,) = [c for c in told["changes"] if c["attributed_to"] != "update"]
    assert (other["name"], other["key"], other["layers"]) == (name, key, layers)
    assert (other["attributed_to"], bool(other["evidence"])) == (to, True)
    end = told["conclusion"]
    assert end["changed_by_update"] == 7
    assert (end["not_by_update"], end["unknown"]) == (int(to == "family"), int(to == "unknown"))
    assert end["statement"] == snapshot


def test_an_update_that_did_only_what_it_declares_is_cleared(
    run: Callable[..., Ended], snapshot: SnapshotAssertion
) -> None:
    told = run("before.snap", "update.snap", "--update", KB, "--format", "json").told
    end = told["conclusion"]
    assert (end["changed_by_update"], end["not_by_update"], end["unknown"]) == (7, 0, 0)
    assert "Every change that was found is accounted for" in end["statement"]
    said = f"{november.WINLOGON} was compared: neither its values nor its permissions changed."
    assert said in end["statement"]
    (account,) = end["updates"]
    assert (account["could"], account["differs"], account["does_not_declare"]) == (7, 0, 0)
    assert end["statement"] == snapshot


@pytest.mark.parametrize("case", [*TOLD_APART, "update"])
def test_the_statement_reads_in_japanese_too(
    run: Callable[..., Ended], case: str, snapshot: SnapshotAssertion
) -> None:
    told = run(
        "before.snap", f"{case}.snap", "--update", KB, "--lang", "ja", "--format", "json"
    ).told
    assert told["conclusion"]["statement"] == snapshot


def test_a_manifest_that_is_complete_excludes_and_one_of_files_says_nothing(
    run: Callable[..., Ended], tmp_path: Path
) -> None:
    snapshots = "before.snap", "permissions.snap"
    whole = {"update": "KB915597", "complete": True, "registry": [
        {"key": "HKLM\\SOFTWARE\\Microsoft\\Updates\\Windows XP\\SP4\\KB915597", "whole": True}
    ]}  # fmt: skip
    (tmp_path / "whole.json").write_text(json.dumps(whole))
    (tmp_path / "KB976098.csv").write_text(
        "File name,File version,File size\ntzchange.exe,5.1.2600.3629,62976\n"
    )
    end = run(
        *snapshots,
        "-u",
        tmp_path / "whole.json",
        "-u",
        tmp_path / "KB976098.csv",
        "--format",
        "json",
    ).told["conclusion"]
    complete, of_files = end["updates"]
    assert (complete["could_not"], complete["does_not_declare"]) == (1, 0)
    assert (of_files["could_not"], of_files["does_not_declare"]) == (0, 8)
    assert of_files["can_declare"] == ["files"]
    assert "it could not have made 1 of the changes" in end["statement"]


@pytest.fixture
def upgrade(tmp_path: Path) -> Path:
    """A real Debian package upgraded between two snapshots, with tampered files beside it."""
    debian.needs_dpkg()
    root = debian.new_root(tmp_path / "root")
    first, second = (
        debian.build(tmp_path, v, f) for v, f in (("1.0", debian.FIRST), ("2.0", debian.SECOND))
    )
    debian.install(root, first)
    (root / "usr/bin/beside").write_bytes(b"#!/bin/sh\n")
    take(Asked(root=root), tmp_path / "a.snap", now=datetime.now(UTC))
    debian.install(root, second)
    (root / "usr/bin/beside").write_bytes(b"#!/bin/sh\ncurl\n")
    (root / "usr/share/watchtower/words").write_bytes(b"tampered\n")
    take(Asked(root=root), tmp_path / "b.snap", now=datetime.now(UTC))
    return tmp_path


MANIFESTS = [
    "watchtower-made-up_2.0_all.deb", "root/var/log/dpkg.log",
    "root/var/lib/dpkg/info/watchtower-made-up.list", "root/var/lib/dpkg/info/watchtower-made-up.md5sums",
]  # fmt: skip


def test_a_real_upgrade_is_the_updates_and_the_tampered_files_are_not(
    upgrade: Path, run: Callable[..., Ended]
) -> None:
    tampered = {"/usr/bin/beside", "/usr/share/watchtower/words"}
    for manifest in MANIFESTS:
        told = run(
            upgrade / "a.snap", upgrade / "b.snap", "-u", upgrade / manifest, "--format", "json"
        ).told
        others = {
            c["key"]: c["attributed_to"] for c in told["changes"] if c["attributed_to"] != "update"
        }
        assert others == dict.fromkeys(tampered, "unknown"), manifest
        ours = {c["key"] for c in told["changes"] if c["attributed_to"] == "update"}
        assert {"/usr/bin/watchtower", "/usr/share/watchtower/more", "watchtower-made-up"} <= ours
        account = told["conclusion"]["updates"][0]
        assert account["differs"] == 1, "the package ships words, but not these"


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("form", ["table", "csv"])
def test_every_format_and_language_tells_the_same(
    run: Callable[..., Ended], form: str, lang: str
) -> None:
    told = run("before.snap", "family.snap", "-u", KB, "--format", form, "--lang", lang)
    assert told.code == 0
    assert "Daonol" in told.out
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(told.out)))
        assert [r["attributed_to"] for r in rows].count("update") == 7
        assert "KB915597" in told.err


WRONG = [
    (("--update", "none.csv"), 3, "none.csv"),
    ((), 2, "no manifest"),
    (("--update", "prose.txt"), 3, "prose.txt"),
    (("--update", KB, "--actions", "prose.txt"), 3, "prose.txt"),
    (("--update", KB, "--timezone", "Mars/Olympus"), 2, "Mars/Olympus"),
    (("--update", KB, "--recipes", "prose.txt"), 3, "prose.txt"),
]


@pytest.mark.parametrize(("options", "code", "says"), WRONG)
def test_wrong_input_is_one_line_with_its_place(
    run: Callable[..., Ended], options: tuple[str, ...], code: int, says: str
) -> None:
    told = run("before.snap", "update.snap", *options)
    assert (told.code, says in told.err, "Traceback" in told.err) == (code, True, False)


def test_hostile_names_are_shown_and_do_nothing(run: Callable[..., Ended], tmp_path: Path) -> None:
    evil = tmp_path / "tree"
    evil.mkdir()
    take(Asked(root=evil, only=("file",)), tmp_path / "a.snap", now=datetime.now(UTC))
    (evil / "\x1b[2J\u202egnp.exe").write_bytes(b"x")
    take(Asked(root=evil, only=("file",)), tmp_path / "b.snap", now=datetime.now(UTC))
    (tmp_path / "m.json").write_text('{"update": "K\\u001b[2JB", "files": []}')
    for form in ("table", "csv", "json"):
        told = run(
            tmp_path / "a.snap", tmp_path / "b.snap", "-u", tmp_path / "m.json", "--format", form
        )
        assert told.code == 0
        assert "\x1b" not in told.out + told.err
        assert "\u202e" not in told.out + told.err
