from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import download
from sakimori.detectors.download import Config

if TYPE_CHECKING:
    from collections.abc import Iterable

Row = dict[str, Any]
HOST, PEER = "10.0.0.5", "203.0.113.9"
BROWSER = "Mozilla/5.0 (X11) Browser/120.0"
EASY = Config(min_score=0.01)
DOS, ELF = "application/x-dosexec", "application/x-executable"


@pytest.fixture(scope="session")
def fetch(row: Any) -> Any:
    """`fetch("/a.exe", mime=...)`: one answered request of a browser."""

    def make(uri: str, at: float = 0.0, **columns: Any) -> Row:
        given = {"src_ip": HOST, "dst_ip": PEER, "host": "get.test", "user_agent": BROWSER,
                 "status": 200}  # fmt: skip
        made: Row = row("http", at, uri=uri, **{**given, **columns})
        return made

    return make


def reasons(found: Iterable[Row]) -> list[list[str]]:
    return [sorted(f["reasons"]) for f in found]


def test_a_gadget_fetching_its_bot_is_as_plain_as_it_gets(hunt: Any, fetch: Any) -> None:
    rows = [
        fetch(f"/bins/x.{name}", n, host=PEER, mime=ELF, user_agent="Wget")
        for n, name in enumerate(("mips", "arm7", "x86", "sh4"))
    ]
    Random(2).shuffle(rows)
    (finding,) = hunt(download, http=rows)
    assert (finding["host"], finding["peer"], finding["peer_port"]) == (HOST, PEER, 80)
    assert (finding["count"], finding["files"], finding["score"]) == (4, 4, 1.0)
    assert (finding["style"], finding["path"]) == ("architecture", "/bins/x.mips")
    assert finding["evidence"] == [f"{HOST}@{float(n):.3f}" for n in range(4)]


@pytest.mark.parametrize(
    ("uri", "columns", "expected"),
    [
        pytest.param("/a.exe", {"mime": DOS}, ["program"], id="program"),
        pytest.param("/a", {"mime": "PE32 executable (GUI)"}, ["program"], id="by-magic"),
        pytest.param("/a.exe", {}, ["program_name"], id="by-name"),
        pytest.param("/a.EXE?x=1", {}, ["program_name"], id="by-name-with-a-query"),
        pytest.param("/a.exe", {"mime": "text/html"}, [], id="a-page-of-that-name"),
        pytest.param("/a.exe", {"status": 404}, [], id="not-there"),
        pytest.param("/a.exe", {"status": None}, ["program_name"], id="answer-not-known"),
        pytest.param("/page.html", {"mime": "text/html"}, [], id="page"),
        pytest.param("/a.bin", {"mime": "application/octet-stream"}, [], id="something"),
        pytest.param("/a.jpg", {"mime": DOS}, ["disguised", "program"], id="disguised"),
        pytest.param("/a.jpg", {"mime": "image/jpeg"}, [], id="picture"),
        pytest.param("/b/arm7", {"mime": ELF}, ["architecture", "program"], id="architecture"),
        pytest.param("/b/x86_64/list", {"mime": "text/plain"}, [], id="mirror-folder"),
        pytest.param("/a.exe", {"mime": DOS, "host": PEER}, ["address_as_host", "program"],
                     id="bare-address"),
        pytest.param("/a.exe", {"mime": DOS, "dst_port": 8081}, ["odd_port", "program"],
                     id="odd-port"),
        pytest.param("/a.exe", {"mime": DOS, "user_agent": "curl/8.0"}, ["program", "tool_agent"],
                     id="tool"),
        pytest.param("/a.exe", {"mime": DOS, "user_agent": "Mozilla/5.0 WindowsPowerShell/5.1"},
                     ["program", "tool_agent"], id="script-engine"),
        pytest.param("/a.exe", {"mime": DOS, "dst_ip": "10.0.0.9", "host": "10.0.0.9"}, [],
                     id="inside"),
    ],
)  # fmt: skip
def test_each_reason_by_itself(
    hunt: Any, fetch: Any, uri: str, columns: Row, expected: list[str]
) -> None:
    found = hunt(download, EASY, http=[fetch(uri, **columns)])
    assert reasons(found) == ([expected] if expected else [])
    if len(expected) == 1:
        assert found[0]["score"] < Config().min_score


