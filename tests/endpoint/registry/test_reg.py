from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.endpoint.registry.model import Value
from sakimori.endpoint.registry.reg_read import parse_reg, read_reg
from sakimori.endpoint.registry.reg_write import reg_bytes
from sakimori.errors import RefusedError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from sakimori.endpoint.registry.found import HiveRead

V5 = "Windows Registry Editor Version 5.00\r\n\r\n"
KEY = "[HKEY_LOCAL_MACHINE\\SOFTWARE\\A]\r\n"


def wide(text: str) -> bytes:
    return text.encode("utf-16-le") + b"\0\0"


def parse(text: str) -> HiveRead:
    return parse_reg((V5 + KEY + text).encode("utf-16"), "t.reg")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('"a"="Explorer.exe"', Value("a", 1, wide("Explorer.exe"))),
        ('@="x"', Value("", 1, wide("x"))),
        ('""="x"', Value("", 1, wide("x"))),
        ('"a\\"b\\\\c"="d\\"e\\\\f"', Value('a"b\\c', 1, wide('d"e\\f'))),
        ('"a"="one\r\ntwo"', Value("a", 1, wide("one\r\ntwo"))),
        ('"a"="x" ; why', Value("a", 1, wide("x"))),
        ('"a" = "x"', Value("a", 1, wide("x"))),
        ('"a"=dword:0000000A', Value("a", 4, b"\x0a\0\0\0")),
        ('"a"=dword:a', Value("a", 4, b"\x0a\0\0\0")),
        ('"a"=hex:', Value("a", 3, b"")),
        ('"a"=hex:00,fF,7', Value("a", 3, b"\0\xff\7")),
        ('"a"=hex(1):45,00', Value("a", 1, b"E\0")),  # no terminator: kept so
        ('"a"=hex(2):41,00,\\\r\n  42,00,\\ ; c\r\n  00,00', Value("a", 2, wide("AB"))),
        ('"a"=hex(b):01,00,00,00,00,00,00,00,', Value("a", 11, b"\1" + bytes(7))),
        ('"a"=hex(80000012):01', Value("a", 0x80000012, b"\1")),
        ('"値"="日本"', Value("値", 1, wide("日本"))),
    ],
)
def test_a_line_gives_the_bytes_that_regedit_writes(line: str, value: Value) -> None:
    found = parse(line + "\r\n")
    assert found.problems == ()
    assert found.keys[0].values == (value,)


def test_removals_come_first_and_what_is_set_later_stays() -> None:
    found = parse('"a"="1"\r\n"a"=-\r\n"b"=-\r\n"b"="2"\r\n[-HKLM\\SOFTWARE\\Gone]\r\n')
    assert [v.name for v in found.keys[0].values] == ["b"]
    assert found.deleted == (
        ("HKEY_LOCAL_MACHINE\\SOFTWARE\\A", "a"),
        ("HKLM\\SOFTWARE\\Gone", None),
    )


def test_a_removed_key_takes_what_the_file_said_before() -> None:
    found = parse('"a"="1"\r\n[-HKLM\\software\\a]\r\n[HKLM\\SOFTWARE\\A]\r\n"n"="2"\r\n')
    assert [[v.name for v in k.values] for k in found.keys] == [["n"]]


def test_two_sections_of_one_key_are_one() -> None:
    found = parse('"a"="1"\r\n[HKLM\\Software\\a]\r\n"A"="2"\r\n')
    assert [k.path for k in found.keys] == ["HKEY_LOCAL_MACHINE\\SOFTWARE\\A"]
    assert found.keys[0].values == (Value("A", 1, wide("2")),)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("nonsense", 4),
        ('"a"=hex:0g', 4),
        ('"a"=hex:001', 4),
        ('"a"=dword:123456789', 4),
        ('"a"=', 4),
        ('"a"="open', 4),
        ('"ok"="1"\r\n\r\n[HKLM\\X', 6),
        ("[]", 4),
        ('[-HKLM\\X]\r\n"lost"="1"', 5),
        ('"p"="C:\\Windows"', 4),
    ],
)
def test_a_line_that_is_wrong_is_told_with_its_number(text: str, line: int) -> None:
    found = parse(text + '\r\n[HKLM\\B]\r\n"z"="1"\r\n')
    assert found.problems[0].where == f"t.reg:{line}"
    assert "HKLM\\B" in {k.path for k in found.keys}


@pytest.mark.parametrize(
    ("raw", "encoding", "note"),
    [
        ("日本".encode("cp932"), "cp932", ""),
        ("日本".encode(), None, ""),
        (b"\xe9t\xe9", None, "Western"),
    ],
)
def test_version_4_is_read_in_its_code_page(raw: bytes, encoding: str | None, note: str) -> None:
    found = parse_reg(b'REGEDIT4\n[HKLM\\A]\n"a"="' + raw + b'"\n', "t", encoding=encoding)
    text = raw.decode(encoding or ("cp1252" if note else "utf-8"))
    assert found.keys[0].values == (Value("a", 1, wide(text)),)
    assert note in " ".join(found.notes)


def test_version_4_widens_text_in_hexadecimal_and_nothing_else() -> None:
    body = b'REGEDIT4\r\n[HKLM\\A]\r\n"m"=hex(7):93,fa,00,00\r\n"b"=hex:93,fa\r\n'
    found = parse_reg(body, "t", encoding="cp932")
    assert found.keys[0].values == (Value("m", 7, wide("日\0")), Value("b", 3, b"\x93\xfa"))


@pytest.mark.parametrize("raw", [b"", b"MZ\0", b"regf" + bytes(99), b"[HKLM\\A]\r\n", b"\xff\xfe"])
def test_what_is_no_reg_file_is_refused(raw: bytes) -> None:
    with pytest.raises(SourceError, match=r"t\.reg:1: no \.reg file"):
        parse_reg(raw, "t.reg")


def test_a_missing_file_and_a_wrong_encoding_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.reg"):
        read_reg(tmp_path / "gone.reg")
    with pytest.raises(SourceError, match="not klingon"):
        parse_reg(b"REGEDIT4\xff", "t", encoding="klingon")


def test_names_that_a_reg_file_cannot_hold_are_refused() -> None:
    with pytest.raises(RefusedError, match="cannot hold"):
        reg_bytes([("HKLM\\a\nb", [])])
    with pytest.raises(RefusedError, match="cannot hold"):
        reg_bytes([("HKLM\\a", [Value("\0", 1, b"")])])


NAMES = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=("Cs",)), max_size=10)
VALUES = st.builds(
    Value, NAMES, st.sampled_from((0, 1, 2, 3, 4, 7, 11, 0x99)),
    st.binary(max_size=60) | st.text(max_size=10).map(lambda t: t.encode("utf-16-le", "replace") + b"\0\0"),
)  # fmt: skip


@given(st.lists(VALUES, max_size=5, unique_by=lambda v: v.name.upper()))
@settings(max_examples=60, deadline=None)
def test_what_is_written_imports_as_the_same_bytes(values: list[Value]) -> None:
    found = parse_reg(reg_bytes([("HKLM\\SOFTWARE\\A", values)]), "t")
    assert found.problems == ()
    assert list(found.keys[0].values) == values


@given(st.text('[]"=-\\;@:,\r\n ahexdword(17)', max_size=80) | st.text(max_size=60))
@settings(max_examples=80, deadline=None)
def test_any_text_is_read_or_told(text: str) -> None:
    found = parse(text)
    assert all(problem.where.startswith("t.reg:") for problem in found.problems)
