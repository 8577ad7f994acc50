"""Changes to hives and `.reg` exports: exactly what was asked, and nothing else."""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.endpoint.registry import edit
from sakimori.endpoint.registry.access import MemoryRegistry
from sakimori.endpoint.registry.edit import HiveRegistry
from sakimori.endpoint.registry.hive import open_hive, read_hive
from sakimori.endpoint.registry.hive_build import build_hive
from sakimori.endpoint.registry.hive_node import Node
from sakimori.endpoint.registry.hive_write import checksum, write_hive
from sakimori.endpoint.registry.model import Key, Value
from sakimori.endpoint.registry.reg_edit import RegFileRegistry
from sakimori.endpoint.registry.reg_read import read_reg
from sakimori.endpoint.registry.reg_write import reg_bytes
from sakimori.errors import EngineError, RefusedError, SourceError

if TYPE_CHECKING:
    from sakimori.endpoint.registry.access import Registry

WHEN = datetime(2009, 11, 25, tzinfo=UTC)
NOW = datetime(2010, 1, 2, 3, 4, 5, tzinfo=UTC)
WINLOGON = "SOFTWARE\\Microsoft\\Winlogon"
BARE = Value("Shell", 1, "Explorer.exe".encode("utf-16-le"))
GOOD = Value("Shell", 1, "Explorer.exe\0".encode("utf-16-le"))
USER = Value("Userinit", 1, b"u\0\0\0")


def key(path: str, *values: Value) -> Key:
    return Key(path, WHEN, "BA", "SY", "D:P(A;CI;KA;;;BA)", "", values)


KEYS = [
    key("SOFTWARE"), key("SOFTWARE\\Microsoft"), key(WINLOGON, BARE, USER), key(WINLOGON + "\\Notify"),
    key("SOFTWARE\\Other", Value("x", 3, bytes(20_000))),
]  # fmt: skip


def hive(folder: Path, keys: list[Key] | None = None) -> Path:
    path = folder / "SOFTWARE"
    path.write_bytes(build_hive(KEYS if keys is None else keys))
    return path


def opened(path: Path) -> HiveRegistry:
    return HiveRegistry({"SOFTWARE": path}, now=NOW)


def table(path: Path) -> dict[str, Key]:
    return {k.path: k for k in read_hive(path, "SOFTWARE").keys}


def test_one_value_set_changes_that_key_and_its_time_only(tmp_path: Path) -> None:
    path = hive(tmp_path)
    before = table(path)
    registry = opened(path)
    assert registry.get("HKLM\\Software\\MICROSOFT\\winlogon", "shell") == BARE
    registry.set("HKLM\\Software\\MICROSOFT\\winlogon", replace(GOOD, name="SHELL"))
    assert table(path) == before, "nothing is written before save"
    registry.save()
    after = table(path)
    assert after.pop(WINLOGON) == replace(before.pop(WINLOGON), values=(GOOD, USER), written=NOW)
    assert after == before


def test_a_new_key_has_its_parents_security_and_dates_its_parent(tmp_path: Path) -> None:
    path = hive(tmp_path)
    registry = opened(path)
    registry.set("HKLM\\SOFTWARE\\Microsoft\\New\\Deep", Value("", 4, b"\1\0\0\0"))
    registry.save()
    after = table(path)
    assert after["SOFTWARE\\Microsoft\\New\\Deep"].dacl == "D:P(A;CI;KA;;;BA)"
    assert {p for p, k in after.items() if k.written == NOW} == {
        "SOFTWARE\\Microsoft", "SOFTWARE\\Microsoft\\New", "SOFTWARE\\Microsoft\\New\\Deep",
    }  # fmt: skip


def test_keys_and_values_are_removed(tmp_path: Path) -> None:
    path = hive(tmp_path)
    registry = opened(path)
    assert registry.delete(WINLOGON, "SHELL")
    assert not registry.delete(WINLOGON, "shell")
    assert not registry.delete("SOFTWARE\\None", "x")
    assert registry.delete_key(WINLOGON + "\\Notify")
    assert not registry.delete_key(WINLOGON + "\\Notify")
    assert registry.subkeys(WINLOGON) == ()
    registry.save()
    after = table(path)
    assert after[WINLOGON].values == (USER,)
    assert WINLOGON + "\\Notify" not in after
    with pytest.raises(RefusedError, match="may not be removed"):
        registry.delete_key("HKLM\\SOFTWARE")


def test_saving_nothing_writes_nothing(tmp_path: Path) -> None:
    path = hive(tmp_path)
    stamp = path.stat().st_mtime_ns
    registry = opened(path)
    registry.save()
    assert path.stat().st_mtime_ns == stamp


