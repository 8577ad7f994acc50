from __future__ import annotations

import io
import json
import tarfile
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.endpoint.verify import manifests
from sakimori.endpoint.verify.manifests import BUILTIN, kind_of, read_manifest
from sakimori.endpoint.verify.manifests._source import Source
from sakimori.errors import SourceError

HOME = Path(manifests.__file__).parent


def source(text: str | bytes, name: str = "manifest") -> Source:
    data = text if isinstance(text, bytes) else text.encode()
    return Source(Path(name), data)


KB = (
    "\ufeffFor all supported x86-based versions of Windows XP,,,,,,,\r\n"
    "File name,File version,File size,Date,Time,Platform,SP requirement,Service branch\r\n"
    'Quartz.dll,6.5.2600.5822,"1,291,776",03-Jun-2009,19:09,x86,SP3,SP3GDR\r\n'
    "Quartz.dll,6.5.2600.5908 (xpsp_qfe),1291776,03-Jun-2009,19:10,x86,SP3,SP3QFE\r\n"
    "readme.txt,n/a,449,03-Jun-2009,19:10,n/a,,\r\n"
    ",,,,,,,\r\n"
    "Broken.dll,1.2.3.4,12x,,,,,\r\n"
)
REG = (
    "Windows Registry Editor Version 5.00\n\n; complete: registry\n"
    "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Example]\n"
    '@="default"\n"Path"="C:\\\\Program \\"x\\""\n"Number"=dword:0000000a\n'
    '"Raw"=hex:01,02,\\\n  03\n"Expand"=hex(2):25,00,00,00\n"Gone"=-\nnonsense\n'
    "[-HKEY_LOCAL_MACHINE\\SOFTWARE\\Old]\n"
)
APT = (
    "\nStart-Date: 2026-11-24  10:00:00\nCommandline: apt-get upgrade\nRequested-By: alice (1000)\n"
    "Upgrade: hello:amd64 (2.10-2, 2.10-3), other:all (1:1, 1:2)\nInstall: extra:amd64 (7, automatic)\n"
    "Remove: gone:amd64 (3)\nEnd-Date: 2026-11-24  10:00:05\n"
)
DPKG = (
    "2026-11-24 10:00:01 startup archives unpack\n"
    "2026-11-24 10:00:01 upgrade hello:amd64 2.10-2 2.10-3\n"
    "2026-11-24 10:00:02 status installed hello:amd64 2.10-3\nrubbish\n"
    "2026-11-24 12:00:00 remove gone:amd64 3 <none>\n"
)
DNF = (
    "Transaction ID : 12\nBegin time     : Tue 24 Nov 2026 10:00:00 AM UTC\nBegin rpmdb    : abc\n"
    "End time       : Tue 24 Nov 2026 10:00:09 AM UTC (9 seconds)\nUser           : Alice <alice>\n"
    "Packages Altered:\n    Upgrade  hello-2.12-1.fc43.x86_64 @updates\n"
    "    Upgraded hello-2.10-9.fc43.x86_64 @@System\n    Removed  old-lib-1:3-1.fc43.noarch @@System\n    ???\n"
)
DUMP = (
    f"/usr/bin/hello 26 1700000000 {'a' * 64} 0104755 root root 0 0 0 X\n"
    f"/usr/lib/a b.so 0 1700000000 {'0' * 64} 0120777 root root 0 0 0 b.so.1\n"
    f"/usr/share/hello 4096 1700000000 {'0' * 64} 040755 root root 0 0 0 X\nwhat\n"
)
LONG = (
    "-rwsr-xr-x    1 root     root       26 Nov 14  2023 /usr/bin/hello\n"
    "lrwxrwxrwx    1 root     root        6 Nov 14 10:00 /usr/lib/b.so -> b.so.1\n"
)
IDT_REGISTRY = (
    "Registry\tRoot\tKey\tName\tValue\tComponent_\ns72\ti2\tl255\tL255\tL0\ts72\nRegistry\tRegistry\n"
    "r1\t2\tSOFTWARE\\Example\tNumber\t#10\tc\nr2\t2\tSOFTWARE\\Example\tText\tplain\tc\n"
    "r3\t2\tSOFTWARE\\Example\tDir\t[INSTALLDIR]x\tc\nr4\t-1\tSoftware\\Old\t-\t\tc\nr5\t9\tx\ty\tz\tc\n"
)
IDT_FILE = (
    "File\tComponent_\tFileName\tFileSize\tVersion\tLanguage\tAttributes\tSequence\n"
    "s72\ts72\tl255\ti4\tS72\tS20\tI2\ti2\nFile\tFile\n"
    "f1\tc\tQUARTZ~1.DLL|quartz-long.dll\t1291776\t6.5.2600.5822\t1033\t512\t1\n"
)
SERVICE = (
    "ServiceInstall,Name,DisplayName,ServiceType,StartType,ErrorControl,LoadOrderGroup,Dependencies,"
    "StartName,Password,Arguments,Component_,Description\ns1,examplesvc,Example,16,2,32769,,,LocalSystem,,,c,\n"
)
MSI = (
    "=== Verbose logging started: 11/25/2009  12:00:00  Build type: SHIP UNICODE 4.05.6001.00 ===\n"
    "MSI (s) (08:18) [12:00:05:546]: Executing op: RegOpenKey(Root=-2147483646,Key=Software\\Example,,BinaryType=0,,)\n"
    "MSI (s) (08:18) [12:00:05:546]: Executing op: RegAddValue(Name=Number,Value=#1,)\n"
    "MSI (s) (08:18) [12:00:05:546]: Executing op: SetTargetFolder(Folder=C:\\Program Files\\Example\\)\n"
    "MSI (s) (08:18) [12:00:06:000]: Executing op: FileCopy(SourceName=a,DestName=EXAM~1.DLL|example.dll,"
    "Attributes=512,FileSize=4096,PerTick=65536)\n"
    "MSI (s) (08:18) [12:00:07:000]: Product: Example Suite -- Installation completed successfully.\n"
    "=== Verbose logging stopped: 11/25/2009  12:01:00 ===\n"
)
OWN = json.dumps({"update": 976098, "complete": ["registry"], "files": [{"path": "a.dll", "size": 3}, {}],
                  "registry": [{"key": "HKLM\\SOFTWARE\\X", "values": [{"name": "V", "data": "t"}]}]})  # fmt: skip
