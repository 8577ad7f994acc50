"""n6's JSON events: the REST API's answers and streams, and what others write in that form.

One event may concern several addresses: it becomes one row each, with the event's id as `uid`.
The `origin` says how it was got, `restriction` becomes TLP: public clear, need-to-know amber,
internal red. What has no column stays in `extra`.
Source: n6's documentation, "REST API" (field names and values); n6sdk's data specification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.readers._event_json import Shape, keys, read_events
from sakimori.readers._json_records import first_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.readers._contract import Options, Reject, Rows
    from sakimori.readers._source import Source

NAME = "n6-json"
TITLE = "n6 events (JSON)"
WRITES = ("event",)
GROWS = False  # an array has an end
MAY_BE_EMPTY = False

_NEEDED = {"time", "category"}
_USUAL = {"source", "restriction", "confidence", "origin", "address", "id"}
_EACH = """
SELECT * EXCLUDE (address, every, src_ip, asn, country),
    coalesce(every.ip, every.ipv6, src_ip) AS src_ip, coalesce(every.asn, asn) AS asn,
    coalesce(every.cc, country) AS country
FROM (SELECT *, unnest(coalesce(not_empty(CASE WHEN is_list(address) THEN from_json(address,
    '[{"ip": "VARCHAR", "ipv6": "VARCHAR", "asn": "VARCHAR", "cc": "VARCHAR"}]') END), [NULL]))
    AS every FROM cells)
"""
_SHAPE = Shape(
    feed="n6",
    cells={
        "ts": keys("time"),
        "uid": keys("id"),
        "address": keys("address"),
        "src_ip": keys("ip"),
        "asn": keys("asn"),
        "country": keys("cc"),
        "src_port": keys("sport"),
        "dst_ip": keys("dip"),
        "dst_port": keys("dport"),
        "proto": keys("proto"),
        "name": keys("fqdn"),
        "url": keys("url"),
        "family": keys("name"),
        "category": keys("category"),
        "how": keys("origin"),
        "confidence": keys("confidence"),
        "restriction": keys("restriction"),
        "count": keys("count"),
        "feed": keys("source"),
        "report": keys("category"),
    },
    taken=("time", "id", "sport", "dport", "url", "name", "source", "category"),
    then=_EACH,
)


def recognises(source: Source) -> bool:
    """Whether the first object has n6's time and category, and two more of its usual fields."""
    found = first_object(source.head)
    return found.keys() >= _NEEDED and len(found.keys() & _USUAL) >= 2


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:  # noqa: ARG001
    """Read events; times are UTC. An event without a time is a reject."""
    yield from read_events(source, _SHAPE)
