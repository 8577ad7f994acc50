from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import upload
from sakimori.detectors.upload import Config

if TYPE_CHECKING:
    from collections.abc import Iterable

Row = dict[str, Any]
HOST, PEER = "10.0.0.5", "203.0.113.9"
EASY = Config(min_score=0.01)
LIMITS = Config()


@pytest.fixture(scope="session")
def call(row: Any) -> Any:
    """`call(21)`: one answered TCP conversation with a port of PEER."""

    def make(port: int, sent: int | None, got: int | None, at: float = 0.0, **more: Any) -> Row:
        given = {"src_ip": HOST, "dst_ip": PEER, "src_bytes": sent, "dst_bytes": got}
        made: Row = row("conn", at, dst_port=port, **{**given, **more})
        return made

    return make


@pytest.fixture(scope="session")
def store(call: Any) -> Any:
    """`store([500, 600])`: an FTP conversation and one passive transfer of each size."""

    def make(sizes: Iterable[int], **more: Any) -> list[Row]:
        moved = [call(40_000 + n, size, 0, 5.0 + n, **more) for n, size in enumerate(sizes)]
        return [call(21, 130, 600, **more), *moved]

    return make


@pytest.fixture(scope="session")
def message(row: Any) -> Any:
    """`message(subject)`: one message handed to PEER."""

    def make(subject: str | None, at: float = 0.0, **more: Any) -> Row:
        given = {"src_ip": HOST, "dst_ip": PEER, "dst_port": 587, "helo": "DESK-77",
                 "sender": "a@drop.test", "recipients": ["b@drop.test"]}  # fmt: skip
        made: Row = row("mail", at, subject=subject, **{**given, **more})
        return made

    return make


@pytest.fixture(scope="session")
def curious(row: Any) -> list[Row]:
    """A look-up of the own address."""
    return [row("dns", 0.0, src_ip=HOST, query="api.ipify.org")]


def reasons(found: Iterable[Row]) -> list[list[str]]:
    return [sorted(f["reasons"]) for f in found]


def test_a_report_by_ftp_after_a_look_at_the_own_address_is_plain(
    hunt: Any, store: Any, curious: list[Row]
) -> None:
    rows = store([500, 900])
    Random(5).shuffle(rows)
    (finding,) = hunt(upload, conn=rows, dns=curious)
    assert (finding["host"], finding["peer"], finding["peer_port"]) == (HOST, PEER, 21)
    assert (finding["count"], finding["sent_bytes"], finding["style"]) == (2, 1400, "ftp")
    assert finding["score"] == 1.0
    assert reasons([finding]) == [["few", "only_stores", "own_address", "small", "stores"]]
    assert finding["evidence"] == [f"{HOST}@5.000", f"{HOST}@6.000"]
    (alone,) = hunt(upload, conn=rows)
    assert alone["score"] == pytest.approx(0.75)


def test_the_server_calling_back_is_a_transfer_too(hunt: Any, call: Any) -> None:
    back = call(50_000, 0, 700, 3.0, src_ip=PEER, dst_ip=HOST, src_port=20)
    (finding,) = hunt(upload, conn=[call(21, 130, 600), back])
    assert (finding["host"], finding["peer"], finding["sent_bytes"]) == (HOST, PEER, 700)
    assert hunt(upload, EASY, conn=[call(21, 130, 600), {**back, "src_port": 21_000}]) == []


@pytest.mark.parametrize(
    ("control", "transfer"),
    [
        pytest.param({}, {"dst_ip": "203.0.113.10"}, id="another-server"),
        pytest.param({}, {"src_bytes": None}, id="size-not-known"),
        pytest.param({}, {"dst_bytes": None}, id="answer-not-known"),
        pytest.param({}, {"src_bytes": 0}, id="nothing-sent"),
        pytest.param({}, {"proto": "udp"}, id="no-tcp"),
        pytest.param({"state": "S0", "dst_pkts": 0}, {}, id="not-answered"),
        pytest.param({"dst_port": 80}, {}, id="no-ftp"),
        pytest.param({"dst_ip": "10.0.0.9"}, {"dst_ip": "10.0.0.9"}, id="inside"),
    ],
)
def test_other_conversations_are_no_upload(
    hunt: Any, store: Any, control: Row, transfer: Row
) -> None:
    first, moved = store([500])
    assert (
        hunt(upload, EASY, conn=[{**first, **inside(control)}, {**moved, **inside(transfer)}]) == []
    )


