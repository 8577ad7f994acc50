from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.errors import ConfigError
from sakimori.takedown.notify.letter import House, Subscriber, render
from sakimori.takedown.notify.tokens import SHAPE, token_of
from sakimori.takedown.notify.visits import count

if TYPE_CHECKING:
    from collections.abc import Callable

    from syrupy.assertion import SnapshotAssertion

    from sakimori.takedown.notify.events import VictimEvent

SECRET = b"0123456789abcdef" * 2
TOKEN = token_of(SECRET, "192.0.2.10")
HOUSE = House(
    organisation="Example Net", address="https://clean.example.net/v", phone="0120-000-000",
    about="9-17", timezone=ZoneInfo("Asia/Tokyo"), timezone_name="Asia/Tokyo",
)  # fmt: skip


class Page(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.links += [str(v) for name, v in attrs if name in ("href", "src", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="session")
def user(event: Callable[..., VictimEvent]) -> Subscriber:
    return Subscriber(events=(event(), event(60, seen="honeypot", port=None)), token=TOKEN)


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_letter_reads_as_it_did(user: Subscriber, lang: str, snapshot: SnapshotAssertion) -> None:
    page = Page(render(user, HOUSE, (lang,)))
    lines = [line.strip() for line in page.text.split("\n")]
    shown = "\n".join(line for line in lines if line and "{" not in line and "}" not in line)
    assert shown == snapshot


@pytest.mark.parametrize("kind", ["letter", "page"])
def test_a_page_is_whole_and_runs_nothing(user: Subscriber, kind: str) -> None:
    html = render(user, HOUSE, ("ja", "en"), kind)
    page = Page(html)
    assert not {"script", "img", "iframe", "form", "link", "object"} & set(page.tags)
    assert not [a for a in page.attributes if a.startswith("on")]
    own = f"https://clean.example.net/v/{TOKEN}"
    assert set(page.links) == ({own} if kind == "page" else set())
    assert page.text.count(own) == 2
    assert not re.findall(r"url\(|@import", html)
    assert "default-src 'none'" in html
    assert html.startswith('<!DOCTYPE html>\n<html lang="ja">')
    assert page.tags.count("article") == 2


def test_times_are_in_the_reader_s_zone(user: Subscriber) -> None:
    text = Page(render(user, HOUSE, ("ja",))).text
    assert "2026-03-01 19:00:00" in text
    assert "Asia/Tokyo" in text


def test_a_long_list_is_cut_and_says_so(event: Callable[..., VictimEvent]) -> None:
    events = tuple(event(n) for n in range(14))
    text = Page(render(Subscriber(events=events, token=TOKEN), HOUSE, ("en",))).text
    assert "and 4 more times" in text


HOSTILE = st.text(min_size=1, max_size=60) | st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}", "{% raw %}",
     "javascript:alert(1)", "http://evil.example/", "\u202egpj.exe", "</style><b>"]
)  # fmt: skip


@settings(deadline=None, max_examples=50)
@given(family=HOSTILE, name=HOSTILE, organisation=HOSTILE)
def test_hostile_text_adds_no_tag_and_no_link(
    event: Callable[..., VictimEvent], family: str, name: str, organisation: str
) -> None:
    house = House(organisation=organisation, address="https://c.example/v", timezone=UTC)
    plain = Subscriber(events=(event(family="x"),), token=TOKEN, name="x")
    evil = Subscriber(events=(event(family=family),), token=TOKEN, name=name)
    tame = House(organisation="x", address="https://c.example/v", timezone=UTC)
    good, bad = Page(render(plain, tame, ("en",))), Page(render(evil, house, ("en",)))
    assert bad.tags == good.tags
    assert bad.links == good.links
    assert "\u202e" not in bad.text


@pytest.mark.parametrize("address", ["javascript:x", "clean.example", "https://", "https://x/?a=1"])
def test_an_address_of_no_use_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="no web address"):
        House(organisation="x", address=address, timezone=UTC)


def test_a_letter_needs_a_kind_and_an_event(user: Subscriber) -> None:
    with pytest.raises(ConfigError, match="no kind"):
        render(user, HOUSE, kind="poem")
    with pytest.raises(ConfigError, match="at least one event"):
        render(Subscriber(events=(), token=TOKEN), HOUSE)


@given(st.binary(min_size=32, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_tokens_are_steady_differ_and_can_be_typed(secret: bytes, one: str, two: str) -> None:
    assert re.fullmatch(SHAPE, token_of(secret, one))
    assert token_of(secret, one) == token_of(secret, one)
    assert (token_of(secret, one) == token_of(secret, two)) == (one == two)
    assert token_of(secret, one) != token_of(secret + b"x", one)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ConfigError, match="too few"):
        token_of(b"short", "x")


def line(
    path: str, at: str = "01/Mar/2026:19:00:00 +0900", method: str = "GET", status: int = 200
) -> str:
    return f'203.0.113.9 - - [{at}] "{method} {path} HTTP/1.1" {status} 512 "-" "Browser/1.0"'


OTHER = token_of(SECRET, "192.0.2.99")


def test_visits_are_counted_by_token_and_nothing_else_is_kept() -> None:
    log = [
        line(f"/v/{TOKEN}"), line(f"/v/{TOKEN}/?utm=1", "02/Mar/2026:10:00:00 +0000"),
        line(f"/v/{OTHER}"),
    ]  # fmt: skip
    found = count(log, {TOKEN, OTHER})
    one = next(v for v in found.visits if v.token == TOKEN)
    assert (one.count, one.first, one.last) == (
        2, datetime(2026, 3, 1, 10, tzinfo=UTC), datetime(2026, 3, 2, 10, tzinfo=UTC),
    )  # fmt: skip
    assert found.share == 1.0
    assert "203.0.113.9" not in repr(found)
    assert "Browser" not in repr(found)


@pytest.mark.parametrize(
    "entry",
    [
        line(f"/v/{TOKEN}", method="HEAD"), line(f"/v/{TOKEN}", status=404), line("/v/short"),
        line(f"/v/{TOKEN}.png"), line("/"), line(f"/v/{TOKEN.upper()}"),
    ],
)  # fmt: skip
def test_what_is_no_visit_is_not_counted(entry: str) -> None:
    assert count([entry], {TOKEN}).visits == ()


def test_guessed_tokens_and_lines_that_are_none_are_told() -> None:
    found = count([line(f"/v/{OTHER}"), "no log line", line(f"/v/{TOKEN}", "99/Foo/2026")], {TOKEN})
    assert (found.visits, found.unknown, found.unread, found.share) == ((), 1, 2, 0.0)
    assert count([line(f"/v/{OTHER}")]).share is None


@given(st.lists(st.text(max_size=120), max_size=5))
def test_nothing_in_a_log_breaks_counting(lines: list[str]) -> None:
    found = count(lines, {TOKEN})
    assert found.unread <= len(lines)
