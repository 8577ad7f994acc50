"""IRC as bots use it: machine-made nicknames, orders in channels, and sessions that never rest.

Per host, peer and port, from the commands that were logged and from the connections:

    0.2   IRC was recognised (commands logged, or the sensor's word for the connection)
    0.1   only the port is one of IRC's
    +0.35 the host's nickname looks made by a program: a code in brackets or between bars with a
          number ([DEU|XP|4821], {USA}x86-77), three separators with digits, six digits in a row,
          or no word at all (six consonants in a row, or capitals and digits mixed up)
    +0.3  hosts here that log on with nicknames of one shape (letters, digits and separators in the
          same order, digits or separators among them)
    +0.45 orders: attack, scan, download, update, ... after an order mark (. ! @ $ % ~ - !*), in a
          message, a notice or a channel's topic
    +0.1  a channel with a key; +0.1 a port that is not one of IRC's
    +0.45 reconnecting: 10 (0) to 200 (1) connections to that one server, where at least half went
          unanswered or ended within a minute
    alike 0.65 at most, for TCP on an unlisted port (_ports.py) where nothing was recognised: a
          connection of at least `held_s` with small packets in both directions and few bytes per
          minute (0.3), and at least `tries` unanswered or short further tries of the same peer
          (0 to 0.35 for up to 30), as bots with a line protocol of their own have

    score the sum, at most 1, x rarity of the peer when only connections tell

Also finds: people's IRC clients with odd nicknames; bridges and bots that are wanted.
Misses: IRC within TLS, apart from how often it reconnects; one bot with a human nickname whose
channel is silent.
Source: RFC 2812 for the commands; nickname scoring after the idea of Rishi (HotBots 2007).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import ibis
from ibis import _

from sakimori.detectors._common import (
    as_findings,
    network_of,
    outbound,
    ramp,
    rarity,
    was_unanswered,
)
from sakimori.detectors._ports import IRC, held_prior, within

NAME = "irc"
TECHNIQUE = "T1071"  # Application Layer Protocol: ATT&CK has no sub-technique for IRC
KIND = "control"
DOES = ""
WEIGHT = 6.5  # nats at full score; a person's client gets 0.2 to 0.4 of it
READS = {
    "irc": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "nick", "command", "value", "extra",
            "src_inside", "dst_inside"),
    "conn": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "proto", "service", "state", "duration",
             "src_bytes", "dst_bytes", "src_pkts", "dst_pkts", "src_inside", "dst_inside"),
    "prevalence": ("kind", "peer", "hosts", "all_hosts"),
}  # fmt: skip
NEEDS = (("irc.dst_ip",), ("conn.dst_ip", "conn.dst_port"))
DETAILS = {
    "seen_in": "string",  # commands, connections, or flows (nothing recognised: only alike)
    "nick": "string",  # the one that looks most like a program's; hostile text
    "made_nick": "boolean",  # it looks made by a program
    "same_shape": "int64",  # hosts here with nicknames of its shape at this peer
    "orders": "int64",  # messages and topics that look like orders
    "order": "string",  # the first of them; hostile text
    "keyed": "boolean",  # joined a channel with a key
    "tries": "int64",  # connections to the peer and port
    "broken": "float64",  # share of them unanswered or over within a minute; null if not known
    "longest_s": "float64",  # the longest connection
    "hosts": "int64",  # inside hosts that use this peer
    "rarity": "float64",  # 0..1
}
SAYS = (
    "spoke IRC with {peer} port {peer_port} (nickname: {nick}; messages that look like orders:"
    " {orders})"
)
SAYS_IF = {
    "seen_in=connections": "used IRC at {peer} port {peer_port} (connections: {tries})",
    "seen_in=flows": (
        "held a quiet connection to {peer} port {peer_port} for {longest} and connected {tries}"
        " times in all, as bots with an IRC-like protocol do"
    ),
}
INNOCENT = (
    "People chat over IRC, and developers run bots there that are wanted. Those have a few long"
    " connections to a well-known network, and nicknames that are words."
)
ASIDE = (
    "What speaks against a person: messages that look like orders ({orders}), and hosts at this"
    " server whose nicknames have this shape ({same_shape}). Where neither says much, only the"
    " nickname and the number of connections do."
)
ASIDE_IF = {
    "seen_in=connections": (
        "What was said is not known. What counts is the number of connections ({tries}), and how"
        " many hosts here use this server ({hosts})."
    ),
    "seen_in=flows": (
        "The port is none on which known programs hold connections open; hosts here that use the"
        " server: {hosts}. That it is IRC was not recognised."
    ),
}
NEXT = (
    "Read the channel's messages in the capture, if there is one, and find the program on {host}."
)

KEY = ("host", "peer", "peer_port")
WITH_TEXT = ("PRIVMSG", "NOTICE", "TOPIC", "332")
# A code in brackets or bars, then a number somewhere; three separators; a long number; no word.
MADE_NICK = (
    r"^[^A-Za-z0-9]*[\[{(|<][^A-Za-z0-9]*[A-Za-z0-9]{1,8}[\]})|>_-].*[0-9]{2}"
    r"|^[A-Z]{2,3}[|\]}_-]+.*[0-9]{3}"
    r"|[\[{|][A-Za-z0-9.]*[\]}|].*[\]}|].*[0-9]"
    r"|^[A-Za-z]{1,12}[\[{|-][^|]*[0-9]{3,}[\]}]?$"
    r"|[0-9]{6}"
    r"|[bcdfghjklmnpqrstvwxzBCDFGHJKLMNPQRSTVWXZ]{6}"
    r"|^[A-Z]*[0-9]+[A-Z]+[0-9]+[A-Z0-9]{2,}$"
)
# Nicknames that web chats give to people who choose none.
GUEST = r"^(?i:guest|webchat|mib|qwebirc|user|irccloud|kiwi|web|visitor|anon)[-_\[|]?[0-9]+"
WORDS = (
    "advscan|ascan|asc|scan|scanner|scanall|scan\\.start|ddos|dos|flood|udp|tcp|syn|ack|xmas|std|"
    "hold|junk|vse|icmp|ping\\.flood|udpflood|synflood|tcpflood|httpflood|http\\.get|http|"
    "slowloris|supersyn|cflood|wonk|download|dl|wget|update|upd|visit|execute|exec|shell|sh|run|"
    "kill|killall|botkill|uninstall|remove|melt|sysinfo|netinfo|keylog|sniff|spread|"
    "msn\\.spread|usb|rarworm|pstore|getcdkeys|login|threads|socks4|socks5|proxy|redirect|clone|"
    "spoof|patchme|lsass|nick\\.random|google|mail|spam"
)
MARKED = rf"(?:^|\s)(?:[.!@$%~]\*?|!\*\s+|-)(?i:{WORDS})(?:[\s.]|$)"
KAITEN = r"^!\S+\s+[A-Z]{2,12}(?:\s|$)"
ATTACK = r"(?i)(?:advscan|botkill|udpflood|synflood|httpflood|\bddos\b|msn\.spread|pstore|lsass)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as a bot's IRC. Raises ValueError for limits that could match nothing."""

    few_tries: int = 10  # a person reconnects a few times a day
    many_tries: int = 200
    brief_s: float = 60.0  # servers that refuse somebody end within this
    held_s: float = 180.0
    tries: int = 3
    full_tries: int = 30
    small_packet: float = 200.0  # bytes, headers included: PING and PONG are about 70
    per_minute: float = 4_000.0  # bytes both ways
    min_score: float = 0.15

    def __post_init__(self) -> None:
        if not 0 < self.few_tries < self.many_tries or not 0 < self.tries < self.full_tries:
            raise ValueError(
                f"need {self.few_tries=} < {self.many_tries=} and {self.tries=} < {self.full_tries=}"
            )


