from __future__ import annotations

import pytest
import yara_x
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.endpoint.scan import _split

MZ = frozenset({b"MZ"})


def heads(condition: str) -> frozenset[bytes] | None:
    return _split.heads_of(tuple(_split.tokens(condition)))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("uint16(0) == 0x5a4d", MZ),
        ("uint16(0)==0x5A4D and filesize < 1MB and all of them", MZ),
        ("( uint16(0) == 0x5a4d and 1 of ($x*) ) and $a", MZ),
        ("0x5a4d == uint16(0) and $a", MZ),
        ("uint16be(0) == 0x4d5a", MZ),
        ("uint16(0x0) == 23117", MZ),
        ("pe.is_pe and $a", MZ),
        ('pe.imphash() == "a"', MZ),
        ('$a and (pe.is_64bit() or pe.exports("x"))', MZ),
        ('pe.version_info["a"] contains "b" or pe.number_of_sections > 2', MZ),
        ("for any i in (0..pe.number_of_signatures) : ( pe.signatures[i].issuer == $a )", MZ),
        ('pe.imports("a.dll") == 0', None),
        ("not pe.is_dll()", None),
        ("pe.is_pe == 0", None),
        ("pe.imphash() != $a", None),
        ("defined pe.timestamp", None),
        ("filesize < 1KB and (uint32(0) == 0x464c457f)", frozenset({b"\x7fE"})),
        ("uint16(0) == 0x5a4d or uint32be(0) == 0x7f454c46", frozenset({b"MZ", b"\x7fE"})),
        ("(uint16(0) == 0x5a4d or $a) and uint16(0) == 0x4b50", frozenset({b"PK"})),
        ("$a and (/* uint16(0) == 0x5a4d or */ uint16(0) == 0x4b50)", frozenset({b"PK"})),
        ("uint16(0) == 0x5a4d or $a", None),
        ("not uint16(0) == 0x5a4d and $a", None),
        ("uint16(0) != 0x5a4d", None),
        ("uint16(uint32(0x3C)) == 0x4550", None),
        ("uint16(2) == 0x5a4d", None),
        ("uint8(0) == 0x4d", None),
        ("uint16(0) == 0x15a4d", None),
        ("uint16(0) == 0x5a4d and $a or $b", None),
        ("for any i in (0..3) : ( uint16(0) == 0x5a4d and $a )", None),
        ("any of them", None),
        ("", None),
    ],
)
def test_a_beginning_is_told_only_where_the_condition_needs_it(
    condition: str, expected: frozenset[bytes] | None
) -> None:
    assert heads(condition) == expected


SOURCE = r"""import "pe"
rule program : tag { meta: a = "condition: }" strings: $a = "x{" condition: uint16(0) == 0x5a4d and $a }
// rule no { condition: true }
private rule each { strings: $h = { 4D [2-4] ( 5A | 5B ) } $r = /rule b \{ c"/ condition: $h or $r }
rule archive
{
    condition:
        uint16(0) == 0x4b50
}
"""


def test_rules_go_where_their_files_go_and_stay_on_their_lines() -> None:
    parts = {part.heads: part.text for part in _split.split(SOURCE)}
    assert set(parts) == {None, MZ, frozenset({b"PK"})}
    for part in parts.values():
        assert part.count("\n") == SOURCE.count("\n")
        yara_x.compile(part)
    where = {head: [r.name for r in _split.rules_of(part) or []] for head, part in parts.items()}
    assert where == {None: ["each"], MZ: ["program"], frozenset({b"PK"}): ["archive"]}
    line = SOURCE[: SOURCE.index("rule archive")].count("\n")
    assert parts[frozenset({b"PK"})].split("\n")[line] == "rule archive"


def test_a_part_imports_what_it_uses_and_tells_which_names_it_asks_for() -> None:
    source = (
        'import "pe"\nimport "math"\n'
        "rule a { condition: uint16(0) == 0x5a4d and pe.number_of_sections > 3 }\n"
        'rule b { condition: math.entropy(0, 9) > 7 and filename == "x" and hash.md5 == owner }\n'
    )
    parts = {part.heads: part for part in _split.split(source)}
    assert 'import "pe"' in parts[MZ].text
    assert 'import "math"' not in parts[MZ].text
    assert parts[None].text.startswith(" " * 11 + '\nimport "math"\n')
    assert {"filename", "owner", "math"} <= parts[None].words
    assert not {"md5", "entropy", "pe"} & parts[None].words


@pytest.mark.parametrize(
    "source",
    [
        "global rule g { condition: filesize > 1 } rule a { condition: uint16(0) == 0x5a4d }",
        "rule a { condition: uint16(0) == 0x5a4d } rule b { condition: a and filesize > 1 }",
        "rule a1 { condition: uint16(0) == 0x5a4d } rule b { condition: any of (a*) }",
        'include "other.yar" rule a { condition: uint16(0) == 0x5a4d }',
        "rule a { condition: uint16(0) == 0x5a4d } rule a { condition: true }",
        "rule a { condition: uint16(0) == 0x5a4d",
        "rule",
        "",
    ],
    ids=["global", "names a rule", "names rules", "include", "twice", "open", "half", "empty"],
)
def test_a_source_that_must_stay_together_does(source: str) -> None:
    (part,) = _split.split(source)
    assert (part.heads, part.text) == (None, source)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet='rule condition:{}"/\\*()=xA1 \n', max_size=120))
def test_any_text_is_cut_without_losing_lines(text: str) -> None:
    for part in _split.split(text):
        assert part.text.count("\n") == text.count("\n")


ATOMS = (
    "uint16(0) == 0x5a4d", "uint16be(0) == 0x504b", "uint32(0) == 0x464c457f", "$a", "filesize > 3",
    "pe.is_pe", "pe.timestamp >= 0", "pe.number_of_sections == 0", 'pe.imphash() == ""', "pe.is_dll()",
    'pe.imports("a.dll")', 'pe.imports("a.dll") == 0', "not pe.is_dll()", 'pe.exports("a")',
    "pe.is_pe == 0", "for any i in (0..pe.number_of_signatures) : ( true )", "pe.is_dll() == 0",
    "for all i in (0..pe.number_of_sections) : ( true )", "pe.entry_point != 1", "not uint16(0) == 0x5a4d", "uint8(0) == 0x4d", "uint16(0) != 0x4b50",
)  # fmt: skip
CONDITIONS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.tuples(inner, st.sampled_from((" and ", " or ")), inner, st.booleans()).map(
        lambda t: f"({t[0]}{t[1]}{t[2]})" if t[3] else f"{t[0]}{t[1]}{t[2]}"
    ),
    max_leaves=6,
)
FILES = (b"", b"M", b"MZ and a", b"MZxx", b"PK\3\4a", b"\x7fELF a", b"a text", b"other")


@settings(max_examples=25, deadline=None)
@given(CONDITIONS)
def test_a_rule_never_matches_a_file_that_it_would_not_be_asked_about(condition: str) -> None:
    known = heads(condition)
    rule = yara_x.compile(
        f'import "pe" rule r {{ strings: $a = "a" condition: {condition} or ($a and false) }}'
    )
    for data in FILES:
        if rule.scan(data).matching_rules:
            assert known is None or data[:2] in known
