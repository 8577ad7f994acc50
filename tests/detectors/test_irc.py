from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import irc
from sakimori.detectors.irc import Config

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = dict[str, Any]
HOST, PEER, PORT = "10.0.0.5", "203.0.113.9", 6667
ALONE = 3.9  # nats that one kind of evidence needs before a host is suspected
DEAD = {"state": "S0", "dst_pkts": 0, "duration": 3.0, "src_bytes": 0, "dst_bytes": 0}
HELD = {"state": "S1", "duration": 900.0, "src_bytes": 2000, "dst_bytes": 3000, "src_pkts": 40,
        "dst_pkts": 40}  # fmt: skip


@pytest.fixture(scope="session")
def said(row: Any) -> Any:
    """`said(nick, (command, value, extra), ...)`: one host's commands, NICK and JOIN first."""

    def make(nick: str, *lines: tuple[str, str, str | None], **more: Any) -> list[Row]:
        place = {"src_ip": HOST, "dst_ip": PEER, "dst_port": PORT, "uid": "C1", **more}
        every = [("NICK", nick, None), ("USER", "u", None), ("JOIN", "#room", None), *lines]
        return [
            row("irc", float(n), command=c, value=v, extra=x, nick=nick, **place)
            for n, (c, v, x) in enumerate(every)
        ]

    return make


@pytest.fixture(scope="session")
def lines(row: Any) -> Any:
    """`lines(HELD, DEAD, ...)`: connections of the host to the server, 30 s apart."""

    def make(*each: Row, **more: Any) -> list[Row]:
        place = {"src_ip": HOST, "dst_ip": PEER, "dst_port": PORT, **more}
        return [row("conn", n * 30.0, **{**place, **one}) for n, one in enumerate(each)]

    return make


def nats(finding: Row) -> float:
    return float(finding["score"] * irc.WEIGHT)


@pytest.mark.parametrize(
    "nick",
    [
        "[DEU|XP|4821]", "{USA}x86-77412", "|00|USA|XP|SP2|48213", "n[LIN|A]773", "USA|48213377",
        "[NEW]-9921", "[x86]KDJ84", "XP-48213", "bot[4821]", "BRA|W7|18273", "kx829173",
        "wqzxkrtp", "A7K2PQ9",
    ],
)  # fmt: skip
def test_a_nickname_made_by_a_program_is_told(hunt: Any, said: Any, nick: str) -> None:
    (finding,) = hunt(irc, irc=said(nick))
    assert finding["made_nick"]
    assert finding["nick"] == nick
    assert finding["score"] == pytest.approx(0.55)


@pytest.mark.parametrize(
    "nick",
    [
        "bob", "bob_", "alice|away", "jean-luc", "[Tux]", "Guest48291", "qwebirc12345", "mib_a8f2",
        "xXdragonXx", "john1987", "M4rk", "Schwartz", "R2D2", "_nils_", "user-4821", "webchat482913",
    ],
)  # fmt: skip
def test_a_persons_nickname_is_not(hunt: Any, said: Any, lines: Any, nick: str) -> None:
    (finding,) = hunt(irc, irc=said(nick), conn=lines(HELD, HELD, service="irc"))
    assert not finding["made_nick"]
    assert finding["score"] == pytest.approx(0.2)
    assert nats(finding) < ALONE


