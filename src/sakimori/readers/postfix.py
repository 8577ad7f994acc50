"""Postfix' own log: who handed in which message, and what became of it.

One row per message and outcome (status and relay) with its recipients; one row per refusal. `uid`
is the queue id, or `name:line` for what was refused without one. `src_ip` is the SMTP client
(null for mail handed in on the machine itself), `dst_ip` the relay. A message that goes through a
content filter is two messages to Postfix and here: to the filter (dst_ip is the filter's) and on
from it. Address probes (status=deliverable, undeliverable) hand over no message and are left out.
Source: postfix.org, postconf(5), qmgr(8), smtpd(8), postscreen(8).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.readers._maillog import database, messages
from sakimori.readers._syslog import Syslog, zone_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.readers._contract import Options, Reject, Rows
    from sakimori.readers._source import Source

NAME = "postfix"
TITLE = "Postfix mail log"
WRITES = ("mail",)
GROWS = False  # the lines of one message lie apart

_LINE = re.compile(
    rb"^(?:<\d{1,3}>(?:1 )?)?"
    rb"(?:[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*)"
    rb" \S+ postfix[^\s/\[]*/[\w/-]+(?:\[\d+\]: | \d+ \S+ )",
    re.MULTILINE,
)

# What a program said of a queue id: cut once, then one query for each form of message.
_SAID = """
CREATE OR REPLACE TEMP TABLE said AS
WITH ours AS (
    SELECT line, utc, local, clock, host, CASE
        WHEN starts_with(said.body, '[ID ') THEN substr(said.body, position('] ' IN said.body) + 2)
        ELSE said.body END AS body
    FROM cut WHERE bad IS NULL AND starts_with(said.tag, 'postfix')
), split AS (
    SELECT * EXCLUDE (body), split_part(body, ': ', 1) AS qid,
        substr(body, position(': ' IN body) + 2) AS what
    FROM ours WHERE regexp_matches(body, '^[0-9A-Za-z]{5,24}: (?:client=|uid=|(?:resent-)?message-id='
        '|from=<|to=<|removed$|(?:info|warning): header Subject: |(?:milter-|proxy-)?reject: )')
)
SELECT *, CASE
    WHEN qid = 'NOQUEUE' AND NOT contains(left(what, 20), 'reject: ') THEN 'unqueued'
    WHEN starts_with(what, 'client=') THEN 'client'
    WHEN starts_with(what, 'from=<') THEN 'from'
    WHEN starts_with(what, 'to=<') THEN 'to'
    WHEN starts_with(what, 'uid=') THEN 'pickup'
    WHEN what = 'removed' THEN 'removed'
    WHEN contains(left(what, 20), 'message-id=') THEN 'id'
    WHEN regexp_matches(what, '^(?:info|warning): header Subject: ') THEN 'subject'
    WHEN regexp_matches(what, '^reject: (?:header|body|content|mime-header|nested-header) ')
        THEN 'content'
    ELSE 'reject' END AS form
FROM split
"""


def _cut(text: str, strict: str, lenient: str, names: str) -> str:
    """SQL that cuts `text` with the strict expression, or with the lenient one where that fails.

    RE2 cuts in one pass what has at most 4 groups and leaves no choice at any character; that is
    ten times as fast as `.*?`, which only the odd line (a ">" in an address) needs.
    """
    groups = "[" + ", ".join(f"'{name}'" for name in names.split()) + "]"
    return (
        f"CASE WHEN regexp_matches({text}, '{strict}')"
        f" THEN regexp_extract({text}, '{strict}', {groups})"
        f" ELSE regexp_extract({text}, '{lenient}', {groups}) END"
    )


# Below, kind is null where the line is not cut as it should be: a test in WHERE would be pushed
# down and cut each line twice.
_COMMON = "line, utc, local, clock, host, qid"
_ADDRESS = r"\[([^\]]*)\](?::([0-9]+))?"  # of a client or relay, with its port
_STAGES = "CONNECT|HELO|EHLO|MAIL|RCPT|DATA|BDAT|END-OF-MESSAGE"
_WHO = r"(?: from=<.*?>)?,?(?: to=<.*?>)?,?(?: proto=[A-Za-z0-9]+)?,?(?: helo=<.*?>)?"

_CLIENT = f"""
SELECT {_COMMON}, 'begin' AS kind, nullif(c.ip, '') AS src_ip,
    TRY_CAST(c.port AS INTEGER) AS src_port,
    CASE WHEN contains(what, ', sasl_username=') THEN nullif(regexp_extract(what,
        ', sasl_username=(.*?)(?:, (?:sasl_sender|orig_queue_id|orig_client)=.*)?$', 1), '')
    END AS login
