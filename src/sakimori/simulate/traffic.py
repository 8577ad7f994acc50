"""How protocols look on the wire: connections, questions, handshakes, requests, messages."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sakimori.simulate.addresses import Column, texts_of
from sakimori.simulate.events import LINK, Events, Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

QTYPES = {"A": 1, "MX": 15, "TXT": 16, "AAAA": 28, "NULL": 10, "HTTPS": 65, "SRV": 33}
RCODES = {"NOERROR": 0, "SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}
_HISTORY = {
    "SF": "ShADadFf",
    "S0": "S",
    "REJ": "Sr",
    "S1": "ShADad",
    "RSTO": "ShADadR",
    "RSTR": "ShADadr",
    "S2": "ShADadF",
    "S3": "ShADadf",
    "SH": "ShF",
    "OTH": "C",
}
_TCP_HEADERS = 52  # bytes of IP and TCP headers a packet
_UDP_HEADERS = 28
_DNS_HEADERS = 18  # of a question, besides the name
SILENT = ("S0", "OTH")  # states in which nothing came back


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Connections to make, column by column; a single value stands for all.

    `sent` and `received` are payload bytes, `seconds` the duration, `segment` payload bytes a
    packet (small for chatter). In a state without answer only `sent` counts.
    """

    ts: Column
    src: Any
    dst: Any
    port: Any
    proto: Any = "tcp"
    service: Any = "-"
    state: Any = "SF"
    sent: Any = 0
    received: Any = 0
    seconds: Any = 0.05
    segment: Any = 1400
    sport: Any = None  # None: a new one each; of ICMP: the type, and `port` the code


def mapped(column: Column, of: Callable[[str], Any], kind: Any = object) -> Column:
    """Return `of` each value, asking once for each distinct text."""
    known = {value: of(value) for value in dict.fromkeys(column.tolist())}
    return np.array([known[value] for value in column.tolist()] or [], dtype=kind)


def spread(value: Any, count: int, kind: Any = object) -> Column:
    """Return a column of `count` from a column or a single value."""
    return np.broadcast_to(np.asarray(value, dtype=kind), count).copy()


def connections(rng: Generator, flow: Flow) -> Events:
    """Return the connections as a sensor would count them.

    As Zeek does, a connection of one packet has neither duration nor bytes (NaN and -1).
    """
    n = len(flow.ts)
    drawn = rng.integers(49_152, 65_535, n)
    proto, state = spread(flow.proto, n), spread(flow.state, n)
    tcp = proto == "tcp"
    silent = np.isin(state, SILENT) & (proto != "icmp")
    sent, received = spread(flow.sent, n, np.int64), spread(flow.received, n, np.int64)
    received[silent | (state == "REJ")] = 0
    sent[tcp & (silent | (state == "REJ"))] = 0
    out, back = _packets(sent, received, spread(flow.segment, n, np.int64), tcp)
    _without_talk(rng, state, tcp, out, back)
    seconds = spread(flow.seconds, n, np.float64)
    single = out + back == 1
    frame = {
        "ts": np.asarray(flow.ts, dtype=np.float64),
        "src": spread(flow.src, n),
        "sport": drawn if flow.sport is None else spread(flow.sport, n, np.int64),
        "dst": spread(flow.dst, n),
        "dport": spread(flow.port, n, np.int64),
        "proto": proto,
        "service": spread(flow.service, n),
        "seconds": np.where(single, np.nan, np.maximum(seconds, 2e-6)),
        "sent": np.where(single, -1, sent),
        "received": np.where(single, -1, received),
        "state": state,
        "history": _history(proto, state, received),
        "out": out,
        "back": back,
        "out_ip": sent + out * np.where(tcp, _TCP_HEADERS, _UDP_HEADERS),
        "back_ip": received + back * np.where(tcp, _TCP_HEADERS, _UDP_HEADERS),
    }
    return Events({"conn": frame})


def _history(proto: Column, state: Column, received: Column) -> Column:
    tcp = mapped(state, lambda s: _HISTORY[s])
    udp = np.where(received > 0, "Dd", "D")
    return np.where(proto == "tcp", tcp, np.where(proto == "icmp", "-", udp))