def inside(columns: Row) -> Row:
    """Correct the side of a row whose peer is changed."""
    within = str(columns.get("dst_ip", "")).startswith("10.")
    return {**columns, "dst_inside": True} if within else columns


def test_a_sensor_that_names_ftp_is_believed_on_any_port(hunt: Any, store: Any) -> None:
    control, moved = store([500])
    (finding,) = hunt(upload, conn=[{**control, "dst_port": 2121, "service": "ftp"}, moved])
    assert finding["peer_port"] == 2121


@pytest.mark.parametrize(
    ("sizes", "got", "expected"),
    [
        pytest.param([500], 0, ["few", "only_stores", "small", "stores"], id="report"),
        pytest.param([500], 9000, [], id="fetched"),
        pytest.param([9_000_000], 0, ["few", "only_stores", "stores"], id="large"),
        pytest.param([9_000_000, 500, 600], 0,
                     ["again", "few", "only_stores", "small", "stores"], id="most-are-small"),
    ],
)  # fmt: skip
def test_what_is_stored_tells(
    hunt: Any, store: Any, sizes: list[int], got: int, expected: list[str]
) -> None:
    first, *moved = store(sizes)
    rows = [first, *({**m, "dst_bytes": got} for m in moved)]
    assert reasons(hunt(upload, EASY, conn=rows)) == ([expected] if expected else [])


def test_a_person_at_an_ftp_program_lists_and_edits(hunt: Any, store: Any, call: Any) -> None:
    listing = [call(41_000 + n, 0, 800, 30.0 + n) for n in range(3)]
    assert hunt(upload, conn=store([4_000, 90_000, 1_000_000]) + listing) == []


def test_a_camera_at_work_all_day_weighs_less(hunt: Any, store: Any) -> None:
    few, many = LIMITS.few_files, LIMITS.many_files
    (day,) = hunt(upload, conn=store([50_000] * few))
    assert day["score"] == pytest.approx(0.8)
    (more,) = hunt(upload, conn=store([50_000] * (few + 1)))
    assert more["score"] == pytest.approx(0.7)
    assert hunt(upload, conn=store([50_000] * (many + 1))) == []


def test_a_message_that_names_its_machine_is_plain(
    hunt: Any, call: Any, message: Any, curious: list[Row]
) -> None:
    session = call(587, 900, 400)
    (finding,) = hunt(upload, conn=[session], mail=[message("PC_joe/Desk-77")], dns=curious)
    assert (finding["host"], finding["peer"], finding["peer_port"]) == (HOST, PEER, 587)
    assert (finding["score"], finding["style"], finding["count"]) == (1.0, "mail", 1)
    assert (finding["subject"], finding["sent_bytes"]) == ("PC_joe/Desk-77", 900)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param({}, ["names_machine", "no_mailbox", "one_recipient", "submits"], id="all"),
        pytest.param({"subject": "Hello"}, ["no_mailbox", "one_recipient", "submits"], id="letter"),
        pytest.param({"subject": None}, ["no_mailbox", "one_recipient", "submits"], id="unknown"),
        pytest.param({"helo": "desk-77.firm.test", "subject": "on desk-77.firm.test"},
                     ["no_mailbox", "one_recipient", "submits"], id="a-server-of-its-name"),
        pytest.param({"helo": "pc", "subject": "pc"}, ["no_mailbox", "one_recipient", "submits"],
                     id="a-name-too-short"),
        pytest.param({"helo": None}, ["no_mailbox", "one_recipient", "submits"], id="no-name"),
        pytest.param({"sender": None}, [], id="no-transaction"),
        pytest.param({"dst_ip": "10.0.0.25"}, [], id="to-the-own-server"),
        pytest.param({"src_ip": "198.51.100.1"}, [], id="from-outside"),
    ],
)  # fmt: skip
def test_what_a_message_tells(hunt: Any, message: Any, columns: Row, expected: list[str]) -> None:
    subject = columns.get("subject", "x_joe/DESK-77")
    rest = {k: v for k, v in columns.items() if k != "subject"}
    found = hunt(upload, EASY, mail=[message(subject, **rest)])
    assert reasons(found) == ([expected] if expected else [])


