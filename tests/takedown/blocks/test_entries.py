from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sakimori.errors import ConfigError, SourceError
from sakimori.intel import Refusal
from sakimori.takedown import blocks
from sakimori.takedown.blocks import BlockEntry, Options, _entries, _text, rpz, suricata

NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
HEAD = "kind,value,expires,reason\n"


@pytest.mark.parametrize(
    ("kind", "given_", "canonical"),
    [
        ("address", " 192.0.2.7 ", "192.0.2.7"),
        ("address", "192[.]0[.]2[.]7", "192.0.2.7"),
        ("address", "2001:DB8:0:0::1", "2001:db8::1"),
        ("address", "::ffff:192.0.2.7", "192.0.2.7"),
        ("address", "10.1.2.3", "10.1.2.3"),
        ("cidr", "192.0.2.77/24", "192.0.2.0/24"),
        ("cidr", "2001:db8::5/48", "2001:db8::/48"),
        ("cidr", "::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("name", "Evil.Example.", "evil.example"),
        ("name", "*.evil[.]example", "evil.example"),
        ("name", "bücher.example", "xn--bcher-kva.example"),
        ("name", "_srv._tcp.evil.example", "_srv._tcp.evil.example"),
        ("url", "hxxp://Evil.example:80/a b#part", "http://evil.example/a%20b"),
        ("url", 'http://evil.example/"\\|^`{}<>é', "http://evil.example/%22%5C%7C%5E%60%7B%7D%3C%3E%C3%A9"),
        ("ja4", "T13D1516H2_8daaf6152771_b186095e22b6", "t13d1516h2_8daaf6152771_b186095e22b6"),
    ],
)  # fmt: skip
def test_values_become_canonical(kind: str, given_: str, canonical: str) -> None:
    assert blocks.entry(kind, given_) == BlockEntry(kind, canonical)
    assert blocks.entry(kind, canonical) == BlockEntry(kind, canonical)


def test_a_network_of_one_address_is_an_address() -> None:
    assert blocks.entry("cidr", "192.0.2.7/32") == BlockEntry("address", "192.0.2.7")
    assert blocks.entry("address", "192.0.2.0/24") == BlockEntry("cidr", "192.0.2.0/24")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("address", "192.0.2"), ("address", "192.0.2.256"), ("address", "evil.example"),
        ("address", "127.0.0.1"), ("address", "::"), ("address", "::1"),
        ("address", "224.0.0.1"), ("address", "0.0.0.1"), ("address", "255.255.255.255"), ("address", "fe80::1"),
        ("address", "2001:db8::1%eth0"), ("address", ""), ("address", "\uff11\uff19\uff12.0.2.7"),
        ("cidr", "0.0.0.0/0"), ("cidr", "::/0"), ("cidr", "16.0.0.0/4"), ("cidr", "2001::/16"),
        ("cidr", "127.0.0.0/24"), ("cidr", "192.0.2.0/33"), ("cidr", "192.0.2.0/99"),
        ("name", "com"), ("name", "co.uk"), ("name", "localhost"), ("name", "printer.local"),
        ("name", "evil .example"), ("name", "evil.example\nvictim.example"), ("name", "a..example"),
        ("name", "-a.example"), ("name", f"{'a' * 64}.example"), ("name", "evil.example:443"),
        ("name", "192.0.2.7"), ("name", "evil.example\x00"), ("name", "evil\u202e.example;"),
        ("url", "ftp://evil.example/x"), ("url", "http://evil.example/\nx"), ("url", "http:///x"),
        ("url", "javascript:alert(1)"), ("url", f"http://evil.example/{'a' * 3000}"),
        ("ja4", "t13d1516h2"), ("ja3", "0" * 32), ("", "evil.example"),
    ],
)  # fmt: skip
def test_what_is_no_target_is_refused_with_a_reason(kind: str, value: str) -> None:
    made = blocks.entry(kind, value)
    assert isinstance(made, Refusal)
    assert made.reason


@quick
@given(st.sampled_from(blocks.KINDS), st.text())
def test_any_text_is_an_entry_or_a_refusal_and_stays_what_it_became(kind: str, value: str) -> None:
    made = blocks.entry(kind, value)
    if isinstance(made, BlockEntry):
        assert made.value.isascii()
        assert made.value.isprintable()
        assert not set(made.value) & set(' "\\|<>^`{};' if made.kind != "url" else ' "\\|<>^`{}')
        assert blocks.entry(made.kind, made.value) == made


