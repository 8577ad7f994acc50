"""XARF: abuse reports of version 4 and 3 as JSON, and X-ARF mails (0.1, 0.2 and 3).

A file holds one report, an array, one a line, or one mail. The report accuses its
`source_identifier`: an address, a name or a URL. A botnet report's `c2_server` is the other side.
Source: XARF 4.2's JSON schemas; the X-ARF 0.2 specification (a mail whose second part is YAML).
"""

from __future__ import annotations

import email
import email.policy
import email.utils
import json
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from sakimori.errors import SourceError
from sakimori.readers._abuse import domain
from sakimori.readers._columns import addresses
from sakimori.readers._contract import Options, Reject, Rows
from sakimori.readers._event_json import Shape, keys, read_events, rows_of
from sakimori.readers._json_records import first_object
from sakimori.readers._jsonl import Lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.readers._source import Source

NAME = "xarf"
TITLE = "XARF abuse reports (JSON or X-ARF mail)"
WRITES = ("event",)
GROWS = False  # an array has an end

_MAIL = re.compile(rb"^X-X?ARF: ?[A-Za-z]", re.MULTILINE | re.IGNORECASE)
_HEADER = re.compile(rb"^(From |[A-Za-z][A-Za-z0-9-]{1,60}:)")
_LARGEST_MAIL = 32 * 1024 * 1024
_FIELD = re.compile(r"^([A-Za-z][A-Za-z-]{1,40}): ?(.*)$")
_NOTHING = pa.scalar(None, pa.string())


def _finish(columns: dict[str, pa.Array], length: int) -> dict[str, pa.Array]:
    """Put the accused where it belongs: it may be an address, a URL or a name."""
    subject, controller = columns["subject"], columns["controller"]
    ip, other = addresses(subject), addresses(controller)
    is_url = pc.fill_null(pc.match_substring_regex(subject, "^[A-Za-z][A-Za-z0-9+.-]*://"), False)
    is_name = pc.and_(pc.is_null(ip), pc.invert(is_url))
    named = domain(pc.if_else(is_name, subject, _NOTHING))
    named_controller = domain(pc.if_else(pc.is_null(other), controller, _NOTHING))
    kind = pc.binary_join_element_wise("xarf", columns["class"], columns["report"], "/",
                                       null_handling="skip")  # fmt: skip
    return columns | {
        "src_ip": ip,
        "dst_ip": pc.coalesce(columns["dst_ip"], other),
        "name": pc.coalesce(named, named_controller, columns["name"]),
        "url": pc.coalesce(columns["url"], pc.if_else(is_url, subject, _NOTHING)),
        "report": kind if length else columns["report"],
    }


_SHAPE = Shape(
    feed="xarf",
    cells={
        "ts": keys("timestamp", "Report.Date", "Report.AttackDate", "Date"),
        "uid": keys("report_id", "Report.ReportID", "Report-ID"),
        "subject": keys("source_identifier", "Report.SourceIp", "Report.SourceUrl",
                        "Report.Source.Value", "Source"),
        "src_port": keys("source_port", "Report.SourcePort", "Source-Port"),
        "dst_ip": keys("destination_ip", "Report.DestinationIp", "Destination"),
        "dst_port": keys("destination_port", "Report.DestinationPort", "Destination-Port", "Port"),
        "proto": keys("protocol", "Report.Protocol", "Protocol"),
        "controller": keys("c2_server", "Report.C2Server"),
        "name": keys("domain", "Report.Domain"),
        "url": keys("url", "Report.Url", "Report.SourceUrl"),
        "asn": keys("asn"),
        "country": keys("country_code"),
        "category": keys("type", "Report.ReportType", "Report-Type"),
        "report": keys("type", "Report.ReportType", "Report-Type"),
        "class": keys("category", "Report.ReportClass", "Category"),
        "family": keys("malware_family", "Report.MalwareFamily", "Malware"),
        "how": keys("evidence_source"),
        "established": keys("established", "connection_established"),
        "confidence": keys("confidence"),
        "restriction": keys("tlp", "TLP"),
        "severity": keys("severity"),
        "feed": keys("reporter.org", "ReporterInfo.ReporterOrg", "Reported-From"),
        "reference": keys("Schema-URL"),
    },
    taken=("timestamp", "report_id", "source_port", "destination_port"),
    then="SELECT * REPLACE (as_flag(established) AS established) FROM cells",
    finish=_finish,
)  # fmt: skip


def recognises(source: Source) -> bool:
    """Whether the first object is a report, or the file a mail that says it carries one."""
    found = first_object(source.head)
    if found:
        return "xarf_version" in found or {"ReporterInfo", "Report"} <= found.keys()
    return _is_mail(source.head)


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:  # noqa: ARG001
    """Read reports as event rows; a report without a time is a reject.

    Raises SourceError for a mail larger than 32 MiB.
    """
    if _is_mail(source.head):
        yield from _read_mail(source)
    else:
        yield from read_events(source, _SHAPE)


def _is_mail(head: bytes) -> bool:
    return bool(_HEADER.match(head) and _MAIL.search(head.split(b"\n\n", 1)[0]))


def _read_mail(source: Source) -> Iterator[Rows | Reject]:
    content = b""
    for chunk in source.chunks():
        content += chunk
        if len(content) > _LARGEST_MAIL:
            raise SourceError(
                "a mail is larger than 32 MiB", where=source.name, hint="save its report alone"
            )
    report = _report_in(content)
    if report is None:
        yield Reject(1, "the mail holds no report", content[:200].decode("utf-8", "replace"))
        return
    lines = Lines(pa.table({"line": pa.array([json.dumps(report)], pa.large_string()),
                            "number": pa.array([1], pa.int64())}))  # fmt: skip
    yield from rows_of(lines, _SHAPE, source.name)


def _report_in(content: bytes) -> dict[str, Any] | None:
    """Return the first part of a mail that is a report: JSON, or lines of `Key: value`."""
    try:
        mail = email.message_from_bytes(content, policy=email.policy.compat32)
        texts = [_text(part) for part in mail.walk() if not part.is_multipart()]
    except (ValueError, LookupError, RecursionError, AttributeError, TypeError):
        return None  # the library is not proof against every mail
    for text in texts:
        if found := _as_json(text) or _as_fields(text):
            return found
    return None


def _text(part: Any) -> str:
    raw = part.get_payload(decode=True) or b""
    return bytes(raw).decode("utf-8", errors="replace")


def _as_json(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_report = isinstance(found, dict) and ("xarf_version" in found or "Report" in found)
    return found if is_report else None


def _as_fields(text: str) -> dict[str, Any] | None:
    """Read the YAML of X-ARF 0.1 and 0.2, which is flat: a key and a value a line."""
    pairs = (found for line in text.splitlines() if (found := _FIELD.match(line)))
    fields = {pair[1]: pair[2].strip().strip("'\"") for pair in pairs}
    if not {"Report-Type", "Source"} <= fields.keys():
        return None
    if "Date" in fields:
        fields["Date"] = _iso(fields["Date"])
    return dict(fields)


def _iso(text: str) -> str:
    """Return a mail's date as ISO 8601, or the text as it is."""
    try:
        return email.utils.parsedate_to_datetime(text).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return text
