from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sakimori.endpoint.inventory.collect import read_file, read_source
from sakimori.endpoint.inventory.source import of_bytes

if TYPE_CHECKING:
    from sakimori.endpoint.inventory.record import Record

SAMPLES = Path(__file__).parents[3].parent / "shared/data/exposure/systeminfo"


def told(text: str, encoding: str = "utf-8") -> Record:
    (record,) = read_source(of_bytes("list.txt", text.encode(encoding)))
    return record


def codes(record: Record) -> set[str]:
    return {n.code for n in record.assumed}


# Updates

QFE = {  # sample: (machine, entries with a KB, Q or bare number)
    "10_1803_x64_proforworkstations_en-us_A_20190305_qfe.txt": (None, 4),
    "10_1809_x64_pro_en-us_20190307_qfe.txt": (None, 5),
    "7_sp1_x64_enterprise_en-us_B_qfe.txt": ("WIN7SP1X64", 271),
    "srv_2012r2_u1_qfe.txt": ("SRV12R2U1X64", 154),
    "srv_2012r2_x64_standard_ru_qfe.txt": ("DC", 7),
    "vista_x64_sp1_qfe.txt": ("WINVISTASP0X64", 173),
    "xp_rtm_x86_professional_en-us_qfe.txt": ("WINXPSP0", 2),
    "xp_sp2_x64_qfe.txt": ("USER-8CEF73C787", 156),
    "xp_sp3_x86_professional_en-us_qfe.txt": ("WINXPSP3", 135),
}


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no samples of update lists at {SAMPLES}")
@pytest.mark.parametrize("name", QFE)
def test_a_sample_of_wmic_is_read(name: str) -> None:
    (record,) = read_file(SAMPLES / name)
    machine, count = QFE[name]
    assert record.machine == machine
    assert len(record.updates) == count
    assert record.os is None


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no samples of update lists at {SAMPLES}")
@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("10_1803_x64_proforworkstations_en-us_A_20190305_updates.txt", ["KB4100347", "KB2267602"]),
        ("srv_2012r2_u1_updates_optional.txt", ["KB4489893"]),
    ],
)
def test_updates_that_are_offered_are_not_installed(name: str, offered: list[str]) -> None:
    (record,) = read_file(SAMPLES / name)
    assert record.updates == ()
    assert list(record.offered) == offered
    assert "offered" in codes(record)


