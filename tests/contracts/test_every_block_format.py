"""Rules that every block format keeps. A new one needs a parser of its output, and no new test."""

from __future__ import annotations

import base64
import csv
import io
import ipaddress
import json
import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dns.zone
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sakimori.errors import SourceError
from sakimori.takedown import blocks
from sakimori.takedown.blocks import BlockEntry, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syrupy.assertion import SnapshotAssertion

    from sakimori.takedown.blocks import Format

HOME = Path(blocks.__file__).parent
NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
SOON, LATER = NOW + timedelta(days=1), NOW + timedelta(days=400)
PARTS = {"suricata-dataset": ("strings", "addresses")}  # formats of more than one file

Found = set[tuple[str, str]]
every_format = pytest.mark.parametrize("form", blocks.BUILTIN, ids=lambda f: f.NAME)


def options_for(form: Format, now: datetime = NOW) -> list[Options]:
    return [Options(now=now, dataset=part) for part in PARTS.get(form.NAME, ("strings",))]


def every() -> list[tuple[Format, Options]]:
    return [(form, options) for form in blocks.BUILTIN for options in options_for(form)]


# Parsers of what is written, made of the formats' own grammars. They refuse whatever they do not
# know, so a line that an attacker made fails the test, whatever it holds.


def rpz(text: str) -> Found:
    found: Found = set()
    zone = dns.zone.from_text(text, origin="rpz.test.", check_origin=True)
    owners = {str(name): node for name, node in zone.nodes.items()}
    top = owners.pop("@")
    assert sorted(r.rdtype.name for r in top.rdatasets) == ["NS", "SOA"]
    for owner, node in owners.items():
        assert [str(r) for r in (s for d in node.rdatasets for s in d)] == ["."]
        if owner.endswith(".rpz-ip"):
            found.add(cidr_of(owner))
        elif owner.startswith("*."):
            assert owner[2:] in owners
        else:
            assert f"*.{owner}" in owners
            found.add(("name", owner))
    return found


def cidr_of(owner: str) -> tuple[str, str]:
    length, *parts = owner.removesuffix(".rpz-ip").split(".")
    parts.reverse()
    if "zz" in parts or len(parts) == 8:
        text = ":".join("" if p == "zz" else p for p in parts)
        text = f":{text}" if text.startswith(":") else text
        text = f"{text}:" if text.endswith(":") else text
    else:
        text = ".".join(parts)
    return of_prefix(f"{text}/{length}")


def of_prefix(text: str) -> tuple[str, str]:
    network = ipaddress.ip_network(text)
    if network.prefixlen == network.max_prefixlen:
        return "address", str(network.network_address)
    return "cidr", str(network)


def body(text: str, sign: str) -> list[str]:
    """The lines that are no comments; a line ends at nothing but LF."""
    assert text == "" or text.endswith("\n")
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029\u202a-\u202e\u2066-\u2069]", text
    )
    return [line for line in text.split("\n") if line and not line.startswith(sign)]


def comment(text: str) -> str:
    assert re.fullmatch(r"(until [0-9TZ:-]+( - )?)?[\w .,/()-]*", text), text
    return text


def dnsmasq(text: str) -> Found:
    found = set()
    for line in body(text, "#"):
        option, _, remark = line.partition(" # ")
        comment(remark)
        if option.startswith("address="):
            found.add(("name", re.fullmatch(r"address=/([a-z0-9._-]+)/", option)[1]))  # type: ignore[index]
        else:
            found.add(of_prefix(re.fullmatch(r"bogus-nxdomain=([0-9a-f.:/]+)", option)[1]))  # type: ignore[index]
    return found


def hosts(text: str) -> Found:
    seen: dict[str, set[str]] = {}
    for line in body(text, "#"):
        entry, _, remark = line.partition(" # ")
        comment(remark)
        address, name = entry.split(" ")
        assert re.fullmatch(r"[a-z0-9._-]+", name)
        seen.setdefault(name, set()).add(address)
    assert all(addresses == {"0.0.0.0", "::"} for addresses in seen.values())  # noqa: S104
    return {("name", name) for name in seen}