def test_no_agent_says_nothing_where_none_is_logged(hunt: Any, fetch: Any) -> None:
    bare = [fetch("/a.exe", mime=DOS, user_agent=None)]
    assert reasons(hunt(download, EASY, http=bare)) == [["program"]]
    others = [fetch("/", 5.0, src_ip="10.0.0.6")]
    assert reasons(hunt(download, EASY, http=bare + others)) == [["no_agent", "program"]]


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({}, id="installer-by-browser"),
        pytest.param({"user_agent": "curl/8.0", "uri": "/install.sh", "mime": "text/x-shellscript"},
                     id="developer"),
        pytest.param({"host": PEER, "user_agent": "Microsoft-Delivery-Optimization/10.0"},
                     id="cache-of-the-system"),
        pytest.param({"user_agent": "Debian APT-HTTP/1.3", "uri": "/pool/x_1.0_amd64.deb",
                      "mime": "application/vnd.debian.binary-package"}, id="package"),
    ],
)  # fmt: skip
def test_what_people_and_systems_fetch_is_no_finding(hunt: Any, fetch: Any, columns: Row) -> None:
    assert hunt(download, http=[fetch(**{"uri": "/setup.exe", "mime": DOS, **columns})]) == []


def test_a_maker_with_many_names_in_use_weighs_less(hunt: Any, fetch: Any, row: Any) -> None:
    rows = [fetch("/u.jpg", mime=DOS, host="dl.maker.example")]
    names = [row("dns", 1.0, src_ip=HOST, query=f"u{n}.maker.example") for n in range(2)]
    (finding,) = hunt(download, http=rows)
    assert (finding["score"], finding["style"]) == (pytest.approx(0.65), "disguised")
    assert len(hunt(download, http=rows, dns=names[:1])) == 1
    assert hunt(download, http=rows, dns=names) == []


def test_a_peer_of_everybody_is_no_finding(hunt: Any, fetch: Any) -> None:
    def rows(hosts: int) -> list[Row]:
        return [fetch("/u.jpg", mime=DOS, src_ip=f"10.0.1.{n}") for n in range(hosts)]

    assert hunt(download, http=rows(30)) == []
    assert [f["hosts"] for f in hunt(download, http=rows(2))] == [2, 2]


def test_a_program_by_ftp_comes_from_its_sender(hunt: Any, row: Any) -> None:
    sent = {"src_ip": PEER, "dst_ip": HOST, "service": "ftp_data", "mime": DOS, "name": "a.exe"}
    (finding,) = hunt(download, files=[row("files", 0.0, **sent)])
    assert (finding["host"], finding["peer"], finding["peer_port"]) == (HOST, PEER, 21)
    assert reasons([finding]) == [["by_ftp", "program"]]
    for other in ({"service": "smb"}, {"src_ip": "10.0.0.9"}, {"src_ip": HOST, "dst_ip": PEER}):
        assert hunt(download, EASY, files=[row("files", 0.0, **{**sent, **other})]) == []


def test_the_log_of_files_tells_what_the_answer_was(hunt: Any, fetch: Any, row: Any) -> None:
    get = fetch("/a.txt", mime="application/octet-stream", host=PEER)
    page = fetch("/b.txt", 1.0, mime="text/plain", host=PEER)
    seen = row("files", 0.0, uid=get["uid"], src_ip=PEER, dst_ip=HOST, service="http", mime=DOS)
    assert hunt(download, EASY, http=[get, page]) == []
    (finding,) = hunt(download, http=[get, page], files=[seen])
    assert (finding["path"], finding["count"]) == ("/a.txt", 1)


@settings(max_examples=12, deadline=None)
@given(st.sets(st.sampled_from(["host", "port", "tool", "picture"])), st.integers(1, 5))
def test_the_score_is_the_sum_of_the_points(
    hunt: Any, fetch: Any, extra: set[str], times: int
) -> None:
    columns: Row = {"mime": DOS}
    columns |= {"host": PEER} if "host" in extra else {}
    columns |= {"dst_port": 7777} if "port" in extra else {}
    columns |= {"user_agent": "curl/8.0"} if "tool" in extra else {}
    ending = "png" if "picture" in extra else "exe"
    rows = [fetch(f"/{n}.{ending}", float(n), **columns) for n in range(times)]
    expected = (
        0.3 + 0.25 * ("host" in extra) + 0.2 * ("port" in extra) + 0.15 * ("tool" in extra)
        + 0.35 * ("picture" in extra) + 0.15 * (times >= 3)
    )  # fmt: skip
    (finding,) = hunt(download, EASY, http=rows)
    assert finding["score"] == pytest.approx(min(1.0, expected))


@pytest.mark.parametrize("bad", [{"many_files": 0}, {"min_score": 0.0}], ids=str)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)