def detect(irc: ibis.Table, conn: ibis.Table, prevalence: ibis.Table, config: Config) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    said = _said(irc)
    lines = _lines(conn, said, config)
    both = lines.outer_join(said, list(KEY)).view()
    table = both.select(
        **{name: ibis.coalesce(both[name], both[f"{name}_right"]) for name in KEY},
        first_seen=ibis.least(both.first.fill_null(both.first_said), both.first_said.fill_null(both.first)),
        last_seen=ibis.greatest(both.last.fill_null(both.last_said), both.last_said.fill_null(both.last)),
        count=ibis.coalesce(both.tries, both.sessions),
        evidence=ibis.coalesce(both.said_in, both.uids),
        **{name: both[name] for name in (
            "nick", "made_nick", "same_shape", "orders", "order", "keyed", "tries", "broken",
            "longest_s", "recognised", "on_port", "often", "further")},
        spoke=both.first_said.notnull(),
    )  # fmt: skip
    return as_findings(_scored(_common_or_rare(table, prevalence), config), DETAILS)


def _said(irc: ibis.Table) -> ibis.Table:
    """Return one row per host and server with what its commands tell."""
    spoken = irc.filter(irc.src_inside).select(
        "ts", "uid", "nick", "command", "extra", "value", host="src_ip", peer="dst_ip",
        peer_port="dst_port",
    )  # fmt: skip
    text = ibis.coalesce(spoken.extra, spoken.value, "")
    told = spoken.command.isin(WITH_TEXT).fill_null(False)
    is_order = text.re_search(MARKED) | text.re_search(KAITEN) | text.re_search(ATTACK)
    # Of a NICK the value is the new name; of other commands `nick` may be somebody else's.
    name = (spoken.command == "NICK").ifelse(
        ibis.coalesce(spoken.value, spoken.nick), ibis.null("string")
    )
    made = name.re_search(MADE_NICK) & ~name.re_search(GUEST)
    marked = spoken.mutate(
        name=name,
        made=made.fill_null(False),
        ordered=told & is_order.fill_null(False),
        keyed=((spoken.command == "JOIN") & (spoken.extra.length() > 0)).fill_null(False),
        text=text,
    )
    return _with_shapes(
        marked.group_by(KEY).agg(
            first_said=_.ts.min(),
            last_said=_.ts.max(),
            sessions=_.uid.nunique(),
            nick=ibis.coalesce(_.name.min(where=_.made), _.name.min()),
            made_nick=_.made.any(),
            orders=_.ordered.cast("int64").sum(),
            order=_.text.min(where=_.ordered),
            keyed=_.keyed.any(),
            said_in=ibis.array([_.uid.min(), _.uid.max(), _.uid.min(where=_.ordered)]),
        )
    )