NFT = re.compile(
    r"(?:add|delete) table inet sakimori_block"
    r"|add set inet sakimori_block \w+ \{ type ipv[46]_addr; flags (?:interval, )?timeout; \}"
    r"|add chain inet sakimori_block \w+ \{ type filter hook \w+ priority -10; policy accept; \}"
    r"|add rule inet sakimori_block \w+ ip6? [sd]addr @\w+ counter drop"
    r"|flush chain inet sakimori_block \w+|delete set inet sakimori_block \w+|\}"
)
NFT_ELEMENT = re.compile(r'\t([0-9a-f.:/]+)(?: timeout [0-9dhms]+)?(?: comment "([ -~]*)")?,')


def nft_changes(text: str) -> list[tuple[str, str, tuple[str, str]]]:
    """(verb, set, entry) of each element, in order."""
    found, verb, name = [], "", ""
    for line in body(text, "#"):
        if element := NFT_ELEMENT.fullmatch(line):
            comment(element[2] or "")
            found.append((verb, name, of_prefix(element[1])))
        elif opened := re.fullmatch(r"(add|delete) element inet sakimori_block (\w+) \{", line):
            verb, name = opened.groups()
        else:
            assert NFT.fullmatch(line), line
    return found


def nftables(text: str) -> Found:
    return {entry for _, _, entry in nft_changes(text)}


RULE = re.compile(
    r"drop (ip|dns|tls|http|quic) any any (?:->|<>) (?:any|\[([0-9a-f.:/]+)\]) (?:any|[0-9]+) "
    r'\(msg:"Sakimori block \w+(?: - ([^"]*))?"; ((?:[a-z0-9._]+(?::(?:"[^"\n;]*"|[a-z0-9-]+))?; )*)'
    r"classtype:trojan-activity; sid:([0-9]+); rev:1;\)"
)


def suricata(text: str) -> Found:
    found: Found = set()
    sids = set()
    for line in body(text, "#"):
        rule = RULE.fullmatch(line)
        assert rule, line
        app, address, remark, match, sid = rule.groups()
        comment(remark or "")
        assert sid not in sids
        sids.add(sid)
        contents = [unhexed(c) for c in re.findall(r'content:"([^"]*)"', match)]
        if address:
            found.add(of_prefix(address))
        elif "ja4.hash" in match:
            found.add(("ja4", contents[0]))
        elif "http.uri.raw" in match:
            port = re.search(r"-> any ([0-9]+) ", line)
            host = f"[{contents[0]}]" if ":" in contents[0] else contents[0]
            found.add(("url", f"http://{host}{f':{port[1]}' if port else ''}{contents[1]}"))
        else:
            assert app in ("dns", "tls", "http")
            assert contents[0][0] == "."
            found.add(("name", contents[0][1:]))
    return found


def unhexed(text: str) -> str:
    return re.sub(r"\|([0-9a-f]{2})\|", lambda m: chr(int(m[1], 16)), text)


def dataset(text: str) -> Found:
    found = set()
    for line in body(text, "\0"):
        if re.fullmatch(r"[0-9a-f]*[.:][0-9a-f.:]+", line):
            found.add(of_prefix(line))
        else:
            value = base64.b64decode(line, validate=True).decode("ascii")
            found.add(("ja4" if "_" in value and "." not in value else "name", value))
    return found


def exabgp(text: str) -> Found:
    found: dict[str, set[tuple[str, str]]] = {"route": set(), "flow": set()}
    for line in body(text, "#"):
        route = re.fullmatch(
            r"announce (?:(route) (\S+) next-hop self community \[65535:666\]"
            r"|(flow) route \{ match \{ destination (\S+); \} then \{ discard; \} \})", line
        )  # fmt: skip
        assert route, line
        found[route[1] or route[3]].add(of_prefix(route[2] or route[4]))
    assert found["route"] == found["flow"]
    return found["route"]


