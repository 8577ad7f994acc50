"""Configurations that make BIND, Unbound or nginx an equally closed sinkhole, where one process is not enough.

They answer for the held names only, never recurse, transfer or proxy, limit each source, keep no
body, and log what the readers `bind-query`, `dnstap`, `unbound-replies` and `nginx-sinkhole` put into
the table `sinkhole`. What these servers cannot do is said in `LIMITS`.
Sources: BIND 9.18 ARM; unbound.conf(5); nginx.org, ngx_http_core, log, limit_req, limit_conn, ssl.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from sakimori.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sakimori.takedown.sinkhole.config import Settings

VIEW = "sinkhole"  # BIND's view, Unbound's and dnstap's identity: the readers' sign
_NUMBERS = "1 86400 7200 604800"  # serial, refresh, retry, expire
_PLAIN_PATH = re.compile(r"/?[A-Za-z0-9._/@+-]+")

LIMITS: Mapping[str, tuple[str, ...]] = {
    "bind": (
        "A UDP answer can be larger than one and a half times its question; the rate limit bounds it.",
        "hits.log says what was asked, sinkhole.dnstap also what was answered: import one of them.",
    ),
    "unbound": (
        "Its log has neither the caller's port nor parts of a second: use dnstap for evidence.",
        "Its answers bear the flag RA, though it never recurses.",
        "The user that Unbound becomes must be able to write into the folder.",
        "dnstap goes to a socket; run: fstrm_capture -t protobuf:dnstap.Dnstap -u SOCKET -w FILE",
    ),
    "nginx": (
        "Handshakes that fail are not logged, nor JA4, nor a hash of path or bot identifier.",
    ),
}


def configuration(server: str, settings: Settings, folder: Path) -> dict[str, str]:
    """Return the files for a server (bind, unbound, nginx) by name; they expect to lie in `folder`.

    Raises ConfigError for another server, settings that lack names, addresses or ports, or a folder
    whose name cannot be written into a configuration.
    """
    if server not in _MADE:
        raise ConfigError(f"no server is named {server!r}", hint=", ".join(_MADE))
    if not settings.sinkhole.contact:
        raise ConfigError("a sinkhole names whom to write to", hint="--contact abuse@example.net")
    where = str(folder)
    if not _PLAIN_PATH.fullmatch(where):
        raise ConfigError("choose a folder with a plain name", where=where)
    return _MADE[server](settings, where)


def _dns_port(settings: Settings) -> int:
    if not settings.sinkhole.zones:
        raise ConfigError("no zone is named", hint="--zone bad.example")
    return settings.ports.dns if settings.ports.dns is not None else 53


def _rate(settings: Settings) -> int:
    return max(1, int(settings.limits.dns_per_second))


def _records(settings: Settings, name: str) -> list[str]:
    """Return the address records of a name."""
    identity = settings.sinkhole
    found = [("A", identity.ipv4), ("AAAA", identity.ipv6)]
    return [f"{name} {identity.ttl} IN {kind} {address}" for kind, address in found if address]


def _mailbox(contact: str) -> str:
    local, _, domain = contact.partition("@")
    return local.replace(".", "\\.") + f".{domain}."


def _bind(settings: Settings, folder: str) -> dict[str, str]:
    identity, port = settings.sinkhole, _dns_port(settings)
    v4 = [a for a in identity.addresses if ip_address(a).version == 4]
    v6 = [a for a in identity.addresses if ip_address(a).version == 6]
    zones = "\n".join(
        f'    zone "{zone}" {{ type primary; file "{folder}/sinkhole.zone"; }};'
        for zone in identity.zones
    )
    named = f"""\
// A sinkhole: authoritative for the names below, and for nothing else.
options {{
    directory "{folder}";
    pid-file none;
    listen-on port {port} {{ {_listed(v4)} }};
    listen-on-v6 port {port} {{ {_listed(v6)} }};
    recursion no;
    allow-recursion {{ none; }};
    allow-query-cache {{ none; }};
    allow-transfer {{ none; }};
    notify no;
    dnssec-validation no;
    empty-zones-enable no;
    minimal-any yes;
    minimal-responses yes;
    version none;
    hostname none;
    server-id none;
    tcp-clients 1000;
    tcp-initial-timeout 50;
    max-udp-size 512;
    rate-limit {{
        responses-per-second {_rate(settings)};
        window 5;
        slip 2;
        ipv4-prefix-length 32;
        ipv6-prefix-length 48;
    }};
    querylog yes;
    dnstap {{ auth response; client response; }};
    dnstap-output file "{folder}/sinkhole.dnstap" size 64m versions 100 suffix timestamp;
    dnstap-identity "{VIEW}";
    dnstap-version none;
}};
controls {{ }};
logging {{
    channel hits {{
        file "{folder}/hits.log" versions 100 size 64m suffix timestamp;
        print-time iso8601-utc;
        severity info;
    }};
    category queries {{ hits; }};
}};
view "{VIEW}" {{
    match-clients {{ any; }};
{zones}
}};
"""
    lines = [
        f"@ {identity.ttl} IN SOA ns {_mailbox(identity.contact)} {_NUMBERS} {identity.ttl}",
        f"@ {identity.ttl} IN NS ns",
        *(record for name in ("@", "*", "ns") for record in _records(settings, name)),
    ]
    return {"named.conf": named, "sinkhole.zone": "\n".join(lines) + "\n"}


def _listed(addresses: list[str]) -> str:
    return " ".join(f"{address};" for address in addresses) or "none;"


def _unbound(settings: Settings, folder: str) -> dict[str, str]:
    identity, port = settings.sinkhole, _dns_port(settings)
    interfaces = "\n".join(f"    interface: {address}@{port}" for address in identity.addresses)
    zones = "\n".join(_unbound_zone(settings, zone) for zone in identity.zones)
    conf = f"""\
