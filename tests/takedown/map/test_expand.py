from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.takedown.known import parse
from sakimori.takedown.map import Limits, Material, Options, make
from sakimori.takedown.map.model import Contact, PdnsRecord, Way

if TYPE_CHECKING:
    from sakimori.takedown.map import BotnetMap


def reasons(drawn: BotnetMap) -> dict[str, str]:
    return {note.node: note.reason for note in drawn.notes}


def names(drawn: BotnetMap) -> set[str]:
    return {n.label for n in drawn.nodes.values() if n.kind in ("name", "address")}


def test_two_hops_reach_the_names_beside_and_no_further(
    draw: Any, calls: Any, resolves: Any
) -> None:
    pdns = (
        *resolves("c2.example", "192.0.2.1"),
        *resolves("beside.example", "192.0.2.1 192.0.2.2"),
        *resolves("far.example", "192.0.2.2"),
    )
    drawn = draw(contacts=calls(1, "c2.example"), pdns=pdns)
    assert names(drawn) == {"192.0.2.1", "beside.example"}
    further = draw(contacts=calls(1, "c2.example"), pdns=pdns, limits={"hops": 4})
    assert "far.example" in names(further)
    assert names(draw(contacts=calls(1, "c2.example"), pdns=pdns, limits={"hops": 0})) == set()


def test_shared_hosting_is_not_followed(draw: Any, calls: Any, resolves: Any) -> None:
    neighbours = [r for n in range(30) for r in resolves(f"n{n}.example", "192.0.2.1")]
    pdns = (*resolves("c2.example", "192.0.2.1"), *neighbours)
    drawn = draw(contacts=calls(1, "c2.example"), pdns=pdns)
    assert reasons(drawn) == {"address:192.0.2.1": "shared"}
    assert drawn.nodes["address:192.0.2.1"].attributes["names"] == 31
    assert names(drawn) == {"192.0.2.1"}
    assert len(names(draw(contacts=calls(1, "c2.example"), pdns=pdns,
                          limits={"most_names": 40}))) == 31  # fmt: skip


def test_a_content_network_is_not_followed_by_name_nor_by_its_system(
    draw: Any, calls: Any, resolves: Any
) -> None:
    class Row:
        asn, name, country, source = "13335", "", "", "asn:t"

    pdns = (
        *resolves("c2.example", "d1.cloudfront.net", "CNAME"),
        *resolves("d1.cloudfront.net", "192.0.2.1"),
        *resolves("d.example", "192.0.2.9"),
        *resolves("e.example", "192.0.2.9"),
    )
    drawn = draw(contacts=calls(1, "c2.example", "d.example"), pdns=pdns,
                 asn=lambda a: Row if a == "192.0.2.9" else None)  # fmt: skip
    assert reasons(drawn) == {"name:d1.cloudfront.net": "cdn", "address:192.0.2.9": "cdn"}
    assert "e.example" not in names(drawn)


def test_parked_names_are_not_followed(draw: Any, calls: Any, resolves: Any) -> None:
    pdns = (
        *resolves("c2.example", "ns1.sedoparking.com ns2.sedoparking.com", "NS"),
        *resolves("c2.example", "192.0.2.1"),
    )
    drawn = draw(contacts=calls(1, "c2.example"), pdns=pdns)
    assert reasons(drawn) == {"name:c2.example": "parking"}
    known = parse(["parking,198.51.100.0/24"], "mine")
    pdns = (*resolves("d.example", "198.51.100.1"), *resolves("e.example", "198.51.100.1"))
    drawn = draw(contacts=calls(1, "d.example"), pdns=pdns, known=known)
    assert reasons(drawn) == {"address:198.51.100.1": "parking"}
    assert names(drawn) == {"198.51.100.1"}


def test_a_dynamic_name_keeps_its_own_addresses_only(draw: Any, calls: Any, resolves: Any) -> None:
    pdns = (
        *resolves("evil.duckdns.org", "192.0.2.1"),
        *resolves("home.example", "192.0.2.1"),
    )
    drawn = draw(contacts=calls(1, "evil.duckdns.org"), pdns=pdns)
    assert reasons(drawn) == {"name:evil.duckdns.org": "dynamic"}
    assert names(drawn) == {"192.0.2.1"}
    assert "name:duckdns.org" not in drawn.nodes


def test_a_sinkhole_and_a_suffix_are_not_followed(draw: Any, calls: Any, resolves: Any) -> None:
    pdns = (*resolves("c2.example", "192.0.2.1"), *resolves("d.example", "192.0.2.1"))
    drawn = draw(
        contacts=calls(1, "c2.example", "co.jp"), pdns=pdns, sinkholes=frozenset({"192.0.2.1"})
    )
    assert reasons(drawn) == {
        "address:192.0.2.1": "sinkhole", "name:c2.example": "sinkhole", "name:co.jp": "suffix",
    }  # fmt: skip
    assert names(drawn) == {"192.0.2.1"}