def squid(text: str) -> Found:
    found: Found = set()
    for line in body(text, "#"):
        words = line.split(" ")
        if words[:2] == ["http_access", "deny"]:
            assert len(words) == 3
        elif words[:4] == ["acl", "sakimori_names", "dstdomain", "-n"]:
            found.add(("name", re.fullmatch(r"\.([a-z0-9._-]+)", words[4])[1]))  # type: ignore[index]
        elif words[:3] == ["acl", "sakimori_addresses", "dst"]:
            found.add(of_prefix(words[3]))
        else:
            assert words[:3] == ["acl", "sakimori_urls", "url_regex"]
            assert len(words) == 4
            pattern = re.sub(r"\(:(80|443)\)\?", "", words[3])
            assert re.fullmatch(r"\^https?://[\w\[\].?+*()$!/~:=&%@,;-]+\$", pattern), pattern
            found.add(("url", re.sub(r"\[(.)\]", r"\1", pattern[1:-1])))
    return found


def pac(text: str) -> Found:
    found: Found = set()
    program = text[text.index("function has(") :]
    assert program == blocks.pac._PROGRAM
    kind = ""
    for line in body(text.removesuffix(program), "//"):
        code, _, remark = line.partition(" // ")
        if line.startswith("["):  # the value in words comes first
            remark = remark.partition(" - ")[2]
        comment(remark)
        if line.startswith("var "):
            kind = line.split(" ")[1]
        elif line.startswith('"') and kind in ("NAMES", "URLS"):
            key = json.loads(re.fullmatch(r'("[^"\\]*"): (?:1,|0\};)', code)[1])  # type: ignore[index]
            if key:
                found.add(("name" if kind == "NAMES" else "url", key))
        else:
            first, last = re.fullmatch(r'\["(\w+)", "(\w+)"\](?:,|\];)', code).groups()  # type: ignore[union-attr]
            if first != "g":
                found.add(of_range(int(first, 16), int(last, 16), v6=kind == "V6"))
    return found


def of_range(first: int, last: int, *, v6: bool) -> tuple[str, str]:
    make: Any = ipaddress.IPv6Address if v6 else ipaddress.IPv4Address
    (network,) = ipaddress.summarize_address_range(make(first), make(last))
    return of_prefix(str(network))


TYPES = {"IpAddress": "address", "DomainName": "name", "Url": "url"}


def windows(text: str) -> Found:
    rows = list(csv.DictReader(io.StringIO(text), strict=True))
    for row in rows:
        assert None not in row
        assert row["Action"] in ("Block", "Audit")
        assert not re.match(r"[=+@\t\r-]", row["Description"])
        assert not re.search(r"[\x00-\x1f\u202e]", row["Description"])
        assert re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.0Z)?", row["ExpirationTime"])
    return {
        (TYPES[r["IndicatorType"]], r["IndicatorValue"]) for r in rows if r["Action"] == "Block"
    }


SET = re.compile(r"Set-SakimoriBlock '(Sakimori block [0-9a-f]{2})' @\(((?:'[0-9a-f.:/]+',?)*)\)")


def firewall_sets(text: str) -> dict[str, Found]:
    sets = {}
    fixed = {*blocks.windows_firewall._FUNCTION.split("\n"), blocks.windows_firewall._CLEAR.strip()}
    for line in body(text, "#"):
        if line in fixed:
            continue
        found = SET.fullmatch(line)
        assert found, line
        sets[found[1]] = {of_prefix(v) for v in re.findall("'([^']+)'", found[2])}
    return sets


def windows_firewall(text: str) -> Found:
    return set().union(*firewall_sets(text).values())


PARSERS: dict[str, Callable[[str], Found]] = {
    "rpz": rpz, "dnsmasq": dnsmasq, "hosts": hosts, "nftables": nftables, "suricata": suricata,
    "suricata-dataset": dataset, "exabgp": exabgp, "squid": squid, "pac": pac, "windows": windows,
    "windows-firewall": windows_firewall,
}  # fmt: skip


def parsed(form: Format, text: str) -> Found:
    return PARSERS[form.NAME](text)


