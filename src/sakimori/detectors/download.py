"""Downloads of programs as an infection fetches them: from a rare peer, not by a browser, in disguise.

A download is an HTTP answer whose content is a program, by the type the sensor saw or, weaker, by the
name asked for, and a program sent over FTP. A peer is the Host, else the address, with its port.

    program          0.30  the content is a program (or its name only: 0.15)
    disguised        0.35  its name says picture, text or page
    architecture     0.30  named for processors of gadgets (.mips, .arm7, ...)
    address_as_host  0.25  the Host is an outside address
    odd_port         0.20  no port of the web
    by_ftp           0.20  it came by FTP
    tool_agent       0.15  fetched by a tool or script engine, or over WebDAV
    no_agent         0.10  no User-Agent, though this network's requests are logged with theirs
    several          0.15  at least `many_files` different programs from this peer

    score            the sum, at most 1, x rarity of the peer in this network, x 0.4 for the system's
                     and shops' own download services by User-Agent, x 0.3 where the host uses
                     `many_siblings` names or more of the same domain, as with a known maker

Also finds: installers that somebody fetches from small makers, developers at work.
Misses: downloads over TLS, and programs in archives or documents.
Source: IANA media types and libmagic's names of programs; RFC 9110; the points are this project's.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
from ibis import _

from sakimori.detectors._common import as_findings, asked, outbound, sample, web
from sakimori.detectors._peers import ADDRESS, domain_of, weighed

NAME = "download"
TECHNIQUE = "T1105"  # Ingress Tool Transfer
KIND = "delivery"
DOES = ""
WEIGHT = 4.6  # nats at full score; see docs/reference/scoring.md
READS = {
    "http": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "method", "host", "uri", "user_agent",
             "status", "mime", "src_inside", "dst_inside"),
    "files": ("ts", "uid", "src_ip", "dst_ip", "service", "mime", "name", "src_inside",
              "dst_inside"),
    "tls": ("src_ip", "server_name", "src_inside", "dst_inside"),
    "dns": ("src_ip", "dst_ip", "query", "src_inside", "dst_inside"),
    "prevalence": ("kind", "peer", "hosts", "all_hosts"),
}  # fmt: skip
NEEDS = (("http.uri", "http.dst_ip"), ("files.mime", "files.src_ip"))
REASONS = {  # field to points
    "program": 0.30, "program_name": 0.15, "disguised": 0.35, "architecture": 0.30,
    "address_as_host": 0.25, "odd_port": 0.20, "by_ftp": 0.20, "tool_agent": 0.15,
    "no_agent": 0.10, "several": 0.15,
}  # fmt: skip
DETAILS = {
    "reasons": "array<string>",  # those of the list above that hold
    "style": "string",  # disguised, architecture or other: what SAYS depends on
    "path": "string",  # one that was fetched
    "agent": "string",  # a User-Agent that fetched
    "files": "int64",  # different paths or names
    "hosts": "int64",  # inside hosts that use this peer
    "rarity": "float64",  # 0..1
}
SAYS = "fetched a program from {peer} (downloads: {count}; path: {path})"
SAYS_IF = {
    "style=disguised": (
        "fetched a program from {peer} under the name of a picture, text or page ({path})"
    ),
    "style=architecture": (
        "fetched programs for the processors of small devices from {peer} ({path})"
    ),
}
INNOCENT = (
    "Installers and updates of small makers are fetched like this, too, and by developers all"
    " day. Hosts here that use this peer: {hosts}."
)
ASIDE = (
    "Installers mostly come from servers that others use as well; hosts here that use this one:"
    " {hosts}. A developer's download is not told apart."
)
ASIDE_IF = {
    "style=disguised": (
        "No maker of programs has a reason to call them a picture, a text or a page."
    ),
    "style=architecture": (
        "Programs for routers and cameras, named by processor, are fetched by who builds such"
        " devices and by bots that infect them. Hosts here that use this peer: {hosts}."
    ),
}
NEXT = "Take the file from the host or the capture, look its hash up, and find what fetched it."

KEY = ("host", "peer", "peer_port")
WEB_PORTS = (80, 8080, 443, 3128)
PROGRAM = (
    r"(?i)dosexec|x-msdownload|x-msdos-program|portable-executable|x-executable|x-elf|pie-executable"
    r"|x-sharedlib|mach-binary|mach-o|java-archive|android\.package|x-ms-installer|x-msi$|/hta$"
    r"|shellscript|x-sh$|powershell|x-bat$|^PE32|^ELF |^Mach-O|^MS-DOS executable"
)
PROGRAM_NAME = r"(?i)\.(exe|dll|scr|pif|cpl|msi|hta|vbs|vbe|ps1|bat|cmd|jar|apk|elf|sh)$"
ARCHITECTURE = (
    r"(?i)[./_-](mips(64|el|le)?|mpsl|arm(v?[4-8][a-z]*|eb|64|hf)?|aarch64|x86(_(32|64))?|i[3-6]86"
    r"|ppc(64)?|powerpc|sh4|m68k|spc|sparc|arc(le)?|superh)$"
)
HARMLESS_NAME = (
    r"(?i)\.(jpe?g|png|gif|bmp|ico|svg|webp|txt|css|html?|pdf|docx?|xml|json|log|mp[34])$"
)
TOOL = (
    r"(?i)^(curl|wget|python|go-http|java/|powershell|winhttp|libwww|lwp|perl|ruby|node|axios|autoit"
    r"|nsis|certutil|busybox|microsoft-webdav|davclnt|urlmon)|powershell|certutil"
)
# The system's, shops' and distributions' own downloaders.
STORES = r"(?i)^(microsoft-delivery-optimization|microsoft bits|windows-update|valve/steam|debian apt|apt-|yum|dnf|libdnf|packagekit|pacman|google update)"
FTP = ("ftp", "ftp_data", "ftp-data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as a delivery. Raises ValueError for limits that could match nothing."""

    many_files: int = 3
    many_siblings: int = 3
    # A program that a tool fetches from a named server makes 0.45.
    min_score: float = 0.46

    def __post_init__(self) -> None:
        if min(self.many_files, self.many_siblings) < 1 or not 0 < self.min_score <= 1:
            raise ValueError(f"need counts of at least 1 and 0 < {self.min_score=} <= 1")


