from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import synchrony
from sakimori.detectors.synchrony import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Act = Callable[..., "Tables"]

Row = dict[str, Any]
Tables = dict[str, list[Row]]

BEGIN = datetime.fromtimestamp(1_750_000_000, UTC)  # of the rows
REMOTE, VICTIM, SHELF = "203.0.113.9", "198.51.100.7", "192.0.2.80"
BOTS = tuple(f"10.0.0.{n}" for n in (3, 8, 21, 34))
EVERYBODY = tuple(f"10.0.0.{n}" for n in range(1, 41))
ORDER = 5000.0  # s
SILENT = {"state": "S0", "dst_pkts": 0}


@pytest.fixture(scope="session")
def day(row: Any) -> Tables:
    """Eight hours of forty hosts that call one common peer, and ask for its name."""
    calls = [
        row("conn", at, src_ip=host, dst_ip="198.51.100.250", duration=1.0)
        for host in EVERYBODY
        for at in (0.0, ORDER - 100, 28_800.0)
    ]
    asked = [
        row("dns", 1.0, src_ip=host, query="www.popular.example", answers=["198.51.100.250"])
        for host in EVERYBODY
    ]
    return {"conn": calls, "dns": asked}


@pytest.fixture(scope="session")
def held(row: Any) -> Any:
    """`held(hosts)`: each holds a connection to the remote for three hours."""

    def make(hosts: Iterable[str] = BOTS, peer: str = REMOTE, **more: Any) -> Tables:
        columns = {"duration": 10_800.0, "dst_port": 6667, **more}
        return {"conn": [row("conn", 60.0, src_ip=h, dst_ip=peer, **columns) for h in hosts]}

    return make


@pytest.fixture(scope="session")
def polls(row: Any) -> Any:
    """`polls(hosts, period)`: each calls the remote at its own moments, from 1000 s on."""

    def make(hosts: Sequence[str], period: float = 60.0, until: float = 9000.0) -> Tables:
        calls = []
        for n, host in enumerate(hosts):
            phase = period * n / len(hosts)
            times = [1000.0 + phase + i * period for i in range(int((until - 1000) / period))]
            calls += [
                row("conn", at, src_ip=host, dst_ip=REMOTE, dst_port=80, duration=0.2)
                for at in times
            ]
        return {"conn": calls}

    return make


@pytest.fixture(scope="session")
def act(row: Any) -> Callable[..., Act]:
    """`act("scans")(host, at)`: the rows of one host that acts from `at` on."""

    def conn(ends: Iterable[tuple[str, int]], host: str, at: float, **more: Any) -> Tables:
        return {
            "conn": [
                row("conn", at + n / 4, src_ip=host, dst_ip=ip, dst_port=port, **more)
                for n, (ip, port) in enumerate(ends)
            ]
        }

    def scans(host: str, at: float, port: int = 23, count: int = 30, **more: Any) -> Tables:
        # Other addresses each time: a second try of one is no first contact.
        seed = f"{host}{at:.0f}".encode()
        net = 20 + sum(seed) % 80 + 100 * (int(at) % 2)
        ends = [(f"198.{net}.{int(at) % 251}.{n}", port) for n in range(1, count + 1)]
        return conn(ends, host, at, **{**SILENT, **more})

    def spams(host: str, at: float, count: int = 8) -> Tables:
        return conn([(f"192.0.2.{n}", 25) for n in range(1, count + 1)], host, at, duration=1.0)

    def floods(host: str, at: float, count: int = 200) -> Tables:
        ends = [(VICTIM, 1000 + n) for n in range(count)]
        return conn(ends, host, at, proto="udp", **SILENT)

    def pours(host: str, at: float, dst_pkts: int = 0) -> Tables:
        more = {"proto": "udp", "duration": 30.0, "src_pkts": 30_000, "state": "S0"}
        return conn([(VICTIM, 80)], host, at, dst_pkts=dst_pkts, **more)

    def asks(host: str, at: float, count: int = 60) -> Tables:
        names = [f"x{n}{int(at)}.example" for n in range(count)]
        return {
            "dns": [
                row("dns", at + n / 4, src_ip=host, query=name, rcode="NXDOMAIN")
                for n, name in enumerate(names)
            ]
        }

    def fetches(host: str, at: float, dst_bytes: int = 400_000) -> Tables:
        return conn([(SHELF, 80)], host, at, dst_bytes=dst_bytes, duration=2.0)

    acts = {f.__name__: f for f in (scans, spams, floods, pours, asks, fetches)}
    return acts.__getitem__


