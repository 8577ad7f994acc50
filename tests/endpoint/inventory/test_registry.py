from __future__ import annotations

from typing import Any, Self

import pytest

from sakimori.endpoint.inventory import winlive
from sakimori.endpoint.inventory.live import Facts, this_machine
from sakimori.endpoint.inventory.registry import record_of
from sakimori.endpoint.registry.model import Key, Value

NT = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
UNINSTALL = r"Microsoft\Windows\CurrentVersion\Uninstall"
PACKAGES = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\Packages"


def key(path: str, **values: str | int) -> Key:
    found = tuple(
        Value(name, 1, f"{data}\0".encode("utf-16-le"))
        if isinstance(data, str)
        else Value(name, 4, data.to_bytes(4, "little"))
        for name, data in values.items()
    )
    return Key(path, None, None, None, None, None, found)


XP = [
    key(NT, ProductName="Microsoft Windows XP", CurrentVersion="5.1", CurrentBuildNumber="2600",
        CSDVersion="Service Pack 3", BuildLab="2600.xpsp_sp3_gdr.101209-1647"),
    key(NT + r"\HotFix\KB971633", Installed=1, **{"Fix Description": "an update"}),
    key(NT + r"\HotFix\KB999999", Installed=0),
    key(r"SOFTWARE\Microsoft\Updates\Windows XP\SP4\KB961371-v2", Description="x", InstalledDate="7/15/2009"),
    key(r"SOFTWARE\Microsoft\Updates\Windows XP\SP4\KB961371-v2\Filelist\0"),
    key(rf"SOFTWARE\{UNINSTALL}\KB973346", DisplayName="Security Update for Windows XP (KB973346)",
        ReleaseType="Security Update", InstallDate="20090715"),
    key(rf"SOFTWARE\{UNINSTALL}\Example", DisplayName="Example Reader 9", DisplayVersion="9.0",
        Publisher="Example Makers", InstallDate="20090101"),
    key(rf"SOFTWARE\{UNINSTALL}\Part", DisplayName="A part", SystemComponent=1),
    key(r"SYSTEM\Select", Current=2),
    key(r"SYSTEM\ControlSet001\Control\ComputerName\ComputerName", ComputerName="OLD"),
    key(r"SYSTEM\ControlSet002\Control\ComputerName\ComputerName", ComputerName="PC-01"),
    key(r"SYSTEM\ControlSet002\Control\Session Manager\Environment", PROCESSOR_ARCHITECTURE="x86"),
]  # fmt: skip
ELEVEN = [
    key(NT, ProductName="Windows 10 Pro", CurrentVersion="6.3", CurrentBuildNumber="22631", UBR=2428,
        CurrentMajorVersionNumber=10, CurrentMinorVersionNumber=0, DisplayVersion="23H2",
        InstallDate=1_647_000_000, BuildLabEx="22621.1.amd64fre.ni_release.220506-1250"),
    key(PACKAGES + r"\Package_for_KB5029921~31bf3856ad364e35~amd64~~22621.2347.1.0", CurrentState=112),
    key(PACKAGES + r"\Package_for_KB5027397~31bf3856ad364e35~amd64~~22621.2355.1.1", CurrentState=80),
    key(PACKAGES + r"\Package_for_RollupFix~31bf3856ad364e35~amd64~~22631.2428.1.8", CurrentState=112),
    key(rf"SOFTWARE\WOW6432Node\{UNINSTALL}\Example", DisplayName="Example", Publisher="Example Makers"),
]  # fmt: skip


def test_a_registry_of_windows_xp_is_read() -> None:
    record = record_of("x", "hive", XP)
    assert record is not None
    assert (record.os, record.version, record.service_pack) == ("Windows XP", "5.1.2600", 3)
    assert (record.machine, record.architecture) == ("PC-01", "x86")
    assert [(u.id, u.written, u.installed) for u in record.updates] == [
        ("KB971633", "KB971633", ""),
        ("KB961371", "KB961371-v2", "2009-07-15"),
        ("KB973346", "KB973346", "2009-07-15"),
    ]
    assert [(p.name, p.vendor) for p in record.products] == [("Example Reader 9", "Example Makers")]
    assert "hidden" in {n.code for n in record.assumed}