# A sinkhole: it answers for the names below, refuses the rest, and never asks anybody.
server:
{interfaces}
    port: {port}
    do-daemonize: no
    chroot: ""
    directory: "{folder}"
    pidfile: ""
    module-config: "iterator"
    access-control: 0.0.0.0/0 allow
    access-control: ::0/0 allow
    do-not-query-address: 0.0.0.0/0
    do-not-query-address: ::/0
    do-not-query-localhost: yes
    hide-identity: yes
    hide-version: yes
    hide-trustanchor: yes
    deny-any: yes
    minimal-responses: yes
    max-udp-size: 512
    ip-ratelimit: {_rate(settings)}
    ip-ratelimit-factor: 2
    incoming-num-tcp: 1000
    tcp-idle-timeout: 5000
    use-syslog: no
    logfile: "{folder}/hits.log"
    log-time-ascii: no
    log-queries: no
    log-replies: yes
    log-identity: "{VIEW}"
    local-zone: "." refuse
{zones}
remote-control:
    control-enable: no
dnstap:
    dnstap-enable: yes
    dnstap-bidirectional: yes
    dnstap-socket-path: "{folder}/dnstap.sock"
    dnstap-send-identity: yes
    dnstap-identity: "{VIEW}"
    dnstap-log-client-response-messages: yes
"""
    return {"unbound.conf": conf}


def _unbound_zone(settings: Settings, zone: str) -> str:
    identity = settings.sinkhole
    contact = _mailbox(identity.contact)
    soa = f"{zone}. {identity.ttl} IN SOA ns.{zone}. {contact} {_NUMBERS} {identity.ttl}"
    lines = [soa, f"{zone}. {identity.ttl} IN NS ns.{zone}.", *_records(settings, f"{zone}.")]
    return "\n".join(
        [f'    local-zone: "{zone}." redirect', *(f"    local-data: '{one}'" for one in lines)]
    )


_NGINX_FIELDS = {
    "uid": "$request_id", "time": "$msec", "src_ip": "$remote_addr", "src_port": "$remote_port",
    "dst_ip": "$server_addr", "dst_port": "$server_port", "scheme": "$scheme", "host": "$host",
    "method": "$request_method", "status": "$status", "bytes": "$request_length",
    "server_name": "$ssl_server_name", "user_agent": "$http_user_agent",
}  # fmt: skip


def _nginx(settings: Settings, folder: str) -> dict[str, str]:
    identity, limits, ports = settings.sinkhole, settings.limits, settings.ports
    if ports.http is None and ports.https is None:
        raise ConfigError("no port is named", hint="--http 80 or --https 443")
    fields = dict(_NGINX_FIELDS)
    if not settings.privacy.user_agent:
        del fields["user_agent"]
    line = ",".join(f'"{name}":"{value}"' for name, value in fields.items())
    listens = "\n".join(
        f"        listen {_bracketed(address)}:{port}{end} default_server;"
        for address in identity.addresses
        for port, end in ((ports.http, ""), (ports.https, " ssl"))
        if port is not None
    )
    tls = (
        ""
        if ports.https is None
        else f"""\
        ssl_certificate {folder}/sinkhole.pem;
        ssl_certificate_key {folder}/sinkhole.pem;
        ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
        ssl_ciphers DEFAULT:@SECLEVEL=0;
        ssl_session_tickets off;
"""
    )
    seconds = max(1, int(limits.seconds))
    conf = f"""\
# A sinkhole: fixed answers, a log line for each, no body kept, nothing asked of anybody.
worker_processes auto;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections {limits.connections}; }}
http {{
    log_format sinkhole escape=json '{{"nginx_sinkhole":"{identity.sensor}",{line}}}';
    access_log {folder}/hits.log sinkhole;
    server_tokens off;
    client_body_temp_path {folder}/unused;
    client_body_in_file_only off;
    client_body_buffer_size 64k;
    client_max_body_size {limits.body_bytes};
    client_body_timeout {seconds}s;
    client_header_timeout {seconds}s;
    send_timeout {seconds}s;
    keepalive_timeout {seconds}s;
    keepalive_requests {limits.requests};
    client_header_buffer_size 1k;
    large_client_header_buffers 4 {max(1_024, limits.header_bytes // 4)};
    reset_timedout_connection on;
    proxy_temp_path {folder}/unused;
    fastcgi_temp_path {folder}/unused;
    uwsgi_temp_path {folder}/unused;
    scgi_temp_path {folder}/unused;
    limit_conn_zone $binary_remote_addr zone=connections:10m;
    limit_req_zone $binary_remote_addr zone=requests:10m rate={max(1, int(limits.connects_per_second))}r/s;
    limit_conn connections {limits.connections_per_source};
    limit_req zone=requests burst={max(1, int(limits.connects_burst))} nodelay;
    limit_conn_status 444;
    limit_req_status 444;
    default_type text/plain;
    add_header X-Sinkhole yes always;
    add_header Cache-Control no-store always;
    server {{
{listens}
        server_name _;
{tls}        if ($request_method !~ ^(GET|HEAD)$) {{ return 204; }}
        location = / {{ return 200 "This is a sinkhole. Contact: {identity.contact}\\n"; }}
        location / {{ return 404 "This is a sinkhole. Contact: {identity.contact}\\n"; }}
    }}
}}
"""
    return {"nginx.conf": conf}


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


_MADE = {"bind": _bind, "unbound": _unbound, "nginx": _nginx}