ROWS = "key,name,type,data,action\nHKLM\\SOFTWARE\\X,V,REG_DWORD,0x10,set\n,V,REG_SZ,x,\nHKLM\\SOFTWARE\\Old,,,,delete\n"
SUMS = "d41d8cd98f00b204e9800998ecf8427e  usr/bin/hello\nd41d8cd98f00b204e9800998ecf8427e  usr/share/x y\n"

FORMS = [
    ("file-information", KB, "KB971633.csv", (3, 0, 0, 0, 1)),
    ("reg", REG, "KB1234567.reg", (0, 8, 0, 0, 1)),
    ("json", OWN, "m.json", (1, 2, 0, 0, 1)),
    ("registry-rows", ROWS, "rows.csv", (0, 2, 0, 0, 1)),
    ("apt-history", APT, "history.log", (0, 0, 4, 1, 0)),
    ("dpkg-log", DPKG, "dpkg.log", (0, 0, 2, 2, 1)),
    ("dnf-history", DNF, "info.txt", (0, 0, 2, 1, 1)),
    ("rpm-listing", DUMP, "dump.txt", (3, 0, 0, 0, 1)),
    ("rpm-listing", LONG, "long.txt", (2, 0, 0, 0, 0)),
    ("msi-table", IDT_REGISTRY, "Registry.idt", (0, 5, 0, 0, 1)),
    ("msi-table", IDT_FILE, "File.idt", (1, 0, 0, 0, 0)),
    ("msi-table", SERVICE, "ServiceInstall.csv", (0, 7, 1, 0, 0)),
    ("msi-log", MSI, "msi.log", (1, 1, 0, 1, 0)),
    ("dpkg-list", SUMS, "hello.md5sums", (2, 0, 1, 0, 0)),
    ("dpkg-list", "/.\n/usr\n/usr/bin/hello\n", "hello.list", (3, 0, 1, 0, 0)),
]  # fmt: skip


