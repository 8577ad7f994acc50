from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.engine.duck import Duck
from sakimori.engine.lake import Lake
from sakimori.errors import EngineError
from sakimori.readers import conform
from sakimori.tables import TELEMETRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Open = Callable[..., Duck]

NOON = 1_700_049_600_000_000  # 2023-11-15 12:00 UTC
HOUR = 3_600_000_000


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Open the engine on conn rows, given as columns, with networks of the inside."""
    ducks = []

    def open_on(internal: tuple[str, ...] = ("10.0.0.0/8",), **columns: Any) -> Duck:
        bounds = {name: columns.pop(name, None) for name in ("since", "until")}
        count = len(next(iter(columns.values()), []))
        times = columns.pop("ts", [NOON] * count)
        given = {name: pa.array(values) for name, values in columns.items()}
        given["ts"] = pa.array(times, pa.timestamp("us", "UTC"))
        lake = Lake(tmp_path / "lake")
        parts = []
        if count:
            writer = lake.writer("s1")
            writer.add("conn", conform("conn", given, count))
            parts = writer.publish()
        duck = Duck("200MB", 1, None)
        ducks.append(duck)
        files = {"conn": [str(lake.root / p.path) for p in parts]}
        duck.open_lake(files if parts else {}, **bounds)
        duck.mark_inside(internal)
        return duck

    yield open_on
    for duck in ducks:
        duck.close()


def marks(duck: Duck) -> dict[str, bool | None]:
    return dict(duck.query("SELECT src_ip, src_inside FROM conn").fetchall())


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        pytest.param("10.0.0.0", True, id="first of /8"),
        pytest.param("10.255.255.255", True, id="last of /8"),
        pytest.param("11.0.0.0", False, id="after /8"),
        pytest.param("9.255.255.255", False, id="before /8"),
        pytest.param("192.0.2.128", True, id="first of /27"),
        pytest.param("192.0.2.159", True, id="last of /27"),
        pytest.param("192.0.2.160", False, id="after /27"),
        pytest.param("192.0.2.127", False, id="before /27"),
        pytest.param("198.51.100.7", True, id="/32"),
        pytest.param("198.51.100.8", False, id="beside /32"),
        pytest.param("172.31.255.255", True, id="last of /12"),
        pytest.param("172.32.0.0", False, id="after /12"),
        pytest.param("203.0.113.2", True, id="first of /31"),
        pytest.param("203.0.113.4", False, id="after /31"),
        pytest.param("2001:db8::1", True, id="IPv6"),
        pytest.param("2001:db8:0:ffff:ffff:ffff:ffff:ffff", True, id="last of IPv6 /48"),
        pytest.param("2001:db8:1::", False, id="after IPv6 /48"),
        pytest.param("fe80::1%eth0", True, id="IPv6 with a zone"),
        pytest.param("224.0.0.251", None, id="multicast"),
        pytest.param("239.255.255.255", None, id="last multicast"),
        pytest.param("240.0.0.0", False, id="after multicast"),
        pytest.param("223.255.255.255", False, id="before multicast"),
        pytest.param("255.255.255.255", None, id="broadcast"),
        pytest.param("0.0.0.0", None, id="unspecified"),  # noqa: S104 - an address in a log
        pytest.param("ff02::fb", None, id="IPv6 multicast"),
        pytest.param("FF02::1", None, id="IPv6 multicast in capitals"),
        pytest.param("::", None, id="IPv6 unspecified"),
        pytest.param("ffee.example", False, id="a name"),
        pytest.param("999.1.1.1", False, id="no address"),
        pytest.param("10.0.0", False, id="half an address"),
        pytest.param("fe80::x", False, id="half an IPv6 address"),
    ],
)
def test_an_address_is_inside_its_networks_only(
    opened: Open, address: str, inside: bool | None
) -> None:
    networks = (
        "10.0.0.0/8", "192.0.2.128/27", "198.51.100.7/32", "172.16.0.0/12", "203.0.113.2/31",
        "2001:db8::/48", "fe80::/10",
    )  # fmt: skip
    assert marks(opened(networks, src_ip=[address])) == {address: inside}


def test_no_network_can_make_a_host_of_a_group_address(opened: Open) -> None:
    addresses = ["ff02::1", "::", "224.0.0.1", "255.255.255.255", "1.2.3.4", "2001:db8::1"]
    found = marks(opened(("::/0", "0.0.0.0/0"), src_ip=addresses))
    assert found == dict(zip(addresses, [None, None, None, None, True, True], strict=True))


def test_without_networks_everything_is_outside(opened: Open) -> None:
    assert marks(opened((), src_ip=["10.0.0.1", "fe80::1"])) == {
        "10.0.0.1": False,
        "fe80::1": False,
    }


def test_an_address_that_is_missing_has_no_side(opened: Open) -> None:
    duck = opened(src_ip=["10.0.0.1"], dst_ip=[None])
    assert duck.query("SELECT src_inside, dst_inside FROM conn").fetchall() == [(True, None)]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.ip_addresses(v=4).map(str), min_size=1, max_size=20, unique=True),
    st.lists(st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), min_size=1, max_size=4),
)
def test_inside_is_what_the_standard_library_says(
    addresses: list[str], networks: list[tuple[Any, int]]
) -> None:
    cidrs = [str(ip_network(f"{address}/{size}", strict=False)) for address, size in networks]
    duck = Duck("100MB", 1, None)
    rows = conform("conn", {"src_ip": pa.array(addresses)}, len(addresses))
    duck.open_lake({})
    duck.execute("DROP TABLE stored_conn")
    duck.give("stored_conn", pa.Table.from_batches([rows]))
    duck.mark_inside(cidrs)
    found = marks(duck)
    duck.close()
    for text in addresses:
        address = ip_address(text)
        group = address.is_multicast or int(address) in (0, 2**32 - 1)
        inside = any(address in ip_network(cidr) for cidr in cidrs)
        assert found[text] == (None if group else inside), text


def test_inside_sources_counts_hosts_once(opened: Open) -> None:
    duck = opened(src_ip=["10.0.0.1", "10.0.0.1", "10.0.0.2", "8.8.8.8", None])
    assert duck.inside_sources() == 2


def test_an_empty_lake_has_every_table_with_its_columns(opened: Open) -> None:
    duck = opened()
    for table in TELEMETRY.values():
        expression = duck.table(table.name)
        assert list(expression.columns) == list(table.types)
        assert duck.arrow(expression).num_rows == 0
    assert duck.inside_sources() == 0


@pytest.mark.parametrize(
    ("since", "until", "left"),
    [
        pytest.param(None, None, "abc", id="all"),
        pytest.param(NOON + HOUR, None, "bc", id="since is included"),
        pytest.param(None, NOON + HOUR, "a", id="until is not"),
        pytest.param(NOON + 1, NOON + 2 * HOUR, "b", id="both"),
        pytest.param(NOON + 3 * HOUR, None, "", id="after all"),
    ],
)
def test_bounds_cut_the_traffic(
    opened: Open, since: int | None, until: int | None, left: str
) -> None:
    bounds = {
        name: datetime.fromtimestamp(micros / 1e6, UTC) if micros else None
        for name, micros in (("since", since), ("until", until))
    }
    times = [NOON, NOON + HOUR, NOON + 2 * HOUR]
    duck = opened(ts=times, uid=["a", "b", "c"], src_ip=["10.0.0.1"] * 3, **bounds)
    found = duck.query("SELECT uid FROM conn ORDER BY uid").fetchall()
    assert "".join(uid for (uid,) in found) == left


def test_the_rows_of_some_ids_come_without_their_nulls(opened: Open) -> None:
    duck = opened(uid=["a", "b", "c'"], src_ip=["10.0.0.1", "10.0.0.2", None])
    assert duck.rows_of("conn", ["b", "x"]) == [
        {
            "table": "conn", "ts": datetime(2023, 11, 15, 12, tzinfo=UTC), "uid": "b",
            "src_ip": "10.0.0.2", "source_id": "s1", "src_inside": True,
        }
    ]  # fmt: skip
    assert [row["uid"] for row in duck.rows_of("conn", ["c'"])] == ["c'"]
    assert duck.rows_of("conn", []) == []


# Questions


def test_a_question_is_answered(opened: Open, tmp_path: Path) -> None:
    duck = opened(uid=["a", "b"], src_ip=["10.0.0.1", "8.8.8.8"])
    answer = duck.ask("SELECT uid FROM conn WHERE src_inside", tmp_path / "lake")
    assert answer.to_pylist() == [{"uid": "a"}]


@pytest.mark.parametrize(
    "question",
    [
        pytest.param("SELECT 1; SELECT 2", id="two statements"),
        pytest.param("", id="none"),
        pytest.param("-- nothing", id="a comment"),
        pytest.param("SELEC 1", id="no SQL"),
        pytest.param("SELECT nothing FROM conn", id="no such column"),
        pytest.param("SELECT * FROM machines", id="no such table"),
        pytest.param("DROP TABLE address", id="DROP"),
        pytest.param("DELETE FROM address", id="DELETE"),
        pytest.param("INSERT INTO address VALUES ('1.1.1.1', true)", id="INSERT"),
        pytest.param("CREATE TABLE x AS SELECT 1", id="CREATE"),
        pytest.param("SET threads=8", id="SET"),
        pytest.param("RESET threads", id="RESET"),
        pytest.param("PRAGMA threads=8", id="PRAGMA that sets"),
        pytest.param("ATTACH '{dir}/x.db'", id="ATTACH"),
        pytest.param("INSTALL httpfs", id="INSTALL"),
        pytest.param("LOAD httpfs", id="LOAD"),
        pytest.param("CALL duckdb_settings()", id="CALL"),
        pytest.param("EXPORT DATABASE '{dir}/out'", id="EXPORT"),
        pytest.param("COPY conn TO '{dir}/out.csv'", id="COPY"),
        pytest.param("COPY conn TO '{dir}/lake/conn/out.parquet'", id="COPY into the lake"),
        pytest.param("EXPLAIN ANALYZE COPY (SELECT 1) TO '{dir}/lake/out.parquet'", id="EXPLAIN"),
        pytest.param("EXPLAIN ANALYZE DROP TABLE address", id="EXPLAIN a DROP"),
        pytest.param("PRAGMA import_database('{dir}')", id="a script of commands"),
        pytest.param("SELECT * FROM query('DROP TABLE address')", id="a query in a query"),
        pytest.param("SELECT * FROM read_csv('/etc/passwd', header=false)", id="read_csv"),
        pytest.param("SELECT * FROM read_text('/etc/passwd')", id="read_text"),
        pytest.param("SELECT * FROM read_blob('{dir}/secret')", id="read_blob"),
        pytest.param("SELECT * FROM read_text('{dir}/lake/../secret')", id="out of the lake"),
        pytest.param("SELECT * FROM read_text('{dir}/lake-of-others')", id="a name that begins so"),
        pytest.param("SELECT * FROM glob('/etc/*')", id="glob"),
        pytest.param("SELECT * FROM '{dir}/secret.csv'", id="a file as a table"),
        pytest.param("SELECT * FROM read_json('https://h.example/x')", id="the network"),
    ],
)
def test_what_is_no_single_select_over_the_tables_is_refused(
    opened: Open, tmp_path: Path, question: str
) -> None:
    duck = opened(uid=["a"], src_ip=["10.0.0.1"])
    for name in ("secret", "secret.csv", "lake-of-others"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    (tmp_path / "schema.sql").write_text(f"COPY (SELECT 1) TO '{tmp_path}/pwned.csv';")
    (tmp_path / "load.sql").write_text("")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(EngineError) as raised:
        duck.ask(question.replace("{dir}", str(tmp_path)), tmp_path / "lake")
    assert raised.value.hint
    assert len(str(raised.value).splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert duck.query("SELECT count(*) FROM address").fetchone() == (1,)


def test_after_a_question_the_doors_stay_shut(opened: Open, tmp_path: Path) -> None:
    duck = opened(uid=["a"], src_ip=["10.0.0.1"])
    duck.ask("SELECT 1", tmp_path / "lake")
    with pytest.raises(EngineError):
        duck.execute("SET enable_external_access=true")
    with pytest.raises(EngineError):
        duck.query("SELECT * FROM read_text('/etc/passwd')")


def test_a_query_beyond_the_memory_is_an_engine_error_that_says_what_to_do(
    tmp_path: Path,
) -> None:
    duck = Duck("20MB", 1, None)
    duck.execute("SET temp_directory=''")
    with pytest.raises(EngineError, match="memory") as raised:
        duck.query("SELECT list(i) FROM range(20000000) t(i)")
    duck.close()
    assert "memory" in raised.value.hint