def inside(entry: tuple[str, str], others: Found) -> bool:
    """Whether an entry is another one's: a name below a name, a network in a network."""
    kind, value = entry
    if kind == "name":
        return any(k == "name" and value.endswith(f".{v}") for k, v in others)
    if kind in ("address", "cidr"):
        network: Any = ipaddress.ip_network(value)
        return any(
            network.version == other.version and network.subnet_of(other)
            for other in (ipaddress.ip_network(v) for k, v in others if k in ("address", "cidr"))
        )
    return False


def check(form: Format, entries: Iterable[BlockEntry], options: Options) -> blocks.Written:
    """Write entries and assert that the file holds them, and nothing else."""
    entries = list(entries)
    written = blocks.state(entries, form, options)
    out = {(left.entry.kind, left.entry.value) for left in written.left_out}
    ended = {(e.kind, e.value) for e in entries if e.expires and e.expires <= options.now}
    declared = {(e.kind, e.value) for e in entries} - out - ended
    found = parsed(form, written.text)
    if form.NAME in ("squid", "pac"):
        assert found <= declared
        assert all(inside(entry, found) for entry in declared - found)
    else:
        assert found == declared
    assert all(left.reason for left in written.left_out)
    assert written.count == len(declared)
    return written


# Applying changes, as the program they are for would


def applied(form: Format, before: str, change: str) -> Found:
    """Return what is in force after a change."""
    if form.NAME in ("dnsmasq", "hosts", "suricata", "squid", "pac"):
        return parsed(form, patched(before, change))
    return APPLY[form.NAME](before, change)


def patched(before: str, change: str) -> str:
    """Apply a unified diff without context, strictly."""
    if not change:
        return before
    old, out, at = before.splitlines(), [], 0
    lines = change.splitlines()
    assert lines[:2] == ["--- before", "+++ after"]
    for line in lines[2:]:
        if hunk := re.fullmatch(r"@@ -(\d+),(\d+) \+\d+,\d+ @@", line):
            start = int(hunk[1]) - (hunk[2] != "0")
            out += old[at:start]
            at = start
        elif line[0] == "-":
            assert old[at] == line[1:]
            at += 1
        else:
            assert line[0] == "+"
            out.append(line[1:])
    return "\n".join([*out, *old[at:]]) + "\n"


def rpz_applied(before: str, change: str) -> Found:
    records = set(re.findall(r"^([^;$@\s]\S*) CNAME \.", before, re.MULTILINE))
    for line in body(change, ";"):
        if done := re.fullmatch(r"update delete (\S+)\.rpz\.sakimori\. CNAME \.", line):
            records.discard(done[1])
        elif done := re.fullmatch(r"update add (\S+)\.rpz\.sakimori\. 300 CNAME \.", line):
            records.add(done[1])
        else:
            assert re.fullmatch(
                r"send|zone rpz\.sakimori\.|update add rpz\.sakimori\. 300 SOA .*", line
            )
    head = "$TTL 1\n@ SOA a. b. 1 1 1 1 1\n@ NS a.\n"
    return rpz(head + "".join(f"{owner} CNAME .\n" for owner in sorted(records)))


def nft_applied(before: str, change: str) -> Found:
    state = {(name, entry) for _, name, entry in nft_changes(before)}
    for verb, name, entry in nft_changes(change):
        if verb == "add":
            state.add((name, entry))
        else:
            state.remove((name, entry))  # as nft, which refuses to delete what is not there
    return {entry for _, entry in state}


def dataset_applied(before: str, change: str) -> Found:
    values = dict.fromkeys(before.split())
    for line in body(change, "\0"):
        verb, value = re.fullmatch(  # type: ignore[union-attr]
            r"dataset-(add|remove) sakimori-(?:strings string|addresses ip) (\S+)", line
        ).groups()
        if verb == "add":
            values[value] = None
        else:
            values.pop(value, None)
    return dataset("".join(f"{value}\n" for value in values))


def exabgp_applied(before: str, change: str) -> Found:
    lines = dict.fromkeys(body(before, "#"))
    for line in body(change, "#"):
        if line.startswith("withdraw "):
            lines.pop(line.replace("withdraw", "announce", 1), None)
        else:
            lines[line] = None
    return exabgp("".join(f"{line}\n" for line in lines))


