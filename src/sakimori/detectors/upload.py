"""Small uploads as thieves of passwords make them: by FTP, by handed-in mail, by a chat's bot service.

By FTP, per host and outside server, from the conversations on port 21 and the transfers beside them
(passive: other ports of the same server, active: its calls from port 20 back), each transfer told
by which side sent more:

    stores           0.20  something was sent
    only_stores      0.30  and nothing fetched, not even a listing, as people's programs do
    small            0.15  then: half of the transfers are smaller than `small_bytes`
    few              0.10  then: at most `few_files` transfers

By mail, per host and outside server to which it hands mail (ports 587, 465, 25), for hosts that use
at most `few_servers` such servers and take no mail in themselves:

    submits          0.20  it does
    no_mailbox       0.15  and reads no mail anywhere (IMAP, POP)
    one_recipient    0.15  all messages go from one sender to one recipient
    same_subject     0.10  `many` messages or more, with one subject (digits apart)
    names_machine    0.35  the subject names the machine as it named itself to the server

By chat: a program speaks with the service for Telegram's bots (`bot_service`, 0.40).

For all of them:

    again            0.05  `many` times or more
    own_address      0.25  the host also asks a public service for its own address

    score            the sum, at most 1, x rarity of the server in this network, x 0.5 for more than
                     `many_files` transfers or `many_mails` messages: cameras, backups, mail programs

Also finds: cameras, scanners and programs that report by FTP or mail; owners of Telegram bots.
Misses: theft over the web, and mail handed in under encryption where nothing else is told.
Source: RFC 959 (data connections), RFC 6409 (submission), RFC 5321 (EHLO); the points are this
project's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ibis
from ibis import _

from sakimori.detectors._common import as_findings, outbound, sample, was_unanswered, web
from sakimori.detectors._peers import own_address, weighed

NAME = "upload"
TECHNIQUE = "T1048.003"  # Exfiltration Over Unencrypted Non-C2 Protocol; chat: T1567
KIND = "theft"
DOES = "steals"
WEIGHT = 5.0  # nats at full score; see docs/reference/scoring.md
READS = {
    "conn": ("ts", "uid", "src_ip", "src_port", "dst_ip", "dst_port", "proto", "service",
             "state", "src_bytes", "dst_bytes", "dst_pkts", "src_inside", "dst_inside"),
    "mail": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "helo", "sender", "recipients", "subject",
             "src_inside", "dst_inside"),
    "http": ("ts", "uid", "src_ip", "dst_ip", "host", "uri", "method", "user_agent", "src_inside",
             "dst_inside"),
    "tls": ("ts", "uid", "src_ip", "dst_port", "server_name", "src_inside", "dst_inside"),
    "dns": ("ts", "uid", "src_ip", "dst_ip", "query", "src_inside", "dst_inside"),
    "prevalence": ("kind", "peer", "hosts", "all_hosts"),
}  # fmt: skip
NEEDS = (("conn.src_bytes", "conn.dst_bytes"), ("mail.src_ip",), ("tls.server_name",))
REASONS = {  # field to points
    "stores": 0.20, "only_stores": 0.30, "small": 0.15, "few": 0.10, "submits": 0.20,
    "no_mailbox": 0.15, "one_recipient": 0.15, "same_subject": 0.10, "names_machine": 0.35,
    "bot_service": 0.40, "again": 0.05, "own_address": 0.25,
}  # fmt: skip
DETAILS = {
    "reasons": "array<string>",  # those of the list above that hold
    "style": "string",  # ftp, mail or chat: what SAYS depends on
    "sent_bytes": "int64",  # to the server; null where not known
    "subject": "string",  # of a message; null for the rest
    "hosts": "int64",  # inside hosts that use this peer
    "rarity": "float64",  # 0..1
}
SAYS = "sent small pieces of data to {peer} (times: {count})"
SAYS_IF = {
    "style=ftp": "stored files on the FTP server {peer} (transfers: {count})",
    "style=mail": "handed mail to {peer} port {peer_port} (messages or sessions: {count})",
    "style=chat": "spoke with {peer}, the service for Telegram's bots (connections: {count})",
}
INNOCENT = (
    "Cameras, scanners, backups and scripts also store files or send mail by themselves. Hosts"
    " here that use this peer: {hosts}."
)
ASIDE = (
    "No single sign sets it aside, but several come together here. Hosts that use the peer:"
    " {hosts}. A camera or a script is not told apart."
)
ASIDE_IF = {
    "style=ftp": (
        "People who use FTP also list and fetch; this host only stored, or had asked for its own"
        " public address, as thieves do. A camera is not told apart."
    ),
    "style=chat": (
        "The host also asked a public service for its own address, for which the owner of such a"
        " bot has no need, and thieves have."
    ),
}
NEXT = (
    "Look in a packet capture at what was sent to {peer}. If nobody knows it, take the passwords"
    " kept on {host} as stolen and change them from another machine."
)

KEY = ("host", "peer", "peer_port")
SUBMISSION, MAILBOX = (587, 465, 25, 2525), (143, 993, 110, 995)
BOT_SERVICE = "api.telegram.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as theft. Raises ValueError for limits that could match nothing."""

    small_bytes: int = 262_144  # a report is some KB, a picture of the screen some hundred
    few_files: int = 30
    many_files: int = 100
    many: int = 3
    few_servers: int = 3
    many_mails: int = 50
    # A camera without a word about its address makes 0.80 by FTP, or 0.40 when it has been at it
    # for long; a scanner that mails 0.65 at most.
    min_score: float = 0.5

    def __post_init__(self) -> None:
        if min(self.small_bytes, self.few_files, self.many, self.few_servers) < 1:
            raise ValueError("need limits of at least 1")
        if not 0 < self.min_score <= 1:
            raise ValueError(f"need 0 < {self.min_score=} <= 1")


