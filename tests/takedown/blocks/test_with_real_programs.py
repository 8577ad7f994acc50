"""What we write, read by the programs it is for. Each test is skipped where its program is missing."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess  # noqa: TID251 - runs the programs the formats are for
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dns.message
import dns.query
import dns.rcode
import pytest

from sakimori.takedown import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
OPTIONS = blocks.Options(now=NOW)
LIST = """kind,value,expires,reason
name,evil.example,2030-01-01,"C&C; } ""quoted"" $(reboot)
zone victim"
name,bücher.example,,日本語
name,_srv.evil2.example,,
name,deep.evil.example,,below another
address,192.0.2.7,2030-01-01,
address,2001:db8::7,,"nl
address"
cidr,198.51.100.0/24,,
cidr,198.51.100.128/25,2031-01-01,in another
cidr,2001:db8:1::/48,2030-01-01,
url,http://evil.example/a b?q='x'&y=(1|2)$,,loader
url,http://[2001:db8::9]:8080/x,,
url,http://page.example/x,,
url,https://paid.example/x,,
ja4,t13d1516h2_8daaf6152771_b186095e22b6,,
"""
LATER = """kind,value,expires,reason
name,evil.example,2031-01-01,longer
name,new.example,,
address,192.0.2.7,2031-01-01,longer
address,192.0.2.9,,
cidr,198.51.100.128/25,2031-01-01,in another
cidr,203.0.113.0/25,,
url,http://evil.example/z,,
"""


def program(name: str) -> str:
    """Return the path of a program, or skip the test."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def run(*words: str | Path, told: str = "", where: Path | None = None) -> str:
    """Run a program to its end; fails with what it said."""
    ended = subprocess.run(  # noqa: S603 - no shell, programs of this machine
        [str(word) for word in words], input=told, capture_output=True, text=True, timeout=60,
        check=False, cwd=where,
    )  # fmt: skip
    assert ended.returncode == 0, f"{words}: {ended.stdout}{ended.stderr}"
    return ended.stdout + ended.stderr


def full(name: str, text: str = LIST, options: blocks.Options = OPTIONS) -> str:
    return blocks.state(blocks.read(text).entries, blocks.format_named(name), options).text


def changed(name: str, options: blocks.Options = OPTIONS) -> blocks.Written:
    form = blocks.format_named(name)
    return blocks.changes(blocks.read(LATER).entries, form, options, full(name))


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


# DNS


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        return int(udp.getsockname()[1])


def rcode(port: int, name: str, kind: str = "A") -> str:
    answer = dns.query.udp(dns.message.make_query(name, kind), "127.0.0.1", port=port, timeout=3)
    if answer.answer:
        return " ".join(str(item) for rrset in answer.answer for item in rrset)
    return dns.rcode.to_text(answer.rcode())