def detect(
    http: ibis.Table,
    files: ibis.Table,
    tls: ibis.Table,
    dns: ibis.Table,
    prevalence: ibis.Table,
    config: Config,
) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    fetched = ibis.union(_by_web(http, files), _by_ftp(files))
    peers = _peers(fetched, config)
    names = ibis.union(
        web(http).select(host="src_ip", name="host"),
        outbound(tls).select(host="src_ip", name="server_name"),
        asked(dns).select(host="src_ip", name="query"),
    )
    return as_findings(_scored(weighed(peers, prevalence), names, config), DETAILS)


def _by_web(http: ibis.Table, files: ibis.Table) -> ibis.Table:
    """Return answered requests for programs."""
    programs = files.filter(_.mime.re_search(PROGRAM)).select(program_uid="uid").distinct()
    logged = http.agg(agents_logged=_.user_agent.notnull().any())
    rows = web(http).filter(
        _.uri.notnull(), _.dst_port.notnull(), _.method != "CONNECT",
        _.status.isnull() | _.status.between(200, 299),
    )  # fmt: skip
    path = rows.uri.re_replace(r"^https?://[^/]*", "").re_extract(r"^([^?;#]*)", 1)
    rows = rows.mutate(path=path).left_join(programs, rows.uid == programs.program_uid)
    rows = rows.cross_join(logged)
    by_type = rows.mime.re_search(PROGRAM).fill_null(False)
    # What the files' own log says of the connection, for answers whose type is not told.
    vague = rows.mime.isnull() | rows.mime.contains("octet-stream")
    program = by_type | (rows.program_uid.notnull() & vague)
    page = rows.mime.re_search(r"^text/(html|plain)|json|xml").fill_null(False)
    named = rows.path.re_search(PROGRAM_NAME) & ~page
    architecture = rows.path.re_search(ARCHITECTURE) & ~page
    agent = rows.user_agent
    told = rows.mutate(
        program=program,
        program_name=(named | architecture) & ~program,
        disguised=program & rows.path.re_search(HARMLESS_NAME),
        architecture=architecture,
        address_as_host=(rows.host == rows.dst_ip) | rows.host.re_search(ADDRESS),
        odd_port=~rows.dst_port.isin(WEB_PORTS) & ~rows.dst_inside,
        by_ftp=ibis.literal(False),
        tool_agent=agent.re_search(TOOL),
        no_agent=agent.isnull() & rows.agents_logged,
        stored=agent.re_search(STORES),
    ).filter(_.program | _.program_name)
    return told.select(
        "ts", "uid", "path", "program", "program_name", "disguised", "architecture",
        "address_as_host", "odd_port", "by_ftp", "tool_agent", "no_agent", "stored",
        host="src_ip", peer=ibis.coalesce(told.host, told.dst_ip), peer_port="dst_port",
        agent="user_agent",
    )  # fmt: skip