@pytest.mark.parametrize(
    "text",
    [
        ".advscan lsass 200 5 0 -r", "!ddos 198.51.100.7 80 60", ".download http://a.example/x.exe",
        "@udpflood 198.51.100.7 1000", "$scan 22", ".update http://b.example/y", "!* UDP 198.51.100.7",
        "!KD SH uname -a", "-visit http://c.example", "~botkill", "now: .http.get http://d.example",
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["PRIVMSG", "NOTICE", "TOPIC", "332"])
def test_orders_are_read_in_messages_and_topics(
    hunt: Any, said: Any, command: str, text: str
) -> None:
    (finding,) = hunt(irc, irc=said("bob", (command, "#room", text)))
    assert (finding["orders"], finding["order"]) == (1, text)
    assert finding["score"] == pytest.approx(0.65)


@pytest.mark.parametrize(
    "text",
    [
        "hello there", "!help", ".seen alice", "!weather Berlin", "see udp(7) for that",
        "I got it. download it from a.example", "the update is out!", "http://a.example/scan",
        "!rules", "@bob: run it again", "10% udp loss", "e-mail me",
    ],
)  # fmt: skip
def test_talk_is_no_order(hunt: Any, said: Any, text: str) -> None:
    (finding,) = hunt(irc, irc=said("bob", ("PRIVMSG", "#room", text)))
    assert finding["orders"] == 0


def test_an_order_word_in_a_channel_name_is_no_order(hunt: Any, said: Any) -> None:
    (finding,) = hunt(irc, irc=said("bob", ("JOIN", ".download", ".download x")))
    assert finding["orders"] == 0


def test_a_bot_with_orders_is_past_doubt(hunt: Any, said: Any) -> None:
    (finding,) = hunt(irc, irc=said("[DEU|XP|4821]", ("332", "#room", ".advscan 22")))
    assert finding["score"] == pytest.approx(1.0)
    assert (finding["peer"], finding["peer_port"], finding["proto"]) == (PEER, PORT, "tcp")
    assert finding["seen_in"] == "commands"
    assert finding["evidence"] == ["C1"]


def test_a_key_and_an_odd_port_add(hunt: Any, said: Any) -> None:
    (plain,) = hunt(irc, irc=said("bob"))
    (keyed,) = hunt(irc, irc=said("bob", ("JOIN", "#room", "secret")))
    (odd,) = hunt(irc, irc=said("bob", dst_port=4258))
    assert keyed["keyed"]
    assert keyed["score"] == odd["score"] == pytest.approx(plain["score"] + 0.1)


def test_nicknames_of_one_shape_at_one_server_add(hunt: Any, said: Any) -> None:
    def shared(*nicks: str) -> list[int]:
        rows = [r for n, nick in enumerate(nicks) for r in said(nick, src_ip=f"10.0.0.{n}")]
        return sorted(f["same_shape"] for f in hunt(irc, irc=rows))

    assert shared("ab-12", "xyz-9", "q-4444") == [3, 3, 3]
    assert shared("ab-12", "xyz_9") == [1, 1]
    assert shared("alice", "bob") == [1, 1]


@pytest.mark.parametrize("broken", [DEAD, {**HELD, "duration": 5.0}], ids=["dead", "brief"])
def test_reconnecting_for_ever_counts(hunt: Any, lines: Any, broken: Row) -> None:
    found = [
        hunt(irc, conn=lines(*[broken] * tries, service="irc")) for tries in (10, 40, 200, 400)
    ]
    scores = [f[0]["score"] for f in found]
    assert scores == sorted(scores)
    assert scores[0] == pytest.approx(0.2)
    assert scores[2] == scores[3] == pytest.approx(0.65)
    assert found[2][0]["seen_in"] == "connections"
    assert found[2][0]["count"] == 200


def test_reconnecting_to_what_answers_and_stays_does_not(hunt: Any, lines: Any) -> None:
    (finding,) = hunt(irc, conn=lines(*[HELD] * 100, *[DEAD] * 99, service="irc"))
    assert finding["score"] == pytest.approx(0.2)


@pytest.mark.parametrize("port", [194, 6660, 6667, 6669, 6697, 7000])
def test_the_port_alone_is_weak(hunt: Any, lines: Any, port: int) -> None:
    assert hunt(irc, conn=lines(*[HELD] * 5, dst_port=port)) == []
    (finding,) = hunt(irc, conn=lines(*[DEAD] * 300, dst_port=port))
    assert finding["score"] == pytest.approx(0.55)
    assert nats(finding) < ALONE


def test_a_quiet_line_that_is_tried_again_is_alike(hunt: Any, lines: Any) -> None:
    (finding,) = hunt(irc, conn=lines(HELD, *[DEAD] * 30, dst_port=4258))
    assert finding["seen_in"] == "flows"
    assert finding["score"] == pytest.approx(0.65)
    (finding,) = hunt(irc, conn=lines(HELD, *[DEAD] * 6, dst_port=4258))
    assert 0.3 < finding["score"] < 0.65
    unknown = {**HELD, "src_pkts": None}
    assert hunt(irc, conn=lines(unknown, *[DEAD] * 30, dst_port=4258)) == []


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param((HELD, *[DEAD] * (Config().tries - 1)), id="hardly-tried-again"),
        pytest.param((HELD, *[HELD] * 9), id="never-broken"),
        pytest.param(([DEAD] * 40), id="never-held"),
        pytest.param(({**HELD, "duration": 179.0}, *[DEAD] * 9), id="held-for-too-short"),
        pytest.param(({**HELD, "dst_bytes": 0}, *[DEAD] * 9), id="one-way"),
        pytest.param(({**HELD, "dst_bytes": 900_000}, *[DEAD] * 9), id="a-download"),
        pytest.param(({**HELD, "src_pkts": 5, "dst_pkts": 5}, *[DEAD] * 9), id="large-packets"),
        pytest.param(({**HELD, "src_bytes": None}, *[DEAD] * 9), id="bytes-not-known"),
    ],
)
def test_other_lines_are_not_alike(hunt: Any, lines: Any, rows: Sequence[Row]) -> None:
    assert hunt(irc, conn=lines(*rows, dst_port=4258)) == []


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"dst_port": 443}, id="web"),
        pytest.param({"dst_port": 5223}, id="push"),
        pytest.param({"dst_port": 3389}, id="remote-desktop"),
        pytest.param({"dst_port": 4258, "proto": "udp"}, id="udp"),
        pytest.param({"dst_port": 4258, "dst_ip": "10.0.0.9"}, id="inside"),
    ],
)
def test_listed_ports_and_others_are_not_alike(hunt: Any, lines: Any, columns: Row) -> None:
    assert hunt(irc, conn=lines(HELD, *[DEAD] * 30, **columns)) == []


