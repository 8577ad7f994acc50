from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING

from sakimori.exporters import Item, Sharing, csv_file

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion


def test_the_table_is_the_golden_one(sharing: Sharing, snapshot: SnapshotAssertion) -> None:
    assert csv_file.export(sharing) == snapshot


def test_it_comes_back_through_csv(sharing: Sharing) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_file.export(sharing))))
    got = [(r["role"], r["kind"], r["value"], r["port"], r["tlp"]) for r in rows]
    assert got == [(i.role, i.kind, i.value, str(i.port or ""), str(i.tlp)) for i in sharing.items]
    assert rows[0]["peers"].split() == list(sharing.items[0].peers)
    assert rows[0]["last_seen"] == "2026-03-01T12:00:00.250Z"


def test_nothing_is_a_header(nothing: Sharing) -> None:
    assert csv_file.export(nothing).splitlines() == [",".join(csv_file.COLUMNS)]


def test_no_cell_is_a_formula(sharing: Sharing) -> None:
    item = Item(role="bot", kind="address", value="192.0.2.1", tlp="green",
                families=("=cmd|'/c calc'!A1",), botnet="@SUM(1)\r\n+1", peers=("-1",))  # fmt: skip
    (row,) = csv.DictReader(io.StringIO(csv_file.export(replace(sharing, items=(item,)))))
    assert (row["families"], row["botnet"], row["peers"]) == (
        "'=cmd|'/c calc'!A1", "'@SUM(1)\\u{d}\\u{a}+1", "'-1",
    )  # fmt: skip