TABLE = (
    "\nSource        Description      HotFixID      InstalledBy          InstalledOn            \n"
    "------        -----------      --------      -----------          -----------            \n"
    "PC-01         Update           KB5012117     NT AUTHORITY\\SYSTEM  4/13/2022 12:00:00 AM  \n"
    "PC-01         Security Update  KB5003791                          10/6/2021 12:00:00 AM  \n"
)
LIST = "".join(
    f"\nDescription         : {what}\nFixComments         : \nHotFixID            : {kb}\n"
    f"InstalledBy         : NT AUTHORITY\\SYSTEM\nInstalledOn         : {day} 12:00:00 AM\n"
    "PSComputerName      : PC-01\n"
    for what, kb, day in (("Update", "KB5012117", "4/13/2022"), ("Security", "KB5003791", "10/6/2021"))
)  # fmt: skip
TYPED = (
    "#TYPE System.Management.ManagementObject#root\\cimv2\\Win32_QuickFixEngineering\n"
    '"PSComputerName","InstalledOn","Description","HotFixID","InstalledBy"\n'
    '"PC-01","4/13/2022 12:00:00 AM","Update","KB5012117","NT AUTHORITY\\SYSTEM"\n'
    '"PC-01","10/6/2021 12:00:00 AM","Security Update","KB5003791",""\n'
)
WMIC_CSV = (
    "\r\r\nNode,Caption,CSName,Description,HotFixID,InstalledOn\r\r\n"
    "PC-01,http://support.example/?kbid=5012117,PC-01,Update,KB5012117,4/13/2022\r\r\n"
    "PC-01,http://support.example/?kbid=5003791,PC-01,Update,KB5003791,10/6/2021\r\r\n"
)
WMIC_LIST = "".join(
    f"\r\r\nCSName=PC-01\r\r\nDescription=Update\r\r\nHotFixID={kb}\r\r\nInstalledOn={day}\r\r\n"
    for kb, day in (("KB5012117", "4/13/2022"), ("KB5003791", "10/6/2021"))
)
JSON = json.dumps([
    {"CSName": "PC-01", "HotFixID": "KB5012117", "InstalledOn": {"DateTime": "4/13/2022"}},
    {"CSName": "PC-01", "HotFixID": "KB5003791", "InstalledOn": {"DateTime": "10/6/2021"}},
])  # fmt: skip
FORMS = {
    "Get-HotFix": TABLE, "Get-HotFix | fl": LIST, "Export-Csv": TYPED, "wmic csv": WMIC_CSV,
    "wmic list": WMIC_LIST, "ConvertTo-Json": JSON,
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_update_list_says_the_same(form: str, encoding: str) -> None:
    record = told(FORMS[form], encoding)
    assert record.machine == "PC-01"
    assert [(u.id, u.installed) for u in record.updates] == [
        ("KB5012117", "2022-04-13"), ("KB5003791", "2021-10-06"),
    ]  # fmt: skip


def test_a_number_in_the_title_or_the_comment_is_no_entry() -> None:
    text = (
        "Caption  CSName  Description           FixComments  HotFixID  InstalledOn  ServicePackInEffect  \n"
        "         PC      for Example (KB1111111)            File 1                 KB893803v2           \n"
    )
    record = told(text)
    assert record.updates == ()
    assert codes(record) >= {"files", "updates-only"}


def test_a_wide_cell_that_shifts_the_columns_does_not_hide_the_entry() -> None:
    text = (
        "Caption  CSName  Description  HotFixID   InstalledBy  InstalledOn\n"
        "http://support.example/?kbid=1234567  PC  セキュリティ更新プログラム  KB5012117  PC\\管理者  2022/04/13\n"
    )
    assert [u.id for u in told(text).updates] == ["KB5012117"]


def test_bare_numbers_one_a_line_are_a_list() -> None:
    assert [u.id for u in told("KB5012117\nKB5003791\n").updates] == ["KB5012117", "KB5003791"]


def test_two_machines_in_one_list_are_two_records() -> None:
    rows = WMIC_CSV + "PC-02,x,PC-02,Update,KB5008215,4/13/2022\r\r\n"
    records = read_source(of_bytes("all.csv", rows.encode()))
    assert [(r.machine, len(r.updates)) for r in records] == [("PC-01", 2), ("PC-02", 1)]


# dism and properties

DISM = """
Deployment Image Servicing and Management tool
Version: 10.0.19041.844

Packages listing:

Package Identity : Package_for_KB5003791~31bf3856ad364e35~amd64~~19041.1237.1.1
State : Installed
Release Type : Update
Install Time : 10/6/2021 1:03 PM

Package Identity : Package_for_KB4562830~31bf3856ad364e35~amd64~~19041.1.1.2
State : Superseded
Release Type : Update
Install Time : 10/16/2021 1:03 PM

Package Identity : Package_for_RollupFix~31bf3856ad364e35~amd64~~19041.1706.1.7
State : Installed
Release Type : Security Update
Install Time : 5/17/2022 1:03 PM
"""
DISM_TABLE = """
---------------------------------------------------------------- | --------- | --------------- | -----------------
Package Identity                                                 | State     | Release Type    | Install Time
Package_for_KB5003791~31bf3856ad364e35~amd64~~19041.1237.1.1     | Installed | Update          | 10/16/2021 1:03 PM
Package_for_RollupFix~31bf3856ad364e35~amd64~~19041.1706.1.7     | Staged    | Security Update | 10/16/2021 1:03 PM
"""


def test_packages_of_dism_count_where_they_are_installed() -> None:
    record = told(DISM)
    assert [(u.id, u.installed) for u in record.updates] == [("KB5003791", "2021-10-06")]
    assert (record.version, record.ubr, record.release) == ("10.0.19041", 1706, "2004")
    assert record.architecture == "x64"
    assert codes(record) >= {"not-installed", "rollup"}


def test_the_table_of_dism_is_read() -> None:
    record = told(DISM_TABLE)
    assert [u.id for u in record.updates] == ["KB5003791"]
    assert record.build is None


PROPERTIES = {
    "Get-ComputerInfo": (
        "\r\nWindowsProductName              : Windows 10 Pro\r\nOsName                          : "
        "Microsoft Windows 11 Pro\r\nOsVersion                       : 10.0.22631\r\nOsBuildNumber"
        "                   : 22631\r\nCsName                          : PC-01\r\nOsHotFixes"
        "                      : {KB5029921, KB5027397...}\r\nOsArchitecture                  : 64-bit\r\n"
    ),
    "wmic os get /value": (
        "\r\r\nBuildNumber=22631\r\r\nCaption=Microsoft Windows 11 Pro\r\r\nCSName=PC-01\r\r\n"
        "OSArchitecture=64 ビット\r\r\nVersion=10.0.22631\r\r\n"
    ),
    "Export-Csv": (
        '#TYPE x\n"PSComputerName","Caption","Version","BuildNumber","OSArchitecture"\n'
        '"PC-01","Microsoft Windows 11 Pro","10.0.22631","22631","64-Bit"\n'
    ),
}


@pytest.mark.parametrize("form", PROPERTIES)
def test_properties_of_a_machine_are_read(form: str) -> None:
    record = told(PROPERTIES[form])
    assert (record.os, record.version, record.build) == ("Windows 11 Pro", "10.0.22631", "22631")
    assert (record.machine, record.architecture, record.release) == ("PC-01", "x64", "23H2")


def test_updates_among_the_properties_are_taken_with_care() -> None:
    record = told(PROPERTIES["Get-ComputerInfo"])
    assert [u.id for u in record.updates] == ["KB5029921", "KB5027397"]
    assert "listed" in codes(record)


# Programs

PROGRAMS = {
    "wmic product": "Caption         Name            Vendor          Version  \r\r\n"
    "Example Reader  Example Reader  Example Makers  9.0      \r\r\n",
    "wmic product csv": "\r\r\nNode,Name,Vendor,Version\r\r\nPC-01,Example Reader,Example Makers,9.0\r\r\n",
    "wmic product list": "\r\r\nName=Example Reader\r\r\nVendor=Example Makers\r\r\nVersion=9.0\r\r\n",
    "Select-Object": "\nDisplayName     DisplayVersion  Publisher       InstallDate\n"
    "-----------     --------------  ---------       -----------\n"
    "Example Reader  9.0             Example Makers  20220413   \n",
    "Export-Csv": '"DisplayName","DisplayVersion","Publisher","InstallDate"\n'
    '"Example Reader","9.0","Example Makers","20220413"\n,,,\n',
}


@pytest.mark.parametrize("form", PROGRAMS)
def test_programs_of_windows_are_read(form: str) -> None:
    (program,) = told(PROGRAMS[form]).products
    assert (program.name, program.version, program.vendor) == (
        "Example Reader", "9.0", "Example Makers",
    )  # fmt: skip
    assert program.installed == ("2022-04-13" if form in ("Select-Object", "Export-Csv") else "")


def test_one_column_of_numbers_is_a_list() -> None:
    record = told("HotFixID   \r\r\nKB5012117  \r\r\nKB5003791  \r\r\n", "utf-16")
    assert [u.id for u in record.updates] == ["KB5012117", "KB5003791"]


def test_a_list_without_updates_says_that_there_are_none() -> None:
    assert told("CSName  HotFixID  InstalledOn\n").updates == ()


# Linux

STATUS = """Package: bash
Status: install ok installed
Maintainer: Example Maintainers <bash@packages.debian.org>
Architecture: amd64
Version: 5.2.15-2+b2
Description: shell
 Status: this line is no field

Package: old
Status: deinstall ok config-files
Architecture: amd64
Version: 1:2.0-1

Package: tzdata
Status: hold ok installed
Architecture: all
Version: 2024a-0+deb12u1
"""
DPKG_L = """Desired=Unknown/Install/Remove/Purge/Hold
| Status=Not/Inst/Conf-files/Unpacked/halF-conf/Half-inst/trig-aWait/Trig-pend
|/ Err?=(none)/Reinst-required (Status,Err: uppercase=bad)
||/ Name           Version          Architecture Description
+++-==============-================-============-=================================
ii  bash           5.2.15-2+b2      amd64        GNU Bourne Again SHell
rc  old            1:2.0-1          amd64        removed
hi  tzdata         2024a-0+deb12u1  all          time zones
"""
PACKAGES = {
    "status": STATUS, "dpkg -l": DPKG_L, "dpkg-query -W": "bash\t5.2.15-2+b2\ntzdata\t2024a-0+deb12u1\n",
    "apt": "Listing...\nbash/stable,now 5.2.15-2+b2 amd64 [installed]\n"
    "tzdata/stable,now 2024a-0+deb12u1 all [installed,automatic]\n",
}  # fmt: skip


@pytest.mark.parametrize("form", PACKAGES)
def test_debian_packages_are_read(form: str) -> None:
    record = told(PACKAGES[form])
    assert [(p.name, p.version) for p in record.products] == [
        ("bash", "5.2.15-2+b2"), ("tzdata", "2024a-0+deb12u1"),
    ]  # fmt: skip
    assert record.products[1].purl.startswith("pkg:deb/debian/tzdata@2024a-0%2Bdeb12u1")
    assert ("packages-left" in codes(record)) is (form in ("status", "dpkg -l"))


RPM = {
    "rpm -qa": "bash-5.1.8-6.el9_1.x86_64\ngpg-pubkey-fd431d51-4ae0493b\npython3-libs-3.9.16-1.el9.x86_64\n"
    "tzdata-2022g-1.el9.noarch\n",
    "rpm -qa --last": "bash-5.1.8-6.el9_1.x86_64                Tue 01 Nov 2022 10:00:00 AM JST\n"
    "python3-libs-3.9.16-1.el9.x86_64         Tue 01 Nov 2022 10:00:00 AM JST\n"
    "tzdata-2022g-1.el9.noarch                Tue 01 Nov 2022 10:00:00 AM JST\n",
    "rpm -qa --qf": "bash\t(none)\t5.1.8\t6.el9_1\tx86_64\npython3-libs\t0\t3.9.16\t1.el9\tx86_64\n"
    "tzdata\t(none)\t2022g\t1.el9\tnoarch\n",
    "rpm -qa --qf |": "bash|5.1.8|6.el9_1|x86_64\npython3-libs|3.9.16|1.el9|x86_64\ntzdata|2022g|1.el9|noarch\n",
}  # fmt: skip


@pytest.mark.parametrize("form", RPM)
def test_rpm_packages_are_read(form: str) -> None:
    record = told(RPM[form])
    assert [(p.name, p.version, p.architecture) for p in record.products] == [
        ("bash", "5.1.8-6.el9_1", "x86_64"), ("python3-libs", "3.9.16-1.el9", "x86_64"),
        ("tzdata", "2022g-1.el9", "noarch"),
    ]  # fmt: skip
    assert record.products[0].purl == "pkg:rpm/redhat/bash@5.1.8-6.el9_1?arch=x86_64"
    assert record.architecture == "x64"
    assert ("keys" in codes(record)) is (form == "rpm -qa")


def test_an_epoch_of_rpm_is_a_qualifier() -> None:
    record = told("bind-libs\t32\t9.16.23\t11.el9\tx86_64\nbash\t0\t5.1.8\t6.el9\tx86_64\n")
    assert record.products[0].version == "32:9.16.23-11.el9"
    assert record.products[0].purl == "pkg:rpm/redhat/bind-libs@9.16.23-11.el9?arch=x86_64&epoch=32"


def test_an_os_release_file_is_read() -> None:
    record = told('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\n'
                  'VERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n')  # fmt: skip
    assert (record.os, record.version, record.release) == ("Debian GNU/Linux", "12", "bookworm")
