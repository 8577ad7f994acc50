"""Real hives and the corrupt ones of yarp's collection, where they are beside the repository."""

from __future__ import annotations

import io
import lzma
import tarfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.endpoint.registry.hive import keys_of, open_bytes
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from sakimori.endpoint.registry.found import HiveRead

DATA = Path(__file__).parents[3].parent / "shared/data/exposure/hives"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no sample hives at {DATA}")

# file of regipy's collection -> keys, values
REAL = {
    "BCD": (132, 103),
    "NTUSER.DAT": (1812, 4094),
    "NTUSER_modified.DAT": (1808, 4090),
    "SAM": (65, 70),
    "SECURITY": (100, 109),
}
# file of yarp's collection -> keys read, part of a told problem ("": none)
TOLD = {
    "BadListHive": (6, "used a second time"),
    "BadSubkeyHive": (6, "listed a second time"),
    "BigDataHive": (2, ""),
    "BogusKeyNamesHive": (3, ""),
    "DeletedDataHive": (2, ""),
    "DeletedDataHiveTruncated": (2, "no place for a cell"),
    "DeletedTreeHive": (3, ""),
    "DuplicateSubkeysHive": (5003, "have one name"),
    "EmptyHive": (1, ""),
    "ExtendedASCIIHive": (2, ""),
    "GarbageHive": (1, "checksum is wrong"),
    "ManySubkeysHive": (5003, ""),
    "TruncatedDirtyHive": (2, "truncated"),
    "TruncatedHive": (2, "truncated"),
    "TruncatedNameHive": (2, "name of 22 bytes"),
    "UnicodeHive": (3, ""),
    "UpcaseHive": (4, ""),
    "WrongOrderHive": (11, "out of order"),
}


@cache
def archive(name: str) -> dict[str, bytes]:
    """Return the files of one of the two archives by their path inside it."""
    with tarfile.open(DATA / f"{name}.tar.xz") as tar:
        files = ((member.name, tar.extractfile(member)) for member in tar if member.isfile())
        return {name.removeprefix("./"): file.read() for name, file in files if file}


def yarp(path: str) -> bytes:
    files = archive("yarp")
    return next(data for name, data in files.items() if f"/{name}".endswith(f"/{path}"))


@cache
def real(name: str) -> bytes:
    return lzma.decompress((DATA / "regipy" / f"{name}.xz").read_bytes())


def read(data: bytes, *logs: tuple[str, bytes]) -> HiveRead:
    return keys_of(open_bytes(data, "h", logs), "X", "h")


@pytest.mark.parametrize("name", REAL)
def test_a_real_hive_reads_as_python_registry_reads_it(name: str) -> None:
    from Registry import Registry  # noqa: PLC0415 - slow to import

    found = read(real(name))
    assert (len(found.keys), sum(len(k.values) for k in found.keys)) == REAL[name]
    # python-registry pads data that lies in the value's record to 4 bytes, and loses it in lists of strings.
    ours = {
        k.path: {(v.name, v.type, v.data) for v in k.values if len(v.data) > 4} for k in found.keys
    }
    theirs: dict[str, Any] = {}
    stack = [("X", Registry.Registry(io.BytesIO(real(name))).root())]
    while stack:
        path, node = stack.pop()
        theirs[path] = {
            ("" if v.name() == "(default)" else v.name(), v.value_type(), v.raw_data())
            for v in node.values()
            if len(v.raw_data()) > 4
        }
        stack += [(f"{path}\\{child.name()}", child) for child in node.subkeys()]
    assert ours == theirs


@pytest.mark.slow
def test_the_system_hive_is_read_whole_with_its_security() -> None:
    found = read(real("SYSTEM"))
    assert (len(found.keys), sum(len(k.values) for k in found.keys)) == (30756, 73456)
    assert not found.problems
    assert all(k.owner and k.dacl for k in found.keys)


@pytest.mark.parametrize("name", TOLD)
def test_a_corrupt_hive_is_read_as_far_as_it_goes(name: str) -> None:
    keys, reason = TOLD[name]
    found = read(yarp(name))
    assert len(found.keys) == keys
    told = "; ".join(problem.reason for problem in found.problems)
    assert reason in told
    assert bool(reason) is bool(told)


def test_every_file_is_read_or_refused_in_one_line() -> None:
    refused = {}
    for name, data in archive("yarp").items():
        try:
            assert read(data).keys
        except SourceError as error:
            refused[name.rpartition("/")[2]] = str(error)
    assert not [message for message in refused.values() if "\n" in message]
    fragments = {"Fragment_0", "Fragment_1", "Fragment_3", "TwoFragments", "HiveBinCompressed"}
    assert fragments <= set(refused)
    assert not set(refused) & set(TOLD)


def test_names_with_line_breaks_and_nul_are_kept() -> None:
    assert [k.path for k in read(yarp("BogusKeyNamesHive")).keys] == [
        "X", "X\\testnew\r\nne", "X\\testnu\0l",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("hive", "log"),
    [("OldDirtyHive/OldDirtyHive", "LOG1"), ("BadBaseBlockHive/BadBaseBlockHive", "LOG1")],
)
def test_an_old_log_gives_what_windows_7_recovered(hive: str, log: str) -> None:
    found = read(yarp(hive), (log, yarp(f"{hive}.{log}")))
    assert "64 pages applied" in found.notes[0]
    wanted = read(yarp("RecoveredHive_Windows7"))
    assert {k.path for k in found.keys} == {k.path for k in wanted.keys}
    if hive.startswith("Old"):
        assert found.keys == wanted.keys


def test_new_logs_are_applied_in_sequence() -> None:
    logs = [(f"LOG{n}", yarp(f"NewDirtyHive2/NewDirtyHive.LOG{n}")) for n in (1, 2)]
    found = read(yarp("NewDirtyHive2/NewDirtyHive"), *logs)
    assert found.notes == (
        "LOG2: 3 entries applied, to sequence 5",
        "LOG1: holds older changes only (to sequence 2)",
    )
    assert not found.problems


def test_a_log_with_a_wrong_checksum_is_not_applied() -> None:
    hive = "BadLogHive1/BadLogHive"
    found = read(yarp(hive), ("LOG1", yarp(f"{hive}.LOG1")))
    assert found.problems[0].reason == "the log's own checksum is wrong"


def test_a_users_hive_grows_by_its_log() -> None:
    name = "transactions_ntuser.dat"
    logs = [(f"log{n}", real(f"{name}.log{n}")) for n in (1, 2)]
    before, after = (
        read(real("transactions_NTUSER.DAT")),
        read(real("transactions_NTUSER.DAT"), *logs),
    )
    assert (len(before.keys), len(after.keys)) == (2590, 3105)
    assert len(before.problems) == 1
    assert not after.problems
