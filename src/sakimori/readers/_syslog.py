"""Syslog lines to columns: when, which host, which program, what it said.

Read are the BSD form ("Oct 22 02:12:45 host tag[pid]: text", no year), the same with an ISO time
in front (rsyslog, journalctl -o short-iso) and RFC 5424, each with or without its <priority>.
Sources: RFC 3164 section 4.1; RFC 5424 section 6.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sakimori.errors import SourceError
from sakimori.readers._contract import Reject

if TYPE_CHECKING:
    import duckdb

    from sakimori.readers._contract import Options
    from sakimori.readers._source import Block, Source

YEAR = 10_000_000_000  # a clock is YYYYMMDDhhmmss as one number, here without its year
_MONTHS = pa.array(
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
)
_SHOWN = 1000  # characters of a refused line that are kept

_HOURS = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)"
_BSD = rf"^[A-Z][a-z][a-z] (?:[ 0][1-9]|[12][0-9]|3[01]) {_HOURS} [^ ]+ "  # its time: 15 characters
_ZONE = r"(?:Z|[+-][0-9]{2}:?[0-9]{2})"
_ISO = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_HOURS}(?:\.[0-9]{{1,9}})?{_ZONE}? [^ ]+ "
_RFC5424 = r"^([^ ]+) [^ ]+ [^ ]+ (?:-|(?:\[(?:[^\]\\]|\\.)*\])+) ?(?:\x{FEFF})?(.*)$"

# One query a block. Expressions test and string functions cut, which is ten times as fast as
# cutting with expressions. `width` is the time's length, null where the line is no syslog line.
_CUT = f"""
CREATE OR REPLACE TEMP TABLE cut AS
WITH header AS (
    SELECT line, text, month, turn, CASE
        WHEN month IS NOT NULL THEN CASE WHEN regexp_matches(text, '{_BSD}') THEN 15 END
        WHEN regexp_matches(text, '{_ISO}') THEN position(' ' IN text) - 1
        END AS width
    FROM lines
), dated AS (
    SELECT *, left(text, width) AS time, substr(text, width + 2) AS after FROM header
), timed AS (
    SELECT line, text, substr(after, position(' ' IN after) + 1) AS rest,
        left(after, position(' ' IN after) - 1) AS host,
        CASE WHEN month IS NOT NULL THEN turn * {YEAR} + month * 100000000
            + TRY_CAST(replace(replace(substr(time, 5), ' ', ''), ':', '') AS BIGINT)
        END AS clock,
        CASE WHEN month IS NULL AND regexp_matches(time, '{_ZONE}$')
            THEN make_timestamp(epoch_us(TRY_CAST(time AS TIMESTAMPTZ)))
        END AS utc,
        CASE WHEN month IS NULL AND NOT regexp_matches(time, '{_ZONE}$')
            THEN TRY_CAST(time AS TIMESTAMP)
        END AS local
    FROM dated
)
SELECT line, utc, local, clock, host,
    CASE WHEN coalesce(epoch_us(utc), epoch_us(local), clock) IS NULL
        THEN left(text, {_SHOWN}) END AS bad,
    CASE WHEN regexp_matches(rest, '^[^ ]+: ')
        THEN {{'tag': split_part(rest, ': ', 1), 'body': substr(rest, position(': ' IN rest) + 2)}}
        WHEN clock IS NULL THEN regexp_extract(rest, '{_RFC5424}', ['tag', 'body'])
    END AS said
FROM timed
"""


class Syslog:
    """Cuts one file's blocks into the temporary table `cut`, and counts the turns of the year.

    Columns of `cut`: line; the time as one of utc, local (both timestamps) and clock (YYYYMMDDhhmmss
    as a number, with 0 for the first line's year); host; bad (the line, where it is no syslog
    line); said.tag and said.body (null or "" where there is no tag).
    """

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        """Cut into `con`'s temporary table."""
        self._con = con
        self._month = -1
        self._turn = 0
        self._last = 0

    def cut(self, block: Block) -> list[Reject]:
        """Fill `cut` from one block; return what is no syslog line."""
        lines = self._with_turns(lines_of(block))
        self._con.register("lines", lines)
        self._con.execute(_CUT)
        self._con.unregister("lines")
        last = self._con.execute("SELECT arg_max(clock, line) FROM cut").fetchone()
        if last and last[0] is not None:
            self._last = last[0]
        bad = self._con.execute(
            "SELECT line, bad FROM cut WHERE bad IS NOT NULL ORDER BY line"
        ).fetchall()
        return [Reject(line, "not a syslog line", text, block.tail) for line, text in bad]

    def first_year(self, source: Source, options: Options) -> int:
        """Return the year of the file's first line, for times that carry none.

        It is `options.year` where set. Else the last line's year is that of the file's last change,
        or the year before when the line would lie more than a day after it.
        """
        if options.year is not None:
            return options.year
        changed = datetime.fromtimestamp(source.path.stat().st_mtime, zone_of(source, options))
        latest = int((changed + timedelta(days=1)).strftime("%Y%m%d%H%M%S"))
        turns, in_year = divmod(self._last, YEAR)
        late = changed.year * YEAR + in_year > latest
        return changed.year - turns - late

    def _with_turns(self, lines: pa.Table) -> pa.Table:
        """Add `month` (1..12; null where the line has none) and `turn`, the new years so far.

        December to January is a turn; a step back over it is a line that came late.
        """
        found = pc.index_in(pc.utf8_slice_codeunits(lines["text"], 0, 3), value_set=_MONTHS)
        at = np.flatnonzero(found.is_valid().to_numpy())
        months = found.drop_null().to_numpy()
        steps = np.diff(months, prepend=self._month if self._month >= 0 else months[:1])
        turns = np.zeros(lines.num_rows, dtype=np.int64)
        turns[at] = (steps < -6).astype(np.int64) - (steps > 6)
        turns = self._turn + np.cumsum(turns)
        if len(months):
            self._month, self._turn = int(months[-1]), int(turns[-1])
        month = pc.add(found.cast(pa.int64()), 1)
        return lines.append_column("month", month).append_column("turn", pa.array(turns))


def lines_of(block: Block) -> pa.Table:
    """Return a block's lines that are not empty: `line` (its number) and `text`.

    Bytes that are not UTF-8 become U+FFFD; the line's end and a syslog <priority> are taken off.
    """
    data = block.data
    if not data.isascii():
        data = data.decode("utf-8", errors="replace").encode()
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n")) + 1
    if not data.endswith(b"\n"):
        ends = np.append(ends, len(data))
    offsets = np.insert(ends, 0, 0).astype(np.int32)
    text = pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(data))
    text = pc.ascii_rtrim(text, "\r\n")
    if b"<" in data[:1] or b"\n<" in data:
        text = pc.replace_substring_regex(text, r"^<[0-9]{1,3}>(?:1 )?", "")
    lines = pa.table({"line": pa.array(np.arange(len(ends)) + block.line), "text": text})
    return lines.filter(pc.not_equal(text, ""))


def zone_of(source: Source, options: Options) -> ZoneInfo:
    """Return the time zone of times that carry none. Raises SourceError when it is not known."""
    try:
        return ZoneInfo(options.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SourceError(
            f"{options.timezone!r} is not a known time zone",
            where=source.name,
            hint='write it as in "Europe/Berlin" or "Asia/Tokyo"',
        ) from error
