from __future__ import annotations

import csv
import io
import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import jsonschema
import pytest

from sakimori.app import inventorying
from sakimori.cli import main
from sakimori.endpoint.registry.hive_build import build_hive
from sakimori.endpoint.registry.model import Key, Value
from sakimori.endpoint.registry.reg_write import reg_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parents[2].parent / "shared/data/exposure/systeminfo"
SCHEMA = json.loads(files("sakimori").joinpath("schemas/inventory.schema.json").read_text("utf-8"))
HOSTILE = "PC\x1b[31m\u202e"
INFO = (
    f"Host Name:                 {HOSTILE}\nOS Name:                   Microsoft Windows 7 Enterprise\n"
    "OS Version:                6.1.7601 Service Pack 1 Build 7601\nSystem Type:               x64-based PC\n"
    "Hotfix(s):                 1 Hotfix(s) Installed.\n                           [01]: KB961371-v2\n"
)


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Ended]:
    """Run `sakimori inventory` in this process, in a folder with some files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pc_systeminfo.txt").write_text(INFO)
    (tmp_path / "pc_qfe.txt").write_text("HotFixID   InstalledOn\nKB976902   2022/04/13\n")
    (tmp_path / "junk").write_bytes(b"\0\1\2\3" * 99)

    def run(*words: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["sakimori", "inventory", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run


def test_json_has_the_contract(run: Callable[..., Ended]) -> None:
    ended = run("pc_systeminfo.txt", "pc_qfe.txt", "--format", "json")
    assert ended.code == 0
    first, second = records = json.loads(ended.out)
    jsonschema.validate(records, SCHEMA)
    assert tuple(first)[: len(inventorying.CONTRACT)] == inventorying.CONTRACT
    assert (first["os"], first["version"], first["build"], first["architecture"]) == (
        "Windows 7 Enterprise", "6.1.7601", "7601", "x64",
    )  # fmt: skip
    assert first["updates"] == ["KB961371"]
    assert first["update_details"][0]["written"] == "KB961371-v2"
    assert first["machine"] == HOSTILE
    assert second["updates"] == ["KB976902"]
    assert all(isinstance(s, str) and s.endswith(".") for s in first["assumed"])


def test_a_file_that_cannot_be_read_ends_with_6_and_the_rest_is_told(
    run: Callable[..., Ended],
) -> None:
    ended = run("junk", "pc_systeminfo.txt", "missing", "--format", "json")
    assert ended.code == 6
    assert [r["source"] for r in json.loads(ended.out)] == ["pc_systeminfo.txt"]
    assert "junk: this is neither text nor a registry hive" in ended.err
    assert "missing: this is not there" in ended.err
    assert "2 sources could not be read" in ended.err


def test_a_lone_file_that_cannot_be_read_ends_with_its_own_code(run: Callable[..., Ended]) -> None:
    ended = run("junk", "--format", "json")
    assert (ended.code, ended.out) == (3, "[]\n")
    assert "accepted: " in ended.err
    assert run("junk").out == ""


def test_the_table_is_safe_to_show_and_says_what_was_assumed(run: Callable[..., Ended]) -> None:
    ended = run("pc_systeminfo.txt")
    assert "\x1b" not in ended.out + ended.err
    assert "\u202e" not in ended.out + ended.err
    assert "Windows 7 Enterprise" in ended.out
    assert "pc_systeminfo.txt\n  Language en" in ended.err
    assert "サービス パック" in run("pc_systeminfo.txt", "--lang", "ja").err


def test_csv_has_one_row_a_record(run: Callable[..., Ended]) -> None:
    ended = run("pc_systeminfo.txt", "pc_qfe.txt", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert [(r["source"], r["updates"]) for r in rows] == [
        ("pc_systeminfo.txt", "1"), ("pc_qfe.txt", "1"),
    ]  # fmt: skip


def test_files_of_one_machine_are_put_together_when_asked(run: Callable[..., Ended]) -> None:
    ended = run("pc_systeminfo.txt", "pc_qfe.txt", "--merge", "--format", "json")
    (record,) = json.loads(ended.out)
    assert record["source"] == "pc_systeminfo.txt + pc_qfe.txt"
    assert record["updates"] == ["KB961371", "KB976902"]
    assert "the names of the files say so" in record["assumed"][0]


def test_this_machine_is_read_live(run: Callable[..., Ended]) -> None:
    ended = run("--format", "json")
    assert ended.code == 0
    (record,) = json.loads(ended.out)
    jsonschema.validate([record], SCHEMA)
    assert record["source"] == "live"
    assert record["os"]


def text(name: str, value: str) -> Value:
    return Value(name, 1, f"{value}\0".encode("utf-16-le"))


def keys(top: str) -> list[Key]:
    version = (text("ProductName", "Windows 7 Professional"), text("CurrentVersion", "6.1"),
               text("CurrentBuildNumber", "7601"), text("CSDVersion", "Service Pack 1"))  # fmt: skip
    product = (text("DisplayName", "Example Reader"), text("DisplayVersion", "9.0"))
    below = rf"{top}\Microsoft\Windows"
    return [
        Key(rf"{below} NT\CurrentVersion", None, None, None, None, None, version),
        Key(rf"{below}\CurrentVersion\Uninstall\x", None, None, None, None, None, product),
    ]


SYSTEM = Key(r"SYSTEM\ControlSet001\Control\Session Manager\Environment", None, None, None, None,
             None, (text("PROCESSOR_ARCHITECTURE", "AMD64"),))  # fmt: skip


def test_hives_by_name_are_one_machine_and_alone_they_are_recognised(
    run: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / "one").write_bytes(build_hive(keys("SOFTWARE")))
    (tmp_path / "two").write_bytes(build_hive([SYSTEM]))
    ended = run("--hive", "SOFTWARE=one", "--hive", "system=two", "--format", "json")
    (record,) = json.loads(ended.out)
    jsonschema.validate([record], SCHEMA)
    assert (record["os"], record["architecture"]) == ("Windows 7 Professional", "x64")
    assert [p["name"] for p in record["products"]] == ["Example Reader"]
    alone = json.loads(run("one", "two", "--format", "json").out)
    assert [(r["os"], r["architecture"]) for r in alone] == [
        ("Windows 7 Professional", None), (None, "x64"),
    ]  # fmt: skip


def test_an_image_of_windows_is_read_by_its_hives(
    run: Callable[..., Ended], tmp_path: Path
) -> None:
    folder = tmp_path / "image/Windows/System32/config"
    folder.mkdir(parents=True)
    (folder / "SOFTWARE").write_bytes(build_hive(keys("SOFTWARE")))
    (folder / "SYSTEM").write_bytes(build_hive([SYSTEM]))
    (record,) = json.loads(run("--root", "image", "--format", "json").out)
    assert (record["source"], record["os"], record["service_pack"]) == (
        "image", "Windows 7 Professional", 1,
    )  # fmt: skip
    assert record["architecture"] == "x64"


def test_an_export_of_the_registry_is_read(run: Callable[..., Ended], tmp_path: Path) -> None:
    steps = [(k.path, list(k.values)) for k in keys(r"HKEY_LOCAL_MACHINE\SOFTWARE")]
    (tmp_path / "x.reg").write_bytes(reg_bytes(steps))
    (record,) = json.loads(run("x.reg", "--format", "json").out)
    assert (record["os"], record["reader"]) == ("Windows 7 Professional", "reg")


@pytest.mark.parametrize("words", [("--hive", "SOFTWARE"), ("--hive", "=x"), ("--hive", "x=")])
def test_a_hive_without_a_name_is_refused(
    run: Callable[..., Ended], words: tuple[str, ...]
) -> None:
    ended = run(*words)
    assert ended.code == 2
    assert "NAME=FILE" in ended.err


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no samples at {SAMPLES}")
def test_all_samples_at_once_fit_the_schema(run: Callable[..., Ended]) -> None:
    paths = sorted(SAMPLES.glob("*.txt"))
    ended = run(*paths, "--format", "json")
    assert ended.code == 0
    records = json.loads(ended.out)
    jsonschema.validate(records, SCHEMA)
    assert len(records) == len(paths)