def test_a_list_gives_entries_and_rejects_with_their_lines() -> None:
    listed = blocks.read(
        "\ufeffKind, Value ,expires,reason,note\r\n"
        "name,evil.example,2026-12-01,because\r\n"
        "\r\n"
        'name,two.example,,"two\nlines"\r\n'
        "nothing,x,,\r\n"
        "name,three.example,tomorrow,\r\n"
        "name,four.example,,,,,too many\r\n"
        "name\r\n"
        "address,192.0.2.1,2026-12-01T10:00:00+09:00,\r\n"
    )
    assert [(e.line, e.value) for e in listed.entries] == [
        (2, "evil.example"), (4, "two.example"), (10, "192.0.2.1"),
    ]  # fmt: skip
    assert listed.entries[0].expires == datetime(2026, 12, 1, tzinfo=UTC)
    assert listed.entries[2].expires == datetime(2026, 12, 1, 1, tzinfo=UTC)
    assert [r.line for r in listed.rejects] == [6, 7, 8, 9]
    assert listed.unknown == ("note",)


def test_a_row_named_twice_is_one_entry_with_the_longer_life() -> None:
    rows = "name,evil.example,2027-01-01,first\nname,EVIL.example.,,second\nname,evil.example,2026-12-01,\n"
    listed = blocks.read(HEAD + rows)
    assert listed.entries == (BlockEntry("name", "evil.example", None, "first"),)
    assert listed.merged == 2


def test_a_quote_that_never_closes_is_told_with_the_lines_it_hides() -> None:
    listed = blocks.read(HEAD + 'name,a.example,,\nname,"b.example,,\nname,c.example,,\n')
    assert [e.value for e in listed.entries] == ["a.example"]
    (reject,) = listed.rejects
    assert reject.line == 3
    assert "lines 3 to 4 were not read" in reject.reason


def test_a_value_with_a_line_break_is_no_second_row() -> None:
    listed = blocks.read(HEAD + 'name,"x.example\nname,victim.example,,",,\n')
    assert listed.entries == ()
    assert len(listed.rejects) == 1


@pytest.mark.parametrize("text", ["", "\n", "evil.example\n", "kind,reason\n", '"kind\n', "{}"])
def test_a_list_without_its_header_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match="no header"):
        blocks.read(text, "list.csv")


@pytest.mark.parametrize(
    "changes",
    [
        {"policy": "refuse"}, {"bgp": "ospf"}, {"dataset": "x"}, {"zone": "rpz example"},
        {"zone": "x\n@ A 192.0.2.1"}, {"zone": ""}, {"ttl": -1}, {"serial": 2**32},
        {"next_hop": "192.0.2.1 community [1:1]"}, {"next_hop": "fe80::1%eth0"},
        {"otherwise": 'DIRECT"; alert(1)'}, {"otherwise": ""}, {"sinkhole": ("a b",)},
        {"sinkhole": ("sink.example", "192.0.2.1")}, {"sinkhole": ("192.0.2.1\n",)},
    ],
    ids=str,
)  # fmt: skip
def test_options_that_would_break_a_file_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Options(now=NOW, **changes)  # type: ignore[arg-type]


def test_an_unknown_format_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError) as told:
        blocks.format_named("nftable")
    assert "nftables" in told.value.hint


# Remarks and patches


@quick
@given(st.text(), st.booleans())
def test_a_remark_means_nothing_in_any_format(text: str, ascii_only: bool) -> None:
    kept = _text.harmless(text, 80, ascii_only=ascii_only)
    assert all(c.isalnum() or c in "_,./()- " for c in kept)
    assert kept == kept.strip()
    assert kept.isascii() or not ascii_only
    assert kept == " ".join(kept.split())


def test_a_remark_keeps_words_and_japanese() -> None:
    entry = BlockEntry("name", "evil.example", NOW, "ボットの指令サーバー; C&C (2 hosts)")
    assert _text.remark(entry) == "until 2026-11-25T12:30:00Z - ボットの指令サーバー C C (2 hosts)"


@quick
@given(
    st.lists(st.sampled_from("abcdefgh"), max_size=9),
    st.lists(st.sampled_from("abcdefgh"), max_size=9),
)
def test_a_patch_holds_what_changes_and_no_more_than_all(old: list[str], new: list[str]) -> None:
    before, after = ("".join(f"{line}\n" for line in lines) for lines in (old, new))
    change = _text.patch(before, after).splitlines()[2:]
    gone = [line[1:] for line in change if line[0] == "-"]
    come = [line[1:] for line in change if line[0] == "+"]
    assert len(gone) - len(come) == len(old) - len(new)
    assert sorted([*old, *come]) == sorted([*new, *gone])
    assert (change == []) == (old == new)


# What single formats promise


def state(form: str, text: str, before: str | None = None, **options: object) -> str:
    given_ = Options(now=NOW, **options)  # type: ignore[arg-type]
    return blocks.state(
        blocks.read(HEAD + text).entries, blocks.format_named(form), given_, before
    ).text


def serial(zone: str) -> int:
    return int(zone.split("hostmaster.localhost. ")[1].split(maxsplit=1)[0])


