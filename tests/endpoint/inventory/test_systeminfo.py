# ruff: noqa: RUF001 - words of many languages

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sakimori.endpoint.inventory.collect import read_file, read_source
from sakimori.endpoint.inventory.decode import decode
from sakimori.endpoint.inventory.labels import LABELS
from sakimori.endpoint.inventory.source import of_bytes

if TYPE_CHECKING:
    from sakimori.endpoint.inventory.record import Record

SAMPLES = Path(__file__).parents[3].parent / "shared/data/exposure/systeminfo"
FILES = sorted(SAMPLES.glob("*systeminfo*.txt")) if SAMPLES.is_dir() else []
needs_samples = pytest.mark.skipif(not FILES, reason=f"no samples of systeminfo at {SAMPLES}")

FAMILY = {"xp": "Windows XP", "vista": "Windows Vista", "srv": "Windows Server"}


def truth(name: str) -> dict[str, object]:
    """What a sample's file name says of the machine."""
    first, second, *_ = parts = name.split("_")
    year = second.replace("r2", " R2").replace("2003 R2", "2003")  # its own text never says R2
    family = FAMILY.get(first, f"Windows {first}") + (f" {year}" if first == "srv" else "")
    known: dict[str, object] = {"family": family}
    packs = [p for p in parts if re.fullmatch(r"sp\d", p)]
    known["pack"] = int(packs[0][2]) if packs else 0
    if name.startswith("srv_2008_rtm"):  # Windows Server 2008 was released as Service Pack 1
        known["pack"] = 1
    known["architecture"] = "x86" if "x86" in parts else "x64"
    if first in ("10", "11"):
        known["release"] = "1507" if second == "rtm" else second
    return known


def body(path: Path) -> set[str]:
    """KB numbers between the label of the updates and that of the network cards, by eye."""
    read = decode(path.read_bytes())
    assert read is not None
    start = re.search(r"(?i)\n(?:hotfix|correctif|исправ|ホットフィックス)\S*:", read.text)
    assert start is not None
    return set(re.findall(r"(?m)^ +\[\d+\]: (KB\d+)", re.split(r"\n\S+ ?\S* ?[(:]", read.text[start.end():])[0]))  # fmt: skip


@needs_samples
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_sample_says_what_its_name_says(path: Path) -> None:
    (record,) = read_file(path)
    known = truth(path.stem)
    assert record.os is not None
    assert record.os.startswith(str(known["family"]))
    assert record.service_pack == known["pack"]
    assert record.architecture == known["architecture"]
    assert record.release == known["release"] if "release" in known else True
    assert record.version is not None
    assert record.version.endswith(f".{record.build}")
    assert {u.id for u in record.updates} >= body(path)
    assert len(body(path)) > 0 or record.updates[0].id == "KB147222"


@needs_samples
def test_the_samples_are_all_there() -> None:
    assert len(FILES) == 29


@needs_samples
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_list_is_whole_or_said_to_be_cut(path: Path) -> None:
    (record,) = read_file(path)
    codes = {n.code for n in record.assumed}
    listed = len(record.updates) + len(record.other_updates)
    assert record.said is not None
    assert listed == record.said or codes & {"cut", "files"}


@needs_samples
def test_the_japanese_fragment_is_read() -> None:
    (record,) = read_file(SAMPLES / "ja-jp_fragment_11_pro_21H2.txt")
    assert (record.os, record.version, record.release) == ("Windows 11 Pro", "10.0.22000", "21H2")
    assert (record.language, record.architecture) == ("ja", "x64")
    assert [u.id for u in record.updates] == ["KB5017264", "KB5012170", "KB5018418", "KB5017850"]


@needs_samples
def test_code_page_850_is_told_by_the_labels() -> None:
    (record,) = read_file(SAMPLES / "7_sp1_x64_enterprise_fr_systeminfo_cmd.txt")
    assert (record.encoding, record.language, record.os) == (
        "CP850", "fr", "Windows 7 Enterprise N",
    )  # fmt: skip
    assert "Name 'Windows 7 Enterprise N', from 'Microsoft Windows 7 Entreprise N'." in [
        n.text for n in record.assumed
    ]