def _with_shapes(said: ibis.Table) -> ibis.Table:
    """Add how many hosts log on to one server with nicknames of one shape."""
    letters = said.nick.re_replace("[A-Za-z]+", "a").re_replace("[0-9]+", "0")
    shaped = said.mutate(
        shape=letters.re_search("[^a]").fill_null(False).ifelse(letters, ibis.null("string"))
    )
    alike = shaped.host.nunique().over(group_by=("peer", "peer_port", "shape"))
    return shaped.mutate(same_shape=shaped.shape.notnull().ifelse(alike, 1)).drop("shape")


def _lines(conn: ibis.Table, said: ibis.Table, config: Config) -> ibis.Table:
    """Return one row per host and server with what its connections tell."""
    tcp = outbound(conn).filter(_.proto == "tcp")
    silent = was_unanswered(tcp)
    tcp = tcp.select(
        "ts", "uid", "duration", host="src_ip", peer="dst_ip", peer_port="dst_port",
        recognised=tcp.service.contains("irc").fill_null(False),
        on_port=within(tcp.dst_port, IRC).fill_null(False),
        broken=silent | (tcp.duration < config.brief_s),
        bytes=tcp.src_bytes + tcp.dst_bytes,
        packets=tcp.src_pkts + tcp.dst_pkts,
        both=(tcp.src_bytes > 0) & (tcp.dst_bytes > 0),
    )  # fmt: skip
    held = tcp.duration.fill_null(0.0) >= config.held_s
    # A line protocol keeps both sides' packets small, and says little in a minute.
    quiet = (
        held & tcp.both
        & (tcp.bytes / (tcp.duration / 60) <= config.per_minute)
        & (tcp.bytes <= config.small_packet * tcp.packets)
    )  # fmt: skip
    summed = (
        tcp.mutate(quiet=quiet.fill_null(False))
        .group_by(KEY)
        .agg(
            first=_.ts.min(),
            last=_.ts.max(),
            tries=_.count(),
            recognised=_.recognised.any(),
            on_port=_.on_port.any(),
            broken=_.broken.cast("float64").mean(),
            further=_.broken.cast("int64").sum(),
            longest_s=_.duration.max(),
            quiet=_.quiet.any(),
            uids=ibis.array([_.uid.min(), _.uid.max(), _.uid.min(where=_.quiet)]),
        )
    )
    unlisted = held_prior(summed.peer_port) == 1
    alike = summed.quiet & unlisted & (summed.further >= config.tries)
    worth = summed.recognised | summed.on_port | alike.fill_null(False)
    spoken = said.select(*KEY, spoke=ibis.literal(True))
    table = summed.mutate(worth=worth).left_join(spoken, list(KEY))
    return table.filter(table.worth | table.spoke.notnull()).select(
        *KEY, "first", "last", "tries", "recognised", "on_port", "broken", "longest_s", "uids",
        often=(table.broken >= 0.5).ifelse(_stretch(table.tries, config.few_tries, config.many_tries), 0.0),
        further=_stretch(table.further, config.tries, config.full_tries),
    )  # fmt: skip