def windows_applied(before: str, change: str) -> Found:
    ended = {
        (TYPES[row["IndicatorType"]], row["IndicatorValue"])
        for row in csv.DictReader(io.StringIO(change))
        if row["Action"] == "Audit"
    }
    return (windows(before) | windows(change)) - ended


def firewall_applied(before: str, change: str) -> Found:
    return set().union(*(firewall_sets(before) | firewall_sets(change)).values())


APPLY: dict[str, Callable[[str, str], Found]] = {
    "rpz": rpz_applied, "nftables": nft_applied, "suricata-dataset": dataset_applied,
    "exabgp": exabgp_applied, "windows": windows_applied, "windows-firewall": firewall_applied,
}  # fmt: skip
AS_FILES = ("dnsmasq", "hosts", "suricata", "squid", "pac")


# Entries

LABEL = st.from_regex(r"[a-z0-9_]([a-z0-9_-]{0,8}[a-z0-9_])?", fullmatch=True)
NAMES = st.builds(
    "{}.{}".format, LABEL, st.sampled_from(["a.example", "b.example", "b.example.net"])
)
V4 = st.ip_addresses(network="198.51.0.0/16").map(str) | st.ip_addresses(
    network="192.0.2.0/24"
).map(str)
V6 = st.ip_addresses(network="2001:db8::/32").map(str) | st.sampled_from(
    ["2001:db8::", "2001:db8:0:1::2", "2001:db8:0:0:1::", "2001:db8:1:2:3:4:5:6"]
)
NETS = st.builds("{}/{}".format, V4, st.integers(15, 31)) | st.builds(
    "{}/{}".format, V6, st.integers(20, 127)
)
URLS = st.builds(
    "{}://{}/{}".format, st.sampled_from(["http", "https"]),
    NAMES | V4 | V6.map(lambda a: f"[{a}]") | NAMES.map(lambda n: f"{n}:8080"), st.text(max_size=12),
)  # fmt: skip
JA4 = st.from_regex(r"[tqd]13[di][0-9]{4}[a-z0-9]{2}_[0-9a-f]{12}_[0-9a-f]{12}", fullmatch=True)
VALUES = (
    st.tuples(st.just("name"), NAMES)
    | st.tuples(st.just("address"), V4 | V6)
    | st.tuples(st.just("cidr"), NETS)
    | st.tuples(st.just("url"), URLS)
    | st.tuples(st.just("ja4"), JA4)
)
# What breaks out of one format or the other.
EVIL = [
    "\n", "\r\n", "\u2028", "\x85", "\x0c", "\x00", "\x1b[2J", '"', "'", "`", ";", "#", "//", "*/",
    "<!--", "</script>", "{", "}", ");", "(", "\\", "|", "|0a|", "$(reboot)", "${x}", "%0a", "\u202e",
    "\u2066", "\ud800", "=cmd|' /C calc'!A0", "@SUM(1)", "+1", "-1", ",", "\t", " ", "/", "*.", ".",
    "@ IN A 192.0.2.66", "victim.example CNAME .", "announce route 0.0.0.0/0 next-hop self",
    "add element inet sakimori_block addr4 { 192.0.2.66 }", "0.0.0.0 victim.example",
    'drop ip any any -> any any (sid:1;)', "address=/#/", "acl all src 0.0.0.0/0", "$INCLUDE /etc/passwd",
    "$GENERATE 1-9 x$ A 192.0.2.66", "Remove-NetFirewallRule", "until 2020-01-01T00:00:00Z",
    "8.0.0.0.10.rpz-client-ip", "__proto__", "日本語", "\u05d0\u05d1", "\uff36\uff29\uff23", "a" * 70, "-",
]  # fmt: skip
REASONS = st.lists(st.sampled_from(EVIL) | st.text(max_size=6), max_size=6).map("".join)
TIMES = st.sampled_from(
    [None, SOON, LATER, NOW, NOW - timedelta(days=1), datetime.max.replace(tzinfo=UTC)]
)
RAW = st.lists(st.sampled_from(EVIL) | NAMES | V4 | URLS | st.text(max_size=6), max_size=5).map(
    "".join
)


