"""What the lake says about controllers, asked and added up in the engine: never row by row here.

The tables `pdns`, `event` and `sinkhole` are read where the vocabulary has them; the DNS answers
that the sensors saw count as passive DNS, too.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sakimori.tables import ALL
from sakimori.takedown.known import is_address
from sakimori.takedown.map.model import Crowd, PdnsRecord, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sakimori.app.results import Answers

_AT_ONCE = 2000  # values in one question
_TRIVIAL = ("", "/", "/index.html", "/favicon.ico")  # paths that every server has


def quoted(values: Iterable[str]) -> str:
    """Return texts as a list of SQL literals. They may hold anything."""
    return ", ".join("'" + value.replace("'", "''").replace("\0", "") + "'" for value in values)


def _rows(lake: Answers, query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = lake.ask(query).to_pylist()
    return rows


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(values), _AT_ONCE):
        yield values[at : at + _AT_ONCE]


class PdnsOf:
    """A `Lookup` over the lake: its `dns` answers, and table `pdns`."""

    def __init__(self, lake: Answers) -> None:
        """Nothing is asked yet."""
        self._lake = lake
        self._sources = _pdns_sources(lake)

    @property
    def is_empty(self) -> bool:
        """Whether neither table holds anything."""
        return not self._sources

    def of_names(self, names: Sequence[str]) -> Iterable[PdnsRecord]:
        """Give every record of these names."""
        return self._found("name", names)

    def at_values(self, values: Sequence[str]) -> Iterable[PdnsRecord]:
        """Give every record whose answer is one of these."""
        return self._found("answer", values)

    def counts(self, values: Sequence[str]) -> Mapping[str, int]:
        """Return how many different names have each of these as an answer."""
        found: dict[str, int] = {}
        if not self._sources:
            return found
        for part in _parts(values):
            for row in _rows(self._lake, _COUNT.format(rows=self._union("answer", part))):
                found[row["answer"]] = row["names"]
        return found

    def _found(self, column: str, values: Sequence[str]) -> Iterator[PdnsRecord]:
        if not self._sources:
            return
        for part in _parts(values):
            for row in _rows(self._lake, _SUM.format(rows=self._union(column, part))):
                yield PdnsRecord(
                    row["name"], _kind(row["kind"], row["answer"]), row["answer"], row["first"],
                    row["last"], int(row["n"]), f"pdns:{row['sensor']}",
                )  # fmt: skip

    def _union(self, column: str, values: Sequence[str]) -> str:
        wanted = quoted(values)
        return " UNION ALL ".join(
            source.format(wanted=wanted, column=column, early=early.format(wanted=wanted))
            for source, early in (
                (_SOURCES[name], _EARLY[name, column]) for name in self._sources
            )
        )  # fmt: skip


_COUNT = "SELECT answer, count(DISTINCT name) AS names FROM ({rows}) GROUP BY answer"
_SUM = """SELECT name, kind, answer, sensor, min(first) AS first, max(last) AS last, sum(n) AS n
FROM ({rows}) GROUP BY name, kind, answer, sensor ORDER BY name, kind, answer, sensor"""
_SOURCES = {
    "dns": """SELECT * FROM (SELECT query AS name, qtype AS kind,
 lower(rtrim(unnest(answers), '.')) AS answer, 'sensor' AS sensor, ts AS first, ts AS last, 1 AS n
 FROM dns WHERE qtype IN ('A', 'AAAA', 'CNAME', 'NS') AND {early}) WHERE {column} IN ({wanted})""",
    "pdns": """SELECT * FROM (SELECT lower(rtrim(name, '.')) AS name, upper(rrtype) AS kind,
 lower(rtrim(rdata, '.')) AS answer, coalesce(sensor, origin, 'pdns') AS sensor,
 coalesce(first_seen, ts) AS first, ts AS last, coalesce("count", 1) AS n FROM pdns) WHERE kind IN
 ('A', 'AAAA', 'CNAME', 'NS') AND {early} AND {column} IN ({wanted})""",
}  # fmt: skip
_EARLY = {  # what a table can be narrowed by before its lists are taken apart
    ("dns", "name"): "query IN ({wanted})",
    ("dns", "answer"): "list_has_any(answers, [{wanted}])",
    ("pdns", "name"): "true",
    ("pdns", "answer"): "true",
}


def _kind(asked: str, answer: str) -> str:
    """Return the type of an answer: a question for A may be answered with an alias."""
    if asked == "NS":
        return asked
    if is_address(answer):
        return "AAAA" if ":" in answer else "A"
    return "CNAME"


def _pdns_sources(lake: Answers) -> list[str]:
    return [name for name in _SOURCES if _holds(lake, name)]


def pdns_of(lake: Answers) -> PdnsOf:
    """Return who answers questions about passive DNS from the lake."""
    return PdnsOf(lake)


def events_of(lake: Answers, controllers: Sequence[str]) -> list[Crowd]:
    """Return the bots that abuse feeds saw calling these controllers, by feed and by habit."""
    if not _holds(lake, "event"):
        return []
    found: list[Crowd] = []
    for part in _parts(controllers):
        found += _crowds(
            lake, _HABIT.format(rows=_EVENT_ROWS.format(wanted=quoted(part))), "event:"
        )
    return found


def sinkhole_of(lake: Answers) -> tuple[list[Crowd], int]:
    """Return the bots whose handshake with a sinkhole was completed, by habit; and the others.

    Sources that only asked the sinkhole's DNS are resolvers: they are counted, never bots.
    """
    if not _holds(lake, "sinkhole"):
        return [], 0
    (resolvers,) = _rows(lake, _ASKED_ONLY)
    return _crowds(lake, _HABIT.format(rows=_SUNK_ROWS), "sinkhole"), int(resolvers["n"] or 0)


# Sources with the same set of controllers are one row, so that millions come back as few.
_HABIT = """SELECT controllers, source, count(*) AS bots, min(first) AS first, max(last) AS last,
 sum(n) AS n FROM (SELECT src_ip, source, list_sort(list(DISTINCT controller)) AS controllers,
 min(ts) AS first, max(ts) AS last, count(*) AS n FROM ({rows}) GROUP BY src_ip, source)
 GROUP BY controllers, source ORDER BY bots DESC, controllers, source"""
_EVENT_ROWS = """SELECT * FROM (SELECT src_ip, coalesce(feed, '') AS source, ts,
 unnest([lower(name), dst_ip]) AS controller FROM event WHERE category = 'bot'
 AND src_ip IS NOT NULL)
 WHERE controller IN ({wanted})"""
_SUNK_ROWS = """SELECT src_ip, '' AS source, ts, lower(name) AS controller FROM sinkhole
 WHERE established AND name IS NOT NULL"""
_ASKED_ONLY = """SELECT count(*) AS n FROM (SELECT src_ip FROM sinkhole GROUP BY src_ip
 HAVING NOT bool_or(coalesce(established, false)))"""


def _crowds(lake: Answers, query: str, source: str) -> list[Crowd]:
    return [
        Crowd(
            tuple(row["controllers"]), int(row["bots"]), "", row["first"], row["last"],
            int(row["n"]), f"{source}{row['source'] or ''}",
        )
        for row in _rows(lake, query)
        if row["controllers"]
    ]  # fmt: skip


def _holds(lake: Answers, table: str) -> bool:
    return table in ALL and table in lake.held


def traits_of(lake: Answers, controllers: Sequence[str]) -> list[Trait]:
    """Return the certificates, handshakes and paths that the sensors saw at these controllers."""
    found: list[Trait] = []
    for part in _parts(controllers):
        wanted = quoted(part)
        for query in _trait_queries(lake, wanted):
            found += [
                Trait(r["controller"], r["kind"], r["value"], r["first"], r["last"], int(r["n"]),
                      "sensor")
                for r in _rows(lake, query)
                if r["value"] not in _TRIVIAL
            ]  # fmt: skip
    return found


def elsewhere(lake: Answers, traits: Iterable[Trait]) -> dict[tuple[str, str], int]:
    """Return for each value how many servers show it that are none of the controllers with it."""
    of_kind: defaultdict[str, set[str]] = defaultdict(set)
    holders: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for trait in traits:
        of_kind[trait.kind].add(trait.value)
        holders[trait.kind, trait.value].add(trait.controller)
    found: dict[tuple[str, str], int] = {}
    for kind, query in _OTHERS.items():
        if kind in of_kind and _holds(lake, "http" if kind == "uri" else "tls"):
            for part in _parts(sorted(of_kind[kind])):
                for row in _rows(lake, query.format(wanted=quoted(part))):
                    others = set(row["servers"]) - holders[kind, row["value"]]
                    found[kind, row["value"]] = len(others)
    return found


# A server is its name where the client told one, so that a controller met by name is found.
_SERVER = "coalesce(server_name, dst_ip)"
_PATTERN = (
    "regexp_replace(regexp_replace(regexp_replace(uri, '[?#].*$', ''), '[0-9a-fA-F]{8,}', 'H', 'g'),"
    " '[0-9]+', 'N', 'g')"
)
_OF_TLS = """SELECT {server} AS controller, '{kind}' AS kind, {value} AS value, min(ts) AS first,
 max(ts) AS last, count(*) AS n FROM tls WHERE {server} IN ({wanted}) AND {value} IS NOT NULL
 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
