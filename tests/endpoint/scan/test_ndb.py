from __future__ import annotations

import pytest
import yara_x
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.endpoint.scan._ndb import as_yara
from sakimori.endpoint.scan._sources import Source


def matches(line: str, data: bytes) -> bool:
    text, warned = as_yara(Source("a.ndb", line.encode()))
    assert not warned
    return bool(yara_x.compile(text).scan(data).matching_rules)


HEX = b"hello".hex()


@pytest.mark.parametrize(
    ("signature", "hit", "miss"),
    [
        (f"0:*:{HEX}", b"xx hello", b"hallo"),
        (f"0:0:{HEX}", b"hello", b" hello"),
        (f"0:2:{HEX}", b"xxhello", b"xhello"),
        (f"0:2,3:{HEX}", b"xxxxxhello", b"xxxxxxhello"),
        (f"0:EOF-5:{HEX}", b"xx hello", b"hello xx"),
        (f"0:EOF-9,2:{HEX}", b"xxhelloyy", b"xxhelloyyyyyyy"),
        ("0:*:68??6c6c6f", b"hxllo", b"hxlxo"),
        ("0:*:6?656c6c6f", b"oello", b"xello"),
        ("0:*:?8656c6c6f", b"Xello", b"aello"),
        ("0:*:6865*6c6f", b"he" + b"." * 2000 + b"lo", b"lohe"),
        ("0:*:6865{3}6c6f", b"he...lo", b"he..lo"),
        ("0:*:6865{2-4}6c6f", b"he....lo", b"he.....lo"),
        ("0:*:6865{-2}6c6f", b"helo", b"he...lo"),
        ("0:*:6865{2-}6c6f", b"he" + b"." * 99 + b"lo", b"he.lo"),
        ("0:*:6865(6c|7878)6f", b"hexxo", b"hexo"),
        ("0:*:6865!(6c)6f", b"hexo", b"helo"),
        ("0:*:6865[1-2]6c6f", b"he..lo", b"he...lo"),
        (f"1:*:{HEX}", b"MZ hello", b"hello"),
        (f"6:0:7f454c46{{-9}}{HEX}:10:99", b"\x7fELF hello", b"xELF hello"),
        (f"10:*:{HEX}", b"%PDF hello", b"PDF hello"),
    ],
)
def test_a_signature_matches_what_clamav_says_it_does(
    signature: str, hit: bytes, miss: bytes
) -> None:
    assert matches(f"A.B-1:{signature}", hit)
    assert not matches(f"A.B-1:{signature}", miss)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"A:3:*:{HEX}", "target 3 (normalised HTML)"),
        (f"A:7:*:{HEX}", "target 7 (normalised text)"),
        (f"A:99:*:{HEX}", "target 99 (unknown)"),
        (f"A:0:VI:{HEX}", "offset 'VI'"),
        (f"A:0:EP+0:{HEX}", "needs target 1"),
        (f"A:6:S0+0:{HEX}", "target 1 (PE) only"),
        (f"A:0:1,x:{HEX}", "not understood"),
        ("A:0:*:68(B)65", "only bytes"),
        ("A:0:*:68!(6565|6666)65", "more than one byte"),
        ("A:0:*:zz", "not expressible"),
        ("A:0:*:*6865", "begins with a gap"),
        ("A:0:*:68{5-2}65", "not possible"),
        ("A:0:*:68{}65", "not understood"),
        ("A:0:*", "no Name:Target"),
        (":0:*:6868", "no Name:Target"),
    ],
)
def test_what_yara_cannot_say_is_told_with_its_line(line: str, reason: str) -> None:
    text, warned = as_yara(Source("a.ndb", f"# comment\n{line}\nB:0:*:{HEX}\n".encode()))
    assert [(w.where, reason in w.reason) for w in warned] == [("a.ndb:2", True)]
    assert [rule.identifier for rule in yara_x.compile(text)] == ["ndb_3"]


@pytest.mark.parametrize("offset", ["EP+0", "EP-5", "S1+4", "SL+3", "SE0", "EP+0,9", "S0+4,8"])
def test_offsets_of_programs_compile(offset: str) -> None:
    text, warned = as_yara(Source("a.ndb", f"A:1:{offset}:{HEX}".encode()))
    assert not warned
    yara_x.compile(text)


def test_a_hostile_name_stays_within_its_quotes() -> None:
    text, _ = as_yara(Source("a.ndb", f'"}} rule x {{\\é\n:0:*:{HEX}\n" a:0:*:{HEX}'.encode()))
    assert [rule.identifier for rule in yara_x.compile(text)] == ["ndb_3"]


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="0123456789abcdef?*{}-()|![]:,EOFSP+", max_size=60))
def test_any_line_is_a_rule_that_compiles_or_a_warning(text: str) -> None:
    source, warned = as_yara(Source("a.ndb", f"N:{text}".encode()))
    if source and not warned:
        compiler = yara_x.Compiler(relaxed_re_syntax=True)
        compiler.ignore_invalid_rules(True)
        compiler.add_source(source)
        assert all(error["type"] != "SyntaxError" for error in compiler.errors())
