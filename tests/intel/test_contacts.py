from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.intel.contacts import Book, Contact, read_book

LINES = [
    "match,mail,name,key,lang,country",
    "192.0.2.0/24,abuse@isp.example,Example ISP,,ja,JP",
    "192.0.2.128/25,soc@campus.example,Campus,AB CD,en,",
    "2001:db8::/32,six@isp.example,,,,",
    "AS64501,abuse@net.example,Net,team.pem,,",
    "example.org,host@example.org,,,,",
    "Big Provider,big@provider.example,,,,",
    "198.51.100.0/24,,Nobody,,,",
    "country:JP,last@cert.example,,,,",
]


@pytest.fixture(scope="module")
def book() -> Book:
    book, rejects = read_book(LINES, "dir/contacts.csv")
    assert rejects == []
    return book


@pytest.mark.parametrize(
    ("asked", "mail"),
    [
        ({"ip": "192.0.2.5"}, "abuse@isp.example"),
        ({"ip": "192.0.2.200"}, "soc@campus.example"),
        ({"ip": "2001:db8:1::1"}, "six@isp.example"),
        ({"ip": "203.0.113.1", "asn": 64501}, "abuse@net.example"),
        ({"ip": "192.0.2.5", "provider": "big provider"}, "big@provider.example"),
        ({"ip": "192.0.2.5", "provider": "Example ISP"}, "abuse@isp.example"),
        ({"ip": "192.0.2.5", "provider": "soc@campus.example"}, "soc@campus.example"),
        ({"ip": "192.0.2.5", "provider": "unknown name"}, "abuse@isp.example"),
        ({"ip": "198.51.100.1"}, ""),
    ],
)
def test_the_narrowest_entry_counts(book: Book, asked: dict[str, object], mail: str) -> None:
    found = book.find(**asked)  # type: ignore[arg-type]
    assert found is not None
    assert found.mail == mail
    assert bool(found.why) == (not mail)


def test_what_is_not_in_the_file_is_not_found(book: Book) -> None:
    assert book.find("203.0.113.1", 64999) is None


def test_names_count_for_what_is_below_them(book: Book) -> None:
    found = book.of_domain("www.Example.org.")
    assert found
    assert found.mail == "host@example.org"
    assert book.of_domain("badexample.org") is None


def test_keys_are_fingerprints_or_paths_beside_the_file(book: Book) -> None:
    campus, net = book.find("192.0.2.200"), book.find("203.0.113.1", 64501)
    assert campus
    assert net
    assert (campus.key, net.key) == ("ABCD", "dir/team.pem")


@pytest.mark.parametrize(
    ("mail", "why"),
    [
        ("abuse@isp.example", ""),
        ("Stop@isp.example", "do-not-mail"),
        ("any@sub.quiet.example", "do-not-mail"),
        ("search@ripe.net", "belongs to the registry"),
        ("abuse@lacnic.net", "belongs to the registry"),
        ("abuse@notlacnic.net", ""),
    ],
)
def test_some_mailboxes_are_never_written_to(mail: str, why: str) -> None:
    book, _ = read_book(["match,mail"], "", ["stop@isp.example", "quiet.example # asked to", ""])
    found = book.checked(Contact(mail=mail))
    assert bool(found.mail) == (not why)
    assert why in found.why


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("10.0.0.1/8,a@b.example,,,,", "host bits"),
        ("AS1,nobody,,,,", "no mail address"),
        ("AS1,a@b.example,,,fr,", "lang is"),
        ("AS1,a@b.example,,,,Japan", "not two letters"),
        (",a@b.example,,,,", "match is empty"),
        ("AS1," + "x" * 140_000 + ",,,,", "field larger than"),
        ('AS1,"a@b.example\nBcc: x@y.example",,,,', "no mail address"),
    ],
)
def test_a_row_that_cannot_be_used_is_put_aside_with_its_line(row: str, why: str) -> None:
    book, rejects = read_book([*LINES[:2], *row.split("\n")])
    assert len(book.networks) == 1
    assert why in rejects[0].reason
    assert rejects[0].line >= 3


def test_a_file_without_the_columns_is_an_error() -> None:
    with pytest.raises(SourceError, match="no column mail"):
        read_book(["match,address"])


@given(st.lists(st.text(max_size=50), max_size=5))
def test_nothing_in_a_file_breaks_reading(rows: list[str]) -> None:
    book, _ = read_book([LINES[0], *"\n".join(rows).split("\n")])
    assert isinstance(book, Book)
