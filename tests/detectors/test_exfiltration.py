from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import exfiltration
from sakimori.detectors.exfiltration import Config

Row = dict[str, Any]
HOST, PEER = "10.0.0.5", "203.0.113.9"
MB = 1_000_000
DAY = 86_400.0


@pytest.fixture(scope="session")
def upload(row: Any) -> Any:
    """`upload(40 * MB, 1 * MB)`: one connection with so much sent and received."""

    def make(sent: int, received: int, at: float = 0.0, **more: Any) -> list[Row]:
        columns = {"src_ip": HOST, "dst_ip": PEER, "dst_port": 4321, "src_pkts": None, **more}
        return [row("conn", at, src_bytes=sent, dst_bytes=received, **columns)]

    return make


@pytest.fixture(scope="session")
def browsing(row: Any) -> Any:
    """`browsing()`: the host asks for names and goes where they lead."""

    def make(host: str = HOST) -> dict[str, list[Row]]:
        places = [f"198.51.100.{n}" for n in range(1, 9)]
        return {
            "dns": [row("dns", 0.0, src_ip=host, query="a.example", answers=[p]) for p in places],
            "conn": [
                row("conn", 1.0, src_ip=host, dst_ip=p, src_bytes=900, dst_bytes=90_000)
                for p in places
            ],
        }

    return make


def test_much_sent_to_an_uncommon_port_is_reported(hunt: Any, upload: Any) -> None:
    (finding,) = hunt(exfiltration, conn=upload(60 * MB, MB))
    assert (finding["host"], finding["peer"], finding["peer_port"]) == (HOST, PEER, 4321)
    assert (finding["shape"], finding["sent"], finding["received"]) == ("bulk", 60 * MB, MB)
    assert finding["score"] == pytest.approx(0.7)
    assert finding["named"] is None
    assert len(finding["evidence"]) == finding["count"] == 1


def test_an_address_that_no_name_led_to_weighs_more(hunt: Any, upload: Any, browsing: Any) -> None:
    seen = browsing()
    (unnamed,) = hunt(exfiltration, conn=seen["conn"] + upload(60 * MB, MB), dns=seen["dns"])
    assert (unnamed["named"], unnamed["score"]) == (False, pytest.approx(1.0))
    led = [{**seen["dns"][0], "answers": [PEER]}]
    (named,) = hunt(exfiltration, conn=seen["conn"] + upload(60 * MB, MB), dns=seen["dns"] + led)
    assert (named["named"], named["score"]) == (True, pytest.approx(0.7))


def test_a_name_in_tls_is_a_name(hunt: Any, row: Any, upload: Any, browsing: Any) -> None:
    seen = browsing()
    hello = [row("tls", 1.0, src_ip=HOST, dst_ip=PEER, server_name="cloud.example")]
    rows = seen["conn"] + upload(60 * MB, MB, dst_port=443)
    (bare,) = hunt(exfiltration, conn=rows, dns=seen["dns"])
    assert bare["score"] == pytest.approx(0.6)
    assert hunt(exfiltration, conn=rows, dns=seen["dns"], tls=hello) == []


@pytest.mark.parametrize(
    ("sent", "received", "columns"),
    [
        pytest.param(60 * MB, 40 * MB, {}, id="as-much-comes-back"),
        pytest.param(MB, 0, {}, id="little"),
        pytest.param(60 * MB, MB, {"dst_port": 443}, id="a-backup-cloud"),
        pytest.param(60 * MB, MB, {"dst_port": 22}, id="git-push"),
        pytest.param(60 * MB, MB, {"proto": "udp"}, id="a-call"),
        pytest.param(60 * MB, MB, {"dst_ip": "10.0.0.9"}, id="inside"),
        pytest.param(60 * MB, MB, {"src_ip": "198.51.100.1"}, id="between-strangers"),
        pytest.param(60 * MB, 0, {"dst_pkts": 0}, id="a-flood-nobody-answers"),
        pytest.param(60 * MB, None, {"dst_pkts": None}, id="answers-not-known"),
        pytest.param(None, MB, {}, id="bytes-not-known"),
        pytest.param(60 * MB, MB, {"src_pkts": 20}, id="sequence-numbers-gone-wrong"),
    ],
)
def test_other_uploads_are_no_theft(
    hunt: Any, upload: Any, sent: int, received: int, columns: Row
) -> None:
    assert hunt(exfiltration, conn=upload(sent, received, **columns)) == []