def test_another_file_can_take_the_changes_and_mode_is_kept(tmp_path: Path) -> None:
    path, out = hive(tmp_path), tmp_path / "out"
    path.chmod(0o640)
    before = path.read_bytes()
    registry = HiveRegistry({"SOFTWARE": path}, {"HKLM\\SOFTWARE": out}, now=NOW)
    registry.set(WINLOGON, GOOD)
    registry.save()
    assert path.read_bytes() == before
    assert out.stat().st_mode & 0o777 == 0o640
    assert table(out)[WINLOGON].values == (GOOD, USER)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["SOFTWARE", "out"]


def test_class_names_flags_and_unknown_words_survive(tmp_path: Path) -> None:
    odd = Node(
        "odd", flags=0x1082, written=5, security=b"zz", class_name=b"C\0l\0", access=3, extra=0x0102,
        values=[Value("t", 1, b"")], marks={"t": 2 | 7 << 16},
    )  # fmt: skip
    path = tmp_path / "SOFTWARE"
    path.write_bytes(write_hive(Node("r", flags=0x0C, children=[odd, Node("other")]), written=1))
    registry = opened(path)
    registry.set("SOFTWARE\\other", GOOD)
    registry.save()
    found = next(n for n in open_hive(path).tree.root.children if n.name == "odd")
    assert replace(found, flags=found.flags & ~0x20) == odd


def test_version_name_and_identifiers_of_the_hive_are_kept(tmp_path: Path) -> None:
    path = hive(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[24] = 3  # format 1.3: lf lists, no big data
    raw[48:60] = "SOFTWA".encode("utf-16-le")
    raw[112:128] = bytes(range(16))
    raw[508:512] = struct.pack("<I", checksum(raw))
    path.write_bytes(build_in_1_3(bytes(raw[:4096])))
    registry = opened(path)
    registry.set("SOFTWARE\\Other", GOOD)
    registry.save()
    after = path.read_bytes()
    assert after[48:60] == raw[48:60]
    assert after[112:128] == raw[112:128]
    assert b"lh" not in after
    assert table(path)["SOFTWARE\\Other"].values[0].data == bytes(20_000)


def build_in_1_3(base: bytes) -> bytes:
    other = Node("Other", values=[Value("x", 3, bytes(20_000))])
    return write_hive(Node("r", flags=0x0C, children=[other]), written=1, base=base)


def test_a_dirty_or_damaged_hive_is_not_rewritten(tmp_path: Path) -> None:
    path = hive(tmp_path)
    clean = path.read_bytes()
    unfinished = bytearray(clean)
    unfinished[4] += 1
    unfinished[508:512] = struct.pack("<I", checksum(unfinished))
    damaged = clean.replace(b"vk\x05", b"vv\x05", 1)
    for raw, reason in ((bytes(unfinished), "not closed cleanly"), (damaged, "damaged")):
        path.write_bytes(raw)
        registry = opened(path)
        registry.set(WINLOGON, USER)
        assert registry.notes()
        with pytest.raises(RefusedError, match=reason):
            registry.save()
        assert path.read_bytes() == raw


def test_a_failing_write_leaves_the_old_hive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = hive(tmp_path)
    before = path.read_bytes()
    registry = opened(path)
    registry.set(WINLOGON, GOOD)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(EngineError, match="No space left"):
            registry.save()
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [before]
    monkeypatch.setattr(edit, "_same", lambda *_: False)
    with pytest.raises(EngineError, match="does not read as wanted"):
        registry.save()
    assert path.read_bytes() == before


def test_a_value_that_no_hive_can_hold_is_told_in_one_line(tmp_path: Path) -> None:
    registry = opened(hive(tmp_path))
    registry.set(WINLOGON, Value("x", 1 << 32, b""))
    with pytest.raises(EngineError, match="cannot be written"):
        registry.save()


def test_memory_makes_parents_however_deep() -> None:
    registry = MemoryRegistry(now=lambda: NOW)
    deep = "HKLM\\SOFTWARE\\" + "\\".join("a" * 2000)
    registry.set(deep, GOOD)
    assert registry.get(deep, "shell") == GOOD
    assert registry.subkeys("HKLM\\SOFTWARE") == ("a",)
    assert registry.delete_key("HKLM\\SOFTWARE\\a")
    assert registry.values(deep) is None


def test_the_current_control_set_is_the_selected_one(tmp_path: Path) -> None:
    path = tmp_path / "SYSTEM"
    selected = key("SYSTEM\\Select", Value("Current", 4, b"\2\0\0\0"))
    path.write_bytes(
        build_hive([selected, key("SYSTEM\\ControlSet001"), key("SYSTEM\\ControlSet002\\A")])
    )
    registry = HiveRegistry({"SYSTEM": path}, now=NOW)
    assert registry.subkeys("HKLM\\SYSTEM\\CurrentControlSet") == ("A",)
    registry.set("HKLM\\SYSTEM\\CurrentControlSet\\A", GOOD)
    registry.save()
    assert registry.get("SYSTEM\\ControlSet002\\A", "Shell") == GOOD
    assert registry.values("SYSTEM\\ControlSet003") is None


def test_a_target_of_no_given_hive_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no hive is given whose changes"):
        HiveRegistry({"SOFTWARE": hive(tmp_path)}, {"SYSTEM": tmp_path / "out"}, now=NOW)


def test_a_key_of_no_given_hive_is_told(tmp_path: Path) -> None:
    registry = opened(hive(tmp_path))
    assert registry.values("HKCU\\Software") is None
    with pytest.raises(SourceError, match="no hive is given"):
        registry.set("HKCU\\Software", GOOD)


NAMES = st.sampled_from(("a", "B", "ccc", "日"))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "\\".join(("SOFTWARE", *parts)))
STEPS = st.lists(
    st.tuples(st.sampled_from(("set", "delete", "delete_key")), PATHS, NAMES, st.binary(max_size=9)),
    max_size=8,
)  # fmt: skip