@pytest.fixture(scope="session")
def told(hunt: Any, day: Tables) -> Any:
    """`told(parts...)`: the findings in a day with these rows in it."""

    def run(*parts: Tables, config: Config | None = None, **more: Any) -> list[Row]:
        found: list[Row] = hunt(synchrony, config, **together(day, *parts), **more)
        return found

    return run


def together(*parts: Tables) -> Tables:
    tables: Tables = {}
    for part in parts:
        for name, rows in part.items():
            tables[name] = tables.get(name, []) + rows
    return tables


def all_of(one: Act, hosts: Iterable[str] = BOTS, at: float = ORDER, apart: float = 1.0) -> Tables:
    """Each host acts, `apart` seconds after the one before."""
    return together(*(one(host, at + n * apart) for n, host in enumerate(hosts)))


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("name", "says", "target"),
    [
        ("scans", "scans", "23/tcp"),
        ("spams", "spams", "mail"),
        ("floods", "floods", VICTIM),
        ("pours", "floods", VICTIM),
        ("asks", "asks", "names"),
        ("fetches", "fetches", SHELF),
    ],
)
def test_an_order_is_told_with_its_time_hosts_and_remote(
    told: Any, held: Any, act: Any, name: str, says: str, target: str
) -> None:
    found = told(held(), all_of(act(name)))
    assert sorted(f["host"] for f in found) == sorted(BOTS)
    for one in found:
        assert (one["peer"], one["peer_port"], one["proto"]) == (REMOTE, 6667, "tcp")
        assert (one["act"], one["target"], one["count"]) == (says, target, 1)
        assert one["acted_at"] == one["ordered_at"] == at(ORDER)
        assert (one["group"], one["group_hosts"]) == (4, sorted(BOTS))
        assert (one["window_s"], one["heard"], one["hosts"]) == (5.0, 1.0, 4)
        assert one["lead_s"] == 0.0
        assert one["score"] > 0.8


def test_how_it_is_summed(told: Any, held: Any, act: Any) -> None:
    one = told(held(), all_of(act("scans")))[0]
    expected = 3 * 5 / 28_800
    assert one["expected"] == pytest.approx(expected)
    surprise = 3 * math.log(3 / expected) - 3 + expected - math.log(4 * 4)
    assert one["surprise"] == pytest.approx(surprise)
    usual = 4.5 / 41
    assert one["nats"] == pytest.approx(surprise + 4 * math.log(1 / usual))
    assert one["rarity"] == pytest.approx(1 - 3 / 39)
    assert one["score"] == pytest.approx(one["rarity"])
    loose = told(
        held(), all_of(act("scans")), config=Config(min_nats=one["nats"] / 2, full_nats=100.0)
    )[0]
    share = (one["nats"] / 2) / (100 - one["nats"] / 2)
    assert loose["score"] == pytest.approx((0.3 + 0.7 * share) * one["rarity"])


def test_the_evidence_is_what_was_heard_and_what_was_begun(told: Any, held: Any, act: Any) -> None:
    for name in ("scans", "asks"):
        one = told(held(), all_of(act(name)))[0]
        n = BOTS.index(one["host"])
        assert set(one["evidence"]) == {f"{one['host']}@60.000", f"{one['host']}@{ORDER + n:.3f}"}
        assert one["first_seen"] == at(60)
        assert one["last_seen"] == at(ORDER + n)