def detect(
    conn: ibis.Table,
    mail: ibis.Table,
    http: ibis.Table,
    tls: ibis.Table,
    dns: ibis.Table,
    prevalence: ibis.Table,
    config: Config,
) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    requests = web(http).select(
        "ts", "uid", host="src_ip", peer="host", path="uri", agent="user_agent"
    )
    curious = own_address(requests, tls, dns).select("host").distinct().mutate(own_address=True)
    ways = ibis.union(_by_ftp(conn, config), _by_mail(conn, mail, config), _by_chat(requests, tls))
    sure = ways.left_join(curious, "host").drop("host_right")
    marked = sure.mutate(
        own_address=sure.own_address.fill_null(False), again=sure["count"] >= config.many
    )
    points = sum((marked[name].ifelse(worth, 0.0) for name, worth in REASONS.items()), 0.0)
    told = weighed(marked.mutate(points=points).filter(_.points >= config.min_score), prevalence)
    names = [told[name].ifelse(name, ibis.null("string")) for name in REASONS]
    doubt = told.busy.ifelse(0.5, 1.0)
    scored = told.mutate(
        score=ibis.least(told.points, 1.0) * told.rarity * doubt,
        reasons=ibis.array(names).filter(lambda name: name.notnull()),
        proto=ibis.literal("tcp"),
    )
    return as_findings(scored.filter(_.score >= config.min_score), DETAILS)


def _way(table: ibis.Table, style: str, flags: dict[str, Any], **columns: Any) -> ibis.Table:
    """Return findings of one way with all reasons; those of other ways do not hold."""
    held = {
        name: flags[name].fill_null(False) if name in flags else ibis.literal(False)
        for name in REASONS
        if name not in ("again", "own_address")
    }
    shared = {"sent_bytes": ibis.null("int64"), "subject": ibis.null("string"),
              "busy": ibis.literal(False), **columns}  # fmt: skip
    return table.select(
        *KEY, "first_seen", "last_seen", "evidence", "count",
        style=ibis.literal(style), **shared, **held,
    )  # fmt: skip


def _gathered(rows: ibis.Table, **measures: Any) -> ibis.Table:
    """Return one row per host and peer with these measures, when it was, and some uids."""
    ranked = rows.mutate(
        rank=ibis.row_number().over(ibis.window(group_by=KEY, order_by=["ts", "uid"]))
    )
    return ranked.group_by(KEY).agg(
        first_seen=_.ts.min(), last_seen=_.ts.max(), evidence=sample(_.uid, _.rank), **measures
    )


def _by_ftp(conn: ibis.Table, config: Config) -> ibis.Table:
    """Return transfers beside an FTP conversation, per host and server."""
    tcp = conn.filter(conn.proto == "tcp")
    outward = outbound(tcp)
    talks = outward.filter((_.dst_port == 21) | (_.service == "ftp"), ~was_unanswered(_))
    talks = talks.select(host="src_ip", peer="dst_ip", port="dst_port").distinct()
    talks = talks.group_by("host", "peer").agg(peer_port=_.port.min())
    passive = outward.filter(
        _.dst_port > 1023, ~_.service.isin(("ftp", "ssl", "http", "ssh")).fill_null(False)
    ).select("ts", "uid", host="src_ip", peer="dst_ip", sent="src_bytes", got="dst_bytes")
    active = tcp.filter(~tcp.src_inside, tcp.dst_inside, tcp.src_port == 20).select(
        "ts", "uid", host="dst_ip", peer="src_ip", sent="dst_bytes", got="src_bytes"
    )
    moved = ibis.union(passive, active).inner_join(talks, ["host", "peer"])
    moved = moved.filter(moved.sent + moved.got > 0)
    stored = moved.sent > moved.got
    moved = moved.mutate(stored=stored, size=stored.ifelse(moved.sent, ibis.null("int64")))
    found = _gathered(
        moved,
        count=_.stored.sum(),
        fetched=(~_.stored).sum(),
        middle=_.size.median(),
        sent_bytes=_.size.sum(),
    )
    stores = found["count"] > 0
    only = stores & (found.fetched == 0)
    flags = {
        "stores": stores,
        "only_stores": only,
        "small": only & (found.middle < config.small_bytes),
        "few": only & (found["count"] <= config.few_files),
    }
    busy = found["count"] > config.many_files
    return _way(found, "ftp", flags, sent_bytes=found.sent_bytes, busy=busy)


