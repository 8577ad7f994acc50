"""One host's capture, made up: builders of traffic, written as Zeek's tab-separated logs.

Names end in .example or .test; addresses are reserved ones (240/4, documentation). The services
that detectors know by name (look-ups of the own address, dynamic DNS) are taken from the detectors.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

INSIDE, RESOLVER = "10.0.0.0/8", "10.0.0.1"
BEGIN = 1_700_000_000.0
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"
PUBLIC_CA = "CN=Trust RSA CA 3,O=Public Trust Example,C=US"
# Field to type, of those that Zeek writes by default and the program reads.
ENDS = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p")
FIELDS = {
    "conn": (*ENDS, "proto", "service", "duration", "orig_bytes", "resp_bytes", "conn_state",
             "orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes"),
    "dns": (*ENDS, "proto", "query", "qtype_name", "rcode_name", "answers", "TTLs"),
    "http": (*ENDS, "method", "host", "uri", "referrer", "user_agent", "request_body_len",
             "response_body_len", "status_code", "resp_mime_types"),
    "ssl": (*ENDS, "version", "cipher", "server_name", "resumed", "next_protocol", "established",
            "cert_chain_fps"),
    "x509": ("ts", "fingerprint", "certificate.subject", "certificate.issuer",
             "certificate.not_valid_before", "certificate.not_valid_after"),
    "smtp": (*ENDS, "helo", "mailfrom", "rcptto", "subject", "last_reply"),
    "irc": (*ENDS, "nick", "user", "command", "value", "addl"),
    "files": ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "fuid", "source",
              "mime_type", "filename", "seen_bytes"),
}  # fmt: skip
TYPES = {"ts": "time", "id.orig_h": "addr", "id.resp_h": "addr", "duration": "interval"}
FAILED = {"S0": (0, 3), "REJ": (1, 1), "RSTOS0": (0, 2), "SH": (0, 2)}  # packets back, out


class Capture:
    """What one host was seen to do from `BEGIN` on for some hours."""

    def __init__(self, name: str, hours: float, seed: int) -> None:
        self.rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        self.name, self.hours = name, hours
        self.begin, self.end = BEGIN, BEGIN + 3600 * hours
        self.host = "10.0.5.23"
        self.rows: dict[str, list[dict[str, Any]]] = {log: [] for log in FIELDS}
        self.names: dict[str, list[str]] = {}
        self.asked: dict[str, float] = {}
        self.controllers: set[str] = set()

    # Numbers, addresses, names

    def number(self, low: float, high: float) -> int:
        return int(self.rng.integers(int(low), int(high) + 1))

    def size(self, middle: float, spread: float = 0.5) -> int:
        """Return a number of bytes around the middle."""
        return max(1, int(middle * np.exp(self.rng.normal(0, spread))))

    def moment(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return a moment between these shares of the capture."""
        return self.begin + (self.end - self.begin) * float(self.rng.uniform(low, high))

    def moments(self, count: int, low: float = 0.0, high: float = 1.0) -> list[float]:
        return sorted(self.moment(low, high) for _ in range(count))

    def timer(
        self, period: float, jitter: float = 0.0, low: float = 0.0, high: float = 1.0
    ) -> list[float]:
        """Return the moments of a timer; its waits vary around the period by this share, and only
        below it where the jitter is negative (Cobalt Strike's way).
        """
        span, found = self.end - self.begin, []
        at = self.begin + low * span + float(self.rng.uniform(1, min(period, 60)))
        while at < self.begin + high * span:
            found.append(at)
            some = self.rng.uniform(jitter, 0) if jitter < 0 else self.rng.uniform(-jitter, jitter)
            at += max(0.05, period * (1 + float(some)) + float(self.rng.exponential(0.15)))
        return found

    def address(self) -> str:
        n = int(self.rng.integers(0xF0000000, 0xFF000000))
        return f"{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"

    def addresses(self, count: int) -> list[str]:
        return [self.address() for _ in range(count)]

    def bot_server(self) -> str:
        """Return a new controller's address."""
        address = self.address()
        self.controllers.add(address)
        return address

    def bot_name(self, name: str) -> str:
        """Return a controller's name; it and its address are controllers."""
        self.names[name] = [self.bot_server()]
        self.controllers.add(name)
        return name

    def text(self, length: int, letters: str = "abcdefghijklmnopqrstuvwxyz0123456789") -> str:
        return "".join(self.rng.choice(list(letters), length))

    def where(self, name: str) -> list[str]:
        """Return the addresses of a name, made up when first wanted."""
        if name not in self.names:
            self.names[name] = self.addresses(self.number(1, 3))
        return self.names[name]

    # Rows

    def _ends(self, at: float, to: str, port: int, source: int = 0) -> dict[str, Any]:
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        source = source or self.number(49152, 65535)
        return {"ts": at, "uid": "C" + self.text(16, letters), "id.orig_h": self.host,
                "id.orig_p": source, "id.resp_h": to, "id.resp_p": port}  # fmt: skip

    def conn(self, at: float, to: str, port: int, **given: Any) -> dict[str, Any]:
        """Add a connection; seconds, sent, back, proto, service, state, pace (s a packet), source."""
        row = self._ends(at, to, port, given.get("source", 0))
        proto, seconds = given.get("proto", "tcp"), given.get("seconds", 1.0)
        sent, back = given.get("sent", 500), given.get("back", 1500)
        state = given.get("state", "SF")
        more = int(seconds / given["pace"]) if "pace" in given else 0
        open_close = 4 if proto == "tcp" else 0
        out = max(1, open_close + sent // 1200 + (back // 2900 if proto == "tcp" else 0) + more)
        into = open_close + back // 1200 + (sent // 2900 if proto == "tcp" else 0) + more
        into = max(into, 1) if back else into
        if state in FAILED or (proto == "udp" and not back):
            into, tries = FAILED.get(state, (0, out)) if proto == "tcp" else (0, out)
            out, back, sent = tries, 0, sent if proto == "udp" else 0
            state = state if proto == "tcp" else "S0"
        header = 40 if proto == "tcp" else 28
        self.rows["conn"].append(
            {**row, "proto": proto, "service": given.get("service"), "duration": seconds,
             "orig_bytes": sent, "resp_bytes": back, "conn_state": state, "orig_pkts": out,
             "orig_ip_bytes": sent + header * out, "resp_pkts": into,
             "resp_ip_bytes": back + header * into}
        )  # fmt: skip
        return row

    def ask(self, at: float, name: str, *, found: bool = True, **given: Any) -> None:
        """Ask for a name: answered with `answers`, else its addresses, or that there is none."""
        answers = given.get("answers", self.where(name) if found else [])
        row = self.conn(at, given.get("server", RESOLVER), 53, proto="udp", service="dns",
                        seconds=0.03, sent=len(name) + 18, back=60 + 16 * len(answers))  # fmt: skip
        self.rows["dns"].append(
            {**row, "proto": "udp", "query": name, "qtype_name": given.get("kind", "A"),
             "rcode_name": "NOERROR" if found else "NXDOMAIN", "answers": ",".join(answers),
             "TTLs": ",".join([f"{given.get('ttl', 300):.6f}"] * len(answers))}
        )  # fmt: skip

    def find(self, at: float, name: str, ttl: float = 300) -> str:
        """Return an address for a name, asking first where the last answer is older than its life."""
        if at - self.asked.get(name, -1e12) > ttl:
            self.ask(at - 0.05, name, ttl=ttl)
            self.asked[name] = at
        return self.where(name)[0]

    def tls(self, at: float, to: str, port: int = 443, **given: Any) -> None:
        """Add a TLS connection to a name, or to an address (then without a server name).

        certificate: (subject, issuer, days before, days valid), else a public one; version, hello
        (the server name), and what `conn` takes.
        """
        named = not to[0].isdigit() or any(c.isalpha() for c in to)
        address = self.find(at, to) if named else to
        flow = {"seconds": float(self.rng.uniform(0.3, 20)), "sent": self.size(1500),
                "back": self.size(9000, 1.0), "service": "ssl"}  # fmt: skip
        row = self.conn(at, address, port, **{**flow, **given})
        version = given.get("version") or str(self.rng.choice(["TLSv13", "TLSv13", "TLSv12"]))
        hello = given.get("hello", to if named else None)
        certificate = given.get("certificate", (f"CN={hello or to}", PUBLIC_CA, 30, 90))
        self.rows["ssl"].append(
            {**row, "version": version, "cipher": "TLS_AES_128_GCM_SHA256", "server_name": hello,
             "resumed": "F", "next_protocol": given.get("alpn"), "established": "T",
             "cert_chain_fps": self._chain(at, version, certificate)}
        )  # fmt: skip

    def _chain(
        self, at: float, version: str, certificate: tuple[str, str, float, float]
    ) -> str | None:
        if version == "TLSv13":
            return None
        subject, issuer, age, days = certificate
        leaf = f"{zlib.crc32(subject.encode()):08x}" * 8
        since = BEGIN - 86400 * age
        self.rows["x509"].append(
            {"ts": at, "fingerprint": leaf, "certificate.subject": subject,
             "certificate.issuer": issuer, "certificate.not_valid_before": since,
             "certificate.not_valid_after": since + 86400 * days}
        )  # fmt: skip
        above = f"{zlib.crc32(issuer.encode()):08x}" * 8
        return f"{leaf},{above}" if issuer == PUBLIC_CA else leaf

    def http(self, at: float, to: str, uri: str, port: int = 80, **given: Any) -> None:
        """Add a request to a name or an address; method, agent, body, answer, mime, status, from_."""
        address = to if to.replace(".", "").isdigit() else self.find(at, to)
        body, answer = given.get("body", 0), given.get("answer", self.size(4000, 1.0))
        row = self.conn(at, address, port, service="http", seconds=float(self.rng.uniform(0.1, 3)),
                        sent=body + 300, back=answer + 250)  # fmt: skip
        mime = given.get("mime", "text/html") if answer else None
        self.rows["http"].append(
            {**row, "method": given.get("method", "GET"), "host": to, "uri": uri,
             "referrer": given.get("from_"), "user_agent": given.get("agent", BROWSER),
             "request_body_len": body, "response_body_len": answer,
             "status_code": given.get("status", 200), "resp_mime_types": mime}
        )  # fmt: skip
        if mime and "exec" in mime:
            file = {"fuid": "F" + self.text(12), "source": "HTTP", "mime_type": mime}
            self.rows["files"].append({**row, **file, "seen_bytes": answer})

    def hold(self, at: float, to: str, port: int, seconds: float, **given: Any) -> dict[str, Any]:
        """Add a connection held open with a small message every `pace` seconds."""
        pace = given.pop("pace", 30.0)
        seconds = max(1.0, min(seconds, self.end - at))
        each = int(seconds / pace) + 1
        sizes = {"sent": 200 + 30 * each, "back": 200 + 30 * each}
        state = "S1" if at + seconds >= self.end - 1 else "SF"
        flow = {**sizes, "state": state, **given}
        return self.conn(at, to, port, seconds=seconds, pace=pace, **flow)

    def sweep(self, begin: float, count: int, port: int, per_second: float, **given: Any) -> None:
        """Try many addresses on one port; a share `alive` answers."""
        alive, net = given.pop("alive", 0.02), given.pop("net", "")
        at = begin
        for _ in range(count):
            at += float(self.rng.exponential(1 / per_second))
            to = f"{net}.{self.number(1, 254)}.{self.number(1, 254)}" if net else self.address()
            answered = self.rng.random() < alive
            flow = {"sent": 60, "back": 90, "seconds": 2.0} if answered else {"state": "S0"}
            self.conn(at, to, port, **{**flow, **given})

    def datagrams(self, at: float, to: str, port: int, **given: Any) -> None:
        """Add an exchange of small datagrams; a share `answered` of such exchanges is."""
        answered = self.rng.random() < given.pop("answered", 1.0)
        back = self.size(given.pop("size", 100)) if answered else 0
        self.conn(at, to, port, proto="udp", seconds=0.2, sent=self.size(60), back=back, **given)

    def mail(self, at: float, to: str, port: int = 25, **given: Any) -> None:
        """Hand a message in; `told` holds what the sensor read of it."""
        row = self.conn(
            at, to, port, service="smtp", seconds=3.0, sent=given.get("sent", 2500), back=600
        )
        if "told" in given:
            self.rows["smtp"].append({**row, **given["told"]})

    def irc(self, at: float, to: str, port: int, nick: str, **given: Any) -> None:
        """Log on, join a channel, and hear its topic and messages; the connection is held."""
        row = self.hold(at, to, port, given.get("seconds", 3600), pace=90.0, service="irc")
        said = [("NICK", nick, None), ("JOIN", given.get("channel", "#a"), given.get("key"))]
        said += [("PRIVMSG", "#a", text) for text in given.get("messages", ())]
        for place, (command, value, more) in enumerate(said):
            spoken = {
                "nick": nick,
                "user": nick[:8],
                "command": command,
                "value": value,
                "addl": more,
            }
            self.rows["irc"].append({**row, "ts": at + 20 * place, **spoken})

    # Writing

    def write(self, folder: Path, logs: tuple[str, ...] = ()) -> None:
        """Write the logs that hold rows, or only these."""
        for log, rows in self.rows.items():
            if rows and (not logs or log in logs):
                kept = sorted((r for r in rows if r["ts"] <= self.end), key=lambda r: r["ts"])
                (folder / f"{log}.log").write_text(_log(log, kept))


def _log(log: str, rows: list[dict[str, Any]]) -> str:
    fields = FIELDS[log]
    types = (TYPES.get(f, "string") for f in fields)
    head = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-",
            f"#path\t{log}", "\t".join(("#fields", *fields)), "\t".join(("#types", *types))]  # fmt: skip
    return "\n".join([*head, *("\t".join(_cell(row.get(f)) for f in fields) for row in rows), ""])


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:.6f}" if isinstance(value, float) else str(value)
