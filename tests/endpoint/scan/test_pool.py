from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.endpoint.scan import Definitions, Looked, Scanner, Settings, load
from sakimori.endpoint.scan.pool import Pool, batches
from sakimori.endpoint.scan.walk import Found

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def files(tmp_path: Path, eicar: bytes) -> list[str]:
    """Forty files, every fourth the harmless test file."""
    for number in range(40):
        (tmp_path / f"{number:02}").write_bytes(eicar if number % 4 == 0 else b"clean")
    return [str(tmp_path / f"{number:02}") for number in range(40)]


def by_path(results: list[Looked]) -> dict[str, Looked]:
    return {looked.path: looked for looked in results}


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_see_what_one_scanner_sees(
    builtin: Definitions, scanner: Scanner, files: list[str], workers: int
) -> None:
    with Pool(builtin, Settings(), workers) as pool:
        found = by_path(list(pool.run([files[:10], files[10:15], files[15:]])))
        assert len(pool.processes) <= workers
    assert found == {path: scanner.file(path) for path in files}


@pytest.mark.slow
def test_workers_that_cannot_be_forked_are_given_the_rules(
    builtin: Definitions, scanner: Scanner, files: list[str]
) -> None:
    with Pool(builtin, Settings(), 1, start="spawn") as pool:
        found = by_path(list(pool.run([files])))
    assert found == {path: scanner.file(path) for path in files}


def deadly(monkeypatch: pytest.MonkeyPatch, end: Any) -> None:
    """Let a worker meet its end at any file whose name ends so."""
    look = Scanner.file

    def file(self: Scanner, path: str) -> Looked:
        if path.endswith(("13", "27")):
            end()
        return look(self, path)

    monkeypatch.setattr(Scanner, "file", file)


def test_a_worker_that_dies_is_replaced_and_only_its_file_is_missed(
    builtin: Definitions, scanner: Scanner, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {path: scanner.file(path) for path in files if not path.endswith(("13", "27"))}
    deadly(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGKILL))
    with Pool(builtin, Settings(), 2) as pool:
        found = by_path(list(pool.run([files[:20], files[20:30], files[30:]])))
    lost = {path: found.pop(path) for path in files if path.endswith(("13", "27"))}
    assert found == expected
    for looked in lost.values():
        assert "the scanning process died at it (SIGKILL)" in looked.troubles[0].reason
        assert not looked.lasting


def test_a_worker_that_hangs_is_ended(
    builtin: Definitions, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sakimori.endpoint.scan.pool._OLDEST", -4.5)  # half a second
    monkeypatch.setattr("sakimori.endpoint.scan.pool._LOOK", 0.05)
    deadly(monkeypatch, lambda: time.sleep(60))
    with Pool(builtin, Settings(seconds=1), 1) as pool:
        found = by_path(list(pool.run([files[10:20]])))
    assert len(found) == 10
    assert "took longer than" in found[files[13]].troubles[0].reason
    assert found[files[12]].hits


def test_leaving_early_ends_the_workers(builtin: Definitions, files: list[str]) -> None:
    with Pool(builtin, Settings(), 2) as pool:
        next(iter(pool.run([files[:20], files[20:]])))
        processes = pool.processes
        assert processes
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_batches_are_taken_only_as_they_are_needed(builtin: Definitions, files: list[str]) -> None:
    taken = []

    def work() -> Iterator[list[str]]:
        for path in files:
            taken.append(path)
            yield [path]

    with Pool(builtin, Settings(), 1) as pool:
        for number, _ in enumerate(pool.run(work()), 1):
            assert len(taken) <= number + 3
    assert number == 40


def test_a_rule_that_hangs_is_stopped_in_a_worker_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """YARA-X's own clock stands still in a fork of a process that used it: then the parent's counts."""
    monkeypatch.setattr("sakimori.endpoint.scan.pool._OLDEST", -3)
    (tmp_path / "r.yar").write_text(
        'rule slow { condition: filename == "slow" and for all i in (0..9000000) :'
        " ( for all k in (0..90000) : ( uint8(0) == 0 ) ) }"
    )
    (tmp_path / "slow").write_bytes(bytes(9))
    with Pool(load([tmp_path / "r.yar"]), Settings(seconds=1), 1) as pool:
        (looked,) = pool.run([[str(tmp_path / "slow")]])
    assert "longer than" in looked.troubles[0].reason


def test_batches_are_bounded_in_number_bytes_and_text() -> None:
    def made(size: int, text: int) -> list[list[Found]]:
        return list(batches(Found("x" * text, (0, 0, size, 0, 0)) for _ in range(200)))

    assert [len(batch) for batch in made(1, 1)] == [64, 64, 64, 8]
    assert {len(batch) for batch in made(3_000_000, 1)} == {2}
    assert {len(batch) for batch in made(1, 8000)} == {2}
    assert list(batches([])) == []


def test_no_thread_is_left(builtin: Definitions, files: list[str]) -> None:
    before = threading.active_count()
    with Pool(builtin, Settings(), 2) as pool:
        list(pool.run([files]))
    assert threading.active_count() == before