@st.composite
def entries(draw: st.DrawFn) -> list[BlockEntry]:
    """Good entries with hostile reasons."""
    made = []
    for kind, value in draw(st.lists(VALUES, max_size=8)):
        good = blocks.entry(kind, value)
        if isinstance(good, BlockEntry):
            made.append(
                BlockEntry(good.kind, good.value, draw(TIMES), draw(REASONS | st.just("C2")))
            )
    return list({(e.kind, e.value): e for e in made}.values())


KINDS = st.sampled_from([*blocks.KINDS, "Name", "x"])
quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# The rules


def test_every_file_is_listed_and_its_output_has_a_parser() -> None:
    files = {p.stem for p in HOME.glob("*.py") if not p.stem.startswith("_")}
    assert files == {form.NAME.replace("-", "_") for form in blocks.BUILTIN}
    assert set(PARSERS) == set(blocks.load_all())
    assert set(APPLY) | set(AS_FILES) == set(PARSERS)


@every_format
def test_a_format_says_what_it_is_and_what_it_holds(form: Format) -> None:
    assert form.TITLE
    assert form.SUPPORTS
    assert set(form.SUPPORTS) <= set(blocks.KINDS)


GOLDEN = """kind,value,expires,reason
name,evil.example,2027-01-01T00:00:00Z,C&C of a banker; reported by "CSIRT" }
name,bücher.example,,日本語の理由
name,gone.example,2026-01-01,
address,192.0.2.7,2026-12-01T12:00:00+09:00,
address,2001:db8::7,,seen 3 times
cidr,198.51.100.0/24,,
cidr,2001:db8:1::/48,2027-01-01,
url,http://evil.example:8080/gate.php?id=1&x=a b,,
ja4,t13d1516h2_8daaf6152771_b186095e22b6,,loader
"""
SECOND = """kind,value,expires,reason
name,evil.example,2027-02-01T00:00:00Z,C&C of a banker
name,new.example,,
address,192.0.2.7,2026-12-01T12:00:00+09:00,
address,192.0.2.8,,
cidr,2001:db8:1::/48,2027-01-01,
ja4,t13d1516h2_8daaf6152771_b186095e22b6,,loader
"""


@every_format
def test_what_is_written_is_as_it_was(form: Format, snapshot: SnapshotAssertion) -> None:
    first, second = blocks.read(GOLDEN).entries, blocks.read(SECOND).entries
    for options in options_for(form):
        written = check(form, first, options)
        change = blocks.changes(second, form, options, written.text)
        assert f"{written.text}\n{change.text}\n{change.undo}" == snapshot


@every_format
def test_no_entries_give_a_valid_file(form: Format) -> None:
    for options in options_for(form):
        assert check(form, (), options).count == 0


@quick
@given(given_=entries(), seed=st.integers(0, 99))
def test_hostile_text_adds_nothing_and_order_changes_nothing(
    given_: list[BlockEntry], seed: int
) -> None:
    for form, options in every():
        text = check(form, given_, options).text
        mixed = random.Random(seed).sample(given_, len(given_))
        assert blocks.state(mixed, form, options).text == text, form.NAME
        assert blocks.changes(given_, form, options, text).text == "", form.NAME


@quick
@given(rows=st.lists(st.tuples(KINDS, RAW, RAW, RAW), max_size=8))
def test_hostile_rows_are_entries_or_rejects_and_nothing_else(
    rows: list[tuple[str, str, str, str]],
) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows([("kind", "value", "expires", "reason"), *rows])
    listed = blocks.read(out.getvalue())
    assert len(listed.entries) + len(listed.rejects) + listed.merged == len(rows)
    for form, options in every():
        check(form, listed.entries, options)