# Made-up machines, written as systeminfo writes in each language

PAGES = {
    "en": ("ascii", "cp437"), "ja": ("cp932",), "de": ("cp850", "cp1252"),
    "fr": ("cp850", "cp1252"), "es": ("cp850", "cp1252"), "it": ("cp850", "cp1252"),
    "nl": ("cp850", "cp1252"), "ru": ("cp866", "cp1251"), "zh": ("cp936",),
    "pt": ("cp850", "cp1252"), "pl": ("cp852", "cp1250"), "ko": ("cp949",),
}  # fmt: skip
WIDE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")
NONE = {
    "en": "N/A Build", "ja": "N/A ビルド", "de": "Nicht zutreffend Build", "fr": "N/A version",
    "es": "N/D Compilación", "it": "N/D build", "nl": "N.v.t. build", "ru": "Н/Д построение",
    "zh": "暂缺 Build", "pt": "N/A compilação", "pl": "N/D Kompilacja", "ko": "N/A 빌드",
}  # fmt: skip
SYSTEMS = {
    ("Windows XP Professional", "5.1", 2600): 3, ("Windows Vista Business", "6.0", 6002): 2,
    ("Windows 7 Professional", "6.1", 7601): 1, ("Windows 8.1 Pro", "6.3", 9600): 0,
    ("Windows 10 Pro", "10.0", 19045): 0, ("Windows 11 Home", "10.0", 22631): 0,
    ("Windows Server 2008 R2 Standard", "6.1", 7601): 1,
    ("Windows Server 2022 Standard", "10.0", 20348): 0,
}  # fmt: skip
BASED = {
    "ja": "{} ベース PC",
    "fr": "PC à base de {}",
    "de": "{}-basierter PC",
    "zh": "基于 {} 的电脑",
}


@dataclass(frozen=True)
class Made:
    """A machine, and how it is written."""

    language: str
    encoding: str
    host: str
    system: tuple[str, str, int]
    wide: bool
    updates: tuple[str, ...]
    spelling: int  # which of the spellings of each label
    colon: str
    localised: bool  # the system type in the language, too
    ends: str

    @property
    def pack(self) -> int:
        return SYSTEMS[self.system]

    def label(self, name: str) -> str:
        spellings = LABELS[self.language][name]
        return spellings[self.spelling % len(spellings)]

    def fields(self) -> list[tuple[str, list[str]]]:
        name, front, build = self.system
        word = NONE[self.language].split(" ")[-1]
        middle = f"Service Pack {self.pack} {word}" if self.pack else NONE[self.language]
        based = BASED.get(self.language, "{}-based PC") if self.localised else "{}-based PC"
        bits = "x64" if self.wide else "X86"
        return [
            (self.label("host"), [self.host]),
            (self.label("os"), [f"Microsoft {name} "]),
            (self.label("version"), [f"{front}.{build} {middle} {build}"]),
            (self.label("owner"), ["KB1234567 Ltd."]),
            (self.label("installed"), ["2019/03/21, 11:28:15"]),
            (self.label("booted"), ["2021/11/12, 9:28:15"]),
            (self.label("type"), [based.format(bits)]),
            (self.label("bios"), ["Example Corporation 10.0.17763, 2018/12/25"]),
            (self.label("memory"), ["4\u00a0096 MB"]),
            (self.label("hotfixes"), [
                f"{len(self.updates)} (x).",
                *(f"[{i:02}]: {u}" for i, u in enumerate(self.updates, 1)),
            ]),
            (self.label("cards"), ["1 (x).", "[01]: KB7654321 Ethernet", "      [01]: 192.0.2.9"]),
        ]  # fmt: skip

    def text(self) -> str:
        lines = [""]
        for label, values in self.fields():
            lines.append(f"{label + self.colon:<34} {values[0]}")
            lines += [" " * 35 + value for value in values[1:]]
        return self.ends.join([*lines, ""])

    def table(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=self.ends)
        writer.writerow([label for label, _ in self.fields()])
        writer.writerow([",".join(values) for _, values in self.fields()])
        return out.getvalue()


