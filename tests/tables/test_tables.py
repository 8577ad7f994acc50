from __future__ import annotations

import re

import pyarrow as pa
import pytest

from sakimori.tables import ALL, CORE, EVIDENCE_LIMIT, FINDING, TELEMETRY, Column, Table

TABLES = [pytest.param(table, id=name) for name, table in ALL.items()]
STORED = [pytest.param(table, id=name) for name, table in TELEMETRY.items()]
KINDS = {
    "timestamp('UTC', 6)": pa.timestamp("us", "UTC"),
    "string": pa.string(),
    "float64": pa.float64(),
    "int64": pa.int64(),
    "int32": pa.int32(),
    "boolean": pa.bool_(),
    "array<string>": pa.list_(pa.string()),
    "array<float64>": pa.list_(pa.float64()),
}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_registered_under_its_name_and_says_what_it_is(table: Table) -> None:
    assert ALL[table.name] is table
    assert table.meaning
    assert table.grain.startswith("one row per")


@pytest.mark.parametrize("table", TABLES)
def test_every_column_has_a_plain_name_a_meaning_and_a_type_of_all_engines(table: Table) -> None:
    names = [c.name for c in table.columns]
    assert len(names) == len(set(names))
    for column in table.columns:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
        assert column.meaning, column.name
        assert column.type in KINDS, column.name


@pytest.mark.parametrize("table", TABLES)
def test_keys_are_columns(table: Table) -> None:
    assert set(table.key) <= set(table.types)


@pytest.mark.parametrize("table", TABLES)
def test_foreign_names_are_of_vocabularies_we_know(table: Table) -> None:
    known = {"zeek", "eve", "ipfix", "ocsf", "ecs"} | {
        "shadowserver",
        "intelmq",
        "n6",
        "xarf",
        "cof",
    }
    assert all(set(column.names) <= known for column in table.columns)


@pytest.mark.parametrize("table", TABLES)
def test_the_arrow_schema_has_the_stored_columns_in_order(table: Table) -> None:
    schema = table.arrow()
    assert schema.names == [c.name for c in table.columns if not c.derived]
    assert [field.type for field in schema] == [KINDS[c.type] for c in table.stored]


@pytest.mark.parametrize("table", STORED)
def test_telemetry_has_a_time_an_id_and_its_source(table: Table) -> None:
    assert {"ts", "uid", "source_id"} <= {c.name for c in table.stored}


@pytest.mark.parametrize("table", STORED)
def test_sides_are_derived_wherever_there_are_addresses(table: Table) -> None:
    derived = [c.name for c in table.columns if c.derived]
    assert derived == (["src_inside", "dst_inside"] if "src_ip" in table.types else [])


@pytest.mark.parametrize(
    "name", ["ts", "uid", "src_ip", "src_port", "dst_ip", "dst_port", "proto", "source_id"]
)
def test_a_column_that_joins_tables_has_one_type(name: str) -> None:
    assert len({table.types[name] for table in TELEMETRY.values() if name in table.types}) == 1


def test_detectors_return_the_finding_without_what_the_runner_fills_in() -> None:
    assert set(FINDING.types) - set(CORE) == {"detector", "technique", "details"}
    assert EVIDENCE_LIMIT == 20


def test_a_derived_column_is_not_stored() -> None:
    table = Table("t", "m", "one row per x", (Column("a", "string", "a"),
                  Column("b", "boolean", "b", derived=True)))  # fmt: skip
    assert table.arrow().names == ["a"]
    assert list(table.types) == ["a", "b"]