def _by_mail(conn: ibis.Table, mail: ibis.Table, config: Config) -> ibis.Table:
    """Return mail that a host hands in to a server outside, as seen on the wire."""
    tcp = conn.filter(conn.proto == "tcp", conn.src_inside)
    sending = outbound(tcp).filter(
        _.dst_port.isin(SUBMISSION), ~was_unanswered(_).fill_null(True), _.src_bytes > 0
    )
    messages = outbound(mail).filter(_.sender.notnull(), _.dst_port.notnull())
    sessions = sending.select("ts", "uid", *_as_peer(sending), "src_bytes", **_no_message())
    told = messages.select(
        "ts", "uid", *_as_peer(messages), src_bytes=ibis.null("int64"),
        message=ibis.literal(True), sender=messages.sender, recipient=messages.recipients[0],
        subject=messages.subject, digitless=messages.subject.re_replace("[0-9]+", "0"),
        machine=_names_machine(messages),
    )  # fmt: skip
    found = _gathered(
        ibis.union(sessions, told),
        messages=_.message.sum(),
        talks=(~_.message).sum(),
        senders=_.sender.nunique(),
        recipients=_.recipient.nunique(),
        subjects=_.digitless.nunique(),
        subject=_.subject.max(),
        machine=_.machine.any(),
        sent_bytes=_.src_bytes.sum(),
    )
    readers = tcp.filter(tcp.dst_port.isin(MAILBOX)).select(host="src_ip").distinct()
    # Who takes mail in is a server of mail, and sends it on as such.
    servers = mail.filter(mail.dst_inside).select(host="dst_ip").distinct()
    used = found.group_by("host").agg(servers=_.peer.nunique())
    found = found.anti_join(servers, "host").inner_join(used, "host")
    found = found.left_join(readers.mutate(reads=True), "host").drop("host_right")
    found = found.filter(_.servers <= config.few_servers)  # more is a mail server, or spam
    found = found.mutate(count=ibis.greatest(found.messages, found.talks))
    flags = {
        "submits": found["count"] > 0,
        "no_mailbox": found.reads.isnull(),
        "one_recipient": (found.senders == 1) & (found.recipients == 1),
        "same_subject": (found.subjects == 1) & (found.messages >= config.many),
        "names_machine": found.machine,
    }
    busy = found["count"] > config.many_mails
    return _way(found, "mail", flags, sent_bytes=found.sent_bytes, subject=found.subject, busy=busy)


def _as_peer(table: ibis.Table) -> tuple[Any, ...]:
    return (
        table.src_ip.name("host"),
        table.dst_ip.name("peer"),
        table.dst_port.name("peer_port"),
    )


def _no_message() -> dict[str, Any]:
    nothing = ibis.null("string")
    return {"message": ibis.literal(False), "sender": nothing, "recipient": nothing,
            "subject": nothing, "digitless": nothing, "machine": ibis.literal(False)}  # fmt: skip


def _names_machine(messages: ibis.Table) -> Any:
    """Whether the subject holds the machine's own name; a full host name is a server's."""
    helo = messages.helo.lower()
    plain = (helo.length() >= 4) & ~helo.contains(".") & ~helo.contains("[") & (helo != "localhost")
    return (plain & messages.subject.lower().contains(helo)).fill_null(False)


def _by_chat(requests: ibis.Table, tls: ibis.Table) -> ibis.Table:
    """Return conversations with the service for bots; people's programs use other names."""
    named = outbound(tls).select("ts", "uid", host="src_ip", peer="server_name")
    calls = ibis.union(requests.select("ts", "uid", "host", "peer"), named)
    calls = calls.filter(_.peer == BOT_SERVICE).mutate(peer_port=ibis.literal(443, "int32"))
    found = _gathered(calls, count=_.count())
    return _way(found, "chat", {"bot_service": found["count"] > 0})