def test_every_reader_is_listed() -> None:
    files = {path.stem for path in HOME.glob("*.py") if not path.stem.startswith("_")}
    assert files == {reader.__name__.rpartition(".")[2] for reader in BUILTIN}  # type: ignore[attr-defined]
    assert len({reader.NAME for reader in BUILTIN}) == len(BUILTIN)


@pytest.mark.parametrize(("kind", "text", "name", "counts"), FORMS, ids=[f[2] for f in FORMS])
def test_every_form_is_told_by_its_content_and_read_with_bad_rows_aside(
    kind: str, text: str, name: str, counts: tuple[int, ...]
) -> None:
    given_source = source(text, name)
    assert kind_of(given_source) == kind
    read = read_manifest(given_source)
    found = (read.files, read.registry, read.objects, read.windows, read.aside)
    assert tuple(map(len, found)) == counts, read
    assert all(aside.where.startswith(name) and aside.reason for aside in read.aside)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "cp932", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_file_list_is_read_in_any_encoding_and_with_any_delimiter(
    encoding: str, delimiter: str
) -> None:
    names = {
        "cp932": "ファイル名,ファイル バージョン,ファイル サイズ",
        "cp1252": "Dateiname,Dateiversion,Dateigröße",
    }
    header = names.get(encoding, "File name,File version,File size")
    text = f"{header}\r\nQuartz.dll,6.5.2600.5822,1291776\r\nA.dll,1.2.3.4,77\r\n".replace(
        ",", delimiter
    )
    (first, second) = read_manifest(source(text.encode(encoding), "KB971633.csv")).files
    assert (first.path, first.version, first.size) == ("Quartz.dll", "6.5.2600.5822", 1291776)
    assert second.where == "KB971633.csv:3"


def test_a_file_list_without_a_header_is_read_by_what_its_cells_look_like() -> None:
    read = read_manifest(
        source("acledit.dll,10.0.17763.1,15-Sep-18,07:28,10240\n" * 3, "4041691.csv")
    )
    assert read.name == "KB4041691"
    assert {(f.version, f.size) for f in read.files} == {("10.0.17763.1", 10240)}


def test_a_file_list_says_nothing_about_the_registry() -> None:
    read = read_manifest(source(KB, "KB971633.csv"))
    assert (read.name, read.declares, read.complete) == (
        "KB971633",
        frozenset({"files"}),
        frozenset(),
    )


def test_reg_data_become_the_bytes_they_are_in_a_hive() -> None:
    read = read_manifest(source(REG, "KB1234567.reg"))
    data = {
        c.name: (c.type, c.data) for c in read.registry if c.name is not None and c.action == "set"
    }
    assert data["Path"] == ("REG_SZ", ('C:\\Program "x"\0'.encode("utf-16-le"),))
    assert data["Number"] == ("REG_DWORD", (b"\x0a\0\0\0",))
    assert data["Raw"] == ("REG_BINARY", (b"\1\2\3",))
    assert data["Expand"] == ("REG_EXPAND_SZ", (b"%\0\0\0",))
    assert read.complete == {"registry"}
    assert [(c.key, c.whole) for c in read.registry if c.action == "delete" and c.name is None] == [
        ("HKLM\\SOFTWARE\\OLD", True)
    ]


def test_signs_before_values_of_a_registry_table_are_understood() -> None:
    values = {
        c.name: (c.type, c.data) for c in read_manifest(source(IDT_REGISTRY, "r.idt")).registry
    }
    assert values["Number"] == ("REG_DWORD", (b"\x0a\0\0\0",))
    assert values["Text"] == ("REG_SZ", ("plain\0".encode("utf-16-le"),))
    assert values["Dir"] == ("REG_SZ", ()), "a [Property] is filled in on the machine"


