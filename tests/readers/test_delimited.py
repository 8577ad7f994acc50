from __future__ import annotations

import csv
import io
import threading
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.readers import Block
from sakimori.readers._contract import conform
from sakimori.readers._delimited import UNFINISHED, Dialect, cut, in_threads, seconds_to_time

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = {"name": pa.string(), "count": pa.int64(), "size": pa.float64(), "ok": pa.bool_()}
TABS = Dialect(columns=("name", "extra", "count", "size", "ok"), types=KINDS, comment="#")


def good(data: bytes, dialect: Dialect = TABS, **block: Any) -> list[tuple[Any, ...]]:
    """Return the line number and values of each good line."""
    parts = cut(Block(data, block.pop("line", 1), 0, **block), dialect)
    columns = [parts.lines.to_pylist(), *(parts.table[name].to_pylist() for name in dialect.types)]
    return list(zip(*columns, strict=True))


def bad(data: bytes, dialect: Dialect = TABS, **block: Any) -> list[tuple[int, str]]:
    rejects = cut(Block(data, block.pop("line", 1), 0, **block), dialect).rejects
    return [(r.line, r.reason) for r in rejects]


def test_columns_get_their_types_and_dashes_are_null() -> None:
    assert good(b"a\tx\t1\t2.5\tT\n-\tx\t-\t-\t-\n", line=7) == [
        (7, "a", 1, 2.5, True),
        (8, None, None, None, None),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param(b"a\tx\t1\t2\n", "4 fields, not 5", id="too few fields"),
        pytest.param(b"a\tx\t1\t2\tT\ty\n", "6 fields, not 5", id="too many fields"),
        pytest.param(b"a\tx\tone\t2\tT\n", "count is 'one', not a whole number", id="word"),
        pytest.param(b"a\tx\t1.5\t2\tT\n", "count is '1.5', not a whole number", id="fraction"),
        pytest.param(b"a\tx\t" + b"9" * 30 + b"\t2\tT\n", "not a whole number", id="too large"),
        pytest.param(b"a\tx\t1\tbig\tT\n", "size is 'big', not a number", id="no number"),
        pytest.param(b"a\tx\t1\t2\tmaybe\n", "ok is 'maybe', not T or F", id="no flag"),
    ],
)
@pytest.mark.parametrize(
    "company",
    [pytest.param(b"b\tx\t1\t2\tF\n", id="clean"), pytest.param(b"\xff\tx\t1\t2\tF\n", id="bytes")],
)
def test_a_bad_line_is_refused_with_its_number_and_the_others_are_kept(
    line: bytes, said: str, company: bytes
) -> None:
    data = company + line + company
    assert [row[0] for row in good(data, line=11)] == [11, 13]
    ((number, reason),) = bad(data, line=11)
    assert number == 12
    assert said in reason


def test_a_line_with_two_bad_cells_is_refused_once() -> None:
    assert [line for line, _ in bad(b"a\tx\tone\ttwo\tT\nb\tx\t1\t2\tT\n")] == [1]


def test_the_text_of_a_reject_is_its_line() -> None:
    parts = cut(Block(b"a\tx\t1\t2\tT\nb\tx\tone\t2\tT\nshort\n", 1, 0), TABS)
    assert {r.line: r.text for r in parts.rejects} == {2: "b\tx\tone\t2\tT", 3: "short"}


def test_an_unfinished_last_line_says_so() -> None:
    parts = cut(Block(b"a\tx\t1", 9, 0, tail=True), TABS)
    assert [(r.line, r.reason, r.tail) for r in parts.rejects] == [(9, UNFINISHED, True)]


def test_comments_and_empty_lines_are_neither_rows_nor_rejects_but_count_as_lines() -> None:
    data = b"#fields\tx\n\na\tx\t1\t2\tT\n\n# more\nb\tx\t1\t2\tT\n"
    assert [row[:2] for row in good(data)] == [(3, "a"), (6, "b")]
    assert bad(data) == []


def test_lines_keep_their_numbers_after_empty_ones_when_a_cell_is_bad() -> None:
    data = b"\na\tx\t1\t2\tT\n\n\xff\tx\tone\t2\tT\nb\tx\t1\t2\tT\n"
    assert [row[:2] for row in good(data)] == [(2, "a"), (5, "b")]
    assert [line for line, _ in bad(data)] == [4]


def test_a_line_that_is_not_utf8_is_kept() -> None:
    assert good(b"\xff\xfea\tx\t1\t2\tT\nb\tx\t1\t2\tT\n") == [
        (1, "\ufffd\ufffda", 1, 2.0, True),
        (2, "b", 1, 2.0, True),
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["newline", "CRLF"])
def test_either_line_end_will_do(end: bytes) -> None:
    data = end.join([b"a\tx\t1\t2\tT", b"b\tx\t1\t2\tF", b""])
    assert [row[4] for row in good(data)] == [True, False]


