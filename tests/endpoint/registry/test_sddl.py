from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.endpoint.registry import sddl
from sakimori.endpoint.registry.sids import ALIASES, sid_bytes, sid_text

# O:BA G:SY D:P(A;CI;KA;;;BA), laid out by hand.
BA = bytes.fromhex("01020000000000052000000020020000")
SY = bytes.fromhex("010100000000000512000000")
ACE = struct.pack("<BBHI", 0, 2, 24, 0xF003F) + BA
ACL = struct.pack("<BBHHH", 2, 0, 32, 1, 0) + ACE
RAW = struct.pack("<BBH4I", 1, 0, 0x9004, 52, 68, 0, 20) + ACL + BA + SY


def test_a_descriptor_reads_as_windows_would_write_it() -> None:
    told = sddl.from_bytes(RAW)
    assert told == sddl.Security("BA", "SY", "D:P(A;CI;KA;;;BA)", "")
    assert told.sddl == "O:BAG:SYD:P(A;CI;KA;;;BA)"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "O:BAG:SY",
        "D:",
        "D:NO_ACCESS_CONTROL",
        "D:PARAI(A;OICINPIOID;KA;;;BA)",
        "D:(A;;KR;;;BU)(D;;CCDCLC;;;WD)(A;CIIO;GA;;;CO)(A;;SDGXGWGR;;;AU)",
        "D:(A;;0x120000;;;S-1-5-21-1-2-3-1001)",
        "D:(A;;0x0;;;WD)",
        "S:AI(AU;SAFA;KA;;;WD)",
        "S:(ML;;NWNR;;;LW)",
        "D:(OA;CI;KR;00112233-4455-6677-8899-aabbccddeeff;;BU)",
        "D:(OD;;KR;00112233-4455-6677-8899-aabbccddeeff;99112233-4455-6677-8899-aabbccddeeff;BU)",
        "D:(XA;;KR;;;WD;data:61727478f8)",
        "D:(0x4;CI;data:0011)",
        "S:(RA;;0x0;;;WD;data:1000)",
        "O:S-1-0x010000000000-7",
    ],
)
def test_every_kind_of_entry_comes_back(text: str) -> None:
    assert sddl.parse(text).sddl == text
    again = sddl.from_bytes(sddl.to_bytes(sddl.parse(text)))
    assert again.sddl == text
    assert not again.problem


def test_execute_is_read_for_keys() -> None:
    assert sddl.parse("D:(A;;KX;;;WD)").dacl == "D:(A;;KR;;;WD)"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "too short"),
        (RAW[:60], "cut off"),
        (b"\2" + RAW[1:], "revision"),
        (RAW[:22] + b"\xff\xff" + RAW[24:], "cut off"),
        (RAW[:30] + b"\0\0" + RAW[32:], "entry 1"),
        (RAW[:52] + b"\1\xff" + RAW[54:], "255 parts"),
    ],
)
def test_a_malformed_descriptor_is_told_and_kept_whole(raw: bytes, reason: str) -> None:
    told = sddl.from_bytes(raw)
    assert reason in told.problem
    assert told.dacl == f"raw:{raw.hex()}"
    assert sddl.to_bytes(told) == raw


@pytest.mark.parametrize(
    "text",
    ["X:BA", "O:BAO:BA", "D:(A;;KA;;;ZZZ)", "D:(A;;QQ;;;WD)", "D:(A;;KA;;;WD", "D:Q(A;;KA;;;WD)",
     "D:(A;ZZ;KA;;;WD)", "D:(OA;;KR;1;;BU)", "D:(XA;;KR;;;WD;(a==b))"],
)  # fmt: skip
def test_what_is_no_sddl_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        sddl.parse(text)


def test_every_well_known_name_is_a_sid_and_back() -> None:
    for alias in ALIASES:
        assert sid_text(sid_bytes(alias))[0] == alias


SIDS = st.one_of(
    st.sampled_from(sorted(ALIASES)),
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=15).map(
        lambda parts: "-".join(("S-1-5", *map(str, parts)))
    ),
)
ENTRIES = st.builds(
    lambda kind, flags, mask, sid: f"({kind};{''.join(flags)};0x{mask:x};;;{sid})",
    st.sampled_from(("A", "D", "AU", "ML", "XA", "SP")),
    st.lists(st.sampled_from(("OI", "CI", "NP", "IO", "ID", "SA", "FA")), unique=True),
    st.integers(0, 2**32 - 1),
    SIDS,
)


@given(SIDS, SIDS, st.lists(ENTRIES, max_size=5), st.lists(ENTRIES, max_size=2))
@settings(max_examples=60, deadline=None)
def test_normal_form_survives_bytes(
    owner: str, group: str, dacl: list[str], sacl: list[str]
) -> None:
    told = sddl.parse(f"O:{owner}G:{group}D:PAI{''.join(dacl)}S:{''.join(sacl)}")
    assert sddl.from_bytes(sddl.to_bytes(told)) == told
    assert sddl.parse(told.sddl) == told


@given(st.binary(max_size=200) | st.binary(max_size=120).map(lambda tail: RAW[:20] + tail))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_read_or_told(raw: bytes) -> None:
    told = sddl.from_bytes(raw)
    again = sddl.to_bytes(told)
    assert again == raw if told.problem else sddl.from_bytes(again) == told
