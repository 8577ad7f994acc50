"""Password guessing: a host that tries to log on again and again, at one server or at many.

Per host, direction and service, in its worst hour (many servers: worst day), the strongest of:

    refused   SSH sessions that the sensor saw fail, where most did; posts to the log-on pages of
              common programs that did not lead on, with the refusals (401, 403) around them
    alike     answered sessions of one size (quartiles of the bytes sent), short and small as a
              refused log-on is: on the ports of SSH, Telnet, FTP, RDP, VNC and mail submission
              at one server, on those and of databases at many; x 0.7, because what was said in
              them is not known

    score     0.3 at the least number of tries (or servers) to 1 at the full one, by the logarithm,
              x how much they are refused, or alike

Directions: outbound, internal (alike x 0.6: there administrators' tools do this all day), and
inbound (`host` is then the outside guesser, and is not judged).

Also finds: scripts with an old password, password audits.
Misses: guesses slower than `min_tries` an hour at one server and `min_servers` a day, mail pick-up
(IMAP and POP programs ask every minute, and always alike), SMB, log-ons inside TLS, HTTP's own
log-on (401): programs with an old key ask for ever.
Source: flow shape of SSH attacks, Sperotto et al. 2009, doi:10.1007/978-3-642-04968-2_14, and
Hofstede et al. 2014, doi:10.1145/2677046.2677053; Zeek's policy/protocols/ssh/detect-bruteforcing
(30 failed log-ons in 30 minutes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import ibis
from ibis import _

from sakimori.detectors._common import as_findings, ramp, sample, was_unanswered

NAME = "brute_force"
TECHNIQUE = "T1110"  # Brute Force
KIND = "discovery"
DOES = "scans"
WEIGHT = 5.0  # nats at full score; see docs/reference/scoring.md
READS = {
    "conn": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "proto", "duration", "src_bytes",
             "dst_bytes", "dst_pkts", "state", "src_inside", "dst_inside"),
    "ssh": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "auth_success", "src_inside",
            "dst_inside"),
    "http": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "host", "method", "uri", "status",
             "src_inside", "dst_inside"),
}  # fmt: skip
NEEDS = (("conn.src_bytes",), ("ssh.auth_success",), ("http.status",))
DETAILS = {
    "direction": "string",  # outbound, internal or inbound
    "service": "string",  # ssh, rdp, http, ...
    "known": "string",  # refused (seen to be) or alike (told from sizes)
    "servers": "int64",  # tried in that hour, or day
    "tries": "int64",  # in the worst hour at one server, or in the worst day at many
    "share": "float64",  # refused, or alike
}
SAYS = (
    "tried to log on to {service} {tries} times at {servers} servers ({direction}) and was refused"
)
SAYS_IF = {
    "known=alike": (
        "opened {tries} short {service} sessions of one size at {servers} servers ({direction}),"
        " as a program does that guesses passwords"
    ),
}
INNOCENT = (
    "A script with an old password, monitoring and tools that run one command on many servers"
    " look alike. Ask who runs such a job on this host."
)
ASIDE = (
    "Nothing here tells it from a script with an old password but the amount: {tries} refused"
    " tries at {servers} servers in the worst hour or day, {share_pct} of all tries."
)
ASIDE_IF = {
    "known=alike": (
        "Work on a server differs by its content, and these {tries} sessions do hardly"
        " ({share_pct} alike). A job that runs one command on many servers is not told apart."
    ),
}
NEXT = "Look on the servers for log-ons from {host} that worked, and change those passwords."

SERVICES = {
    22: "ssh", 2222: "ssh", 23: "telnet", 2323: "telnet", 21: "ftp", 3389: "rdp", 5900: "vnc",
    25: "smtp", 465: "smtp", 587: "smtp", 1433: "mssql", 3306: "mysql", 5432: "postgresql",
}  # fmt: skip
AT_ONE = ("ssh", "telnet", "ftp", "rdp", "vnc", "smtp")  # others are asked by programs all day
AT_MANY = ("ssh", "telnet", "ftp", "rdp", "vnc", "mssql", "mysql", "postgresql")
# Bytes that a refused log-on takes at least, so that a look at the banner is none.
LEAST_BYTES = {"ssh": 500, "rdp": 300, "smtp": 30, "ftp": 20, "telnet": 10, "vnc": 20}
LOGIN_PAGES = (
    r"(?i)wp-login\.php|xmlrpc\.php|/administrator/index\.php|/user/login|/admin/login"
    r"|/login\.(php|asp|aspx|cgi|htm|html|jsp)|/goform/|/boaform/|/cgi-bin/luci"
)

HIT = {
    "host": "string", "direction": "string", "service": "string", "known": "string",
    "peer": "string", "peer_port": "int32", "count": "int64", "servers": "int64",
    "tries": "int64", "share": "float64", "score": "float64",
    "first_seen": "timestamp('UTC', 6)", "last_seen": "timestamp('UTC', 6)",
    "evidence": "array<string>",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as guessing. Raises ValueError for limits that could match nothing."""

    min_tries: int = 30  # known to be refused, an hour at one server: people give up after five
    min_alike: int = 100  # an hour at one server: a monitor each minute makes 60
    full_tries: int = 1_000
    min_servers: int = 8  # a day
    full_servers: int = 80
    max_bytes: int = 8_000  # sent in a session: six passwords over SSH are some 4,000
    max_seconds: float = 60.0
    min_score: float = 0.25

    def __post_init__(self) -> None:
        if not 1 < max(self.min_tries, self.min_alike) < self.full_tries:
            raise ValueError(f"need 1 < {self.min_tries=}, {self.min_alike=} < {self.full_tries=}")
        if not 1 < self.min_servers < self.full_servers:
            raise ValueError(f"need 1 < {self.min_servers=} < {self.full_servers=}")