def test_windows_11_is_told_from_the_name_that_the_registry_kept() -> None:
    record = record_of("x", "hive", ELEVEN)
    assert record is not None
    assert (record.os, record.version, record.ubr) == ("Windows 11 Pro", "10.0.22631", 2428)
    assert (record.release, record.architecture) == ("23H2", "x64")
    assert record.installed == "2022-03-11"
    assert [u.id for u in record.updates] == ["KB5029921"]
    assert [(p.name, p.architecture) for p in record.products] == [("Example", "x86")]
    assert {n.code for n in record.assumed} >= {"eleven", "rollup", "not-installed"}


def test_it_does_not_matter_what_a_hive_was_mounted_as() -> None:
    moved = [Key(k.path.partition("\\")[2], None, None, None, None, None, k.values) for k in ELEVEN]
    first, second = record_of("x", "hive", ELEVEN), record_of("x", "hive", moved)
    assert first == second


def test_keys_that_say_nothing_give_no_record() -> None:
    assert record_of("x", "hive", [key(r"NTUSER.DAT\Software\Example", a="b")]) is None


# Live, with another object in place of winreg


class Handle:
    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return


class Winreg:
    """The functions of winreg over keys that are given."""

    KEY_READ, KEY_WOW64_64KEY, HKEY_LOCAL_MACHINE = 0x20019, 0x100, "HKLM"

    def __init__(self, keys: list[Key]) -> None:
        self.keys = {k.path.lower(): k for k in keys}

    def OpenKey(self, root: str, path: str, reserved: int, access: int) -> Handle:  # noqa: ARG002, N802
        if not any(p == path.lower() or p.startswith(path.lower() + "\\") for p in self.keys):
            raise FileNotFoundError(2, "not there")
        return Handle(path)

    def _names(self, handle: Handle) -> list[str]:
        below = handle.path.lower() + "\\"
        found = [p[len(below) :].split("\\")[0] for p in self.keys if p.startswith(below)]
        return list(dict.fromkeys(found))

    def QueryInfoKey(self, handle: Handle) -> tuple[int, int, int]:  # noqa: N802
        one = self.keys.get(handle.path.lower())
        return len(self._names(handle)), len(one.values) if one else 0, 0

    def EnumKey(self, handle: Handle, index: int) -> str:  # noqa: N802
        return self._names(handle)[index]

    def EnumValue(self, handle: Handle, index: int) -> tuple[str, Any, int]:  # noqa: N802
        value = self.keys[handle.path.lower()].values[index]
        if value.type == 1:
            return value.name, value.data.decode("utf-16-le").rstrip("\0"), 1
        return value.name, int.from_bytes(value.data, "little"), value.type


def test_the_live_registry_of_windows_says_the_same_as_its_hive() -> None:
    here = Facts("Windows", "PC-09", "10", "AMD64")
    live = this_machine(here, keys=lambda: winlive.keys(Winreg(ELEVEN)))
    hive = record_of("live", "live", ELEVEN)
    assert hive is not None
    assert live.machine == "PC-09"
    assert (live.os, live.version, live.ubr) == (hive.os, hive.version, hive.ubr)
    assert [u.id for u in live.updates] == [u.id for u in hive.updates]
    assert [p.name for p in live.products] == [p.name for p in hive.products]


def test_values_of_every_type_are_bytes_again() -> None:
    assert winlive._value("a", "x", 1).data == b"x\0\0\0"
    assert winlive._value("a", ["x", "y"], 7).data == "x\0y\0\0".encode("utf-16-le")
    assert winlive._value("a", 1, 11).data == b"\1" + bytes(7)
    assert winlive._value("a", b"raw", 3).data == b"raw"
    assert winlive._value("a", None, 3).data == b""


@pytest.mark.parametrize("kept", [0, 1])
def test_a_key_that_may_not_be_read_is_left_out(kept: int) -> None:
    class Denied(Winreg):
        def OpenKey(self, root: str, path: str, reserved: int, access: int) -> Handle:  # noqa: N802
            if "Packages\\" in path:
                raise PermissionError(13, "denied")
            return super().OpenKey(root, path, reserved, access)

    keys = list(winlive.keys(Denied(ELEVEN)))
    assert not any("Package_for" in k.path for k in keys)
    assert keys[0].path == NT