def test_one_subject_counts_when_it_comes_again(hunt: Any, message: Any) -> None:
    rows = [message(f"Report {n}", float(n)) for n in range(LIMITS.many)]
    assert "same_subject" in reasons(hunt(upload, EASY, mail=rows))[0]
    assert "same_subject" not in reasons(hunt(upload, EASY, mail=rows[:-1]))[0]
    other = [*rows, message("Else", 9.0)]
    assert "same_subject" not in reasons(hunt(upload, EASY, mail=other))[0]


@pytest.mark.parametrize("mailbox", [143, 993, 110, 995])
def test_people_read_their_mail_too(hunt: Any, call: Any, message: Any, mailbox: int) -> None:
    letters = [message("Hello", n, recipients=[f"friend{n}@far.test"]) for n in range(5)]
    sessions = [call(587, 900, 400, float(n)) for n in range(5)]
    assert hunt(upload, conn=[*sessions, call(mailbox, 10, 900)], mail=letters) == []
    (found,) = hunt(upload, EASY, conn=[*sessions, call(mailbox, 10, 900)], mail=letters)
    assert "no_mailbox" not in found["reasons"]


def test_mail_servers_and_senders_to_many_are_no_thieves(
    hunt: Any, message: Any, curious: list[Row]
) -> None:
    def to(count: int) -> list[Row]:
        return [message("x DESK-77", dst_ip=f"203.0.113.{n}", dst_port=25) for n in range(count)]

    assert hunt(upload, EASY, mail=to(LIMITS.few_servers + 1), dns=curious) == []
    assert len(hunt(upload, mail=to(LIMITS.few_servers), dns=curious)) == LIMITS.few_servers
    taken = message("in", src_ip="198.51.100.1", dst_ip=HOST, dst_port=25)
    assert hunt(upload, EASY, mail=[*to(1), taken], dns=curious) == []


def test_many_mails_weigh_less(hunt: Any, message: Any) -> None:
    rows = [message("x DESK-77", float(n)) for n in range(LIMITS.many_mails + 1)]
    (fewer,) = hunt(upload, mail=rows[:-1])
    assert fewer["score"] == pytest.approx(1.0)
    assert [f["score"] for f in hunt(upload, mail=rows)] == [pytest.approx(0.5)]


def test_mail_under_encryption_alone_is_not_enough(
    hunt: Any, call: Any, curious: list[Row]
) -> None:
    rows = [call(465, 9_000, 4_000, float(n)) for n in range(4)]
    assert hunt(upload, conn=rows) == []
    (finding,) = hunt(upload, conn=rows, dns=curious)
    assert reasons([finding]) == [["again", "no_mailbox", "own_address", "submits"]]


@pytest.mark.parametrize("table", ["tls", "http"])
def test_the_service_for_bots_needs_a_second_reason(
    hunt: Any, row: Any, curious: list[Row], table: str
) -> None:
    column = {"tls": "server_name", "http": "host"}[table]
    rows = [row(table, 1.0, src_ip=HOST, dst_ip=PEER, **{column: "api.telegram.org"})]
    assert hunt(upload, **{table: rows}) == []
    (finding,) = hunt(upload, **{table: rows}, dns=curious)
    assert (finding["peer"], finding["style"]) == ("api.telegram.org", "chat")
    assert finding["score"] == pytest.approx(0.65)
    assert hunt(upload, **{table: [{**rows[0], column: "telegram.org"}]}, dns=curious) == []


def test_a_server_of_everybody_is_no_finding(hunt: Any, store: Any) -> None:
    def rows(hosts: int) -> list[Row]:
        return [r for n in range(hosts) for r in store([500], src_ip=f"10.0.1.{n}")]

    assert len(hunt(upload, conn=rows(2))) == 2
    assert hunt(upload, conn=rows(30)) == []


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 2_000_000), min_size=1, max_size=8))
def test_the_score_of_transfers_is_the_sum_of_the_points(
    hunt: Any, store: Any, sizes: list[int]
) -> None:
    ordered = sorted(sizes)
    half = len(ordered) // 2
    middle = ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
    expected = 0.6 + 0.15 * (middle < LIMITS.small_bytes) + 0.05 * (len(sizes) >= LIMITS.many)
    (finding,) = hunt(upload, EASY, conn=store(sizes))
    assert finding["score"] == pytest.approx(expected)
    assert finding["sent_bytes"] == sum(sizes)


@pytest.mark.parametrize("bad", [{"many": 0}, {"min_score": 0.0}, {"small_bytes": 0}], ids=str)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)
