r"""Exim's main log: who handed in which message, and what became of it.

One row per message and outcome (status and host it went to) with its recipients; one row per
refusal. `uid` is the message id, or `name:line` for what was refused without one. `src_ip` is the
SMTP client (null for mail handed in on the machine itself), `dst_ip` the host delivered to. The
fields of a line are found by their letter, because `log_selector` decides which there are.
Source: exim.org, "The Exim Specification", chapter 52, "Log files".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.readers._contract import Reject
from sakimori.readers._maillog import database, messages
from sakimori.readers._syslog import lines_of, zone_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from sakimori.readers._contract import Options, Rows
    from sakimori.readers._source import Block, Source

NAME = "exim"
TITLE = "Exim main log"
WRITES = ("mail",)
GROWS = False  # the lines of one message lie apart

_SHOWN = 1000  # characters of a refused line that are kept
# Six, six and two characters; six, eleven and four since Exim 4.97.
_ID = r"[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4})"
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
_STAMP = rf"{_DAY}(?: [+-][0-9]{{4}})?(?: \[[0-9]+\])?"
_PLAIN = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} [^+\[-]"  # the usual stamp alone
_SYSLOG = r"(?:(?:[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|[0-9-]{10}T[^ ]+) [^ ]+ exim[^ ]*: )?"
_ARROW = r"(?:<=|=>|->|>>|\*\*|==)"
_LINE = re.compile(
    rf"^{_SYSLOG}{_STAMP} (?:{_ID} (?:{_ARROW} |Completed)|(?:{_ID} )?H=.* rejected )".encode(),
    re.MULTILINE,
)

# A subject is the only field that a stranger fills with blanks and letters at will: out it goes
# before the others are sought.
_SUBJECT = r' T="((?:[^"\\]|\\.)*)"'
_ADDRESS = r'("(?:[^"\\]|\\.)*"@[^ ]+|[^ ]+)'

_STAGE = "(?:RCPT|MAIL|EHLO|HELO|DATA|BDAT|connection|after|during|by)"

_CUT = f"""
CREATE OR REPLACE TEMP TABLE cut AS
WITH dated AS (
    SELECT line, text, CASE WHEN regexp_matches(text, '^{_PLAIN}')
        THEN {{'time': left(text, 19), 'zone': '', 'after': substr(text, 21)}}
        ELSE regexp_extract(text, '^{_SYSLOG}({_DAY})( [+-][0-9]{{4}})?(?: \\[[0-9]+\\])? (.*)$',
            ['time', 'zone', 'after'])
        END AS h
    FROM lines
), named AS (
    SELECT line, text, h.zone AS zone, TRY_CAST(h.time AS TIMESTAMP) AS time, h.after AS after,
        CASE WHEN regexp_matches(h.after, '^{_ID} ') THEN split_part(h.after, ' ', 1) END AS qid
    FROM dated
), timed AS (
    SELECT * EXCLUDE (after),
        CASE WHEN qid IS NULL THEN after ELSE substr(after, length(qid) + 2) END AS what
    FROM named
), sorted AS (
    SELECT *, CASE
        WHEN time IS NULL THEN 'bad'
        WHEN qid IS NOT NULL AND starts_with(what, '<= ') THEN 'begin'
        WHEN qid IS NOT NULL AND regexp_matches(what, '^(?:=>|->|>>|\\*\\*|==) ') THEN 'try'
        WHEN regexp_matches(what, '^H=.* rejected {_STAGE} ?') THEN 'refusal'
        END AS form
    FROM timed
)
SELECT * EXCLUDE (time, text, zone),
    CASE WHEN form = 'bad' THEN left(text, {_SHOWN}) END AS bad,
    CASE WHEN zone = '' THEN time END AS local,
    CASE WHEN zone <> '' THEN time - to_minutes(
        CAST(zone[2:4] AS INTEGER) * 60 + CAST(zone[2] || zone[5:6] AS INTEGER)) END AS utc
FROM sorted
"""

_HOST = r" H=(?:[^ (\[][^ ]* )?(?:\((.*?)\) )?\[([^\]]*)\](?::([0-9]+))?"
_COMMON = "line, utc, local, qid"
_LOGIN = "nullif(regexp_extract(fields, ' A=[^ :]+:([^ ]+)', 1), '')"

# `fields` starts with a blank, so that each field does.
_BEGIN = f"""
SELECT {_COMMON}, 'begin' AS kind, true AS queued,
    CASE WHEN sender = '<>' THEN '' ELSE lower(sender) END AS sender,
    nullif(h.helo, '') AS helo, nullif(h.ip, '') AS src_ip, TRY_CAST(h.port AS INTEGER) AS src_port,
    TRY_CAST(nullif(regexp_extract(fields, ' S=([0-9]+)', 1), '') AS BIGINT) AS size,
    '<' || nullif(regexp_extract(fields, ' id=([^ ]+)', 1), '') || '>' AS message_id,
    {_LOGIN} AS login, nullif(regexp_replace(subject, '\\\\(["\\\\])', '\\1', 'g'), '') AS subject,
    CASE WHEN "to" <> '' THEN string_split(lower("to"), ' ') END AS recipients