def test_the_serial_stays_with_the_content_and_grows_with_a_change() -> None:
    first = state("rpz", "name,a.example,,\n")
    same = state("rpz", "name,a.example,,\n", first)
    other = state("rpz", "name,b.example,,\n", first)
    more = state("rpz", "name,c.example,,\n", other)
    assert first == same
    assert [serial(z) for z in (first, other, more)] == [2026112500, 2026112501, 2026112502]
    assert serial(state("rpz", "name,a.example,,\n", serial=7)) == 7


def test_the_serial_grows_on_the_way_back_too() -> None:
    first = state("rpz", "name,a.example,,\n")
    other = blocks.read(HEAD + "name,b.example,,\n").entries
    change = blocks.changes(other, blocks.format_named("rpz"), Options(now=NOW), first)
    assert [serial(change.text), serial(change.undo)] == [2026112501, 2026112502]


def test_the_serial_goes_round_and_is_never_zero() -> None:
    old = state("rpz", "name,a.example,,\n", serial=2**32 - 1)
    assert serial(state("rpz", "name,b.example,,\n", old, serial=2**32 - 1)) == 1


@pytest.mark.parametrize(
    ("policy", "data"),
    [
        ("nxdomain", "CNAME ."), ("nodata", "CNAME *."), ("passthru", "CNAME rpz-passthru."),
        ("drop", "CNAME rpz-drop."), ("tcp-only", "CNAME rpz-tcp-only."),
    ],
)  # fmt: skip
def test_the_five_policies_are_those_of_the_draft(policy: str, data: str) -> None:
    zone = state("rpz", "name,a.example,,\naddress,192.0.2.1,,\n", policy=policy)
    assert zone.count(data + "\n") == 3
    listed = blocks.read(f"kind,value,policy\nname,a.example,{policy}\n").entries
    own = blocks.state(
        listed, blocks.format_named("rpz"), Options(now=NOW, sinkhole=("192.0.2.53",))
    )
    assert own.text.count(data + "\n") == 2


def test_an_address_trigger_is_reversed_with_its_zeros_as_zz() -> None:
    assert rpz.trigger("192.0.2.0/24") == "24.0.2.0.192.rpz-ip"
    assert rpz.trigger("192.0.2.7") == "32.7.2.0.192.rpz-ip"
    assert rpz.trigger("2001:db8::1") == "128.1.zz.db8.2001.rpz-ip"
    assert rpz.trigger("2001:db8::/32") == "32.zz.db8.2001.rpz-ip"
    assert rpz.trigger("::5:0:0:7/120") == "120.7.0.0.5.zz.rpz-ip"


@pytest.mark.parametrize(
    "name",
    ["0.0.0.0.0.rpz-ip", "8.0.0.0.10.rpz-client-ip", "x.rpz-nsdname", f"{'a.' * 120}example"],
)
def test_a_name_that_means_something_else_in_a_zone_is_left_out(name: str) -> None:
    written = blocks.state([BlockEntry("name", name)], blocks.format_named("rpz"), Options(now=NOW))
    assert len(written.left_out) == 1
    assert name not in written.text


def test_an_underscore_never_gets_addresses_since_bind_would_refuse_the_zone() -> None:
    entry = [BlockEntry("name", "_x.evil.example")]
    form = blocks.format_named("rpz")
    assert blocks.state(entry, form, Options(now=NOW, sinkhole=("192.0.2.53",))).left_out
    assert not blocks.state(entry, form, Options(now=NOW, sinkhole=("sink.example",))).left_out


def test_a_rule_keeps_its_sid_when_the_list_changes() -> None:
    one = state("suricata", "name,m.example,,\n").splitlines()[1:]
    many = state("suricata", "name,a.example,,\nname,m.example,,\nname,z.example,,\n").splitlines()
    assert one == [line for line in many if ".m.example" in line]


def test_two_rules_never_share_a_sid() -> None:
    taken: set[int] = set()
    first = suricata._sid("x", taken)
    assert suricata._sid("x", taken) == first + 1


def test_nft_timeouts_count_from_the_hour() -> None:
    row = "address,192.0.2.1,2026-11-27T13:01:02Z,\n"
    text = state("nftables", row)
    assert "192.0.2.1 timeout 2d1h1m2s comment" in text
    later = Options(now=NOW.replace(minute=59))
    again = blocks.state(blocks.read(HEAD + row).entries, blocks.format_named("nftables"), later)
    assert again.text == text


def test_the_host_of_a_url_takes_its_place() -> None:
    rows = "url,http://evil.example/x,,\nurl,https://[2001:db8::1]:8/y,,\nurl,http://co.uk/,,\n"
    listed = blocks.read(HEAD + rows).entries
    assert [(e.kind, e.value) for e in blocks.hosts_of_urls(listed)] == [
        ("name", "evil.example"), ("address", "2001:db8::1"), ("url", "http://co.uk/"),
    ]  # fmt: skip


def test_the_rows_of_a_list_are_told_apart_from_a_file() -> None:
    assert blocks.is_list(HEAD)
    assert not blocks.is_list(state("windows", ""))
    assert _entries.is_list('"value","kind"\n')
