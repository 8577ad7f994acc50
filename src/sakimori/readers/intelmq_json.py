"""IntelMQ's events as JSON: flat dotted keys, as its file output writes them, or nested.

IntelMQ has no field for how an event was got; where the feed's name or code has the word
(sinkhole, honeypot, darknet) it counts. `feed.accuracy` (0..100) becomes the confidence.
Source: IntelMQ's documentation, "Data format"; enisa's reference security incident taxonomy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.readers._event_json import Shape, keys, read_events
from sakimori.readers._json_records import first_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.readers._contract import Options, Reject, Rows
    from sakimori.readers._source import Source

NAME = "intelmq-json"
TITLE = "IntelMQ events (JSON)"
WRITES = ("event",)
GROWS = False  # it may be an array

_PARTS = {"source", "destination", "feed", "time"}
_TOLD = """
SELECT * EXCLUDE (identifier, code) REPLACE (
    if(contains(lower(identifier), 'sinkhole') AND contains(lower(identifier), 'dns'),
        'resolver', category) AS category,
    coalesce(how, CASE
        WHEN contains(lower(concat(report, code, identifier)), 'sinkhole') THEN 'sinkhole'
        WHEN contains(lower(concat(report, code, identifier)), 'honeypot') THEN 'honeypot'
        WHEN contains(lower(concat(report, code, identifier)), 'darknet') THEN 'darknet' END) AS how,
    if(TRY_CAST(confidence AS DOUBLE) >= 0, concat(confidence, '%'), confidence) AS confidence
) FROM cells
"""
_SHAPE = Shape(
    feed="intelmq",
    cells={
        "ts": keys("time.source", "time.observation"),
        "src_ip": keys("source.ip"),
        "src_port": keys("source.port"),
        "dst_ip": keys("destination.ip"),
        "dst_port": keys("destination.port"),
        "proto": keys("protocol.transport"),
        "name": keys("source.fqdn", "destination.fqdn"),
        "hostname": keys("source.reverse_dns"),
        "url": keys("source.url", "destination.url"),
        "asn": keys("source.asn"),
        "country": keys("source.geolocation.cc"),
        "category": keys("classification.type"),
        "identifier": keys("classification.identifier"),
        "family": keys("malware.name"),
        "how": keys("extra.origin", "extra.how"),
        "confidence": keys("feed.accuracy"),
        "restriction": keys("tlp"),
        "severity": keys("severity", "extra.severity"),
        "count": keys("extra.count"),
        "feed": keys("feed.provider", "feed.name"),
        "code": keys("feed.code"),
        "report": keys("feed.name", "feed.code"),
        "reference": keys("feed.documentation", "event_description.url", "feed.url"),
    },
    taken=("source.ip", "source.port", "destination.port", "time.source", "malware.name"),
    then=_TOLD,
)


def recognises(source: Source) -> bool:
    """Whether the first object has IntelMQ's keys: a classification, and a source, feed or time."""
    found = first_object(source.head)
    if "classification.type" in found or "classification.taxonomy" in found:
        return any(key.partition(".")[0] in _PARTS for key in found)
    nested = found.get("classification")
    return isinstance(nested, dict) and "type" in nested and bool(found.keys() & _PARTS)


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:  # noqa: ARG001
    """Read events; an event without a time is a reject."""
    yield from read_events(source, _SHAPE)
