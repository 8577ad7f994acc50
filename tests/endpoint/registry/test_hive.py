"""Hives that were built here: read back, compared with python-registry, and broken on purpose."""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sakimori.endpoint.registry.hive import keys_of, open_bytes, read_hive
from sakimori.endpoint.registry.hive_build import build_hive
from sakimori.endpoint.registry.hive_write import checksum
from sakimori.endpoint.registry.model import Key, Value
from sakimori.endpoint.registry.source import read_any
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from sakimori.endpoint.registry.found import HiveRead

WHEN = datetime(2009, 11, 25, 1, 2, 3, 400, tzinfo=UTC)
WINLOGON = "SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon"
SHELL = "Explorer.exe\0".encode("utf-16-le")


def key(path: str, *values: Value, dacl: str = "D:P(A;CI;KA;;;BA)") -> Key:
    return Key(path, WHEN, "BA", "SY", dacl, "", values)


def read(data: bytes) -> HiveRead:
    return keys_of(open_bytes(data, "h"), "SOFTWARE", "h")


def by_path(data: bytes) -> dict[str, Key]:
    return {k.path: k for k in read(data).keys}


def test_what_was_built_is_what_is_read() -> None:
    keys = [
        key("SOFTWARE", dacl="D:(A;;KR;;;WD)"),
        key(WINLOGON, Value("Shell", 1, SHELL), Value("", 4, b"\1\0\0\0"), Value("e", 3, b"")),
        key(WINLOGON + "\\日本語", Value("値\0", 7, bytes(9)), Value("\ud800", 0x80000012, b"abc")),
    ]
    found = by_path(build_hive(keys))
    assert [found[k.path] for k in keys] == keys
    assert found["SOFTWARE\\Microsoft"].written is None


def test_a_shell_without_its_terminator_differs_from_one_with_it() -> None:
    good = by_path(build_hive([key(WINLOGON, Value("Shell", 1, SHELL))]))[WINLOGON]
    bare = by_path(build_hive([key(WINLOGON, Value("Shell", 1, SHELL[:-2]))]))[WINLOGON]
    assert (good.values[0].data, bare.values[0].data) == (SHELL, SHELL[:-2])


def test_one_key_with_another_acl_differs_in_nothing_else() -> None:
    one = by_path(build_hive([key(WINLOGON)]))
    other = by_path(build_hive([key(WINLOGON, dacl="D:P(A;;KR;;;BA)")]))
    assert {p for p in one if one[p] != other[p]} == {WINLOGON}
    assert other[WINLOGON].dacl == "D:P(A;;KR;;;BA)"


@pytest.mark.parametrize("size", [0, 1, 4, 5, 16344, 16345, 2 * 16344, 100_000])
def test_data_of_every_size_comes_back(size: int) -> None:
    data = bytes(n % 251 for n in range(size))
    assert by_path(build_hive([key("S\\a", Value("v", 3, data))]))["SOFTWARE\\a"].values == (
        Value("v", 3, data),
    )


def test_a_thousand_subkeys_need_a_root_list_and_come_in_order() -> None:
    names = [f"SOFTWARE\\{n}" for n in range(1200)]
    read_back = read(build_hive([key(name) for name in names]))
    assert [k.path for k in read_back.keys[1:]] == sorted(names)
    assert not read_back.problems


def test_equal_descriptors_share_one_cell_with_a_count() -> None:
    raw = build_hive([key(f"S\\{n}") for n in range(9)])
    assert raw.count(b"sk\0\0") == 2  # the root's and theirs
    at = [n for n in range(len(raw)) if raw.startswith(b"sk\0\0", n)]
    assert sorted(struct.unpack_from("<I", raw, n + 12)[0] for n in at) == [1, 9]


@pytest.mark.parametrize("dacl", ["raw:00ff", "D:(A;;ZZ;;;WD)"])
def test_malformed_security_is_stored_raw_or_refused(dacl: str) -> None:
    bad = Key("S\\a", WHEN, None, None, dacl, None, ())
    if not dacl.startswith("raw"):
        with pytest.raises(ValueError, match="unknown right"):
            build_hive([bad])
        return
    found = read(build_hive([bad]))
    assert found.keys[1].dacl == dacl
    assert "security of SOFTWARE\\a" in found.problems[0].reason


def test_one_path_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        build_hive([key("S\\a"), key("S\\A")])


NAMES = st.text(
    st.characters(exclude_characters="\\", exclude_categories=()), min_size=1, max_size=12
)
VALUES = st.lists(
    st.builds(Value, NAMES | st.just(""), st.integers(0, 2**32 - 1), st.binary(max_size=40)),
    max_size=4, unique_by=lambda v: v.name.upper(),
).map(tuple)  # fmt: skip


@given(st.dictionaries(NAMES, VALUES, max_size=5))
@settings(max_examples=40, deadline=None)
def test_any_names_and_values_survive_a_hive(tree: dict[str, tuple[Value, ...]]) -> None:
    folded = {}
    for name, values in tree.items():
        folded.setdefault(name.upper(), (name, values))
    keys = [key(f"SOFTWARE\\{name}", *values) for name, values in folded.values()]
    found = read(build_hive(keys))
    assert sorted(found.keys[1:], key=lambda k: k.path) == sorted(keys, key=lambda k: k.path)


def test_python_registry_reads_the_same() -> None:
    from Registry import Registry  # noqa: PLC0415 - slow to import

    big = Value("big", 3, bytes(range(256)) * 100)
    keys = [
        key(WINLOGON, Value("Shell", 1, SHELL), big),
        *(key(f"SOFTWARE\\{n}") for n in range(600)),
    ]
    hive = Registry.Registry(io.BytesIO(build_hive(keys)))
    found = hive.open(WINLOGON.partition("\\")[2])
    assert {v.name(): v.raw_data() for v in found.values()} == {"Shell": SHELL, "big": big.data}
    assert len(hive.root().subkeys()) == 601
    assert found.timestamp().replace(tzinfo=UTC) == WHEN