def _common_or_rare(table: ibis.Table, prevalence: ibis.Table) -> ibis.Table:
    known = prevalence.filter(_.kind == "address").select("peer", "hosts", "all_hosts")
    nets = prevalence.filter(_.kind == "net").select(net="peer", net_hosts="hosts")
    table = table.left_join(known, "peer").drop("peer_right")
    table = table.mutate(net=network_of(table.peer)).left_join(nets, "net")
    hosts = table.hosts.fill_null(1)
    rare = rarity(ibis.greatest(hosts, table.net_hosts.fill_null(1)), table.all_hosts.fill_null(1))
    return table.mutate(hosts=hosts, rarity=rare)


def _scored(table: ibis.Table, config: Config) -> ibis.Table:
    recognised = table.spoke | table.recognised.fill_null(False)
    on_port = table.on_port.fill_null(within(table.peer_port, IRC)).fill_null(True)
    names = 0.35 * _one(table.made_nick) + 0.3 * _one(table.same_shape >= 2)
    orders = 0.45 * _one(table.orders > 0) + 0.1 * _one(table.keyed) + 0.1 * _one(~on_port)
    often = 0.45 * table.often.fill_null(0.0)
    score = ibis.cases(
        (recognised, ibis.least(0.2 + names + orders + often, 1.0)),
        (on_port, 0.1 + often),
        else_=0.3 + 0.35 * table.further.fill_null(0.0),
    )
    told = _one(table.made_nick) + _one(table.orders > 0) + _one(table.same_shape >= 2)
    seen_in = ibis.cases(
        (table.spoke, "commands"), (recognised | on_port, "connections"), else_="flows"
    )
    scored = table.mutate(
        seen_in=seen_in,
        score=score * (told > 0).ifelse(1.0, table.rarity),
        orders=table.orders.fill_null(0),
        same_shape=table.same_shape.fill_null(0),
        proto=ibis.literal("tcp"),
        evidence=table.evidence.filter(lambda uid: uid.notnull()).unique().sort(),
    )
    return scored.filter(_.score >= config.min_score)


def _stretch(number: Any, low: int, high: int) -> Any:
    """Return 0 to 1 on a logarithmic scale."""
    return ramp(ibis.greatest(number, 1).ln(), math.log(low), math.log(high))


def _one(flag: Any) -> Any:
    """Return 1 for true; 0 for false and not known."""
    return flag.fill_null(False).ifelse(1.0, 0.0)