@pytest.mark.parametrize("other", [b"b\tx\t1\t2\tT\n", b"b\tx\tone\t2\tT\n", b"\xff\n"])
def test_a_return_inside_a_line_does_not_end_it(other: bytes) -> None:
    data = b"a\rb\tx\t1\t2\tT\n" + other + b"c\tx\t1\t2\tT\n"
    rows = good(data)
    assert (rows[0][0], rows[-1][:2]) == (1, (3, "c"))
    assert len(rows) + len(bad(data)) == 3


def test_quotes_are_text_where_the_dialect_has_none() -> None:
    assert [row[1] for row in good(b'"a\tx\t1\t2\tT\nb"\tx\t1\t2\tT\n')] == ['"a', 'b"']


def test_a_quoted_delimiter_is_text_where_the_dialect_has_quotes() -> None:
    commas = Dialect(columns=("a", "b"), types={"a": pa.string()}, delimiter=",", quoted=True)
    assert good(b'"x,y",1\n"say ""no""",2\n', commas) == [(1, "x,y"), (2, 'say "no"')]


@pytest.mark.parametrize(
    "value", ["0", "-1", "1e5", "1.", ".5", "+3.25", "1E-3", "123456789.000001"]
)
def test_a_number_is_read_alike_on_the_fast_and_the_careful_path(value: str) -> None:
    line = b"a\tx\t1\t%s\tT\n" % value.encode()
    assert good(line)[0][3] == good(line + b"\xff\tx\t1\t1\tT\n")[0][3] == float(value)


LINES = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from([b"a\tx\t1\t2.5\tT", b"b\tx\t-\t-\tF", b"#c", b"", b"\xff\tx\t1\t2\tT",
                         b"a\tx\tone\t2\tT", b"a\rb\tx\t1\t2\tT"]),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(LINES)
def test_any_bytes_give_each_line_as_a_row_or_a_reject_and_never_both(lines: list[bytes]) -> None:
    data = b"".join(line.replace(b"\n", b"") + b"\n" for line in lines)
    if not data:
        return
    rows, refused = [row[0] for row in good(data)], [line for line, _ in bad(data)]
    assert rows == sorted(set(rows))
    assert len(refused) == len(set(refused))
    assert not set(rows) & set(refused)
    assert set(rows) | set(refused) <= set(range(1, len(lines) + 1))
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        if line == b"a\tx\t1\t2.5\tT":
            assert number in rows
        if line == b"a\tx\tone\t2\tT":
            assert number in refused


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), max_size=8)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(CELL, CELL).filter(any), min_size=1, max_size=6))
def test_quoted_text_comes_back_as_it_was_written(rows: list[tuple[str, str]]) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    commas = Dialect(columns=("a", "b"), types={"a": pa.string(), "b": pa.string()},
                     delimiter=",", quoted=True, nulls=())  # fmt: skip
    found = [row[1:] for row in good(written.getvalue().encode(), commas)]
    assert found == rows


@pytest.mark.parametrize(
    ("seconds", "iso"),
    [
        pytest.param(0.0, "1970-01-01T00:00:00+00:00", id="relative times"),
        pytest.param(1.5, "1970-01-01T00:00:01.500000+00:00", id="fraction"),
        pytest.param(1700000000.123456, "2023-11-14T22:13:20.123456+00:00", id="microseconds"),
        pytest.param(-1.0, "1969-12-31T23:59:59+00:00", id="before 1970"),
        pytest.param(253402300798.0, "9999-12-31T23:59:58+00:00", id="the last year"),
    ],
)
def test_seconds_become_times_in_utc(seconds: float, iso: str) -> None:
    (time,) = seconds_to_time(pa.array([seconds])).to_pylist()
    assert time.isoformat() == iso


@pytest.mark.parametrize(
    "seconds",
    [None, float("nan"), float("inf"), -float("inf"), 1e300, -1e300, 1.7e12, 253402300800.0, -7e10],
)
def test_what_is_no_time_is_null(seconds: float | None) -> None:
    assert seconds_to_time(pa.array([seconds, 1.0], pa.float64())).null_count == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(), max_size=5))
def test_any_number_is_a_time_or_null(seconds: list[float]) -> None:
    times = seconds_to_time(pa.array(seconds, pa.float64())).to_pylist()
    assert len(times) == len(seconds)


def test_results_keep_the_order_of_the_blocks() -> None:
    assert list(in_threads(range(50), lambda n: [n], 4)) == list(range(50))  # type: ignore[list-item]


def test_blocks_are_read_at_most_a_few_ahead() -> None:
    taken: list[int] = []

    def blocks() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = in_threads(blocks(), lambda n: [n], 2)  # type: ignore[list-item]
    next(results)
    assert len(taken) <= 4
    results.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if "ThreadPool" in t.name]


def test_an_error_in_a_thread_reaches_the_caller() -> None:
    def parse(number: int) -> list[Any]:
        if number == 3:
            raise RuntimeError("broken")
        return [number]

    with pytest.raises(RuntimeError, match="broken"):
        list(in_threads(range(9), parse, 2))


def test_a_number_that_does_not_fit_its_column_is_null() -> None:
    ports = pa.array([80, 2**40, -(2**40)], pa.int64())
    assert conform("conn", {"src_port": ports}, 3).column("src_port").to_pylist() == [
        80,
        None,
        None,
    ]