def test_polling_bots_act_soon_after_they_ask(told: Any, polls: Any, act: Any) -> None:
    """Asking each minute, in turn a quarter of one apart; each acts 2 s after it asked."""
    began = [act("scans")(host, 5020.0 + 15 * n + 2) for n, host in enumerate(BOTS)]
    asked = polls(BOTS)
    found = told(asked, *began)
    assert sorted(f["host"] for f in found) == sorted(BOTS)
    one = found[0]
    assert (one["peer"], one["peer_port"], one["window_s"]) == (REMOTE, 80, 120.0)
    assert one["acted_at"] == at(5022)
    assert one["ordered_at"] == at(5020)
    assert one["lead_s"] == pytest.approx(1.8, abs=0.01)
    slow = told(asked, *[act("scans")(h, 5020.0 + 15 * n + 45) for n, h in enumerate(BOTS)])
    assert slow[0]["nats"] < one["nats"] - 4  # prompt answers are evidence of their own


def test_two_bots_of_forty_are_enough(told: Any, held: Any, act: Any) -> None:
    assert [f["host"] for f in told(held(BOTS[:2]), all_of(act("scans"), BOTS[:2]))] == [*BOTS[:2]]


def test_more_orders_are_more_evidence(told: Any, held: Any, act: Any) -> None:
    pair = BOTS[:2]
    once = told(held(pair), all_of(act("scans"), pair))
    twice = told(held(pair), all_of(act("scans"), pair), all_of(act("floods"), pair, ORDER + 3000))
    assert [f["count"] for f in once] == [1, 1]
    assert [f["count"] for f in twice] == [2, 2]
    assert twice[0]["nats"] > once[0]["nats"] + 3


def test_acts_of_one_moment_are_one_order(told: Any, held: Any, act: Any) -> None:
    scans = act("scans")
    found = told(held(), all_of(scans), all_of(lambda h, t: scans(h, t, port=2323), at=ORDER + 20))
    assert [f["count"] for f in found] == [1] * 4


def test_a_host_that_did_not_hear_is_not_accused(told: Any, held: Any, act: Any) -> None:
    other = "10.0.0.39"
    found = told(held(), all_of(act("scans"), [*BOTS, other]))
    assert sorted(f["host"] for f in found) == sorted(BOTS)
    assert {(f["group"], f["heard"]) for f in found} == {(5, 0.8)}
    assert other in found[0]["group_hosts"]


def test_of_a_remotes_address_and_name_the_address_is_told(told: Any, act: Any, row: Any) -> None:
    hello = [
        row("tls", ORDER - 30, src_ip=host, server_name="c2.example", dst_ip=REMOTE)
        for host in BOTS
    ]
    flows = [row("conn", ORDER - 30, src_ip=h, dst_ip=REMOTE, duration=5.0) for h in BOTS]
    names = {f["peer"] for f in told({"tls": hello, "conn": flows}, all_of(act("scans")))}
    assert names == {REMOTE}


def test_a_name_behind_changing_addresses_is_told(told: Any, act: Any, row: Any) -> None:
    hello = [
        row("tls", ORDER - 30 + n, src_ip=host, server_name="c2.example", dst_ip=f"203.0.113.{n}")
        for n, host in enumerate(BOTS)
    ]
    found = told({"tls": hello}, all_of(act("scans")))
    assert [(f["peer"], f["peer_port"]) for f in found] == [("c2.example", 443)] * 4


def test_a_question_to_a_proxy_names_the_remote(told: Any, act: Any, row: Any) -> None:
    asked = [
        row("http", ORDER - 5, src_ip=h, dst_ip="10.0.0.250", uri="http://c2.example/", host="c2.example")
        for h in BOTS
    ]  # fmt: skip
    assert {f["peer"] for f in told({"http": asked}, all_of(act("scans")))} == {"c2.example"}