def test_seeding_to_many_peers_is_no_theft(hunt: Any, upload: Any) -> None:
    rows = [
        r
        for n in range(1, 8)
        for r in upload(60 * MB, MB, dst_ip=f"203.0.113.{n}", dst_port=20_000 + n)
    ]
    assert hunt(exfiltration, conn=rows) == []
    assert len(hunt(exfiltration, conn=rows[: Config().many_peers])) == Config().many_peers


def test_a_backup_of_every_night_is_no_theft(hunt: Any, upload: Any) -> None:
    nights = [r for n in range(5) for r in upload(60 * MB, MB, at=n * DAY)]
    assert hunt(exfiltration, conn=nights) == []
    assert len(hunt(exfiltration, conn=nights[:2])) == 1


def test_a_peer_of_every_host_is_no_theft(hunt: Any, upload: Any) -> None:
    rows = [r for n in range(30) for r in upload(60 * MB, MB, src_ip=f"10.0.1.{n}")]
    assert hunt(exfiltration, conn=rows) == []


def quiet_days(upload: Any, days: int) -> list[Row]:
    return [
        r
        for n in range(days)
        for r in upload(200_000 + 1000 * n, 9000, n * DAY, dst_ip="198.51.100.7", dst_port=443)
    ]


def test_far_outside_the_own_past_counts_on_a_common_port(hunt: Any, upload: Any) -> None:
    burst = upload(80 * MB, MB, at=5 * DAY, dst_port=443)
    assert hunt(exfiltration, conn=quiet_days(upload, 2) + burst) == []
    (finding,) = hunt(exfiltration, conn=quiet_days(upload, 6) + burst)
    assert (finding["peer"], finding["unusual"]) == (PEER, pytest.approx(1.0))
    assert finding["score"] == pytest.approx(0.5)


def test_what_others_send_too_is_not_unusual(hunt: Any, upload: Any) -> None:
    others = [
        r
        for n in range(12)
        for r in upload(200_000, 9000, src_ip=f"10.0.1.{n}", dst_ip=f"198.51.100.{n}", dst_port=443)
    ]
    burst = upload(80 * MB, MB, at=5 * DAY, dst_port=443)
    past = quiet_days(upload, 6)
    (finding,) = hunt(exfiltration, conn=past + others + burst)
    assert (finding["host"], finding["score"]) == (HOST, pytest.approx(0.5))
    large = [{**r, "src_bytes": 70 * MB} for r in others]
    assert hunt(exfiltration, conn=past + large + burst) == []


def test_the_first_day_of_a_backup_is_no_theft(hunt: Any, upload: Any) -> None:
    others = [r for n in range(12) for r in upload(200_000, 9000, src_ip=f"10.0.1.{n}")]
    assert hunt(exfiltration, conn=others + upload(80 * MB, MB, dst_port=443)) == []


@pytest.fixture(scope="session")
def asks_own_address(row: Any) -> Any:
    """`asks_own_address("dns", at)`: the host asks what its public address is."""

    def make(table: str, at: float = 0.0) -> dict[str, list[Row]]:
        column = {"dns": "query", "tls": "server_name", "http": "host"}[table]
        asked = {column: "api.ipify.org", "src_ip": HOST, "dst_ip": "198.51.100.80"}
        return {table: [row(table, at, **asked)]}

    return make


@pytest.mark.parametrize("table", ["dns", "tls", "http"])
def test_files_put_on_ftp_after_asking_for_the_own_address(
    hunt: Any, upload: Any, asks_own_address: Any, table: str
) -> None:
    rows = upload(140, 600, 30.0, dst_port=21) + upload(533, 0, 31.0, dst_port=44_523)
    (finding,) = hunt(exfiltration, conn=rows, **asks_own_address(table))
    assert (finding["shape"], finding["peer_port"], finding["count"]) == ("report-ftp", 21, 2)
    assert finding["score"] == pytest.approx(0.9)
    assert hunt(exfiltration, conn=rows) == []
    assert hunt(exfiltration, conn=rows, **asks_own_address(table, at=60.0)) == []
    assert hunt(exfiltration, conn=rows, **asks_own_address(table, at=-601.0)) == []