FROM (SELECT *, regexp_extract(fields, '{_HOST}', ['helo', 'ip', 'port']) AS h,
        regexp_extract(fields, ' for ([^ ]+(?: [^ ]+)*)$', 1) AS "to"
    FROM (SELECT *, regexp_extract(what, '^<= {_ADDRESS}', 1) AS sender,
            regexp_extract(what, '{_SUBJECT}', 1) AS subject,
            regexp_replace(regexp_replace(what, '^<= {_ADDRESS}', ''), '{_SUBJECT}', '') AS fields
        FROM cut WHERE form = 'begin'))
"""
# "=> user <user@example.org> R=.. T=.. H=host [address]:25 C="250 OK"", or with ": reason" at the
# end. The final address counts; where that is a file, a pipe or a bare user, the one it came from.
_TRY = f"""
SELECT {_COMMON}, 'try' AS kind,
    CASE left(what, 2) WHEN '**' THEN 'bounced' WHEN '==' THEN 'deferred' ELSE 'sent' END AS status,
    lower(CASE WHEN a.parent <> '' AND (NOT contains(a.final, '@') OR regexp_matches(a.final, '^[/|:]'))
        THEN a.parent ELSE a.final END) AS recipient,
    nullif(h.ip, '') AS dst_ip, TRY_CAST(h.port AS INTEGER) AS dst_port,
    coalesce(nullif(h.ip, '') || ' ' || h.port, regexp_extract(fields, ' T=([^ :]+)', 1)) AS relay,
    nullif(CASE WHEN left(what, 2) NOT IN ('**', '==')
            THEN regexp_extract(fields, ' C="((?:[^"\\\\]|\\\\.)*)"', 1)
        WHEN contains(fields, ': ') THEN substr(fields, position(': ' IN fields) + 2)
        ELSE regexp_extract(fields, ' (defer .*)$', 1) END, '') AS reason
FROM (SELECT *, regexp_extract(fields, '{_HOST}', ['helo', 'ip', 'port']) AS h,
        regexp_extract("to", '^(.*?)(?: \\(.*\\))?(?: <([^>]*)>)?$', ['final', 'parent']) AS a
    FROM (SELECT *, t.to AS "to", t.fields AS fields
        FROM (SELECT *, regexp_extract(what,
                '^.. (:[a-z]+: <[^>]*>|.+?)((?: [A-Z]+=|: | defer \\(| routing defer ).*)?$', ['to', 'fields']) AS t
            FROM cut WHERE form = 'try')))
"""
_REFUSAL = f"""
SELECT {_COMMON}, CASE WHEN h.ip <> '' THEN 'refusal' END AS kind, 'rejected' AS status,
    nullif(h.helo, '') AS helo, h.ip AS src_ip, TRY_CAST(h.port AS INTEGER) AS src_port,
    CASE WHEN contains(fields, ' F=<') THEN lower(regexp_extract(fields, ' F=<(.*?)>', 1))
        WHEN starts_with(verb, 'MAIL <') THEN lower(regexp_extract(verb, '^MAIL <(.*?)>', 1))
        END AS sender,
    lower(nullif(regexp_extract(verb, '^RCPT <(.*?)>(?:: .*)?$', 1), '')) AS recipient,
    {_LOGIN} AS login,
    CASE WHEN contains(verb, ': ') THEN substr(verb, position(': ' IN verb) + 2)
        ELSE verb END AS reason
FROM (SELECT *, regexp_extract(fields, '{_HOST}', ['helo', 'ip', 'port']) AS h,
        regexp_extract(what, ' rejected ({_STAGE}.*)$', 1) AS verb
    FROM (SELECT *, ' ' || what AS fields FROM cut WHERE form = 'refusal'))
"""
_EVENTS = "INSERT INTO event BY NAME " + " UNION ALL BY NAME ".join(
    f"({query})" for query in (_BEGIN, _TRY, _REFUSAL)
)


def recognises(source: Source) -> bool:
    """Whether the head has a line of Exim's: a time, a message id and an arrow, or a refusal."""
    return _LINE.search(source.head) is not None


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read one log. Rows come at the end, in the order of their lines; rejects as they are met.

    Lines about no message give nothing. `options.timezone` is the zone of times without an offset.
    Raises SourceError when the zone is unknown.
    """
    zone = zone_of(source, options)
    with database(source, options) as con:
        for block in source.blocks():
            yield from _cut(con, block)
            con.execute(_EVENTS)
        yield from messages(con, source, zone, reused=False)


def _cut(con: duckdb.DuckDBPyConnection, block: Block) -> list[Reject]:
    """Fill the temporary table `cut` from one block; return what has no time."""
    con.register("lines", lines_of(block))
    con.execute(_CUT)
    con.unregister("lines")
    bad = con.execute("SELECT line, bad FROM cut WHERE bad IS NOT NULL ORDER BY line").fetchall()
    return [Reject(line, "not a line of Exim's main log", text, block.tail) for line, text in bad]