def test_a_list_reads_the_sums_that_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "hello.list").write_text("/.\n/usr\n/usr/bin/hello\n")
    (tmp_path / "hello.md5sums").write_text(SUMS)
    one = tmp_path / "hello.list"
    read = read_manifest(Source(one, one.read_bytes()))
    assert {f.path for f in read.files if f.hashes} == {"/usr/bin/hello", "/usr/share/x y"}
    assert [o.name for o in read.objects] == ["hello"]


def test_times_without_a_zone_are_read_in_the_one_given() -> None:
    read = read_manifest(Source(Path("history.log"), APT.encode(), ZoneInfo("Asia/Tokyo")))
    assert read.windows[0].start.isoformat() == "2026-11-24T01:00:00+00:00"


def test_setuid_and_links_of_rpm_listings() -> None:
    for text in (DUMP, LONG):
        files = read_manifest(source(text)).files
        assert (files[0].mode, files[0].size) == (0o4755, 26)
        assert files[1].target == "b.so.1"


def _deb(members: dict[str, bytes], data: bytes) -> bytes:
    def tar(files: dict[str, bytes]) -> bytes:
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode="w:gz") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo("./" + name)
                info.size = len(content)
                info.mode = 0o755
                archive.addfile(info, io.BytesIO(content))
        return held.getvalue()

    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": tar(members),
        "data.tar.gz": tar({"usr/bin/x": data}),
    }
    out = b"!<arch>\n"
    for name, content in parts.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content
        out += b"\n" * (len(content) % 2)
    return out


def test_a_package_declares_its_files_its_record_and_the_links_its_script_makes() -> None:
    control = b"Package: made-up\nVersion: 1.2-3\nArchitecture: all\n"
    script = b"#!/bin/sh\ndeb-systemd-helper enable 'made-up.service' >/dev/null || true\n"
    read = read_manifest(source(_deb({"control": control, "postinst": script}, b"hello"), "x.deb"))
    paths = {f.path: f for f in read.files}
    assert read.name == "made-up 1.2-3"
    assert paths["/usr/bin/x"].hashes["md5"] == "5d41402abc4b2a76b9719d911017c592"
    assert paths["/etc/systemd/system/*.wants/made-up.service"].follows
    assert paths["/var/lib/dpkg/info/made-up.postinst"].size == len(script)
    assert [(o.name, o.version) for o in read.objects] == [("made-up", "1.2-3")]


@pytest.mark.parametrize("cut", [20, 70, 200, -20])
def test_a_package_that_is_cut_short_is_an_error(cut: int) -> None:
    whole = _deb({"control": b"Package: a\nVersion: 1\n"}, b"x" * 3000)
    with pytest.raises(SourceError):
        read_manifest(source(whole[:cut], "x.deb"))


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("empty.txt", "", "empty.txt"),
        ("prose.txt", "This is no manifest.\nNot at all.\n", "prose.txt"),
        ("bad.json", '{"update": "x",\n "files": [}', "bad.json:2"),
        ("nothing.json", '{"update": "x"}', "nothing.json"),
        ("whole.json", '{"update": "x", "files": [], "complete": ["all"]}', "whole.json"),
        ("deep.json", "[" * 100_000, "deep.json"),
    ],
)
def test_what_is_no_manifest_is_an_error_with_its_place(name: str, text: str, where: str) -> None:
    with pytest.raises(SourceError) as raised:
        read_manifest(source(text, name))
    assert str(raised.value.where).startswith(where)


@given(st.binary(max_size=400))
@settings(max_examples=40, deadline=None)
def test_bytes_at_random_are_read_or_refused_but_never_anything_else(data: bytes) -> None:
    with suppress(SourceError):
        read_manifest(source(data))


@given(st.sampled_from(FORMS), st.data())
@settings(max_examples=50, deadline=None)
def test_a_damaged_manifest_is_read_or_refused_but_never_anything_else(
    form: tuple[str, str, str, tuple[int, ...]], data: st.DataObject
) -> None:
    text = form[1]
    at = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(at, min(len(text), at + 30)))
    junk = data.draw(st.text(st.characters(codec="utf-8"), max_size=8))
    with suppress(SourceError):
        read_manifest(source((text[:at] + junk + text[end:]).encode(), form[2]))