INNOCENT = {
    "nobody heard anything": lambda held, act: [held(()), all_of(act("scans"))],
    "each at its own time": lambda held, act: [held(), all_of(act("scans"), apart=1200.0)],
    "one host": lambda held, act: [held(), act("scans")(BOTS[0], ORDER)],
    "everybody uses the remote": lambda held, act: [held(EVERYBODY), all_of(act("scans"))],
    "everybody acts": lambda held, act: [held(EVERYBODY), all_of(act("scans"), EVERYBODY, apart=0.1)],
    "the remote never answered": lambda held, act: [held(**SILENT), all_of(act("scans"))],
    "heard afterwards": lambda held, act: [held(), all_of(act("scans"), at=30.0)],
    "heard too long ago": lambda held, act: [held(duration=60.0), all_of(act("scans"))],
    "most had not heard": lambda held, act: [held(BOTS[:2]), all_of(act("scans"), (*BOTS, *EVERYBODY[-3:]))],
    "too few to be a scan": lambda held, act: [held(), all_of(lambda h, t: act("scans")(h, t, count=12))],
    "answered": lambda held, act: [held(), all_of(lambda h, t: act("scans")(h, t, state="SF", dst_pkts=4))],
    "nothing known of answers": lambda held, act: [
        held(), all_of(lambda h, t: act("scans")(h, t, state=None, dst_pkts=None))
    ],
    "too few letters": lambda held, act: [held(), all_of(lambda h, t: act("spams")(h, t, count=3))],
    "a busy page": lambda held, act: [held(), all_of(lambda h, t: act("floods")(h, t, count=100))],
    "an upload that is answered": lambda held, act: [held(), all_of(lambda h, t: act("pours")(h, t, 9000))],
    "a few names mistyped": lambda held, act: [held(), all_of(lambda h, t: act("asks")(h, t, count=20))],
    "a small answer": lambda held, act: [held(), all_of(lambda h, t: act("fetches")(h, t, 4000))],
}  # fmt: skip


@pytest.mark.parametrize("case", INNOCENT)
def test_what_is_no_order(told: Any, held: Any, act: Any, case: str) -> None:
    assert told(*INNOCENT[case](held, act)) == []


def test_an_outage_makes_clients_retry(told: Any, held: Any, act: Any, row: Any) -> None:
    """A team's server that was in use is gone: all its clients retry at once, for minutes."""
    used = [
        row("conn", ORDER - 3000 + 60 * n, src_ip=host, dst_ip=VICTIM, duration=1.0)
        for host in BOTS
        for n in range(45)
    ]
    assert told(held(), {"conn": used}, all_of(act("floods"))) == []
    assert len(told(held(), {"conn": used[::45]}, all_of(act("floods")))) == 4  # looked once before


def test_a_download_from_a_named_address_is_no_order(
    told: Any, held: Any, act: Any, row: Any
) -> None:
    named = [row("dns", 5.0, src_ip="10.0.0.40", query="files.example", answers=[SHELF])]
    assert told(held(), {"dns": named}, all_of(act("fetches"))) == []


def test_without_answers_logged_no_address_is_bare(
    hunt: Any, held: Any, act: Any, day: Tables
) -> None:
    tables = together(day, held(), all_of(act("fetches")))
    assert len(hunt(synchrony, **tables)) == 4
    asked = [row | {"answers": None} for row in tables["dns"]]
    assert hunt(synchrony, **{**tables, "dns": asked}) == []


def test_hosts_that_scan_all_day_meet_by_chance(told: Any, held: Any, act: Any) -> None:
    """Each scans anew about every ten minutes: some begin together, as is to be expected."""
    rng = Random(5)
    scans = act("scans")
    begun = [scans(host, 600.0 * n + rng.uniform(0, 240)) for host in BOTS for n in range(2, 18)]
    assert told(held(), *begun) == []


