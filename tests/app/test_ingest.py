from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from functools import partialmethod
from itertools import pairwise
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sakimori
from sakimori.app.ingest import expand
from sakimori.errors import SourceError
from sakimori.readers import Source

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from sakimori.app.ingest import Outcome
    from sakimori.app.workspace import Workspace

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress, "zst": zstandard.compress, "xz": lzma.compress, "bz2": bz2.compress,
}  # fmt: skip
MAIL = "2024-05-01 10:00:0{n} 1qABCD-00012{n}-4x {what}\n"


def rows(ws: Workspace, table: str = "conn") -> list[dict[str, Any]]:
    """Return the rows that count, with all their columns."""
    return [
        row
        for part in ws.store.parts(table)
        for row in pq.read_table(ws.lake.root / part.path, partitioning=None).to_pylist()
    ]


def uids(ws: Workspace) -> list[str]:
    return sorted(row["uid"] for row in rows(ws))


def rejects(ws: Workspace) -> list[tuple[int, str]]:
    return sorted((row["line"], row["reason"]) for row in rows(ws, "rejects"))


def numbered(*numbers: int) -> list[str]:
    return sorted(f"C{number}" for number in numbers)


def import_(ws: Workspace, *paths: Path | str) -> list[Outcome]:
    return ws.import_([str(path) for path in paths])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "conn.log"


@pytest.fixture
def text(zeek: Any) -> Callable[..., str]:
    """Return a conn log of rows of these numbers."""
    return lambda *numbers: zeek.text([zeek.conn(number) for number in numbers])


# The same again


def test_importing_twice_adds_nothing(ws: Workspace, log: Path, text: Any) -> None:
    log.write_text(text(1, 2, 3))
    (first,) = import_(ws, log)
    assert (first.added, first.format, first.skipped) == ({"conn": 3}, "zeek-tsv", "")
    (second,) = import_(ws, log)
    assert (second.added, second.skipped) == ({}, "already imported")
    assert uids(ws) == numbered(1, 2, 3)
    assert ws.store.count() == 1


@pytest.mark.parametrize("packing", PACKERS)
def test_the_same_content_under_another_name_or_packing_adds_nothing(
    ws: Workspace, log: Path, text: Any, packing: str
) -> None:
    log.write_text(text(1, 2))
    copy = log.with_name("copy.log")
    copy.write_text(text(1, 2))
    packed = log.with_suffix(f".{packing}")
    packed.write_bytes(PACKERS[packing](text(1, 2).encode()))
    found = import_(ws, log, copy, packed)
    assert [o.skipped for o in found] == ["", "already imported", "already imported"]
    assert uids(ws) == numbered(1, 2)


@pytest.mark.parametrize("packing", PACKERS)
def test_a_packed_file_comes_first_and_the_plain_one_adds_nothing(
    ws: Workspace, log: Path, text: Any, packing: str
) -> None:
    log.with_suffix(".packed").write_bytes(PACKERS[packing](text(1, 2).encode()))
    log.write_text(text(1, 2))
    assert [o.added for o in import_(ws, log.with_suffix(".packed"), log)] == [{"conn": 2}, {}]
    assert uids(ws) == numbered(1, 2)


def test_two_logs_with_one_head_are_two_sources(ws: Workspace, log: Path, text: Any) -> None:
    for name, last in (("a", 1), ("b", 2)):
        log.with_name(name).write_text(text(*range(100, 900), last))
    import_(ws, log.parent / "a", log.parent / "b")
    assert ws.store.count() == 2
    assert len(rows(ws)) == 1602


# Growth


def test_a_grown_file_adds_only_its_new_part(ws: Workspace, log: Path, text: Any) -> None:
    log.write_text(text(1, 2))
    import_(ws, log)
    log.write_text(text(1, 2, 3, 4))
    (grown,) = import_(ws, log)
    assert grown.added == {"conn": 2}
    assert uids(ws) == numbered(1, 2, 3, 4)
    assert [(s.rows, s.rejected) for s in ws.sources()] == [(4, 0)]


def test_a_bad_line_in_the_new_part_has_its_number_in_the_file(
    ws: Workspace, log: Path, text: Any
) -> None:
    log.write_text(text(1, 2) + "bad\n")
    import_(ws, log)
    log.write_text(text(1, 2) + "bad\n" + text(3).splitlines()[-1] + "\nworse\n")
    import_(ws, log)
    assert rejects(ws) == [(9, "1 fields, not 14"), (11, "1 fields, not 14")]
    assert [s.rejected for s in ws.sources()] == [2]


