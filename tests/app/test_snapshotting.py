from __future__ import annotations

import importlib.util
import json
import os
import sys
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sakimori.app import snapshot_telling, snapshotting
from sakimori.app.snapshotting import Asked, Compared, compare, take
from sakimori.endpoint.registry.hive_build import build_hive
from sakimori.endpoint.registry.model import Key, Value
from sakimori.endpoint.registry.reg_write import reg_bytes
from sakimori.endpoint.snapshot import read_snapshot
from sakimori.endpoint.snapshot.format import read_snapshot as read_again
from sakimori.errors import ConfigError, SourceError

NOW = datetime(2026, 3, 16, 14, 45, tzinfo=UTC)
OLD, NEW = datetime(2009, 11, 10, tzinfo=UTC), datetime(2009, 11, 25, tzinfo=UTC)
WINLOGON = r"Microsoft\Windows NT\CurrentVersion\Winlogon"
LOCKED = "D:PAI(A;CI;KA;;;BA)(A;CI;KA;;;SY)(A;CI;KR;;;BU)"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="trees of a Unix machine")


def text(words: str, end: str = "\0") -> bytes:
    return (words + end).encode("utf-16-le")


def winlogon(
    *, shell: bytes = text("Explorer.exe"), dacl: str = LOCKED, written: datetime = OLD,
    values: tuple[Value, ...] = (),
) -> list[Key]:  # fmt: skip
    path, keys = "SOFTWARE", []
    for part in WINLOGON.split("\\"):
        keys.append(Key(path, OLD, "BA", "SY", LOCKED, "", ()))
        path = f"{path}\\{part}"
    held = (Value("Shell", 1, shell), Value("Userinit", 1, text("userinit.exe,")), *values)
    return [*keys, Key(path, written, "BA", "SY", dacl, "", held)]


def hive(tmp_path: Path, name: str, keys: list[Key]) -> Path:
    path = tmp_path / f"{name}.hiv"
    path.write_bytes(build_hive(keys))
    snap = tmp_path / f"{name}.snap"
    take(Asked(hives=(("SOFTWARE", path),)), snap, now=NOW, machine="xp")
    return snap


def schema(name: str) -> dict[str, Any]:
    path = files("sakimori").joinpath(f"schemas/{name}.schema.json")
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def layers(compared: Compared) -> list[tuple[str, str | None, list[str]]]:
    return [
        (one.key.rpartition("\\")[2], one.name, list(one.layers)) for one in compared.found.changes
    ]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"shell": text("Explorer.exe", ""), "written": NEW}, [("Winlogon", "Shell", ["terminator"])]),
        ({"dacl": "D:PAI(A;CI;KA;;;WD)", "written": NEW}, [("Winlogon", None, ["acl"])]),
        ({"written": NEW}, [("Winlogon", None, ["time"])]),
        ({"shell": text("evil.exe"), "written": NEW}, [("Winlogon", "Shell", ["bytes"])]),
        ({"values": (Value("Taskman", 1, text("evil.exe")),), "written": NEW},
         [("Winlogon", "Taskman", ["added"])]),
    ],
)  # fmt: skip
def test_hives_that_differ_in_one_thing_differ_in_that_layer_only(
    tmp_path: Path, changed: dict[str, Any], expected: list[Any]
) -> None:
    before = hive(tmp_path, "a", winlogon())
    after = hive(tmp_path, "b", winlogon(**changed))
    compared = compare(before, after)
    assert layers(compared) == expected
    made = snapshot_telling.as_object(compared)
    jsonschema.validate(made, schema("snapshot-diff"))
    json.dumps(made)
    if expected and expected[0][1]:
        assert made["changes"][0]["after"]["key_time"] == "2009-11-25T00:00:00Z"


def test_a_hive_and_an_export_of_the_same_key_are_the_same(tmp_path: Path) -> None:
    before = hive(tmp_path, "a", winlogon())
    path = tmp_path / "b.reg"
    key = "HKEY_LOCAL_MACHINE\\SOFTWARE\\" + WINLOGON
    values = [Value("shell", 1, text("Explorer.exe")), Value("Userinit", 1, text("userinit.exe,"))]
    path.write_bytes(reg_bytes([(key, values)]))
    take(Asked(exports=(path,)), tmp_path / "b.snap", now=NOW)
    compared = compare(before, tmp_path / "b.snap")
    assert compared.found.changes == ()
    assert [(one.why.kind, one.records) for one in compared.found.not_compared] == [("outside", 4)]


def test_a_snapshot_of_hives_holds_the_hives_only(tmp_path: Path) -> None:
    read = read_snapshot(hive(tmp_path, "a", winlogon()))
    assert [scope.object for scope in read.scopes] == ["registry"]
    assert [(one.kind, one.name) for one in read.header.sources] == [("hive", "SOFTWARE")]
    assert next(read.records()).key == "SOFTWARE"
    records = list(read.records())
    made = json.loads(json.dumps(snapshot_telling.summary_object(read, records)))
    jsonschema.validate(made, schema("snapshot"))