@st.composite
def machines(draw: st.DrawFn) -> Made:
    language = draw(st.sampled_from(sorted(LABELS)))
    encoding = draw(st.sampled_from((*PAGES[language], *WIDE)))
    system = draw(st.sampled_from(sorted(SYSTEMS)))
    numbers = draw(st.lists(st.integers(100_000, 5_999_999), max_size=6, unique=True))
    wide_colon = language in ("ja", "zh") and draw(st.booleans())
    return Made(
        language=language,
        encoding=encoding,
        host="PC-" + draw(st.text("ABC0189-", min_size=1, max_size=9)),
        system=system,
        wide=draw(st.booleans()) or "11" in system[0] or "Server" in system[0],
        updates=tuple(f"KB{n}" for n in numbers),
        spelling=draw(st.integers(0, 3)),
        colon="：" if wide_colon else ":",
        localised=draw(st.booleans()),
        ends=draw(st.sampled_from(("\r\n", "\n"))),
    )


def written(made: Made, text: str) -> bytes:
    return text.encode(made.encoding, "strict" if made.encoding.startswith("utf") else "replace")


def compare(record: Record, made: Made) -> None:
    name, front, build = made.system
    assert record.machine == made.host
    assert record.os == name
    assert (record.version, record.build) == (f"{front}.{build}", str(build))
    assert record.service_pack == made.pack
    assert record.architecture == ("x64" if made.wide else "x86")
    assert tuple(u.written for u in record.updates) == made.updates
    assert record.installed == "2019-03-21"
    assert record.said == len(made.updates)


XP = Made("ja", "cp932", "PC-01", ("Windows XP Professional", "5.1", 2600), False,
          ("KB961371", "KB973346"), 2, ":", True, "\r\n")  # fmt: skip
SEVEN = Made("ja", "utf-16-le", "PC-02", ("Windows 7 Professional", "6.1", 7601), True,
             ("KB976902",), 0, "：", False, "\r\n")  # fmt: skip
TEN = Made("ja", "cp932", "PC-03", ("Windows 10 Pro", "10.0", 19045), True,
           ("KB5012117", "KB5003791"), 1, ":", False, "\r\n")  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(machines())
@example(XP)
@example(SEVEN)
@example(TEN)
def test_any_machine_in_any_language_and_encoding_is_read_back(made: Made) -> None:
    (record,) = read_source(of_bytes("made.txt", written(made, made.text())))
    compare(record, made)


@settings(max_examples=40, deadline=None)
@given(machines())
def test_the_csv_form_says_the_same(made: Made) -> None:
    (record,) = read_source(of_bytes("made.csv", written(made, made.table())))
    compare(record, made)


@settings(max_examples=40, deadline=None)
@given(machines(), st.randoms(use_true_random=False))
def test_without_any_known_label_place_and_shape_are_enough(made: Made, random: object) -> None:
    lines = []
    for number, (label, values) in enumerate(made.fields()):
        lines.append(f"{'Qx' + str(number) + ' ' + 'zw' * (number + 1)}:  {values[0]}")
        lines += ["         " + value for value in values[1:]]
        del label
    (record,) = read_source(of_bytes("made.txt", "\r\n".join(lines).encode()))
    assert record.language is None
    assert (record.machine, record.os) == (made.host, made.system[0])
    assert record.service_pack == made.pack
    assert tuple(u.written for u in record.updates) == made.updates
    assert "language-unknown" in {n.code for n in record.assumed}


HEAD = (
    "Host Name:                 PC\r\nOS Name:                   Microsoft Windows 7 Enterprise \r\n"
    "OS Version:                {version}\r\nSystem Type:               x64-based PC\r\n"
    "Hotfix(s):                 {hotfixes}\r\nNetwork Card(s):           1 NIC(s) Installed.\r\n"
    "                           [01]: KB5555555 Card\r\n"
)