@settings(quick, max_examples=12)
@given(before=entries(), after=entries(), shared=entries())
def test_changes_lead_there_and_back_and_can_be_applied_twice(
    before: list[BlockEntry], after: list[BlockEntry], shared: list[BlockEntry]
) -> None:
    for form, options in every():
        old = blocks.state([*before, *shared], form, options)
        new = blocks.state([*after, *shared], form, options)
        change = blocks.changes([*after, *shared], form, options, old.text)
        was, now = parsed(form, old.text), parsed(form, new.text)
        assert applied(form, old.text, change.text) == now, form.NAME
        assert applied(form, new.text, change.undo) == was, form.NAME
        if form.NAME not in AS_FILES:
            assert applied(form, new.text, change.text) == now, form.NAME
            assert applied(form, old.text, change.undo) == was, form.NAME


@every_format
def test_what_expires_goes_and_is_a_removal(form: Format) -> None:
    listed = blocks.read(GOLDEN).entries
    later = datetime(2026, 12, 15, tzinfo=UTC)
    for options, then in zip(options_for(form), options_for(form, later), strict=True):
        old = blocks.state(listed, form, options)
        change = blocks.changes(listed, form, then, old.text)
        left = applied(form, old.text, change.text)
        ended = {e for e in parsed(form, old.text) if e == ("address", "192.0.2.7")}
        assert parsed(form, old.text) - left == ended
        assert bool(change.text) == bool(ended)


@every_format
def test_an_earlier_list_serves_as_the_earlier_file(form: Format) -> None:
    later = datetime(2026, 12, 15, tzinfo=UTC)
    for options in options_for(form, later):
        old = blocks.state(
            blocks.read(GOLDEN).entries, form, Options(now=NOW, dataset=options.dataset)
        )
        by_list = blocks.changes(blocks.read(SECOND).entries, form, options, GOLDEN)
        new = blocks.state(blocks.read(SECOND).entries, form, options)
        if form.NAME in AS_FILES:  # the list still names what had ended before the file was written
            assert "gone.example" in by_list.text or "name" not in form.SUPPORTS
        else:
            assert applied(form, old.text, by_list.text) == parsed(form, new.text)


@every_format
def test_the_undo_of_a_whole_file_is_what_was_there_before(form: Format) -> None:
    first, second = blocks.read(GOLDEN).entries, blocks.read(SECOND).entries
    for options in options_for(form):
        old = blocks.state(first, form, options)
        over = blocks.state(second, form, options, old.text)
        fresh = blocks.state(second, form, options)
        if form.NAME in ("exabgp", "windows"):  # commands: they lead back
            assert applied(form, over.text, over.undo) == parsed(form, old.text)
            assert applied(form, fresh.text, fresh.undo) == set()
        else:
            assert parsed(form, over.undo) == parsed(form, old.text)
            assert parsed(form, fresh.undo) == set()


@every_format
@pytest.mark.parametrize("text", ["hello\n", "<xml/>\n", "# a comment\nx\n", "\x00\x01", "{}\n"])
def test_a_previous_file_of_something_else_is_refused(form: Format, text: str) -> None:
    with pytest.raises(SourceError, match="previous"):
        blocks.changes((), form, options_for(form)[0], text)


@every_format
def test_an_empty_previous_file_makes_everything_new(form: Format) -> None:
    for options in options_for(form):
        new = blocks.state(blocks.read(GOLDEN).entries, form, options)
        change = blocks.changes(blocks.read(GOLDEN).entries, form, options, "")
        if form.NAME in AS_FILES:
            assert patched("", change.text) == new.text
        else:
            empty = "" if form.NAME != "windows" else ",".join(blocks.windows.COLUMNS)
            assert applied(form, empty, change.text) == parsed(form, new.text)


@every_format
def test_an_exemption_is_never_written_as_a_block(form: Format) -> None:
    entry = BlockEntry("name", "good.example", policy="passthru")
    written = blocks.state([entry], form, options_for(form)[0])
    assert [left.entry for left in written.left_out] == ([] if form.NAME == "rpz" else [entry])
    assert "good.example CNAME rpz-passthru." in written.text or form.NAME != "rpz"