def tree(root: Path) -> Path:
    for name, content in {
        "etc/passwd": "root:x:0:0::/root:/bin/sh\n", "etc/crontab": "1 2 * * * root x\n",
        "usr/bin/a": "a", "var/cache/noise": "n",
    }.items():  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_a_tree_is_taken_as_the_machine_it_holds(tmp_path: Path) -> None:
    root = tree(tmp_path / "root")
    taken = take(Asked(root=root), tmp_path / "a.snap", now=NOW)
    assert taken.counts == {"file": 9, "job": 1, "user": 1}
    (root / "etc/crontab").write_text("1 2 * * * root x\n* * * * * root evil\n")
    (root / "var/cache/more").touch()
    take(Asked(root=root), tmp_path / "b.snap", now=NOW)
    compared = compare(tmp_path / "a.snap", tmp_path / "b.snap")
    assert [(one.object, one.key, one.layers) for one in compared.found.changes] == [
        ("file", "/etc/crontab", ("bytes",)), ("job", "/etc/crontab: evil", ("added",)),
    ]  # fmt: skip
    only = compare(tmp_path / "a.snap", tmp_path / "b.snap", only=("file",), autoruns=True)
    assert [one.object for one in only.found.changes] == ["file"]


def test_a_snapshot_in_the_folder_that_it_takes_is_no_change(tmp_path: Path) -> None:
    root = tree(tmp_path / "root")
    for name in ("a.snap", "b.snap", "a.snap"):
        take(Asked(root=root), root / name, now=NOW)
    assert compare(root / "b.snap", root / "a.snap").found.changes == ()
    assert compare(root / "a.snap", root / "b.snap").found.changes == ()


def test_a_fake_snapshot_is_no_place_to_hide(tmp_path: Path) -> None:
    root = tree(tmp_path / "root")
    take(Asked(root=root), root / "a.snap", now=NOW)
    genuine = (root / "a.snap").read_bytes()
    (root / "c.snap").write_bytes(genuine + b"evil")
    take(Asked(root=root), root / "b.snap", now=NOW)
    compared = compare(root / "a.snap", root / "b.snap")
    assert [one.key for one in compared.found.changes] == ["/c.snap"]


def test_a_collector_that_fails_is_told_and_nothing_of_it_counts_as_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(tmp_path / "root")
    take(Asked(root=root), tmp_path / "a.snap", now=NOW)

    def broken(_: object) -> Any:
        raise RuntimeError("broken\nbadly")

    monkeypatch.setitem(snapshotting._COLLECTORS, "user", broken)
    taken = take(Asked(root=root), tmp_path / "b.snap", now=NOW)
    assert [scope.reason for scope in taken.scopes if scope.object == "user"] == [
        "failed: RuntimeError: broken"
    ]
    compared = compare(tmp_path / "a.snap", tmp_path / "b.snap")
    assert compared.found.changes == ()
    assert [one.why.kind for one in compared.found.not_compared] == ["untaken"]
    assert "failed" in " ".join(snapshot_telling.taken_lines(taken, "en"))


def test_folders_that_are_named_stand_in_for_the_usual_ones(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a").touch()
    asked = Asked(paths=(tmp_path / "x",), excludes=("*/b",), only=("file",))
    taken = take(asked, tmp_path / "a.snap", now=NOW)
    assert taken.counts == {"file": 2}
    records = list(read_again(tmp_path / "a.snap").records())
    assert [record.key for record in records] == [str(tmp_path / "x"), str(tmp_path / "x" / "a")]
    inside = Asked(root=tmp_path, paths=(Path("x"),), only=("file",))
    assert take(inside, tmp_path / "b.snap", now=NOW).counts == {"file": 2}


@pytest.mark.parametrize(
    "asked",
    [
        {"root": Path("missing")},
        {"paths": (Path("missing"),)},
        {"hives": (("SYSTEM", Path("missing")),)},
        {"exports": (Path("missing"),)},
        {"root": Path(), "paths": (Path("../../missing"),)},
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError):
        take(Asked(**asked), tmp_path / "a.snap", now=NOW)
    assert os.listdir(tmp_path) == []  # noqa: PTH208


@pytest.mark.parametrize("words", ["", "SYSTEM", "=x", "SYSTEM=", "\\=x"])
def test_a_hive_needs_a_name_and_a_file(words: str) -> None:
    with pytest.raises(ConfigError):
        snapshotting.hive(words)


def test_an_unknown_object_is_refused() -> None:
    with pytest.raises(ConfigError, match="no object"):
        Asked(only=("files",))


def debian() -> Any:
    path = Path(__file__).parent.parent / "endpoint" / "_debian.py"
    spec = importlib.util.spec_from_file_location("_debian", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_upgraded_package_and_one_tampered_file_beside_it(tmp_path: Path) -> None:
    made = debian()
    made.needs_dpkg()
    root = made.new_root(tmp_path / "root")
    made.install(root, made.build(tmp_path, "1.0", made.FIRST))
    (root / "usr/bin/tool").write_bytes(b"good")
    take(Asked(root=root, paths=(Path("usr"), Path("etc"))), tmp_path / "a.snap", now=NOW)
    made.install(root, made.build(tmp_path, "1.1", made.SECOND))
    (root / "usr/bin/tool").write_bytes(b"evil")
    take(Asked(root=root, paths=(Path("usr"), Path("etc"))), tmp_path / "b.snap", now=NOW)
    compared = compare(tmp_path / "a.snap", tmp_path / "b.snap")
    found = {(one.object, one.key): one.layers for one in compared.found.changes}
    assert found.pop(("package", made.NAME)) == ("bytes",)
    assert found.pop(("file", "/usr/bin/tool")) == ("bytes",)
    assert found.pop(("file", "/usr/bin/watchtower")) == ("bytes",)
    assert found.pop(("file", "/usr/share/watchtower/more")) == ("added",)
    assert set(found.values()) <= {("time",)}  # dpkg writes every file anew
    (package,) = [one for one in compared.found.changes if one.object == "package"]
    assert package.before is not None
    assert package.after is not None
    assert (package.before["version"], package.after["version"]) == ("1.0", "1.1")
