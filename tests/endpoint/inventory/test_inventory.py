"""The readers together: what is accepted, what is refused, this machine, images, and merging."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.endpoint.inventory import readers, source
from sakimori.endpoint.inventory.collect import read_file, read_source
from sakimori.endpoint.inventory.decode import decode
from sakimori.endpoint.inventory.live import Facts, image, this_machine
from sakimori.endpoint.inventory.merge import merged, stem_of
from sakimori.endpoint.inventory.notes import NOTES
from sakimori.endpoint.inventory.record import Product, Record, Update, note
from sakimori.endpoint.inventory.source import of_bytes
from sakimori.endpoint.run import Ran
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

HOME = Path(readers.__file__).parent


def test_every_reader_is_listed() -> None:
    assert {p.stem for p in HOME.glob("*.py")} - {"__init__"} == {
        r.__name__.rsplit(".", 1)[-1]
        for r in readers.BUILTIN  # type: ignore[attr-defined]
    }
    assert len({r.NAME for r in readers.BUILTIN}) == len(readers.BUILTIN)


# What is refused

SEEDS = (
    b"", b"\0" * 40, b"\xff\xfe", b"regf", b"{", b'[{"hotfix_id": 1}]', b'{"bomFormat": "CycloneDX"}',
    b'<bom xmlns="http://cyclonedx.org/schema/bom/1.4">', b'{"spdxVersion": "SPDX-2.3", "packages": 7}',
    b"HotFixID\n", b"HotFixID=", b'"HotFixID"\n"', b"KB", b"OS Version: 10.0.1\n", b"ii  a 1 amd64 x\n",
    b'"Host Name","OS Name","OS Version"\n"', b"Package: x\nStatus: a b installed\n", b"[" * 5000,
    b"Package_for_KB1234567~31bf3856ad364e35~amd64~~1.2", b"NAME=\nID=x\nVERSION=\"\n",
    b'{"os_version": [[]], "patches": {"hotfix_id": null}}', b"Windows Registry Editor Version 5.00\r\n",
    b"Hotfix(s): 3\n [01]: KB1\n", b"SPDXVersion: SPDX-2.3\nPackageName: x\n", b"\x89PNG\r\n\x1a\n",
    b"SPDXVersion: SPDX-2.3\n" + b"<text>" * 20_000, b"HotFixID,x\nKB1" + b" " * 20_000 + b"x,y\n",
    b'{"HotFixID": ', b'[{"DisplayName": 1, "Version": [], "Publisher": {}}]', b"Name=x\nVersion=1\nVendor=\n",
)  # fmt: skip


def outcome(data: bytes) -> Sequence[Record]:
    try:
        return read_source(of_bytes("junk", data))
    except SourceError as error:
        assert "junk" in str(error)  # noqa: PT017 - other errors must come through
        return ()


@pytest.mark.parametrize("data", SEEDS)
def test_a_broken_file_is_refused_by_name_or_read(data: bytes) -> None:
    for one in (data, data + b"\xff\x00\r\n", data * 3, data[: len(data) // 2]):
        outcome(one)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(SEEDS) | st.binary(max_size=30), max_size=5).map(b"\n".join))
def test_bytes_of_any_kind_never_raise_anything_else(data: bytes) -> None:
    for record in outcome(data):
        assert all(n.text for n in record.assumed)


REFUSED = [
    (b"", "the file is empty"),
    (b"\0\1\2\3" * 50, "this is neither text nor a registry hive"),
    (b"dear diary\n", "this is no kind of inventory that is known"),
    (b'{"a": 1}', "this is no kind of inventory that is known"),
]


@pytest.mark.parametrize(("data", "why"), REFUSED)
def test_a_file_of_another_kind_is_refused_with_what_is_accepted(
    tmp_path: Path, data: bytes, why: str
) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(SourceError, match=why) as caught:
        read_file(tmp_path / "x")
    assert "systeminfo" in caught.value.hint
    assert str(tmp_path / "x") in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, why in ((tmp_path, "a folder"), (tmp_path / "none", "not there"), (tmp_path / "pipe", "not a file")):  # fmt: skip
        with pytest.raises(SourceError, match=why):
            read_file(path)
    with pytest.raises(SourceError):
        read_file(Path("a\0b"))


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "LARGEST", 100)
    (tmp_path / "x").write_text("KB5012117\n" * 11)
    with pytest.raises(SourceError, match="more than"):
        read_file(tmp_path / "x")


def test_one_broken_character_does_not_make_utf_8_another_encoding() -> None:
    data = "Nom de l'hôte: PC\nNom du système d'exploitation: Microsoft Windows 10 Pro\n".encode()
    read = decode(data + "Version du système: 10.0.19045 N/A version 19045 \u00e9".encode()[:-1])
    assert read is not None
    assert (read.encoding, read.broken) == ("UTF-8", 1)


def test_text_may_be_in_many_encodings() -> None:
    for codec in ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp932", "euc_jp"):
        read = decode("ホスト名:   PC\r\nOS 名:   Windows\r\n".encode(codec))
        assert read is not None
        assert read.text.startswith("ホスト名:"), codec


@given(st.binary(max_size=200))
@settings(max_examples=80, deadline=None)
def test_decoding_never_fails(data: bytes) -> None:
    read = decode(data)
    assert read is None or isinstance(read.text, str)


# This machine, and images

RELEASE = 'NAME="Example Linux"\nVERSION_ID="9"\nID=rhel\n'
STATUS = "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2\n"
HERE = Facts("Linux", "srv-1", "6.1.0", "x86_64")


def system(root: Path) -> Path:
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text(RELEASE)
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text(STATUS)
    return root


def test_a_linux_machine_is_read_live(tmp_path: Path) -> None:
    asked = []

    def start(argv: Sequence[str], *, seconds: float) -> Ran:
        asked.append((argv[0], seconds > 0))
        if argv[0] == "rpm":
            return Ran(
                0,
                b"bash\t(none)\t5.1.8\t6.el9\tx86_64\ngpg-pubkey\t(none)\tfd431d51\t4ae0493b\t(none)\n",
                b"",
            )
        return Ran(None, b"", b"", "not found")

    record = this_machine(HERE, root=system(tmp_path), start=start)
    assert asked == [("dpkg-query", True), ("rpm", True)]
    assert (record.os, record.version, record.kernel) == ("Example Linux", "9", "6.1.0")
    assert (record.machine, record.architecture) == ("srv-1", "x64")
    assert [p.purl for p in record.products] == ["pkg:rpm/redhat/bash@5.1.8-6.el9?arch=x86_64"]
    assert {n.code for n in record.assumed} == {"keys"}


def test_a_program_that_fails_is_said(tmp_path: Path) -> None:
    record = this_machine(
        HERE, root=system(tmp_path), start=lambda *_, **__: Ran(1, b"", b"broken")
    )
    assert [n.code for n in record.assumed] == ["program-failed", "program-failed", "no-packages"]


def test_other_systems_are_refused_live() -> None:
    with pytest.raises(SourceError, match="Plan9 is not read live"):
        this_machine(Facts("Plan9", "", "", ""))


def test_an_image_of_linux_is_read(tmp_path: Path) -> None:
    record = image(system(tmp_path), lambda _: None)
    assert (record.os, record.source, record.architecture) == ("Example Linux", str(tmp_path), "x64")  # fmt: skip
    assert [p.name for p in record.products] == ["bash"]


def test_the_hives_of_an_image_of_windows_are_found_in_any_case(tmp_path: Path) -> None:
    folder = tmp_path / "WINDOWS/system32/Config"
    folder.mkdir(parents=True)
    for name in ("software", "SYSTEM", "SAM"):
        (folder / name).write_bytes(b"regf")
    seen: list[dict[str, Path]] = []
    told = Record(source="", reader="hive", os="Windows 7")

    def read(hives: dict[str, Path]) -> Record:
        seen.append(hives)
        return told

    assert image(tmp_path, read).source == str(tmp_path)
    assert seen == [{"SOFTWARE": folder / "software", "SYSTEM": folder / "SYSTEM"}]


def test_a_folder_that_is_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no os-release"):
        image(tmp_path, lambda _: None)
    with pytest.raises(SourceError, match="no folder"):
        image(tmp_path / "none", lambda _: None)


# Records of one machine


def made(source: str, **values: object) -> Record:
    return Record(source=source, reader="x", **values)  # type: ignore[arg-type]


def test_records_of_one_name_are_one_and_what_differs_is_said() -> None:
    first = made("a.txt", machine="PC", updates=(Update(id="KB111111", written="KB111111"),),
                 assumed=(note("updates-only"),))  # fmt: skip
    second = made("b.txt", machine="pc", os="Windows 7", version="6.1.7601", architecture="x64")
    third = made("c.txt", machine="PC", os="Windows 7", version="6.1.7600",
                 products=(Product(name="x"),))  # fmt: skip
    (one,) = merged([first, second, third])
    assert (one.os, one.version, one.architecture) == ("Windows 7", "6.1.7601", "x64")
    assert len(one.updates) == len(one.products) == 1
    assert [n.code for n in one.assumed] == ["merged-machine", "conflict"]
    assert "'6.1.7601' is shown, another says '6.1.7600'" in one.assumed[1].text


def test_records_are_one_by_file_name_only_where_a_machine_is_not_named() -> None:
    info, qfe = made("d/PC1_systeminfo.txt", os="Windows 7"), made("d/PC1_qfe.txt", machine="PC1")
    other = made("d/PC1_updates.txt", machine="PC2")
    assert [r.source for r in merged([info, qfe, other])] == [
        "d/PC1_systeminfo.txt + d/PC1_qfe.txt", "d/PC1_updates.txt",
    ]  # fmt: skip
    assert len(merged([made("systeminfo.txt"), made("qfe.txt")])) == 2


STEMS = {
    "x/xp_sp3_x86_qfe.txt": "xp_sp3_x86", "xp_sp3_x86_systeminfo.txt": "xp_sp3_x86",
    "SYSTEMINFO.TXT": "", "pc-1.hotfixes.csv": "pc-1",
}  # fmt: skip


@pytest.mark.parametrize("name", STEMS)
def test_a_stem_is_what_names_the_machine(name: str) -> None:
    assert stem_of(name) == STEMS[name]


def test_every_note_that_the_code_makes_has_its_sentence() -> None:
    source = "\n".join(p.read_text("utf-8") for p in HOME.parent.rglob("*.py"))
    for code in NOTES:
        assert f'"{code}"' in source.replace(f'"{code}": ', "") or code.startswith("merged-")


def test_json_of_extreme_depth_is_refused() -> None:
    text = json.dumps({"bomFormat": "CycloneDX"})[:-1] + ', "components": ' + "[" * 100_000
    with pytest.raises(SourceError):
        read_source(of_bytes("x", text.encode()))