@pytest.mark.parametrize("cut", [1, 5, 20, 40, 60])
def test_a_half_written_last_line_is_read_once_and_whole(
    ws: Workspace, log: Path, text: Any, cut: int
) -> None:
    whole = text(1, 2)
    log.write_text(whole[:-cut])
    import_(ws, log)
    log.write_text(text(1, 2, 3))
    import_(ws, log)
    assert uids(ws) == numbered(1, 2, 3)
    assert {row["dst_pkts"] for row in rows(ws)} == {4}
    assert rejects(ws) == []
    assert [(s.rows, s.rejected) for s in ws.sources()] == [(3, 0)]


def test_a_half_number_in_the_last_column_is_replaced_by_the_whole(
    ws: Workspace, log: Path, zeek: Any
) -> None:
    whole = zeek.text([zeek.conn(1, resp_pkts=12345)])
    log.write_text(whole[:-4])
    import_(ws, log)
    assert [row["dst_pkts"] for row in rows(ws)] == [12]
    log.write_text(whole)
    import_(ws, log)
    assert [row["dst_pkts"] for row in rows(ws)] == [12345]


def test_a_complete_last_line_without_newline_counts_once_before_and_after_growth(
    ws: Workspace, log: Path, text: Any
) -> None:
    log.write_text(text(1, 2)[:-1])
    import_(ws, log)
    assert uids(ws) == numbered(1, 2)
    (again,) = import_(ws, log)
    assert again.skipped == "already imported"
    log.write_text(text(1, 2))  # the newline alone
    import_(ws, log)
    assert uids(ws) == numbered(1, 2)
    log.write_text(text(1, 2, 3))
    import_(ws, log)
    assert uids(ws) == numbered(1, 2, 3)


def test_a_log_of_which_only_the_first_word_was_there_is_read_when_it_is_whole(
    ws: Workspace, log: Path, text: Any
) -> None:
    log.write_text(text(1)[:14])  # no line is finished
    with pytest.raises(SourceError, match="nothing was readable"):
        import_(ws, log)
    log.write_text(text(1))
    import_(ws, log)
    assert uids(ws) == numbered(1)


def test_a_log_of_its_head_alone_is_read_when_rows_come(
    ws: Workspace, log: Path, text: Any
) -> None:
    log.write_text(text())
    with pytest.raises(SourceError, match="nothing was readable"):
        import_(ws, log)
    log.write_text(text(1, 2))
    import_(ws, log)
    assert uids(ws) == numbered(1, 2)


@pytest.mark.parametrize("more", ["#close\t2024-01-01-00-00-00\n", "17000", "bad\n", "\n"])
def test_a_log_that_grew_by_no_good_row_is_no_error(
    ws: Workspace, log: Path, text: Any, more: str
) -> None:
    log.write_text(text(1, 2))
    import_(ws, log)
    log.write_text(text(1, 2) + more)
    (outcome,) = import_(ws, log)
    assert (outcome.added, outcome.failed) == ({}, "")
    assert uids(ws) == numbered(1, 2)


def test_a_log_that_began_anew_under_its_name_is_new_and_the_old_rows_stay(
    ws: Workspace, log: Path, text: Any
) -> None:
    log.write_text(text(1, 2, 3))
    import_(ws, log)
    log.write_text(text(4))
    import_(ws, log)
    assert uids(ws) == numbered(1, 2, 3, 4)
    assert [s.path for s in ws.sources()] == [str(log)] * 2


def test_a_rotated_log_adds_only_what_was_written_before_it_was_rotated(
    ws: Workspace, log: Path, text: Any
) -> None:
    log.write_text(text(1, 2))
    import_(ws, log)
    log.with_name("conn.1.log.gz").write_bytes(gzip.compress(text(1, 2, 3).encode()))
    log.write_text(text(4))
    import_(ws, log.parent / "conn*")
    assert uids(ws) == numbered(1, 2, 3, 4)