def do(registry: Registry, steps: list[tuple[str, str, str, bytes]]) -> None:
    for what, path, name, data in steps:
        if what == "set":
            registry.set(path, Value(name, 3, data))
        elif what == "delete":
            registry.delete(path, name)
        else:
            registry.delete_key(path)


@given(st.dictionaries(PATHS, st.binary(max_size=9), max_size=5), STEPS)
@settings(max_examples=25, deadline=None)
def test_hive_reg_file_and_memory_agree_after_any_edits(
    keys: dict[str, bytes], steps: list[tuple[str, str, str, bytes]]
) -> None:
    start = [key("SOFTWARE"), *(key(p, Value("v", 3, data)) for p, data in keys.items())]
    memory = MemoryRegistry()
    with TemporaryDirectory() as name, mock.patch("os.fsync"):  # the disk is not what is tested
        path = hive(Path(name), start)
        for old in read_hive(path, "SOFTWARE").keys:
            memory.add(old)
        export, out = Path(name) / "export.reg", Path(name) / "out.reg"
        export.write_bytes(reg_bytes((k.path, k.values) for k in memory.all_keys()))
        original = contents(memory)
        hives, texts = opened(path), RegFileRegistry([export], out)
        for registry in (memory, hives, texts):
            do(registry, steps)
            registry.save()
        assert contents(MemoryRegistry(read_hive(path, "SOFTWARE").keys)) == contents(memory)
        applied = import_into([export, out])
        assert contents(applied) == contents(memory)
        assert contents(import_into([export, out, out.with_suffix(".undo.reg")])) == original


def test_an_undo_removes_no_key_of_which_the_exports_say_nothing(tmp_path: Path) -> None:
    export, out = tmp_path / "e.reg", tmp_path / "o.reg"
    export.write_bytes(reg_bytes([("HKLM\\SOFTWARE\\A\\B", [BARE])]))
    registry = RegFileRegistry([export], out)
    registry.set("HKLM\\SOFTWARE\\A", USER)
    registry.set("HKLM\\SYSTEM\\X", USER)
    registry.set("HKLM\\SOFTWARE\\A\\B\\C", USER)
    registry.save()
    undo = read_reg(out.with_suffix(".undo.reg"))
    assert {(path.partition("\\")[2], name) for path, name in undo.deleted} == {
        ("SOFTWARE\\A", "Userinit"), ("SYSTEM\\X", "Userinit"), ("SOFTWARE\\A\\B\\C", None),
    }  # fmt: skip
    assert [k.path.partition("\\")[2] for k in read_reg(out).keys] == [
        "SOFTWARE\\A", "SOFTWARE\\A\\B\\C", "SYSTEM\\X",
    ]  # fmt: skip


def contents(registry: MemoryRegistry) -> dict[str, tuple[Value, ...]]:
    short = ((k.path.removeprefix("HKEY_LOCAL_MACHINE\\"), k.values) for k in registry.all_keys())
    return {path: tuple(sorted(values, key=lambda v: v.name)) for path, values in short}


def import_into(files: list[Path]) -> MemoryRegistry:
    """Do what regedit does with files, one after the other."""
    registry = MemoryRegistry()
    for file in files:
        read = read_reg(file)
        for path, name in read.deleted:
            if name is None:
                registry.delete_key(path)
            else:
                registry.delete(path, name)
        for found in read.keys:
            parts = found.path.split("\\")
            for count in range(2, len(parts) + 1):  # parents come into being, too
                if registry.values(path := "\\".join(parts[:count])) is None:
                    registry.add(replace(found, path=path, values=()))
            for value in found.values:
                registry.set(found.path, value)
    return registry