def made_of(version: str = "6.1.7601 Service Pack 1 Build 7601", hotfixes: str = "N/A") -> Record:
    text = HEAD.format(version=version, hotfixes=hotfixes)
    (record,) = read_source(of_bytes("x.txt", text.encode()))
    return record


CUT = [
    ("[01]: KB976902\r\n    [02]: KB12345", ["KB976902"], "KB12345"),
    ("[01]: KB976902\r\n    [02]: KB123456", ["KB976902"], "KB123456"),
    ("[01]: KB976902\r\n    [02]: KB1234567", ["KB976902", "KB1234567"], ""),
    ("[01]: KB976902\r\n    [02]: K", ["KB976902"], "K"),
    ("[01]: KB976902\r\n    [02]", ["KB976902"], ""),
    ("[01]: KB976902\r\n    [0", ["KB976902"], ""),
]


@pytest.mark.parametrize(("listed", "kept", "left"), CUT)
def test_an_entry_that_may_be_cut_off_does_not_count(
    listed: str, kept: list[str], left: str
) -> None:
    record = made_of(hotfixes=f"133 Hotfix(s) Installed.\r\n    {listed}")
    assert [u.id for u in record.updates] == kept
    texts = {n.code: n.text for n in record.assumed}
    assert "133 are said" in texts["cut"]
    assert (f"'{left}'" in texts.get("cut-entry", "")) is bool(left)


ENTRIES = [
    ("KB961371-v2", "KB961371", "KB961371-v2", 2),
    ("KB893803v2 - Update", "KB893803", "KB893803v2", 2),
    ("KB2834904-v2_WM11", "KB2834904", "KB2834904-v2_WM11", 2),
    ("KB2510531-IE8 - Update", "KB2510531", "KB2510531-IE8", None),
    ("Q147222", "KB147222", "Q147222", None),
    ("943729", "KB943729", "943729", None),
]


@pytest.mark.parametrize(("entry", "number", "kept", "release"), ENTRIES)
def test_every_spelling_of_an_update_is_kept_and_numbered(
    entry: str, number: str, kept: str, release: int | None
) -> None:
    record = made_of(hotfixes=f"1 Hotfix(s) Installed.\r\n    [01]: {entry}")
    (update,) = record.updates
    assert (update.id, update.written, update.release) == (number, kept, release)


def test_a_name_of_a_network_card_is_no_update() -> None:
    assert made_of().updates == ()


VERSIONS = [
    ("5.1.2600 Build 2600", "2600", 0),
    ("5.1.2600 Service Pack 2, v.2180 Build 2600", "2600", 2),
    ("6.1.7601 Szervizcsomag 1 verzió 7601", "7601", 1),
    ("10.0.22631 N/A Build 22631", "22631", 0),
    ("10.0.19044 N/A Build\r\n19044", "19044", 0),
]


@pytest.mark.parametrize(("version", "build", "pack"), VERSIONS)
def test_service_packs_are_read_from_the_version(version: str, build: str, pack: int) -> None:
    record = made_of(version=version)
    assert (record.build, record.service_pack) == (build, pack)


def test_lost_indentation_and_entries_on_lines_of_their_own_are_read() -> None:
    record = made_of(hotfixes="2 Hotfix(s) Installed.\r\n[01]:\r\n   KB976902\r\n[02]: KB958488")
    assert [u.id for u in record.updates] == ["KB976902", "KB958488"]


def test_a_text_of_several_machines_as_csv_gives_a_record_of_each() -> None:
    made = (XP, TEN)
    rows = made[0].table() + made[1].table().split("\r\n", 1)[1]
    records = read_source(of_bytes("all.csv", rows.encode("cp932", "replace")))
    assert [r.machine for r in records] == ["PC-01", "PC-03"]
    assert [r.os for r in records] == ["Windows XP Professional", "Windows 10 Pro"]