@contextmanager
def serving(port: int, *words: str | Path) -> Iterator[None]:
    """Run a DNS server until the block ends; waits until it answers."""
    with subprocess.Popen(  # noqa: S603 - no shell, a program of this machine
        [str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            for _ in range(100):
                try:
                    dns.query.udp(
                        dns.message.make_query("ready.example", "A"), "127.0.0.1", port=port,
                        timeout=0.2,
                    )  # fmt: skip
                    break
                except (dns.exception.Timeout, OSError):
                    if server.poll() is not None:
                        break
                    time.sleep(0.1)
            else:
                pytest.fail("the server did not answer")
            assert server.poll() is None, server.stdout.read() if server.stdout else ""
            yield
        finally:
            server.terminate()
            server.wait(10)


AUTH = """$TTL 60
@ SOA localhost. root.localhost. 1 60 60 60 60
@ NS localhost.
ready A 203.0.113.200
fine A 203.0.113.201
evil A 203.0.113.202
*.evil A 203.0.113.202
points-there A 192.0.2.7
in-network A 198.51.100.9
six AAAA 2001:db8:1::5
next A 203.0.113.7
new A 203.0.113.203
"""
ZONE = "rpz.sakimori"


@contextmanager
def bind(folder: Path, zone: str) -> Iterator[int]:
    """Run BIND with the zone as response-policy zone, and `example` as its own."""
    named, port = program("named"), free_port()
    written(folder, "rpz.zone", f"{zone}armed.example A 203.0.113.250\n")
    written(folder, "auth.zone", AUTH)
    conf = written(
        folder,
        "named.conf",
        f"""
options {{ directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/key";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion yes;
  allow-query {{ 127.0.0.1; }}; dnssec-validation no; empty-zones-enable no; notify no;
  response-policy {{ zone "{ZONE}"; }} qname-wait-recurse no min-update-interval 1; }};
controls {{ }};
zone "{ZONE}" {{ type primary; file "rpz.zone"; allow-update {{ 127.0.0.1; }}; notify no; }};
zone "example" {{ type primary; file "auth.zone"; }};
""",
    )
    with serving(port, named, "-g", "-n", "1", "-c", conf):
        for _ in range(60):  # it answers before its policy is in force
            if rcode(port, "armed.example") == "203.0.113.250":
                break
            time.sleep(0.1)
        else:
            pytest.fail("the policy did not come into force")
        yield port


def test_bind_blocks_names_what_is_below_and_answers_with_addresses(tmp_path: Path) -> None:
    with bind(tmp_path, full("rpz")) as port:
        asked = {
            name: rcode(port, f"{name}.example")
            for name in ("fine", "evil", "www.evil", "points-there", "in-network")
        }
        asked["six"] = rcode(port, "six.example", "AAAA")
    assert asked == {
        "fine": "203.0.113.201",
        "evil": "NXDOMAIN",
        "www.evil": "NXDOMAIN",
        "points-there": "NXDOMAIN",
        "in-network": "NXDOMAIN",
        "six": "NXDOMAIN",
    }


@pytest.mark.parametrize("sinkhole", [(), ("192.0.2.53", "2001:db8::53"), ("sink.example",)])
def test_no_name_makes_bind_refuse_the_zone(tmp_path: Path, sinkhole: tuple[str, ...]) -> None:
    check = program("named-checkzone")
    label = "a" * 63
    names = ["_x.evil.example", "a_b.example", "1.example", "xn--a.example", "a--b.example", "x.y",
             f"{label}.{label}.{label}.{'b' * 40}.example", f"{label}.{label}.{label}.example",
             "rpz-ip.example", "32.1.2.0.192.rpz-ip", "x.rpz-drop", "localhost.example"]  # fmt: skip
    text = "kind,value\n" + "".join(f"name,{name}\n" for name in names)
    options = blocks.Options(now=NOW, sinkhole=sinkhole)
    zone = written(tmp_path, "zone", full("rpz", text, options))
    assert "loaded serial" in run(check, "-k", "fail", ZONE, zone)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("nodata", "NOERROR"), ("passthru", "203.0.113.202"), ("drop", "timeout"),
     ("tcp-only", "truncated"), ("192.0.2.53", "192.0.2.53")],
)  # fmt: skip
def test_bind_knows_every_policy(tmp_path: Path, policy: str, expected: str) -> None:
    sinkhole = (policy,) if policy[0].isdigit() else ()
    options = blocks.Options(now=NOW, policy="nxdomain" if sinkhole else policy, sinkhole=sinkhole)
    with bind(tmp_path, full("rpz", options=options)) as port:
        query = dns.message.make_query("www.evil.example", "A")
        try:
            answer = dns.query.udp(query, "127.0.0.1", port=port, timeout=1)
        except dns.exception.Timeout:
            assert expected == "timeout"
            return
        told = "truncated" if answer.flags & dns.flags.TC else rcode(port, "www.evil.example")
    assert told == expected