def test_a_log_that_is_read_whole_is_replaced_when_it_grows(ws: Workspace, tmp_path: Path) -> None:
    mail = tmp_path / "mainlog"
    came = MAIL.format(n=1, what="<= a@b.example H=x [192.0.2.1] P=esmtp S=1 for c@d.example")
    mail.write_text(came)
    import_(ws, mail)
    first = [(row["status"], row["recipients"]) for row in rows(ws, "mail")]
    went = MAIL.format(n=1, what='=> c@d.example R=r T=t H=mx [203.0.113.5]:25 C="250 OK"')
    mail.write_text(came + went + MAIL.format(n=1, what="Completed"))
    import_(ws, mail)
    second = [(row["status"], row["recipients"]) for row in rows(ws, "mail")]
    assert len(first) == len(second) == 1
    assert second == [("sent", ["c@d.example"])]
    assert ws.verify() == []


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 700), max_size=5), st.booleans(), st.booleans())
def test_however_a_file_grows_its_rows_count_once(
    zeek: Any,
    tmp_path_factory: pytest.TempPathFactory,
    cuts: list[int],
    packed: bool,
    compacted: bool,
) -> None:
    whole = zeek.text([zeek.conn(n) for n in range(5)]).encode()
    path = tmp_path_factory.getbasetemp() / "growing.log"
    with sakimori.open() as ws:
        for cut in (*sorted(min(cut, len(whole)) for cut in cuts), len(whole)):
            path.write_bytes(gzip.compress(whole[:cut]) if packed else whole[:cut])
            try:
                import_(ws, path)
            except SourceError:
                assert cut < whole.index(b"\n", whole.index(b"C0"))  # no row yet
            if compacted:
                ws.compact()
        assert uids(ws) == numbered(*range(5))
        assert {row["dst_pkts"] for row in rows(ws)} == {4}
        assert rejects(ws) == []
        assert ws.verify() == []


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    cuts=st.lists(st.integers(0, 30), max_size=5),
    seed=st.randoms(use_true_random=False),
    packed=st.booleans(),
)
def test_a_log_split_anywhere_and_imported_in_any_order_gives_the_same_rows(
    zeek: Any,
    tmp_path_factory: pytest.TempPathFactory,
    cuts: list[int],
    seed: random.Random,
    packed: bool,
) -> None:
    lines = [zeek.conn(n, ts=zeek.begin + n * 9000, orig_pkts=n % 3) for n in range(30)]
    folder = tmp_path_factory.mktemp("split")
    (folder / "whole.log").write_text(zeek.text(lines))
    edges = [0, *sorted(cuts), 30]
    pieces = []
    for number, (begin, end) in enumerate(pairwise(edges)):
        path = folder / f"{number}.log"
        content = zeek.text(lines[begin:end], fields=zeek.fields).encode()
        path.write_bytes(gzip.compress(content) if packed else content)
        pieces.append(path)
    seed.shuffle(pieces)
    with sakimori.open() as one, sakimori.open() as many:
        import_(one, folder / "whole.log")
        for piece in pieces[:2]:  # one by one, then the rest at once
            try:
                import_(many, piece)
            except SourceError as error:
                assert "no good line" in str(error)  # noqa: PT017 - a piece without rows
        import_(many, *pieces)
        assert counted(many) == counted(one)


def counted(ws: Workspace) -> Counter[tuple[Any, ...]]:
    return Counter(
        tuple(value for name, value in row.items() if name != "source_id") for row in rows(ws)
    )


# Odd content