FROM (SELECT *, regexp_extract(what, '^client=[^\\[]*{_ADDRESS}(?:,.*)?$', ['ip', 'port']) AS c
    FROM said WHERE form = 'client')
"""
_PICKUP = f"SELECT {_COMMON}, 'begin' AS kind FROM said WHERE form = 'pickup'"
_ID = f"""
SELECT {_COMMON}, 'about' AS kind,
    nullif(trim(substr(what, position('=' IN what) + 1)), '') AS message_id
FROM said WHERE form = 'id'
"""
_SIZE = r"(?:size=([0-9]+), nrcpt=|status=((?:force-)?expired.*))"
_TAKEN = _cut("what", f"^from=<([^>]*)>, {_SIZE}", f"^from=<(.*)>, {_SIZE}", "sender size expired")
_FROM = f"""
SELECT {_COMMON}, true AS queued,
    CASE WHEN f.expired <> '' THEN 'try' WHEN f.size <> '' THEN 'about' END AS kind,
    lower(f.sender) AS sender, TRY_CAST(f.size AS BIGINT) AS size,
    CASE WHEN f.expired <> '' THEN 'bounced' END AS status, nullif(f.expired, '') AS reason
FROM (SELECT *, {_TAKEN} AS f FROM said WHERE form = 'from')
"""
_TRIED = _cut(
    "what",
    r"^to=<([^>]*)>, (?:orig_to=<[^>]*>, )?relay=([^,]*), "
    r"(?:(?:conn_use|delays?|dsn)=[^,]*, )*status=([a-z]+) ?(.*)$",
    r"^to=<(.*?)>, (?:orig_to=<.*?>, )?relay=(.*?), (?:.*?, )?status=([a-z]+) ?(.*)$",
    "recipient relay status reason",
)
_TO = f"""
SELECT {_COMMON}, CASE WHEN t.status IN ('sent', 'deferred', 'bounced') THEN 'try' END AS kind,
    lower(nullif(t.recipient, '')) AS recipient, t.status AS status, t.relay AS relay,
    nullif(r.ip, '') AS dst_ip, TRY_CAST(r.port AS INTEGER) AS dst_port,
    nullif(CASE WHEN starts_with(t.reason, '(') AND ends_with(t.reason, ')')
        THEN t.reason[2:-2] ELSE t.reason END, '') AS reason
FROM (SELECT *, regexp_extract(t.relay, '^[^\\[]*{_ADDRESS}$', ['ip', 'port']) AS r
    FROM (SELECT *, {_TRIED} AS t FROM said WHERE form = 'to'))
"""
_REMOVED = f"SELECT {_COMMON}, 'end' AS kind FROM said WHERE form = 'removed'"
_SUBJECT = f"""
SELECT {_COMMON}, CASE WHEN s.subject <> '' THEN 'about' END AS kind,
    s.subject AS subject, nullif(s.helo, '') AS helo
FROM (SELECT *, regexp_extract(what,
        '^[a-z]+: header Subject: (.*) from (?:[^ ]*\\[[^\\]]*\\](?::[0-9]+)?|local);'
        '(?: from=<.*?>)?(?: to=<.*?>)?(?: proto=[A-Za-z0-9]+)?(?: helo=<(.*?)>)?(?:: .*)?$',
        ['subject', 'helo']) AS s
    FROM said WHERE form = 'subject')