def _by_ftp(files: ibis.Table) -> ibis.Table:
    """Return programs that an outside server sent over FTP."""
    sent = files.filter(_.service.isin(FTP), ~_.src_inside, _.dst_inside, _.mime.re_search(PROGRAM))
    no, yes = ibis.literal(False), ibis.literal(True)
    return sent.select(
        "ts", "uid", path="name", program=yes, program_name=no,
        disguised=_.name.re_search(HARMLESS_NAME), architecture=_.name.re_search(ARCHITECTURE),
        address_as_host=no, odd_port=no, by_ftp=yes, tool_agent=no, no_agent=no, stored=no,
        host="dst_ip", peer="src_ip", peer_port=ibis.literal(21, "int32"),
        agent=ibis.null("string"),
    )  # fmt: skip


def _peers(fetched: ibis.Table, config: Config) -> ibis.Table:
    """Return one row per host and peer, with every reason as a flag."""
    ranked = fetched.mutate(
        rank=ibis.row_number().over(ibis.window(group_by=KEY, order_by=["ts", "uid", "path"]))
    )
    flags = [name for name in REASONS if name not in ("several", "program_name")]
    peers = ranked.group_by(KEY).agg(
        first_seen=_.ts.min(),
        last_seen=_.ts.max(),
        count=_.count(),
        files=_.path.nunique(),
        path=_.path.first(order_by=_.rank),
        agent=_.agent.max(),
        stored=_.stored.any().fill_null(False),
        evidence=sample(_.uid, _.rank),
        **{name: _[name].any().fill_null(False) for name in flags},
    )
    table = peers.mutate(program_name=~_.program, several=_.files >= config.many_files)
    points = sum((table[name].ifelse(worth, 0.0) for name, worth in REASONS.items()), 0.0)
    return table.mutate(points=points).filter(_.points >= config.min_score)


def _scored(peers: ibis.Table, names: ibis.Table, config: Config) -> ibis.Table:
    own = names.semi_join(peers, ["host"])
    own = own.filter(_.name.notnull(), ~_.name.re_search(ADDRESS)).mutate(domain=domain_of(_.name))
    siblings = own.group_by("host", "domain").agg(siblings=_.name.nunique())
    table = peers.mutate(domain=domain_of(peers.peer)).left_join(siblings, ["host", "domain"])
    table = table.drop("host_right", "domain_right")
    maker = table.siblings.fill_null(1) >= config.many_siblings
    doubts = maker.ifelse(0.3, 1.0) * table.stored.ifelse(0.4, 1.0)
    told = [table[name].ifelse(name, ibis.null("string")) for name in REASONS]
    return table.mutate(
        score=ibis.least(table.points, 1.0) * table.rarity * doubts,
        reasons=ibis.array(told).filter(lambda name: name.notnull()),
        style=ibis.cases(
            (table.disguised, "disguised"), (table.architecture, "architecture"), else_="other"
        ),
        proto=ibis.literal("tcp"),
    ).filter(_.score >= config.min_score)