def settled(port: int, expected: list[str]) -> list[str]:
    """Return the answers; BIND takes a moment until a changed policy is in force."""
    asked: list[str] = []
    for _ in range(60):
        asked = [rcode(port, f"{name}.example") for name in ("evil", "new", "in-network")]
        if asked == expected:
            break
        time.sleep(0.1)
    return asked


def test_bind_takes_the_changes_and_their_undo_while_it_runs(tmp_path: Path) -> None:
    nsupdate = program("nsupdate")
    change = changed("rpz")
    with bind(tmp_path, full("rpz")) as port:
        server = f"server 127.0.0.1 {port}\n"
        seen = [rcode(port, f"{name}.example") for name in ("evil", "new", "in-network")]
        for text in (change.text, change.text):  # again is harmless
            run(nsupdate, told=server + text)
        after = settled(port, ["NXDOMAIN", "NXDOMAIN", "198.51.100.9"])
        serials = rcode(port, ZONE, "SOA").split()[2]
        run(nsupdate, told=server + change.undo)
        undone = settled(port, seen)
    assert seen == undone == ["NXDOMAIN", "203.0.113.203", "NXDOMAIN"]
    assert after == ["NXDOMAIN", "NXDOMAIN", "198.51.100.9"]
    assert serials == "2026112501"


def test_bind_checks_the_zone(tmp_path: Path) -> None:
    check = program("named-checkzone")
    zone = written(tmp_path, "zone", full("rpz"))
    assert "loaded serial 2026112500" in run(check, "-k", "fail", ZONE, zone)
    empty = written(tmp_path, "empty", full("rpz", "kind,value\n"))
    assert "loaded serial" in run(check, ZONE, empty)


def test_unbound_answers_from_the_zone(tmp_path: Path) -> None:
    unbound, port = program("unbound"), free_port()
    zone = written(tmp_path, "rpz.zone", full("rpz"))
    conf = written(
        tmp_path,
        "unbound.conf",
        f"""
server:
  interface: 127.0.0.1
  port: {port}
  chroot: ""
  directory: "{tmp_path}"
  pidfile: "{tmp_path}/pid"
  username: ""
  use-syslog: no
  do-daemonize: no
  module-config: "respip iterator"
  local-zone: "fine.example." redirect
  local-data: "fine.example. A 203.0.113.201"
  local-zone: "ready.example." redirect
  local-data: "ready.example. A 203.0.113.200"
remote-control:
  control-enable: no
rpz:
  name: {ZONE}
  zonefile: "{zone}"
""",
    )
    with serving(port, unbound, "-d", "-c", conf):
        asked = [rcode(port, f"{n}.example") for n in ("fine", "evil", "www.evil", "a._srv.evil2")]
    assert asked == ["203.0.113.201", "NXDOMAIN", "NXDOMAIN", "NXDOMAIN"]


def test_dnsmasq_accepts_the_file_and_answers_from_it(tmp_path: Path) -> None:
    dnsmasq, port = program("dnsmasq"), free_port()
    conf = written(tmp_path, "block.conf", full("dnsmasq"))
    assert "syntax check OK" in run(dnsmasq, "--test", "-C", conf)
    with serving(
        port, dnsmasq, "-C", conf, "--keep-in-foreground", "--no-resolv", "--no-hosts",
        "--bind-interfaces", "--listen-address=127.0.0.1", f"--port={port}", "--user=root",
        f"--pid-file={tmp_path}/pid", "--address=/fine.example/203.0.113.201",
    ):  # fmt: skip
        asked = [rcode(port, f"{name}.example") for name in ("fine", "evil", "www.evil")]
    assert asked == ["203.0.113.201", "NXDOMAIN", "NXDOMAIN"]


# Firewalls and routes


def in_a_network_of_its_own(script: str, folder: Path) -> str:
    """Run a shell script where it can change no firewall but its own."""
    program("nft")
    unshare = program("unshare")
    try:
        run(unshare, "-n", "true")
    except AssertionError as error:
        pytest.skip(f"no network namespace can be made here: {error}")
    path = written(folder, "script.sh", f"set -e\nPATH=$PATH:/usr/sbin:/sbin\n{script}")
    return run(unshare, "-n", "sh", path, where=folder)