def detect(conn: ibis.Table, ssh: ibis.Table, http: ibis.Table, config: Config) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    refused = ibis.union(_ssh(ssh), _http(http))
    alike = _sessions(conn, ssh, config)
    hits = ibis.union(
        _at_one(refused, "refused", config),
        _at_many(refused, "refused", config),
        _at_one(alike.filter(_.service.isin(AT_ONE)), "alike", config),
        _at_many(alike.filter(_.service.isin(AT_MANY)), "alike", config),
    )
    key = ("host", "direction", "service")
    order = ibis.window(
        group_by=key, order_by=[hits.score.desc(), hits.known.desc(), hits.tries.desc(), hits.peer]
    )
    best = hits.mutate(place=ibis.row_number().over(order))
    best = best.filter(_.place == 0, _.score >= config.min_score)
    return as_findings(best.mutate(proto=ibis.literal("tcp")), DETAILS)


def _direction(table: ibis.Table) -> Any:
    return table.src_inside.ifelse(table.dst_inside.ifelse("internal", "outbound"), "inbound")


def _seen(table: ibis.Table) -> ibis.Table:
    """Return the rows from, to or between inside hosts."""
    return table.filter(
        table.src_inside.notnull(), table.dst_inside.notnull(), table.src_inside | table.dst_inside
    )


def _ssh(ssh: ibis.Table) -> ibis.Table:
    """Return SSH sessions of which the sensor says whether somebody got in."""
    told = _seen(ssh).filter(_.auth_success.notnull())
    return told.select(
        "ts", "uid", host="src_ip", peer="dst_ip", port="dst_port", direction=_direction(told),
        service=ibis.literal("ssh"), hit=~told.auth_success, size=ibis.null("int64"),
    )  # fmt: skip


def _http(http: ibis.Table) -> ibis.Table:
    """Return requests to what asks for a password: refused ones, and posts to log-on pages."""
    seen = _seen(http).filter(_.status.notnull())
    page = (seen.method == "POST") & seen.uri.re_search(LOGIN_PAGES)
    # Who got in is led on to another page.
    hit = seen.status.isin((401, 403)) | (page.fill_null(False) & (seen.status == 200))
    tries = seen.select(
        "ts", "uid", host="src_ip", peer=ibis.coalesce(seen.host, seen.dst_ip), port="dst_port",
        direction=_direction(seen), service=ibis.literal("http"), hit=hit,
        size=ibis.null("int64"), page=page.fill_null(False),
    )  # fmt: skip
    # Refused at one address for ever is a program with an old key; a log-on page is asked by hand.
    paged = tries.group_by("host", "peer").agg(
        hits=_.hit.sum(), pages=(_.page & _.hit).sum(), all=_.count()
    )
    paged = paged.filter(_.pages >= 0.5 * _.hits, _.hits >= 1)
    return tries.semi_join(paged, ["host", "peer"]).select(*tries.drop("page").columns)


