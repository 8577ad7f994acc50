from __future__ import annotations

from dataclasses import replace

import pytest

from sakimori.endpoint.inventory import walk
from sakimori.endpoint.inventory.live import Facts, this_machine
from sakimori.endpoint.inventory.registry import record_of
from sakimori.endpoint.registry.model import Key, Value
from sakimori.errors import RefusedError, SourceError

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


# Live, with another object in place of the registry


class Registry:
    """Keys as the live registry shows them; those whose name holds `refused` may not be read."""

    def __init__(self, keys: list[Key], refused: str = "?") -> None:
        self.keys = {f"hklm\\{k.path}".lower(): k for k in keys}
        self.refused = refused

    def values(self, key: str) -> tuple[Value, ...] | None:
        if self.refused in key:
            raise RefusedError("denied", where=key)
        found = self.keys.get(key.lower())
        return found.values if found else () if self.subkeys(key) else None

    def subkeys(self, key: str) -> tuple[str, ...]:
        below = key.lower() + "\\"
        found = [p[len(below) :].split("\\")[0] for p in self.keys if p.startswith(below)]
        return tuple(dict.fromkeys(found))


@pytest.mark.parametrize("keys", [XP, ELEVEN], ids=["XP", "11"])
def test_the_live_registry_of_windows_says_the_same_as_its_hive(keys: list[Key]) -> None:
    moved = [replace(k, path=k.path.replace("ControlSet002", "CurrentControlSet")) for k in keys]
    here = Facts("Windows", "PC-09", "10", "AMD64")
    live = this_machine(here, keys=lambda: walk.keys(Registry(moved)))
    hive = record_of("live", "live", keys)
    assert hive is not None
    assert live.machine == hive.machine or (hive.machine is None and live.machine == "PC-09")
    assert (live.os, live.version, live.ubr) == (hive.os, hive.version, hive.ubr)
    assert live.architecture == hive.architecture
    assert [u.id for u in live.updates] == [u.id.upper() for u in hive.updates]
    assert [p.name for p in live.products] == [p.name for p in hive.products]


def test_a_key_that_may_not_be_read_is_left_out() -> None:
    found = list(walk.keys(Registry(ELEVEN, refused="package_for")))
    assert found[0].path == rf"HKLM\{NT}"
    assert not any("package_for" in k.path for k in found)
    assert any("Packages" in k.path for k in found)


def test_a_registry_that_says_nothing_is_an_error() -> None:
    with pytest.raises(SourceError, match="gives nothing"):
        this_machine(Facts("Windows", "", "", ""), keys=lambda: walk.keys(Registry([])))