def test_nft_loads_the_file_the_changes_and_the_undo_each_twice(tmp_path: Path) -> None:
    change = changed("nftables")
    written(tmp_path, "a", full("nftables"))
    written(tmp_path, "b", full("nftables", LATER))
    written(tmp_path, "change", change.text)
    written(tmp_path, "undo", change.undo)
    written(tmp_path, "gone", blocks.state((), blocks.format_named("nftables"), OPTIONS).undo)
    told = in_a_network_of_its_own(
        "list() { nft -j list ruleset > $1; }\n"
        "nft -c -f a; nft -f a; list a1; nft -f a; list a2\n"
        "nft -c -f change; nft -f change; list b1; nft -f change; list b2\n"
        "nft -f undo; list a3; nft -f undo; list a4; nft -f b; list b3\n"
        "nft -f gone; nft -f gone; nft list ruleset\n",
        tmp_path,
    )
    assert told.strip() == ""  # the last undo leaves nothing
    rules = {name: live(tmp_path / name) for name in ("a1", "a2", "a3", "a4", "b1", "b2", "b3")}
    assert rules["a1"] == rules["a2"] == rules["a3"] == rules["a4"]
    assert rules["b1"] == rules["b2"] == rules["b3"]
    assert "198.51.100.0/24" in str(rules["a1"])
    assert "203.0.113.0/25" in str(rules["b1"])
    assert "198.51.100.0/24" not in str(rules["b1"])


def live(path: Path) -> list[str]:
    """Return what nft lists, without times left, counters, handles and the order of sets."""
    found = []
    for item in json.loads(path.read_text())["nftables"]:
        kind, body = next(iter(item.items()))
        for element in body.get("elem", ()):
            inner = element.get("elem", element) if isinstance(element, dict) else element
            value = inner.get("val", inner) if isinstance(inner, dict) else inner
            more = (inner.get("timeout", 0), inner.get("comment")) if "val" in inner else ()
            prefix = value.get("prefix") if isinstance(value, dict) else None
            text = f"{prefix['addr']}/{prefix['len']}" if prefix else str(value)
            found.append(f"{body['name']} {text} {more}")
        if kind == "rule":
            found.append(f"{body['chain']} {json.dumps(body['expr'][0])}")
        elif kind != "metainfo":
            found.append(f"{kind} {body.get('name')}")
    return sorted(found)


def test_exabgp_takes_every_line(tmp_path: Path) -> None:
    exabgp = program("exabgp")
    change = changed("exabgp")
    lines = [line for line in (full("exabgp") + change.text).splitlines() if line[0] != "#"]
    feed = written(tmp_path, "feed", "\n".join(lines) + "\n")
    script = written(tmp_path, "feed.sh", f"#!/bin/sh\ncat {feed}\nsleep 30\n")
    script.chmod(0o755)
    conf = written(
        tmp_path,
        "exabgp.conf",
        f"""
process feed {{ run {script}; encoder text; }}
neighbor 127.0.0.1 {{ router-id 192.0.2.1; local-address 127.0.0.1; local-as 65001; peer-as 65001;
  family {{ ipv4 unicast; ipv6 unicast; ipv4 flow; ipv6 flow; }} api {{ processes [ feed ]; }} }}
""",
    )
    log = tmp_path / "log"
    settings = {
        "exabgp_api_ack": "false", "exabgp_log_destination": str(log), "exabgp_log_all": "true",
        "exabgp_log_level": "DEBUG", "exabgp_daemon_user": "root", "exabgp_api_cli": "false",
        "exabgp_tcp_once": "false", "exabgp_tcp_port": str(free_port()),
    }  # fmt: skip
    with subprocess.Popen(  # noqa: S603 - no shell, a program of this machine
        [exabgp, conf], env=os.environ | settings, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    ) as peer:  # fmt: skip
        try:
            for _ in range(100):
                said = log.read_text() if log.exists() else ""
                done = sum(said.count(f"{kind} {verb} ") for kind in ("route", "flow")
                           for verb in ("added to", "removed from"))  # fmt: skip
                if done >= len(lines):
                    break
                time.sleep(0.1)
        finally:
            peer.terminate()
            peer.wait(10)
    assert done == len(lines), said[-2000:]
    assert "could not parse" not in said.lower()