def _packets(sent: Column, received: Column, segment: Column, tcp: Column) -> tuple[Column, Column]:
    """Return packets each way: data in segments, half as many acknowledgements, TCP's handshake."""
    out, back = -(-sent // segment), -(-received // segment)
    return (
        np.where(tcp, out + back // 2 + 3, np.maximum(out, 1)),
        np.where(tcp, back + out // 2 + 2, np.where(received > 0, np.maximum(back, 1), 0)),
    )


def _without_talk(rng: Generator, state: Column, tcp: Column, out: Column, back: Column) -> None:
    """Set the packets of TCP connections that carried nothing: tried again, or refused."""
    silent = tcp & np.isin(state, SILENT)
    out[silent] = rng.choice([1, 2, 3], silent.sum(), p=[0.5, 0.2, 0.3])
    back[silent] = 0
    refused = tcp & (state == "REJ")
    out[refused] = back[refused] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """DNS questions, column by column. `answers`: as Zeek writes a vector, "-" for none."""

    ts: Column
    client: Any
    server: Any
    query: Column
    qtype: Any = "A"
    rcode: Any = "NOERROR"
    answers: Any = "-"
    ttl: Any = 300.0
    rtt: Any = None  # None: drawn, about 8 ms
    recursive: bool = True  # False: a resolver's own question to an authoritative server


def lookups(rng: Generator, asked: Lookup) -> Events:
    """Return the questions with their connections (one each, UDP port 53)."""
    n = len(asked.ts)
    rtt = rng.lognormal(np.log(0.008), 0.8, n) if asked.rtt is None else spread(asked.rtt, n, float)
    answers, rcode = spread(asked.answers, n), spread(asked.rcode, n)
    query, ttl = spread(asked.query, n), spread(asked.ttl, n, np.float64)
    size = mapped(query, len, np.int64) + _DNS_HEADERS
    made = connections(
        rng,
        Flow(
            ts=asked.ts,
            src=asked.client,
            dst=asked.server,
            port=53,
            proto="udp",
            service="dns",
            sent=size,
            received=size + 16 * (answers != "-") + mapped(answers, len, np.int64),
            seconds=rtt,
        ),
    )
    qtype = spread(asked.qtype, n)
    frame = {
        LINK: np.arange(n),
        "ts": made.logs["conn"]["ts"],
        "trans_id": rng.integers(0, 65_536, n),
        "rtt": rtt,
        "query": query,
        "qtype": mapped(qtype, QTYPES.__getitem__, np.int64),
        "qtype_name": qtype,
        "rcode": mapped(rcode, RCODES.__getitem__, np.int64),
        "rcode_name": rcode,
        "recursive": np.full(n, asked.recursive),
        "answers": answers,
        "ttl": ttl,
    }
    return Events({**made.logs, "dns": frame})


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """TLS in connections, column by column. `client` names the program: it sets the fingerprint.

    `subject`: of the certificate, else the server's name; `valid`: days it was made for.
    """

    name: Column  # server name, "-" for none
    client: Any
    tls12: Any = False
    own_certificate: Any = False  # self-signed
    subject: Any = None
    valid: Any = 90


_SUITES = {True: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", False: "TLS_AES_128_GCM_SHA256"}
_VERSIONS = {True: "TLSv12", False: "TLSv13"}
_AUTHORITY = (
    "CN=Example Trust CA 3,O=Example Trust"  # its certificate is shown with each of its own
)


def fingerprint(program: str) -> str:
    """Return 32 hex digits that stand for how a program says hello. Not a real JA3."""
    return hashlib.blake2b(program.encode(), digest_size=16).hexdigest()


def encrypted(rng: Generator, flow: Flow, hello: Handshake) -> Events:
    """Return the connections with a TLS handshake in each."""
    made = connections(rng, flow)
    conn = made.logs["conn"]
    n = len(conn["ts"])
    old = spread(hello.tls12, n, bool)
    name, client = spread(hello.name, n), spread(hello.client, n)
    own = spread(hello.own_certificate, n, bool)
    named = mapped(name, lambda x: "-" if x == "-" else f"CN={x}")
    subject = named if hello.subject is None else spread(hello.subject, n)
    issuer = np.where(own, subject, _AUTHORITY)
    shown = old & (subject != "-")
    made_for = subject + np.where(own, " " + conn["dst"], "")
    frame = {
        LINK: np.arange(n),
        "ts": conn["ts"] + np.fmin(rng.uniform(0.004, 0.06, n), 0.9 * conn["seconds"]),
        "version": np.where(old, _VERSIONS[True], _VERSIONS[False]),
        "cipher": np.where(old, _SUITES[True], _SUITES[False]),
        "server_name": name,
        "resumed": rng.random(n) < 0.2,
        "subject": np.where(shown, subject, "-"),
        "issuer": np.where(shown, issuer, "-"),
        "chain": np.where(shown, mapped(made_for, lambda x: fingerprint(x) * 2), "-")
        + np.where(shown & ~own, f",{fingerprint(_AUTHORITY) * 2}", ""),
        "valid": spread(hello.valid, n, np.int64),
        "ja3": mapped(client, fingerprint),
        "ja3s": mapped(name, lambda x: fingerprint(f"server {x[-12:]}")),
    }
    return Events({**made.logs, "ssl": frame})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request in each connection, column by column."""

    host: Column
    uri: Any = "/"
    method: Any = "GET"
    agent: Any = "-"
    referrer: Any = "-"
    status: Any = 200
    mime: Any = "text/html"
    body: Any = 0  # bytes sent
    answer: Any = 0  # bytes received


REASONS = {200: "OK", 204: "No Content", 302: "Found", 304: "Not Modified", 404: "Not Found"}


def requested(rng: Generator, flow: Flow, request: Request) -> Events:
    """Return the connections with their requests; sizes of the connection follow from bodies."""
    n = len(flow.ts)
    body, answer = spread(request.body, n, np.int64), spread(request.answer, n, np.int64)
    sized = Flow(
        ts=flow.ts,
        src=flow.src,
        dst=flow.dst,
        port=flow.port,
        service="http",
        state=flow.state,
        sent=body + rng.integers(180, 620, n),
        received=answer + rng.integers(140, 380, n),
        seconds=flow.seconds,
    )
    made = connections(rng, sized)
    conn = made.logs["conn"]
    status = spread(request.status, n, np.int64)
    frame: Frame = {
        LINK: np.arange(n),
        "ts": conn["ts"] + np.fmin(rng.uniform(0.002, 0.03, n), 0.9 * conn["seconds"]),
        "method": spread(request.method, n),
        "host": spread(request.host, n),
        "uri": spread(request.uri, n),
        "referrer": spread(request.referrer, n),
        "agent": spread(request.agent, n),
        "body": body,
        "answer": answer,
        "status": status,
        "reason": texts_of([REASONS[s] for s in status.tolist()]),
        "mime": np.where(answer > 0, spread(request.mime, n), "-"),
    }
    return Events({**made.logs, "http": frame})


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One mail transaction in each connection, column by column; addresses without brackets."""

    helo: Any
    sender: Column
    recipients: Column  # comma between several
    subject: Any
    reply: Any  # the server's last words
    mailer: Any = "-"
    tls: Any = False


def posted(rng: Generator, flow: Flow, letter: Letter) -> Events:
    """Return the SMTP connections with what was said in them."""
    made = connections(rng, flow)
    conn = made.logs["conn"]
    n = len(conn["ts"])
    ids = rng.integers(0, 1 << 62, n).tolist()
    frame: Frame = {
        LINK: np.arange(n),
        "ts": conn["ts"] + np.fmin(rng.uniform(0.01, 0.2, n), 0.9 * conn["seconds"]),
        "helo": spread(letter.helo, n),
        "sender": spread(letter.sender, n),
        "recipients": spread(letter.recipients, n),
        "subject": spread(letter.subject, n),
        "id": texts_of([f"<{i:x}@{s}>" for i, s in zip(ids, spread(letter.helo, n), strict=True)]),
        "reply": spread(letter.reply, n),
        "mailer": spread(letter.mailer, n),
        "tls": spread(letter.tls, n, bool),
    }
    return Events({**made.logs, "smtp": frame})


def joined(rng: Generator, flow: Flow, nick: Column, channel: str) -> Events:
    """Return IRC connections, with the commands Zeek logs: NICK, USER and JOIN."""
    made = connections(rng, flow)
    n = len(nick)
    order = np.tile(np.arange(3), n)
    of = np.repeat(np.arange(n), 3)
    nicks = nick[of]
    frame = {
        LINK: of,
        "ts": made.logs["conn"]["ts"][of] + 0.08 + 0.11 * order,
        "nick": np.where(order == 0, "-", nicks),
        "user": np.where(order == 2, nicks, "-"),
        "command": np.array(["NICK", "USER", "JOIN"], dtype=object)[order],
        "value": np.where(order == 2, channel, nicks),
    }
    return Events({**made.logs, "irc": frame})


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOn:
    """SSH in connections, column by column. `success`: somebody got in."""

    success: Any
    attempts: Any = 1
    client: Any = "SSH-2.0-OpenSSH_9.6"
    server: Any = "SSH-2.0-OpenSSH_9.2p1"


def logged_on(rng: Generator, flow: Flow, log_on: LogOn) -> Events:
    """Return the SSH connections, and beside them what Zeek makes of them."""
    made = connections(rng, flow)
    conn = made.logs["conn"]
    n = len(conn["ts"])
    client = spread(log_on.client, n)
    frame: Frame = {
        LINK: np.arange(n),
        "ts": conn["ts"] + np.fmin(rng.uniform(0.01, 0.05, n), 0.9 * conn["seconds"]),
        "success": spread(log_on.success, n, bool),
        "attempts": spread(log_on.attempts, n, np.int64),
        "client": client,
        "server": spread(log_on.server, n),
        "hassh": mapped(client, fingerprint),
    }
    return Events({**made.logs, "ssh": frame})
