"""The tool's own store is not scanned: rules and what is locked up would only match themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.app import scanning
from sakimori.config import Machine

if TYPE_CHECKING:
    from pathlib import Path

MARKER = "SAKIMORI-TEST-FAMILY-" + "7c1f2e90-harmless"


def test_the_store_below_what_is_scanned_is_left_out_and_said(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for place in (store / "definitions", store / "quarantine", tmp_path / "elsewhere"):
        place.mkdir(parents=True)
        (place / "x").write_text(MARKER)
    asked = scanning.Asked(paths=(str(tmp_path),), workers=1)
    run = scanning.scan(asked, Machine(store=store))
    assert [hit.path for hit in run.hits] == [str(tmp_path / "elsewhere" / "x")]
    assert run.left["the tool's own store"] >= 2


def test_a_folder_of_the_store_that_is_named_is_scanned(tmp_path: Path) -> None:
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / "x").write_text(MARKER)
    asked = scanning.Asked(paths=(str(tmp_path / "quarantine"),), workers=1, caching=False)
    assert scanning.scan(asked, Machine(store=tmp_path)).found == 1