def test_the_addresses_of_a_fast_flux_name_are_bots_not_servers(
    draw: Any, calls: Any, resolves: Any
) -> None:
    many = " ".join(f"192.0.2.{n}" for n in range(1, 60))
    drawn = draw(contacts=calls(1, "flux.example"), pdns=resolves("flux.example", many))
    assert reasons(drawn) == {"name:flux.example": "many"}
    assert names(drawn) == set()


def test_records_of_another_time_are_not_followed(draw: Any, calls: Any, resolves: Any) -> None:
    pdns = (
        *resolves("c2.example", "192.0.2.1", days=-20),
        *resolves("c2.example", "192.0.2.2", days=-400),
        *resolves("c2.example", "192.0.2.3", days=400),
    )
    drawn = draw(contacts=calls(1, "c2.example"), pdns=pdns)
    assert names(drawn) == {"192.0.2.1"}
    assert reasons(drawn) == {"name:c2.example": "other_time"}


def test_a_record_met_from_both_ends_counts_once(draw: Any, calls: Any, resolves: Any) -> None:
    drawn = draw(contacts=calls(1, "c2.example", "192.0.2.1"),
                 pdns=resolves("c2.example", "192.0.2.1"))  # fmt: skip
    (edge,) = [e for e in drawn.edges if e.relation == "resolves to"]
    assert edge.count == 1
    assert edge.sources == ("pdns:test",)


def test_name_servers_of_one_operator_are_one_node(material: Material) -> None:
    drawn = make(material, Options(today=date(2026, 3, 2)))
    server = drawn.nodes["name_server:host.example"]
    assert server.attributes["hosts"] == ("ns1.host.example", "ns2.host.example")
    served = {e.source for e in drawn.edges if e.relation == "is served by"}
    assert served == {"name:c2.example.com", "name:other.example.com"}


def test_the_host_of_a_url_is_followed_and_the_site_of_a_dead_drop_is_not(
    draw: Any, calls: Any, resolves: Any
) -> None:
    pdns = (*resolves("gate.example.com", "192.0.2.1"), *resolves("blog.example.com", "192.0.2.2"))
    drawn = draw(
        contacts=calls(1, "http://gate.example.com/a.php"), pdns=pdns,
        ways=(Way("bn", 1, "dead-drop", "http://blog.example.com/x"),),
    )  # fmt: skip
    assert "192.0.2.1" in names(drawn)
    assert "192.0.2.2" not in names(drawn)


def test_without_passive_dns_the_map_says_so(draw: Any, calls: Any) -> None:
    assert [w.reason for w in draw(contacts=calls(1, "c2.example")).warnings] == ["no_pdns"]


def test_what_holds_a_name_and_an_address_is_joined_to_them(material: Material) -> None:
    drawn = make(material, Options(today=date(2026, 3, 2)))
    joined = {(e.source, e.relation, e.target) for e in drawn.edges}
    assert {
        ("name:c2.example.com", "is registered through", "registrar:registrar x"),
        ("name:c2.example.com", "is registered by", "registrant:h-1"),
        ("name:c2.example.com", "is in the zone of", "registry:com"),
        ("address:192.0.2.1", "is hosted by", "hosting:bullet"),
        ("address:192.0.2.1", "is announced by", "asn:64500"),
        ("asn:64500", "is reached through", "upstream:as64501"),
        ("asn:64500", "is in", "country:NL"),
        ("url:http://blog.example/x", "is at", "name:blog.example"),
    } <= joined


pool_names = st.sampled_from([f"n{n}.example" for n in range(6)] + ["x.duckdns.org", "co.jp"])
pool_addresses = st.sampled_from([f"192.0.2.{n}" for n in range(1, 7)])
records = st.lists(
    st.builds(PdnsRecord, pool_names, st.just("A"), pool_addresses), max_size=30, unique=True
)


@given(records, st.integers(0, 4), st.integers(1, 4))
@settings(max_examples=40)
def test_more_hops_and_looser_limits_never_lose_a_node(
    pdns: list[PdnsRecord], hops: int, most: int
) -> None:
    material = Material(contacts=(Contact("10.0.0.1", "n0.example", "bn"),), pdns=tuple(pdns))

    def nodes(hops: int, most: int) -> set[str]:
        limits = Limits(hops=hops, most_names=most)
        drawn = make(material, Options(today=date(2026, 3, 2), limits=limits))
        assert all(e.source in drawn.nodes and e.target in drawn.nodes for e in drawn.edges)
        return set(drawn.nodes)

    assert nodes(hops, most) <= nodes(hops + 1, most)
    assert nodes(hops, most) <= nodes(hops, most + 1)