# Proxies


def test_squid_parses_the_file_without_a_complaint(tmp_path: Path) -> None:
    squid = program("squid")
    path = written(tmp_path, "block.conf", full("squid"))
    conf = written(tmp_path, "squid.conf", f"include {path}\nhttp_access allow localhost\n")
    said = run(squid, "-k", "parse", "-f", conf)
    assert not [w for w in ("WARNING", "ERROR", "FATAL", "unrecognised") if w in said], said


def pac(text: str, urls: Sequence[tuple[str, str]], folder: Path) -> list[str]:
    node = program("node")
    asks = f"console.log(JSON.stringify({json.dumps(urls)}.map(u => FindProxyForURL(u[0], u[1]))))"
    answers = json.loads(run(node, written(folder, "proxy.js", f"{text}\n{asks}\n")))
    assert isinstance(answers, list)
    return answers


URLS = {
    ("http://evil.example/", "evil.example"): True,
    ("http://www.EVIL.example/", "www.EVIL.example"): True,
    ("http://evil.example./", "evil.example."): True,
    ("http://notevil.example/", "notevil.example"): False,
    ("http://evil.example.net/", "evil.example.net"): False,
    ("http://constructor/", "constructor"): False,
    ("http://192.0.2.7/", "192.0.2.7"): True,
    ("http://192.0.2.8/", "192.0.2.8"): False,
    ("http://198.51.100.255/", "198.51.100.255"): True,
    ("http://198.51.101.0/", "198.51.101.0"): False,
    ("http://[2001:db8::7]/", "2001:db8::7"): True,
    ("http://[2001:db8:1:ff::1]/", "[2001:db8:1:ff::1]"): True,
    ("http://[2001:db8:2::]/", "2001:db8:2::"): False,
    ("http://[2001:db8::9]:8080/x", "2001:db8::9"): True,
    ("http://[2001:db8::9]:8080/y", "2001:db8::9"): False,
    ("http://page.example:80/x#top", "page.example"): True,
    ("http://page.example/xx", "page.example"): False,
    ("http://paid.example/x", "paid.example"): False,
}


def test_the_pac_file_decides(tmp_path: Path) -> None:
    answers = pac(full("pac"), list(URLS), tmp_path)
    assert dict(zip(URLS, (a != "DIRECT" for a in answers), strict=True)) == URLS


def test_an_empty_pac_file_lets_all_pass(tmp_path: Path) -> None:
    options = blocks.Options(now=NOW, otherwise="PROXY proxy.example:3128; DIRECT")
    text = full("pac", "kind,value\n", options)
    asks = [("http://evil.example/", "evil.example"), ("http://192.0.2.7/", "192.0.2.7"), ("", "")]
    assert pac(text, asks, tmp_path) == ["PROXY proxy.example:3128; DIRECT"] * 3


# patch


@pytest.mark.parametrize("name", ["dnsmasq", "hosts", "suricata", "squid", "pac"])
def test_patch_applies_the_changes_and_their_undo(tmp_path: Path, name: str) -> None:
    patch = program("patch")
    change = changed(name)
    file = written(tmp_path, "file", full(name))
    run(patch, file, written(tmp_path, "change", change.text))
    assert file.read_text() == full(name, LATER)
    run(patch, file, written(tmp_path, "undo", change.undo))
    assert file.read_text() == full(name)