# --- broken ones --------------------------------------------------------------------------------

SMALL = build_hive([key("S\\a", Value("v", 3, b"123456")), key("S\\a\\b"), key("S\\c")])


def at(mark: bytes, number: int = 0) -> int:
    """Return the place of the number-th record of a kind."""
    places = [n for n in range(4096, len(SMALL)) if SMALL.startswith(mark, n) and n % 8 == 4]
    return places[number]


def broken(place: int, new: bytes) -> HiveRead:
    data = bytearray(SMALL)
    data[place : place + len(new)] = new
    struct.pack_into("<I", data, 508, checksum(data))
    return read(bytes(data))


def reasons(found: HiveRead) -> str:
    return "; ".join(problem.reason for problem in found.problems)


ROOT = struct.unpack_from("<I", SMALL, 36)[0]
LOOP = struct.pack("<I", ROOT)


@pytest.mark.parametrize(
    ("place", "new", "reason", "keys"),
    [
        (at(b"lh") + 4, LOOP, "listed a second time", 2),  # of the root: a cycle
        (at(b"lh") + 4, b"\xf8\xff\xff\x7f", "no place for a cell", 2),
        (at(b"lh") + 2, b"\xff\xff", "do not fit", 4),
        (at(b"lh"), b"zz", "holds no list", 1),
        (at(b"vk"), b"zz", "holds no value", 4),
        (at(b"vk") + 4, b"\xff\xff\xff\x0f", "data", 4),
        (at(b"vk") + 8, b"\x07\0\0\0", "no place for a cell", 4),
        (at(b"vk") + 2, b"\xff\xff", "name of 65535 bytes", 4),
        (at(b"nk", 1) + 36, b"\xff\xff\xff\xff", "entries wanted", 4),
        (at(b"nk", 1) + 44, b"\x20\0\0\0", "holds no security", 4),
        (at(b"nk", 1) + 16, b"\x08\0\0\0", "as its parent", 4),
        (at(b"nk", 2) + 76, b"A", "one name", 4),
        (at(b"nk", 2) + 76, b"0", "out of order", 4),
        (at(b"nk", 2) + 76, b"\\", "backslash", 4),
        (at(b"nk", 2) - 4, b"\x58\0\0\0", "marked as free", 4),
        (4096, b"xxxx", "no hive bin", 4),
        (40, b"\0\0\xff\0", "truncated", 4),
    ],
)
def test_damage_is_told_and_the_rest_is_read(
    place: int, new: bytes, reason: str, keys: int
) -> None:
    found = broken(place, new)
    assert reason in reasons(found)
    assert len(found.keys) == keys


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no registry hive"),
        (b"MZ" + bytes(9000), "begins with 4d5a"),
        (SMALL[:4100], "too short"),
        (SMALL[4096:], "a fragment of a hive"),
        (SMALL[:28] + b"\6" + SMALL[29:], "a transaction log"),
        (SMALL[:24] + b"\1" + SMALL[25:], "format 1.1"),
        (SMALL[:36] + b"\xff\xff\xff\xff" + SMALL[40:], "no root key"),
        (SMALL[:4100] + bytes(len(SMALL) - 4100), "no root key"),
    ],
)
def test_what_is_no_hive_is_refused_in_one_line(data: bytes, reason: str) -> None:
    with pytest.raises(SourceError, match=reason) as caught:
        read(data)
    assert "\n" not in str(caught.value)


def test_cells_that_claim_the_same_bytes_over_and_over_end() -> None:
    keys = [key("S\\a", *(Value(f"v{n}", 3, bytes(4000 if n == 0 else 8)) for n in range(400)))]
    data = bytearray(build_hive(keys))
    first = data.find(b"vk")
    target = data[first + 8 : first + 12]
    place = first
    while place >= 0:  # every value points at the one large cell
        data[place + 4 : place + 12] = struct.pack("<I", 4000) + target
        place = data.find(b"vk", place + 2)
    found = read(bytes(data))
    assert sum(len(v.data) for v in found.keys[1].values) <= len(data) + 65536
    assert "claim more bytes" in reasons(found)


def test_a_missing_or_foreign_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="gone"):
        read_hive(tmp_path / "gone", "SOFTWARE")
    with pytest.raises(SourceError, match="no such file"):
        read_hive(tmp_path, "SOFTWARE")


def test_a_file_is_read_by_what_it_holds(tmp_path: Path) -> None:
    hive, reg = tmp_path / "a.reg", tmp_path / "b.dat"  # named the wrong way round
    hive.write_bytes(SMALL)
    reg.write_bytes(b"REGEDIT4\r\n[HKLM\\Z]\r\n")
    assert len(read_any(hive, "SOFTWARE").keys) == 4
    assert [k.path for k in read_any(reg, "ignored").keys] == ["HKLM\\Z"]


@given(st.data())
@settings(max_examples=60, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
def test_no_mutation_does_more_than_be_told(draw: st.DataObject) -> None:
    data = bytearray(SMALL)
    for _ in range(draw.draw(st.integers(1, 6))):
        place = draw.draw(st.integers(0, len(SMALL) - 4))
        data[place : place + 4] = draw.draw(st.binary(min_size=1, max_size=4))
    cut = draw.draw(st.integers(0, len(SMALL)) | st.just(len(SMALL)))
    try:
        found = read(bytes(data[:cut]))
    except SourceError:
        return
    assert found.keys