def test_a_truncated_gzip_keeps_its_good_rows_and_warns_once(
    ws: Workspace, log: Path, text: Any
) -> None:
    packed = gzip.compress(text(*range(3000)).encode())
    log.write_bytes(packed[: len(packed) // 2])
    (outcome,) = import_(ws, log)
    assert 100 < outcome.added["conn"] < 3000
    assert len(outcome.warnings) == 1
    assert "cut short" in outcome.warnings[0]
    assert ws.sources()[0].note == outcome.warnings[0]
    log.write_bytes(packed[: len(packed) * 3 // 4])
    (outcome,) = import_(ws, log)
    assert len(outcome.warnings) == 1
    log.write_bytes(packed)
    (outcome,) = import_(ws, log)
    assert outcome.warnings == ()
    assert uids(ws) == numbered(*range(3000))
    assert [(s.rejected, s.note) for s in ws.sources()] == [(0, "")]


def test_rejects_keep_file_line_reason_and_visible_text(
    ws: Workspace, log: Path, zeek: Any
) -> None:
    log.write_text(zeek.text([zeek.conn(1), zeek.conn(2, orig_p="x")]) + "\x1b[31mbad\n")
    (outcome,) = import_(ws, log)
    assert outcome.rejected == 2
    assert {r.line for r in outcome.rejects} == {8, 9}
    found = sorted(rows(ws, "rejects"), key=lambda row: row["line"])
    assert [(r["path"], r["line"], r["reason"]) for r in found] == [
        (str(log), 8, "id.orig_p is 'x', not a whole number"),
        (str(log), 9, "1 fields, not 14"),
    ]
    assert found[1]["text"] == r"\u{1b}[31mbad"
    assert {r["source_id"] for r in found} == {ws.store.sources()[0].id}


def test_many_rejects_are_all_kept_and_three_shown(ws: Workspace, log: Path, text: Any) -> None:
    log.write_text(text(1) + "bad\n" * 12_000)
    (outcome,) = import_(ws, log)
    assert outcome.rejected == len(rows(ws, "rejects")) == 12_000
    assert len(outcome.rejects) == 3


def test_a_file_of_only_bad_lines_is_an_error_and_its_lines_are_kept(
    ws: Workspace, log: Path, text: Any
) -> None:
    log.write_text(text() + "x\ny\n")
    with pytest.raises(SourceError, match="no good line"):
        import_(ws, log)
    assert [line for line, _ in rejects(ws)] == [7, 8]
    assert [(s.rows, s.rejected, s.table) for s in ws.sources()] == [(0, 2, None)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(gzip.compress(b""), "empty", id="empty gzip"),
        pytest.param(b"\x7fELF\0\0\0", "not recognised", id="a program"),
        pytest.param(b"#path\tkerberos\n#fields\tts\n", "kerberos", id="a log without table"),
        pytest.param(b"#path\tconn\n#fields\tuid\n1\n", "has no ts", id="a log without time"),
    ],
)
def test_a_file_of_no_use_is_an_error_alone_and_a_remark_among_others(
    ws: Workspace, log: Path, text: Any, content: bytes, said: str
) -> None:
    odd = log.with_name("odd")
    odd.write_bytes(content)
    with pytest.raises(SourceError, match=said) as raised:
        import_(ws, odd)
    assert raised.value.hint
    log.write_text(text(1))
    found = {o.path: o for o in import_(ws, odd, log)}
    assert said in found[str(odd)].skipped + found[str(odd)].failed
    assert found[str(log)].added == {"conn": 1}
    assert ws.verify() == []


def test_logs_with_different_columns_lie_in_one_table(ws: Workspace, log: Path, zeek: Any) -> None:
    few = ("ts", "id.orig_h", "id.resp_h")
    log.with_name("a.log").write_text(zeek.text([zeek.conn(1)], fields=few))
    log.with_name("b.log").write_text(zeek.text([{"node": "x", **zeek.conn(2)}]))
    log.with_name("c.log").write_text(
        zeek.text([zeek.conn(3)]) + zeek.text([zeek.conn(4)], fields=few)
    )
    import_(ws, log.parent / "*.log")
    assert len(rows(ws)) == 4
    assert sorted(row["proto"] or "" for row in rows(ws)) == ["", "", "tcp", "tcp"]
    with ws._duck() as (duck, filled):
        assert duck.query("SELECT count(*), count(proto) FROM conn").fetchone() == (4, 2)
        assert "proto" in filled["conn"]


def test_days_from_1970_to_now_each_have_their_folder(ws: Workspace, log: Path, zeek: Any) -> None:
    log.write_text(zeek.text([zeek.conn(n, ts=t) for n, t in enumerate((5.5, 86400, 1700000000))]))
    import_(ws, log)
    assert [part.day for part in ws.store.parts()] == ["1970-01-01", "1970-01-02", "2023-11-14"]
    assert ws.sources()[0].first == datetime(1970, 1, 1, 0, 0, 5, 500_000, tzinfo=UTC)


def test_a_file_name_that_is_no_utf8_is_imported(ws: Workspace, tmp_path: Path, text: Any) -> None:
    path = os.fsencode(tmp_path) + b"/\x93\xfa\x1b.log"
    with open(path, "w") as file:  # noqa: PTH123 - bytes are no Path
        file.write(text(1, 2) + "bad\n")
    import_(ws, tmp_path / "*.log")
    assert uids(ws) == numbered(1, 2)
    assert ws.sources()[0].path == rows(ws, "rejects")[0]["path"]
    assert import_(ws, tmp_path / "*.log")[0].skipped == "already imported"


# Paths


def test_a_folder_gives_all_below_but_hidden_files_once_each(tmp_path: Path) -> None:
    for name in ("a.log", "deep/er/b.log", ".hidden", ".git/c.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    found = expand([str(tmp_path), str(tmp_path / "a.log"), str(tmp_path / "**/*.log")])
    assert [path.name for path in found if path] == ["a.log", "b.log"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("*.log", ["a.log", "b.log"]), ("[a].log", ["a.log"]), ("**/*.gz", ["c.gz"])],
)
def test_a_glob_gives_the_files_it_matches(tmp_path: Path, pattern: str, names: list[str]) -> None:
    for name in ("a.log", "b.log", "deep/c.gz", "folder.log/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [path.name for path in expand([str(tmp_path / pattern)]) if path] == names


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "conn[1].log").write_text("x")
    assert [p.name for p in expand([str(tmp_path / "conn[1].log")]) if p] == ["conn[1].log"]


@pytest.mark.parametrize("name", ["nowhere", "no*thing", "empty"])
def test_a_path_that_names_nothing_is_an_error_with_the_path(
    ws: Workspace, tmp_path: Path, name: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError) as raised:
        import_(ws, tmp_path / name)
    assert raised.value.where == str(tmp_path / name)
    assert raised.value.hint
    assert raised.value.exit_code == 3
    assert ("the folder holds no file" in str(raised.value)) == (name == "empty")


def test_standard_input_is_imported_and_known_again(
    ws: Workspace, log: Path, text: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give(content: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))

    give(gzip.compress(text(1, 2).encode()))
    (outcome,) = import_(ws, "-")
    assert (outcome.path, outcome.added) == ("-", {"conn": 2})
    give(text(1, 2).encode())
    assert import_(ws, "-")[0].skipped == "already imported"
    log.write_text(text(1, 2, 3))
    assert import_(ws, log)[0].added == {"conn": 1}
    assert uids(ws) == numbered(1, 2, 3)


def test_empty_standard_input_is_an_error(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(SourceError, match="empty"):
        import_(ws, "-")


# Stops


@pytest.fixture
def many(tmp_path: Path, text: Any) -> Path:
    """Give a folder of three logs of forty rows."""
    folder = tmp_path / "many"
    folder.mkdir()
    for name in range(3):
        (folder / f"{name}.log").write_text(text(*range(name * 40, name * 40 + 40)) + "bad\n")
    return folder


class Stop:
    """Raises KeyboardInterrupt at one call of a method, before or after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, where: str, at: int, after: bool) -> None:
        self.left = at
        path, name = where.rsplit(".", 1)
        cls = resolve_name(path)
        real = getattr(cls, name)

        def method(this: Any, *args: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not after:
                raise KeyboardInterrupt
            result = real(this, *args, **named)
            if self.left == 0:
                raise KeyboardInterrupt
            return result

        monkeypatch.setattr(cls, name, method)


@pytest.mark.parametrize(
    ("where", "at", "after"),
    [
        pytest.param("sakimori.engine.lake.PartWriter.add", 1, False, id="before the first rows"),
        pytest.param("sakimori.engine.lake.PartWriter.add", 9, True, id="in the second file"),
        pytest.param("sakimori.engine.lake.PartWriter.add_rejects", 2, False, id="at the rejects"),
        pytest.param("sakimori.engine.lake.PartWriter.publish", 2, False, id="before publishing"),
        pytest.param("sakimori.engine.lake.PartWriter.publish", 2, True, id="after publishing"),
        pytest.param("sakimori.state.store.Store.record", 2, False, id="before the record"),
        pytest.param("sakimori.state.store.Store.record", 2, True, id="after the record"),
        pytest.param("sakimori.engine.lake.Lake.remove", 2, False, id="before the clearing"),
    ],
)
def test_a_stop_leaves_a_whole_lake_and_a_second_run_completes_it(
    ws: Workspace, many: Path, monkeypatch: pytest.MonkeyPatch, where: str, at: int, after: bool
) -> None:
    monkeypatch.setattr(Source, "blocks", partialmethod(Source.blocks, 500))
    with monkeypatch.context() as patch:
        stop = Stop(patch, where, at, after)
        with pytest.raises(KeyboardInterrupt):
            import_(ws, many)
    assert stop.left <= 0
    assert [line for line in ws.verify() if "left by a crash" not in line] == []
    if "lake.PartWriter.add" in where:
        assert ws.verify() == []
        assert not list((ws.lake.root / ".staging").rglob("*.parquet"))
    assert len(uids(ws)) % 40 == 0  # a file counts whole or not at all
    import_(ws, many)
    assert uids(ws) == numbered(*range(120))
    assert len(rejects(ws)) == 3
    assert ws.verify() == []


def test_a_stop_while_a_grown_file_is_read_keeps_what_was_there(
    ws: Workspace, log: Path, text: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write_text(text(1, 2)[:-1])  # a row that will be replaced
    import_(ws, log)
    log.write_text(text(1, 2, 3))
    for where in ("engine.lake.PartWriter.publish", "state.store.Store.record"):
        for after in (False, True):
            with monkeypatch.context() as patch:
                Stop(patch, f"sakimori.{where}", 1, after)
                with pytest.raises(KeyboardInterrupt):
                    import_(ws, log)
            assert uids(ws) in (numbered(1, 2), numbered(1, 2, 3))
            assert [line for line in ws.verify() if "left by a crash" not in line] == []
    import_(ws, log)
    assert uids(ws) == numbered(1, 2, 3)
    assert ws.verify() == []


def test_an_error_in_the_middle_of_a_file_keeps_the_others(
    ws: Workspace, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Source.blocks

    def broken(self: Source, *args: Any) -> Any:
        yield from real(self, 500)
        if self.name.endswith("1.log"):
            raise SourceError("the disk is gone", where=self.name)

    monkeypatch.setattr(Source, "blocks", broken)
    found = import_(ws, many)
    assert ["the disk is gone" in o.failed for o in found] == [False, True, False]
    assert len(uids(ws)) == 80
    assert ws.verify() == []


def test_a_stray_file_of_a_crash_is_named_and_then_swept(
    ws: Workspace, log: Path, text: Any
) -> None:
    log.write_text(text(1))
    import_(ws, log)
    stray = ws.lake.root / "conn/day=2023-11-14/dead00000000-0.parquet"
    stray.write_bytes(b"half")
    (line,) = ws.verify()
    assert "dead00000000" in line
    assert "not recorded" in line
    import_(ws, log)
    assert not stray.exists()
    assert ws.verify() == []


# Care


def test_compaction_keeps_every_row_in_fewer_files(ws: Workspace, many: Path) -> None:
    import_(ws, many)
    before = counted(ws)
    assert ws.compact() == (6, 2)  # conn and rejects
    assert counted(ws) == before
    assert len(ws.lake.files()) == 2
    assert ws.verify() == []
    assert ws.compact() == (2, 2)
    assert {s.rows for s in ws.sources()} != {0}


def test_compaction_leaves_an_unfinished_row_apart_from_its_day(
    ws: Workspace, log: Path, text: Any
) -> None:
    log.write_text(text(1, 2)[:-1])
    log.with_name("other.log").write_text(text(3, 4)[:-1])
    import_(ws, log.parent / "*.log")
    ws.compact()
    assert sorted(part.tail for part in ws.store.parts("conn")) == [False, True, True]
    log.write_text(text(1, 2, 5))
    import_(ws, log)
    assert uids(ws) == numbered(1, 2, 3, 4, 5)


def test_compaction_leaves_other_days_and_unfinished_rows_apart(
    ws: Workspace, log: Path, zeek: Any
) -> None:
    text = zeek.text([zeek.conn(n, ts=zeek.begin + n * 86_400) for n in range(3)])
    log.write_text(text[:-1])
    import_(ws, log)
    ws.compact()
    assert sorted(part.tail for part in ws.store.parts("conn")) == [False, False, True]
    log.write_text(text)
    import_(ws, log)
    assert uids(ws) == numbered(0, 1, 2)


def test_a_source_that_grows_after_compaction_adds_only_its_new_part(
    ws: Workspace, log: Path, text: Any
) -> None:
    other = log.with_name("other.log")
    log.write_text(text(1, 2) + "half")
    other.write_text(text(10, 11))
    import_(ws, log, other)
    ws.compact()
    log.write_text(text(1, 2, 3))
    other.write_text(text(10, 11, 12))
    assert [o.added for o in import_(ws, log, other)] == [{"conn": 1}, {"conn": 1}]
    ws.compact()
    import_(ws, log, other)
    assert uids(ws) == numbered(1, 2, 3, 10, 11, 12)
    assert rejects(ws) == []
    assert ws.verify() == []


def test_a_compacted_source_that_is_read_whole_is_replaced_without_touching_the_others(
    ws: Workspace, tmp_path: Path
) -> None:
    came = "<= a{n}@b.example H=x [192.0.2.1] P=esmtp S=1 for c@d.example"
    logs = [tmp_path / "one", tmp_path / "two"]
    for number, path in enumerate(logs, 1):
        path.write_text(MAIL.format(n=number, what=came.format(n=number)))
    import_(ws, *logs)
    ws.compact()
    assert len(ws.store.parts("mail")) == 1
    logs[0].write_text(logs[0].read_text() + MAIL.format(n=3, what=came.format(n=3)))
    import_(ws, *logs)
    assert sorted(row["sender"] for row in rows(ws, "mail")) == [
        f"a{n}@b.example" for n in (1, 2, 3)
    ]
    assert {s.path: s.rows for s in ws.sources()} == {str(logs[0]): 2, str(logs[1]): 1}
    assert ws.verify() == []


def test_a_stop_in_compaction_loses_nothing(
    ws: Workspace, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_(ws, many)
    for where in (
        "engine.lake.Lake.put",
        "state.store.Store.replace_parts",
        "engine.lake.Lake.remove",
    ):
        for after in (False, True):
            with monkeypatch.context() as patch:
                Stop(patch, f"sakimori.{where}", 1, after)
                with suppress(KeyboardInterrupt):
                    ws.compact()
            assert uids(ws) == numbered(*range(120))
            assert [line for line in ws.verify() if "left by a crash" not in line] == []
    import_(ws, many)
    assert ws.verify() == []


def test_retain_drops_old_days_and_they_do_not_come_back(
    ws: Workspace, log: Path, zeek: Any
) -> None:
    log.write_text(
        zeek.text([zeek.conn(n, ts=zeek.begin + n * 86_400) for n in range(10)]) + "bad\n"
    )
    import_(ws, log)
    now = datetime.fromtimestamp(zeek.begin + 9 * 86_400, UTC)
    assert ws.retain(3, now) == 6
    assert uids(ws) == numbered(6, 7, 8, 9)
    assert ws.verify() == []
    assert len(rejects(ws)) == 1
    assert import_(ws, log)[0].skipped == "already imported"
    assert ws.retain(3, now) == 0
    assert len(uids(ws)) == 4


def test_verify_finds_what_is_missing_stray_truncated_or_other(
    ws: Workspace, log: Path, zeek: Any
) -> None:
    log.write_text(zeek.text([zeek.conn(n, ts=zeek.begin + n * 86_400) for n in range(5)]))
    import_(ws, log)
    assert ws.verify() == []
    missing, cut, noise, fewer, _ = (ws.lake.root / part.path for part in ws.store.parts())
    missing.unlink()
    cut.write_bytes(cut.read_bytes()[:-10])
    noise.write_bytes(b"PAR1" + b"\0" * 50 + b"PAR1")
    pq.write_table(pq.read_table(fewer, partitioning=None).slice(0, 0), fewer)
    (cut.parent / "stray.parquet").write_bytes(b"")
    found = {
        line.partition(": ")[0].rpartition("/")[0]: line
        for line in ws.verify()
        if "stray" not in line
    }
    assert "missing" in found[f"conn/{missing.parent.name}"]
    assert "damaged" in found[f"conn/{cut.parent.name}"]
    assert "damaged" in found[f"conn/{noise.parent.name}"]
    assert "0 rows, 1 recorded" in found[f"conn/{fewer.parent.name}"]
    assert len(found) == 4
    assert len(ws.verify()) == 5


def test_damage_inside_a_file_is_found(ws: Workspace, log: Path, text: Any) -> None:
    log.write_text(text(*range(2000)))
    import_(ws, log)
    (part,) = ws.store.parts()
    content = bytearray((ws.lake.root / part.path).read_bytes())
    content[900:903] = b"\xff\0\xff"
    (ws.lake.root / part.path).write_bytes(content)
    (line,) = ws.verify()
    assert "damaged" in line
