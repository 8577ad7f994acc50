"""The gate before open and exec, where the system lets us try it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from sakimori.endpoint.guard.gate import Gate
from sakimori.endpoint.run import run
from sakimori.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def gated(tmp_path: Path) -> Iterator[Callable[..., Gate]]:
    gates: list[Gate] = []

    def open_gate(decide: Callable[[int, str], bool], deadline: float = 5.0) -> Gate:
        gate = Gate(decide, deadline=deadline)
        try:
            gate.open([tmp_path])
        except RefusedError as error:
            pytest.skip(f"no gate here: {error}")
        gates.append(gate)
        return gate

    yield open_gate
    for gate in gates:
        gate.close()


def _good(file: int, _path: str) -> bool:
    return b"EVIL" not in os.pread(file, 100, 0)


def test_what_matches_neither_opens_nor_runs(gated: Callable[..., Gate], tmp_path: Path) -> None:
    for name, text in (("bad", "echo EVIL"), ("good", "echo fine")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    gate = gated(_good)
    assert run([str(tmp_path / "bad")]).reason == "Operation not permitted"
    assert not run(["cat", str(tmp_path / "bad")]).ok
    assert run([str(tmp_path / "good")]).out == b"fine\n"
    assert gate.counts["denied"] >= 2
    gate.close()
    assert run(["cat", str(tmp_path / "bad")]).ok


def test_a_slow_scan_lets_the_file_open(gated: Callable[..., Gate], tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")

    def slow(_file: int, _path: str) -> bool:
        time.sleep(1.0)
        return False

    gate = gated(slow, deadline=0.1)
    before = time.monotonic()
    assert run(["cat", str(tmp_path / "x")]).out == b"x"
    assert time.monotonic() - before < 0.9
    assert gate.counts["late"] == 1


def test_a_scan_that_fails_lets_the_file_open(gated: Callable[..., Gate], tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")

    def broken(_file: int, _path: str) -> bool:
        raise ValueError("no")

    gated(broken)
    assert run(["cat", str(tmp_path / "x")]).out == b"x"


def test_a_folder_that_comes_later_is_asked_for_once_added(
    gated: Callable[..., Gate], tmp_path: Path
) -> None:
    gate = gated(_good)
    later = tmp_path / "later"
    later.mkdir()
    (later / "bad").write_text("EVIL")
    gate.add(str(later))
    assert not run(["cat", str(later / "bad")]).ok
    gate.add(str(tmp_path / "gone"))  # no error