def _sessions(conn: ibis.Table, ssh: ibis.Table, config: Config) -> ibis.Table:
    """Return answered sessions on ports with a log-on; a hit is one short and small enough."""
    calls = _seen(conn).filter(
        _.proto == "tcp", _.dst_port.isin(tuple(SERVICES)), _.src_bytes > 0, _.dst_bytes > 0
    )
    answered = calls.filter(~was_unanswered(calls))
    service = answered.dst_port.cases(*SERVICES.items(), else_=ibis.null("string"))
    least = service.cases(*LEAST_BYTES.items(), else_=20)
    small = answered.src_bytes.between(least, config.max_bytes)
    short = answered.duration.fill_null(0.0) <= config.max_seconds
    sessions = answered.select(
        "ts", "uid", host="src_ip", peer="dst_ip", port="dst_port",
        direction=_direction(answered), service=service, hit=small & short, size="src_bytes",
    )  # fmt: skip
    told = ssh.filter(ssh.auth_success.notnull()).select("uid")
    return sessions.anti_join(told, "uid").select(*sessions.columns)


def _at_one(tries: ibis.Table, known: str, config: Config) -> ibis.Table:
    """Return one row per host and service: the worst hour at one server."""
    key = ("host", "direction", "service", "peer")
    least = config.min_tries if known == "refused" else config.min_alike
    busy = tries.group_by(key).agg(hits=_.hit.sum()).filter(_.hits >= least)
    narrowed = tries.semi_join(busy, list(key)).select(*tries.columns)
    hourly = narrowed.mutate(span=narrowed.ts.truncate("hour"))
    spans = _spans(hourly, (*key, "span"), known)
    size = _stretch(spans.tries, least, config.full_tries)
    scored = spans.mutate(score=size * spans.certain, servers=ibis.literal(1, "int64"))
    return _best(scored.filter(_.tries >= least), known)


def _at_many(tries: ibis.Table, known: str, config: Config) -> ibis.Table:
    """Return one row per host and service: the worst day over all servers."""
    key = ("host", "direction", "service")
    daily = tries.mutate(span=tries.ts.truncate("day"))
    wide = daily.group_by((*key, "span")).agg(servers=_.peer.nunique(where=_.hit))
    wide = wide.filter(_.servers >= config.min_servers)
    narrowed = daily.semi_join(wide, [*key, "span"]).select(*daily.columns)
    spans = _spans(narrowed, (*key, "span"), known)
    size = _stretch(spans.servers, config.min_servers, config.full_servers)
    return _best(spans.mutate(score=size * spans.certain, peer=ibis.null("string")), known)


def _spans(tries: ibis.Table, key: tuple[str, ...], known: str) -> ibis.Table:
    """Return one row per key with its tries and how certain it is that they were guesses."""
    order = ibis.window(group_by=key, order_by=["ts", "uid"])
    ranked = tries.mutate(rank=ibis.row_number().over(order))
    spans = ranked.group_by(key).agg(
        tries=_.hit.sum(),
        servers=_.peer.nunique(where=_.hit),
        peer_port=_.port.max(where=_.hit),
        refused=_.hit.cast("float64").mean(),
        q1=_["size"].quantile(0.25, where=_.hit),
        q3=_["size"].quantile(0.75, where=_.hit),
        first_seen=_.ts.min(),
        last_seen=_.ts.max(),
        evidence=sample(_.uid, _.rank),
    )
    if known == "refused":
        return spans.mutate(share=_.refused, certain=ramp(spans.refused, 0.6, 0.9))
    alike = spans.refused * (1 - (spans.q3 - spans.q1) / (spans.q3 + spans.q1))
    # Guesses differ by the length of name and password: a tenth. Work differs by its content.
    sure = 0.7 * ramp(alike, 0.75, 0.95)
    inside = (spans.direction == "internal").ifelse(0.6, 1.0)
    return spans.mutate(share=alike, certain=sure * inside)


def _best(spans: ibis.Table, known: str) -> ibis.Table:
    """Return the strongest row of each host, direction and service, as HIT."""
    spans = spans.mutate(count=spans.tries, known=ibis.literal(known))
    order = ibis.window(
        group_by=("host", "direction", "service"),
        order_by=[spans.score.desc(), spans.span, spans.peer],
    )
    best = spans.mutate(place=ibis.row_number().over(order)).filter(_.place == 0)
    return best.select(*HIT).cast(ibis.schema(HIT))


def _stretch(number: Any, least: int, full: int) -> Any:
    """Return 0.3 at the least, 1 at the full number, by the logarithm between."""
    return 0.3 + 0.7 * ramp(ibis.greatest(number, 1).ln(), math.log(least), math.log(full))
