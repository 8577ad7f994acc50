from __future__ import annotations

from hashlib import md5, sha1, sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.endpoint.scan._hashes import Entry, Hashes, read
from sakimori.endpoint.scan._names import family_of
from sakimori.endpoint.scan._sources import Source, Warned

M, S1, S2 = (h(b"x", usedforsecurity=False).hexdigest() for h in (md5, sha1, sha256))


def entries(text: str, name: str = "list.txt") -> list[tuple[str, int, str, int] | str]:
    return [
        e.where if isinstance(e, Warned) else (e.digest.hex(), e.size, e.name, e.line)
        for e in read(Source(name, text.encode()))
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{M}:68:Win.Trojan.Zbot-1-0", (M, 68, "Win.Trojan.Zbot-1-0", 1)),
        (f"{S2}:*:Name:73", (S2, -1, "Name", 1)),
        (f"{S1.upper()}:5:Name\r", (S1, 5, "Name", 1)),
        (f"{M}:68", "l.hdb:1"),
        (f"{M}:-1:Name", "l.hdb:1"),
        (f"{M[1:]}:68:Name", "l.hdb:1"),
        (f"{M}:{'9' * 400}:Name", (M, int("9" * 19), "Name", 1)),
    ],
)
def test_hdb_and_hsb_lines(text: str, expected: Any) -> None:
    assert entries(text, "l.hdb") == [expected]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (S2, (S2, -1, "", 1)),
        (S2.upper(), (S2, -1, "", 1)),
        (f"{S2},Emotet", (S2, -1, "Emotet", 1)),
        (f"{M} Agent Tesla", (M, -1, "Agent Tesla", 1)),
        (f"{S1}\tQakbot\r", (S1, -1, "Qakbot", 1)),
        (f'"{S2}","Emotet"', (S2, -1, "Emotet", 1)),
        (f"{S2}  some file.exe", (S2, -1, "", 1)),
        (f"{S2} *some.exe", (S2, -1, "", 1)),
        (f"\\{S2}  new\\nline", (S2, -1, "", 1)),
        (f"{M}:68:Name", (M, 68, "Name", 1)),
        (f"{M}:*:Name", (M, -1, "Name", 1)),
        (f"\ufeff{M}", (M, -1, "", 1)),
        (f"{M}0", "list.txt:1"),
        ("no hash", "list.txt:1"),
    ],
)
def test_plain_lines(line: str, expected: Any) -> None:
    assert entries(line) == [expected]


def test_comments_and_empty_lines_are_nothing_and_bad_lines_do_not_stop_the_rest() -> None:
    text = f"# a comment\n; another\n// and one\n\n{M}\nbad\n{S1},X"
    assert entries(text) == [(M, -1, "", 5), "list.txt:6", (S1, -1, "X", 7)]


def test_a_table_is_read_by_its_header() -> None:
    text = (
        "################\n"
        '# "first_seen_utc","sha256_hash","md5_hash","sha1_hash","file_name","signature"\n'
        f'"2024-01-01 00:00:00", "{S2}", "{M}", "{S1}", "a, b.exe", "Emotet"\n'
        f'"2024-01-01 00:00:00", "n/a", "{M}", "{S1}", "b.exe", "n/a"\n'
        '"2024-01-01 00:00:00", "n/a", "", "", "b.exe", "n/a"\n'
        "# end\n"
    )
    assert entries(text, "full.csv") == [
        (S2, -1, "Emotet", 3), (S1, -1, "", 4), "full.csv:5",
    ]  # fmt: skip


def test_a_table_may_have_sizes_and_any_delimiter() -> None:
    assert entries(f"size;md5;family\n12;{M};Zeus\n", "a.csv") == [(M, 12, "Zeus", 2)]
    assert entries(f"sha256\n{S2}\n", "a.csv") == [(S2, -1, "", 2)]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["a.hdb", "a.csv", "a.txt"]))
def test_any_bytes_are_read_without_an_error(data: bytes, name: str) -> None:
    for entry in read(Source(name, data)):
        assert isinstance(entry, Warned) or len(entry.digest) in (16, 20, 32)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from([16, 20, 32]), st.integers(-1, 3)),
        max_size=60,
    )
)
def test_a_set_finds_what_a_plain_search_finds(rows: list[tuple[int, int, int]]) -> None:
    def digest(number: int, length: int) -> bytes:
        return sha256(str(number).encode()).digest()[:length]

    text = "\n".join(
        f"{digest(n, length).hex()}:{'*' if size < 0 else size}:N{n}" for n, length, size in rows
    )
    known = Hashes([Source("a.hdb", text.encode())])
    assert len(known) == len(rows)
    for number, length, _ in [*rows, (99, 16, 0)]:
        for size in range(-1, 4):
            expected = {
                f"a.hdb:{at}"
                for at, (n, of, s) in enumerate(rows, 1)
                if (n, of) == (number, length) and s in (-1, size)
            }
            found = known.find([digest(number, length)], size)
            assert {one.source for one in found} == expected
            assert not expected or {16: "md5", 20: "sha1", 32: "sha256"}[length] in known.wanted(
                size
            )


def test_only_the_sizes_of_a_list_are_hashed() -> None:
    known = Hashes([Source("a.hdb", f"{M}:68:A\n{S2}:70:B".encode())])
    assert known.wanted(68) == ("md5",)
    assert known.wanted(70) == ("sha256",)
    assert known.wanted(69) == ()


def test_an_entry_is_what_it_says() -> None:
    assert Entry(b"", -1, "", 1).size == -1


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Win.Trojan.Zbot-1234-0", "Zbot"),
        ("Unix.Malware.Mirai-7", "Mirai"),
        ("Emotet", "Emotet"),
        ("Worm.Mydoom-27", "Worm.Mydoom-27"),
    ],
)
def test_a_family_is_in_the_name_by_clamavs_convention_only(name: str, family: str) -> None:
    assert family_of(name) == family