_VALUES = {"cert": "cert_hashes[1]", "ja3s": "ja3s", "ja4": "ja4"}
_OF_HTTP = """SELECT * FROM (SELECT coalesce(host, dst_ip) AS controller, 'uri' AS kind,
 {pattern} AS value, min(ts) AS first, max(ts) AS last, count(*) AS n FROM http
 WHERE coalesce(host, dst_ip) IN ({wanted}) AND uri IS NOT NULL GROUP BY 1, 2, 3)
 QUALIFY row_number() OVER (PARTITION BY controller ORDER BY n DESC, value) <= 20"""
_OTHERS = {
    kind: f"SELECT {value} AS value, list(DISTINCT {_SERVER}) AS servers FROM tls"  # noqa: S608
    f" WHERE {value} IN ({{wanted}}) GROUP BY 1"
    for kind, value in _VALUES.items()
} | {
    "uri": f"SELECT {_PATTERN.replace('{', '{{').replace('}', '}}')} AS value,"  # noqa: S608
    " list(DISTINCT coalesce(host, dst_ip)) AS servers FROM http GROUP BY 1"
    " HAVING value IN ({wanted})"
}  # fmt: skip


def _trait_queries(lake: Answers, wanted: str) -> Iterator[str]:
    if _holds(lake, "tls"):
        for kind, value in _VALUES.items():
            yield _OF_TLS.format(server=_SERVER, kind=kind, value=value, wanted=wanted)
    if _holds(lake, "http"):
        yield _OF_HTTP.format(pattern=_PATTERN, wanted=wanted)