def test_what_goes_on_does_not_begin(told: Any, held: Any, act: Any) -> None:
    """Scans that have run for minutes go on at the moment at which the others begin theirs."""
    before = [act("scans")(BOTS[0], ORDER - 900 + 20 * n, count=18) for n in range(50)]
    found = told(held(), *before, all_of(act("scans"), BOTS[1:], ORDER))
    assert sorted(f["host"] for f in found) == sorted(BOTS[1:])
    assert {f["group"] for f in found} == {3}


def test_the_order_of_rows_does_not_matter(
    told: Any, hunt: Any, held: Any, act: Any, day: Tables
) -> None:
    tables = together(
        day, held(), all_of(act("scans")), all_of(act("asks"), at=ORDER + 1800), all_of(act("spams"), BOTS[:3], 9000.0)
    )  # fmt: skip
    plain = hunt(synchrony, **tables)
    assert {f["count"] for f in plain} == {2, 3}
    for seed in (1, 2):
        rng = Random(seed)
        mixed = {name: rng.sample(rows, len(rows)) for name, rows in tables.items()}
        assert hunt(synchrony, **mixed) == plain


def test_addresses_and_the_hour_do_not_matter(hunt: Any, held: Any, act: Any, day: Tables) -> None:
    tables = together(day, held(), all_of(act("scans")))
    later = {
        name: [r | {"ts": r["ts"] + 86_400_000_000 + 137_500_000} for r in rows]
        for name, rows in tables.items()
    }
    kept = ("host", "peer", "count", "score", "nats", "group", "window_s", "lead_s")
    plain, moved = (
        [{k: f[k] for k in kept} for f in hunt(synchrony, **given)] for given in (tables, later)
    )
    assert moved == plain


def test_every_order_can_be_listed(hunt: Any, held: Any, act: Any, day: Tables) -> None:
    tables = together(day, held(), all_of(act("scans")), all_of(act("floods"), at=ORDER + 3000))
    hunt(synchrony, **tables)
    given = {n: hunt.ibis.table(n).select(*c) for n, c in synchrony.READS.items()}
    rows = synchrony.orders(**given, config=Config()).to_pyarrow().to_pylist()
    assert sorted({(r["act"], r["target"], r["acted_at"]) for r in rows}) == [
        ("floods", VICTIM, at(ORDER + 3000)),
        ("scans", "23/tcp", at(ORDER)),
    ]
    assert len(rows) == 8


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.floats(1e-6, 60), st.floats(0, 1), st.floats(0.01, 0.99)),
        min_size=1,
        max_size=20,
    )
)
def test_the_bounds_are_chernoffs(hunt: Any, cases: list[tuple[int, float, float, float]]) -> None:
    columns = ("count", "expected", "seen", "usual")
    rows = pa.Table.from_pylist([dict(zip(columns, case, strict=True)) for case in cases])
    table = ibis.memtable(rows)
    bounds = table.select(
        poisson=synchrony._poisson(table["count"], table.expected),
        far=synchrony._divergence(table.seen, table.usual),
    )
    got = hunt.ibis.to_pyarrow(bounds)
    for (count, expected, seen, usual), poisson, far in zip(
        cases, got["poisson"].to_pylist(), got["far"].to_pylist(), strict=True
    ):
        bound = count * math.log(count / expected) - count + expected if count > expected else 0.0
        assert poisson == pytest.approx(bound, abs=1e-9)
        assert far == pytest.approx(divergence(seen, usual) if seen > usual else 0.0, abs=1e-9)


def divergence(seen: float, usual: float) -> float:
    missed = (1 - seen) * math.log((1 - seen) / (1 - usual)) if seen < 1 else 0.0
    return seen * math.log(seen / usual) + missed


@pytest.mark.parametrize(
    "wrong",
    [
        {"burst_s": 0},
        {"quiet_s": 30},
        {"unused_s": 100},
        {"min_nats": 0.0},
        {"full_nats": 8.0},
        {"max_share": 0.0},
        {"max_share": 1.1},
        {"lookback_s": 0},
    ],
)
def test_settings_that_could_match_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need 0 <"):
        Config(**wrong)