def test_commands_of_strangers_are_not_ours(hunt: Any, said: Any) -> None:
    assert hunt(irc, irc=said("[DEU|XP|4821]", src_ip="198.51.100.1")) == []


def test_a_server_that_everybody_uses_weighs_less_without_commands(hunt: Any, lines: Any) -> None:
    rows = [r for n in range(20) for r in lines(*[DEAD] * 50, service="irc", src_ip=f"10.0.0.{n}")]
    assert hunt(irc, conn=rows) == []


@settings(max_examples=12, deadline=None)
@given(
    orders=st.integers(0, 3), keyed=st.booleans(), dead=st.integers(0, 60), odd=st.booleans(),
    seed=st.integers(0, 2**32),
)  # fmt: skip
def test_evidence_adds_up_in_any_order(
    hunt: Any, said: Any, lines: Any, orders: int, keyed: bool, dead: int, odd: bool, seed: int
) -> None:
    port = 4258 if odd else PORT
    more = [("PRIVMSG", "#room", ".scan 22")] * orders + [("JOIN", "#k", "key")] * keyed
    spoken = said("bob", *more, dst_port=port)
    called = lines(*[DEAD] * dead, dst_port=port)
    shuffled = Random(seed)
    shuffled.shuffle(spoken)
    shuffled.shuffle(called)
    (finding,) = hunt(irc, irc=spoken, conn=called)
    assert finding["orders"] == orders
    least = 0.2 + 0.45 * (orders > 0) + 0.1 * keyed + 0.1 * odd
    assert min(least, 1.0) - 1e-9 <= finding["score"] <= min(least + 0.45, 1.0) + 1e-9
    assert (finding["score"] > least + 1e-9) == (dead > Config().few_tries and least < 1)


@pytest.mark.parametrize("bad", [{"few_tries": 200}, {"tries": 30}, {"tries": 0}], ids=str)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)
