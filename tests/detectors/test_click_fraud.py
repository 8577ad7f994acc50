"""Clicks without a page view."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import click_fraud

BOT, READER = "10.0.0.5", "10.0.0.6"
AD = "203.0.113.9"


@pytest.fixture(scope="session")
def clicks(row: Any) -> Any:
    """`clicks(60, host=BOT)`: links from pages never opened, all sent on."""

    def make(count: int, host: str = BOT, **more: Any) -> list[Any]:
        return [
            row("http", n * 70.0, **{
                "src_ip": host, "dst_ip": AD, "host": f"ad{n % 9}.example", "uri": f"/c?id={n}",
                "referrer": f"http://page{n % 20}.example/", "user_agent": "Old/4.0",
                "status": 302, **more,
            })
            for n in range(count)
        ]  # fmt: skip

    return make


@pytest.fixture(scope="session")
def reading(row: Any) -> Any:
    """`reading(40)`: pages, the parts of each from other hosts, and one click on each page."""

    def make(count: int, host: str = READER, **more: Any) -> list[Any]:
        rows = []
        for n in range(count):
            at, page = n * 60.0, f"site{n}.example"
            base = {"src_ip": host, "dst_ip": AD, "user_agent": "Browser/1", "status": 200, **more}
            rows.append(row("http", at, **base, host=page, mime="text/html"))
            ref = f"http://{page}/"
            rows += [
                row("http", at + 1, **base, host="cdn.example", uri=f"/{n}.png", referrer=ref),
                row("http", at + 2, **base, host="api.example", mime="application/json",
                    referrer=ref),
                row("http", at + 9, **{**base, "status": 302}, host="ad1.example", referrer=ref),
            ]  # fmt: skip
        return rows

    return make


def test_clicks_without_pages_are_found(hunt: Any, clicks: Any, reading: Any) -> None:
    (found,) = hunt(click_fraud, http=clicks(60) + reading(40))
    assert (found["host"], found["count"], found["targets"], found["pages"]) == (BOT, 60, 9, 20)
    assert found["score"] > 0.6
    assert found["alone"] == 1
    assert found["sent_on"] == 1
    assert found["agent"] == "Old/4.0"
    assert found["examples"] == [f"ad{n}.example" for n in range(9)]
    assert found["peer"] is None
    assert len(found["evidence"]) == 20


def test_a_bot_in_a_readers_machine_is_told_by_its_agent(
    hunt: Any, clicks: Any, reading: Any
) -> None:
    (found,) = hunt(click_fraud, http=clicks(60, READER) + reading(300))
    assert found["agent"] == "Old/4.0"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"referrer": "https://page.example/"}, id="secure page may be hidden"),
        pytest.param({"referrer": None}, id="no referrer"),
        pytest.param({"referrer": "-"}, id="no address"),
        pytest.param({"method": "POST"}, id="a form"),
        pytest.param({"mime": "image/png"}, id="parts of a page"),
        pytest.param({"uri": "/pixel.GIF?x=1"}, id="parts of a page by name"),
        pytest.param({"host": "ad.example", "referrer": "http://page.example/"}, id="one site"),
        pytest.param({"src_ip": "198.51.100.1"}, id="outside"),
    ],
)
def test_what_is_no_click(hunt: Any, clicks: Any, change: dict[str, Any]) -> None:
    assert hunt(click_fraud, http=clicks(60, **change)) == []


def test_readers_are_left_alone(hunt: Any, reading: Any) -> None:
    assert hunt(click_fraud, http=reading(200)) == []


@pytest.mark.parametrize(
    "opening",
    [
        pytest.param({}, id="by typing it in"),
        pytest.param({"user_agent": "Old/4.0"}, id="by the same program"),
        pytest.param({"referrer": "http://other.example/"}, id="by a link in another program"),
    ],
)
def test_a_page_that_was_opened_was_read(
    hunt: Any, clicks: Any, row: Any, opening: dict[str, Any]
) -> None:
    given = {"src_ip": BOT, "dst_ip": AD, "user_agent": "Browser/1", "status": 200, **opening}
    met = [row("http", n, **{**given, "host": f"page{n}.example"}) for n in range(20)]
    assert hunt(click_fraud, http=clicks(60) + met) == []


def test_where_a_click_lands_is_no_page_that_was_opened(hunt: Any, clicks: Any, row: Any) -> None:
    landing = [
        row("http", n * 70.0 + 1, src_ip=BOT, dst_ip=AD, host=f"page{n % 20}.example",
            user_agent="Old/4.0", referrer=f"http://page{(n + 7) % 20}.example/", status=200)
        for n in range(60)
    ]  # fmt: skip
    (found,) = hunt(click_fraud, http=clicks(60) + landing)
    assert found["alone"] == 1


def test_a_page_whose_parts_were_fetched_was_opened(hunt: Any, clicks: Any, row: Any) -> None:
    parts = [
        row("http", n, src_ip=BOT, dst_ip=AD, host="cdn.example", uri=f"/{n}.js",
            referrer=f"http://page{n}.example/")
        for n in range(20)
    ]  # fmt: skip
    assert hunt(click_fraud, http=clicks(60) + parts) == []


def test_another_host_that_opened_the_page_proves_nothing(hunt: Any, clicks: Any, row: Any) -> None:
    met = [row("http", n, src_ip=READER, dst_ip=AD, host=f"page{n}.example") for n in range(20)]
    assert len(hunt(click_fraud, http=clicks(60) + met)) == 1


def test_where_agents_are_not_told_any_visit_opens(hunt: Any, clicks: Any, row: Any) -> None:
    landing = [
        row("http", n, src_ip=BOT, dst_ip=AD, host=f"page{n}.example",
            referrer="http://else.example/")
        for n in range(20)
    ]  # fmt: skip
    assert hunt(click_fraud, http=clicks(60, user_agent=None) + landing) == []


def test_a_status_that_is_not_known_weighs_between(hunt: Any, clicks: Any) -> None:
    scores = [
        hunt(click_fraud, http=clicks(100, status=status))[0]["score"]
        for status in (200, None, 302)
    ]
    assert scores == sorted(scores)
    assert len(set(scores)) == 3


def test_some_links_of_opened_pages_weigh_it_down(hunt: Any, clicks: Any, reading: Any) -> None:
    plain = hunt(click_fraud, http=clicks(60))[0]["score"]
    mixed = hunt(click_fraud, http=clicks(60) + reading(4, BOT, user_agent="Old/4.0"))[0]["score"]
    assert mixed < plain


@settings(max_examples=10, deadline=None)
@given(count=st.integers(0, 400))
def test_more_clicks_never_score_less(hunt: Any, clicks: Any, count: int) -> None:
    def score(n: int) -> float:
        found = hunt(click_fraud, http=clicks(n))
        return float(found[0]["score"]) if found else 0.0

    fewer, more = score(count), score(count + 20)
    assert 0 <= fewer <= more <= 1


@pytest.mark.parametrize(
    "limits",
    [{"min_clicks": 1}, {"min_clicks": 150}, {"min_alone": 1.0}, {"min_alone": -0.1}],
)
def test_limits_that_match_nothing_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        click_fraud.Config(**limits)