"""
_WHOM = _cut(  # each part may lack; postscreen puts commas between them
    "whom",
    r"^(?: from=<([^>]*)>,?)?(?: to=<([^>]*)>,?)?(?: proto=[A-Za-z0-9]+,?)?"
    r"(?: helo=<([^>]*)>)?(?: sasl_username=<([^>]*)>)?$",
    r"^(?: from=<(.*?)>,?)?(?: to=<(.*?)>,?)?(?: proto=[A-Za-z0-9]+,?)?"
    r"(?: helo=<(.*?)>)?(?: sasl_username=<(.*?)>)?$",
    "sender recipient helo login",
)
_REFUSED = f"""
SELECT {_COMMON}, CASE WHEN whom IS NOT NULL THEN 'refusal' END AS kind,
    'rejected' AS status, nullif(ip, '') AS src_ip, TRY_CAST(port AS INTEGER) AS src_port,
    subject, nullif(reason, '') AS reason,
    CASE WHEN starts_with(whom, ' from=<') THEN lower(w.sender) END AS sender,
    lower(nullif(w.recipient, '')) AS recipient, nullif(w.helo, '') AS helo,
    nullif(w.login, '') AS login
FROM (SELECT *, {_WHOM} AS w FROM refused)
"""
_REJECT = f"""
WITH client AS (
    SELECT *, regexp_extract(what,
        '^(?:milter-|proxy-)?reject: (?:{_STAGES}) from [^ \\[]*{_ADDRESS}: (.*)$',
        ['ip', 'port', 'rest']) AS c
    FROM said WHERE form = 'reject'
), refused AS (
    SELECT *, c.ip AS ip, c.port AS port, NULL AS subject, left(c.rest, ends - 1) AS reason,
        CASE WHEN c.rest <> '' THEN substr(c.rest, ends + 1) END AS whom
    FROM (SELECT *, coalesce(nullif(position('; from=<' IN c.rest), 0),
            nullif(position('; to=<' IN c.rest), 0), nullif(position('; proto=' IN c.rest), 0),
            length(c.rest) + 1) AS ends
        FROM client)
)
{_REFUSED}
"""
_CONTENT = f"""
WITH refused AS (
    SELECT *, c.ip AS ip, c.port AS port, c.reason AS reason,
        CASE WHEN c.part <> '' THEN c.whom END AS whom,
        CASE WHEN starts_with(c.part, 'Subject: ') THEN substr(c.part, 10) END AS subject
    FROM (SELECT *, regexp_extract(what,
            '^reject: [a-z-]+ (.*) from (?:[^ ]*{_ADDRESS}|local);({_WHO})(?:: (.*))?$',
            ['part', 'ip', 'port', 'whom', 'reason']) AS c
        FROM said WHERE form = 'content')
)
{_REFUSED}
"""
_EVENTS = "INSERT INTO event BY NAME " + " UNION ALL BY NAME ".join(
    f"({query})"
    for query in (_CLIENT, _PICKUP, _ID, _FROM, _TO, _REMOVED, _SUBJECT, _CONTENT, _REJECT)
)


def recognises(source: Source) -> bool:
    """Whether the head has a syslog line of a Postfix program (`postfix/smtpd[123]:`)."""
    return _LINE.search(source.head) is not None


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read one log. Rows come at the end, in the order of their lines; rejects as they are met.

    Lines of other programs, and Postfix' lines about no message, give nothing. `options.year` is
    the year of the first line (default: see `Syslog.first_year`), `options.timezone` the zone of
    times without an offset. Raises SourceError when the zone is unknown.
    """
    zone = zone_of(source, options)
    with database(source, options) as con:
        syslog = Syslog(con)
        for block in source.blocks():
            yield from syslog.cut(block)
            con.execute(_SAID)
            con.execute(_EVENTS)
        yield from messages(con, source, zone, year=syslog.first_year(source, options))