def test_a_file_fetched_by_ftp_is_none(hunt: Any, upload: Any, asks_own_address: Any) -> None:
    rows = upload(140, 600, 30.0, dst_port=21) + upload(1, 90_000, 31.0, dst_port=44_523)
    assert hunt(exfiltration, conn=rows, **asks_own_address("dns")) == []


def test_mail_after_asking_for_the_own_address(
    hunt: Any, upload: Any, asks_own_address: Any
) -> None:
    mail = upload(900, 430, 20.0, dst_port=587)
    (finding,) = hunt(exfiltration, conn=mail, **asks_own_address("tls"))
    assert (finding["shape"], finding["score"]) == ("report-mail", pytest.approx(0.85))
    inbox = upload(500, 80_000, 25.0, dst_port=993)
    assert hunt(exfiltration, conn=mail + inbox, **asks_own_address("tls")) == []


def test_a_stealers_archive_after_asking_for_the_own_address(
    hunt: Any, upload: Any, asks_own_address: Any
) -> None:
    archive = upload(400_000, 3000, 90.0, dst_port=15_647)
    (finding,) = hunt(exfiltration, conn=archive, **asks_own_address("dns"))
    assert (finding["shape"], finding["score"]) == ("report-other", pytest.approx(0.8))
    assert hunt(exfiltration, conn=archive) == []
    common = upload(400_000, 3000, 90.0, dst_port=443)
    assert hunt(exfiltration, conn=common, **asks_own_address("dns")) == []


def post(row: Any, sent: int, received: int, **more: Any) -> list[Row]:
    columns = {"src_ip": HOST, "dst_ip": PEER, "host": PEER, "method": "POST", **more}
    return [row("http", 5.0, req_bytes=sent, resp_bytes=received, **columns)]


def test_bodies_sent_to_a_bare_address(hunt: Any, row: Any) -> None:
    (finding,) = hunt(exfiltration, http=post(row, 3 * MB, 40))
    assert (finding["shape"], finding["peer_port"]) == ("web", 80)
    assert finding["score"] == pytest.approx(0.9)
    assert finding["evidence"]


@pytest.mark.parametrize(
    ("sent", "received", "columns"),
    [
        pytest.param(3 * MB, 40, {"host": "upload.example"}, id="a-name"),
        pytest.param(3 * MB, 40, {"host": None}, id="host-not-known"),
        pytest.param(3 * MB, 2 * MB, {}, id="as-much-comes-back"),
        pytest.param(50_000, 40, {}, id="little"),
        pytest.param(3 * MB, 40, {"dst_ip": "10.0.0.9", "host": "10.0.0.9"}, id="inside"),
        pytest.param(None, 40, {}, id="bytes-not-known"),
    ],
)
def test_other_requests_are_no_theft(
    hunt: Any, row: Any, sent: int, received: int, columns: Row
) -> None:
    assert hunt(exfiltration, http=post(row, sent, received, **columns)) == []


def test_a_peer_is_reported_once_with_the_strongest_shape(hunt: Any, row: Any, upload: Any) -> None:
    rows = upload(60 * MB, MB)
    (finding,) = hunt(exfiltration, conn=rows, http=post(row, 3 * MB, 40))
    assert finding["shape"] == "web"


@settings(max_examples=10, deadline=None)
@given(sent=st.integers(1, 10**11), received=st.integers(0, 10**10), seed=st.integers(0, 99))
def test_the_score_is_a_share_that_grows_with_what_was_sent(
    hunt: Any, upload: Any, sent: int, received: int, seed: int
) -> None:
    rows = quiet_days(upload, 3) + upload(sent, received)
    Random(seed).shuffle(rows)
    found = hunt(exfiltration, conn=rows)
    more = hunt(exfiltration, conn=quiet_days(upload, 3) + upload(2 * sent, received))
    assert all(Config().min_score <= f["score"] <= 1 for f in found)
    assert sum(f["score"] for f in found) <= sum(f["score"] for f in more) + 1e-9


@pytest.mark.parametrize(
    "bad", [{"min_bulk": 10**9}, {"min_web": 10**9}, {"after_s": 0}, {"min_report": 0}], ids=str
)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)
