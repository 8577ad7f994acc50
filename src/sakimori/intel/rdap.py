"""Abuse contacts from the registries by RDAP, politely: cached, slowed to each server's limit.

Sources: RFC 9082 (queries), RFC 9083 (answers), RFC 9224 (which server), RFC 7095 (jCard), RFC
6585 (429). Only what is needed to write to the provider is kept: its abuse mailbox, name, country.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sakimori.errors import ConfigError, SourceError
from sakimori.intel.contacts import Contact, mail_address, of_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import httpx

    from sakimori.config import Rdap
    from sakimori.intel._rdap_cache import Cache

# LACNIC answers ten queries a minute and bans who asks faster; users of other tools report it.
SLOW = {"rdap.lacnic.net": 10}
_BOOTSTRAP_DAYS = 7
_LARGEST = 4 * 1024 * 1024  # bytes of one answer; the bootstrap of domains is 100 KiB
_DEEPEST = 6  # entities inside entities
_LONGEST_WAIT = 120.0  # seconds; who asks us to wait longer is asked another day


class AskError(Exception):
    """A server did not give an answer; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: kind ip, autnum or domain, and the value as the path wants it."""

    kind: str
    value: str

    @property
    def path(self) -> str:
        """The path below the server's address (RFC 9082)."""
        return f"{self.kind}/{self.value}"


def query_of(text: str) -> Query:
    """Return the query for an address, AS number or domain. Raises ConfigError for anything else."""
    word = text.strip().lower().rstrip(".")
    if re.fullmatch(r"as[0-9]{1,10}", word):
        return Query("autnum", word[2:])
    try:
        return Query("ip", str(ip_address(word)))
    except ValueError:
        pass
    if not re.fullmatch(r"(?=.{4,253}$)([a-z0-9_]([a-z0-9_-]*[a-z0-9])?\.)+[a-z0-9-]{2,63}", word):
        raise ConfigError(
            f"{text[:80]!r} is no address, AS number or name",
            hint="such as 192.0.2.1, AS64500 or example.net",
        )
    return Query("domain", word)


@dataclass(frozen=True, slots=True)
class Found:
    """What a registry said of a query."""

    contact: Contact
    first: str = ""  # the range the answer is for; equal to `last` for one name
    last: str = ""
    age_days: float = 0.0  # 0: asked now


@dataclass
class Pace:
    """A token bucket for each server: a small burst, then evenly spread.

    Burst and spread together stay within `per_minute` in every minute.
    """

    per_minute: Callable[[str], int]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def wait(self, server: str) -> None:
        """Wait until one more query to this server is polite."""
        allowed = self.per_minute(server)
        most = max(1.0, allowed / 6)
        rate = max(allowed - most, allowed / 2) / 60
        now = self.clock()
        tokens, since = self._buckets.get(server, (most, now))
        tokens = min(most, tokens + (now - since) * rate)
        if tokens < 1:
            self.sleep((1 - tokens) / rate)
            now, tokens = self.clock(), 1.0
        self._buckets[server] = (tokens - 1, now)


class Client:
    """Looks up abuse contacts. `now` is Unix seconds; the cache decides what is asked again."""

    def __init__(
        self, settings: Rdap, cache: Cache, http: httpx.Client, pace: Pace | None = None
    ) -> None:
        self._settings = settings
        self._cache = cache
        self._http = http
        self._pace = pace or Pace(self._per_minute)
        self._down: dict[str, str] = {}  # servers that failed in this run: why

    def _per_minute(self, server: str) -> int:
        return self._settings.servers.get(server) or SLOW.get(server, self._settings.per_minute)

    def lookup(self, text: str, now: float) -> Found:
        """Return the contact for an address, AS number or domain.

        Never raises for what servers do: a contact without a mail says why in `why`. Raises
        ConfigError when `text` is none of the three.
        """
        query = query_of(text)
        kept = self._cache.get(query.kind, query.value, now - self._settings.days * 86_400)
        if kept:
            contact, first, last, asked = kept
            return Found(contact, first, last, (now - asked) / 86_400)
        try:
            server = self._server(query, now)
            answer = self._ask(f"{server.rstrip('/')}/{query.path}")
        except AskError as error:
            return Found(Contact(name=text, source="rdap", why=str(error)))
        contact = contact_of(answer, urlsplit(server).hostname or "rdap")
        first, last = range_of(answer, query)
        self._cache.put(query.kind, (first, last), contact, now)
        return Found(contact, first, last)

    def _server(self, query: Query, now: float) -> str:
        name = {"autnum": "asn", "domain": "dns"}.get(query.kind) or _version_file(query.value)
        services = self._cache.bootstrap(name, now - _BOOTSTRAP_DAYS * 86_400)
        if services is None:
            answer = self._ask(f"{self._settings.bootstrap.rstrip('/')}/{name}.json")
            services = answer.get("services")
            if not isinstance(services, list):
                raise AskError(f"the bootstrap file {name}.json lists no services")
            self._cache.put_bootstrap(name, services, now)
        found = server_for(query, services)
        if not found:
            raise AskError(f"no registry is listed for {query.value}")
        return found

    def _ask(self, url: str) -> dict[str, Any]:
        """Return a JSON object. Waits and asks again after 429, 5xx or a broken connection."""
        host = urlsplit(url).hostname or ""
        if host in self._down:
            raise AskError(self._down[host])
        why = ""
        for attempt in range(self._settings.tries):
            self._pace.wait(host)
            why, wait = self._try(url)
            if isinstance(why, dict):
                return why
            if wait is None:
                break
            if wait > _LONGEST_WAIT:
                self._down[host] = why
                break
            if attempt + 1 < self._settings.tries:
                self._pace.sleep(wait or 2.0**attempt)
        else:
            self._down[host] = why
        raise AskError(why)

    def _try(self, url: str) -> tuple[Any, float | None]:
        """Return (answer, _), or (why not, seconds to wait; 0: choose; None: do not ask again)."""
        import httpx  # noqa: PLC0415 - slow to import

        host = urlsplit(url).hostname
        try:
            with self._http.stream("GET", url, headers={"Accept": "application/rdap+json"}) as got:
                status, body = got.status_code, _body(got)
                wait = _retry_after(got.headers)
        except httpx.TimeoutException:
            return f"{host} did not answer within {self._settings.timeout:g} seconds", 0.0
        except httpx.HTTPError as error:
            return f"{host} cannot be reached: {error}", 0.0
        except ValueError as error:
            return f"{host}: {error}", None
        if status == 200:
            return _object(body, host), None
        said = {404: "knows nothing of it", 429: "says: too many requests"}
        why = f"{host} {said.get(status, f'answered with status {status}')}"
        return why, wait if status == 429 or status >= 500 else None


def _body(got: httpx.Response) -> bytes:
    body = bytearray()
    for piece in got.iter_bytes():
        body += piece
        if len(body) > _LARGEST:
            raise ValueError("the answer is too large")
    return bytes(body)


def _object(body: bytes, host: str | None) -> dict[str, Any] | str:
    import orjson  # noqa: PLC0415 - only when asked

    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return f"{host} answered with something else than JSON"
    return value if isinstance(value, dict) else f"{host} answered with no object"


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "")
    return float(text) if re.fullmatch("[0-9]{1,6}", text) else 0.0


def _version_file(address: str) -> str:
    return f"ipv{ip_address(address).version}"


def server_for(query: Query, services: list[Any]) -> str:
    """Return the server a bootstrap file (RFC 9224) names for a query, or "". https is preferred.

    Addresses: the longest prefix; AS numbers: the range; domains: the longest suffix.
    """
    best: tuple[int, list[str]] = (-1, [])
    for keys, urls in (s for s in services if isinstance(s, list) and len(s) == 2):
        fit = max((_fit(query, str(key)) for key in keys), default=-1)
        if fit > best[0]:
            best = fit, [str(url) for url in urls if str(url).startswith(("https://", "http://"))]
    return next((u for u in best[1] if u.startswith("https://")), (best[1] or [""])[0])


def _fit(query: Query, key: str) -> int:
    """How closely a key of the bootstrap file fits; -1: not at all."""
    try:
        if query.kind == "autnum":
            low, _, high = key.partition("-")
            return 1 if int(low) <= int(query.value) <= int(high or low) else -1
        if query.kind == "ip":
            network = ip_network(key)
            return network.prefixlen if ip_address(query.value) in network else -1
    except ValueError:
        return -1
    suffix = key.lower().strip(".")
    return len(suffix) if query.value == suffix or query.value.endswith(f".{suffix}") else -1


def range_of(answer: Mapping[str, Any], query: Query) -> tuple[str, str]:
    """Return the range the answer speaks of, so that its neighbours need no question."""
    first, last = (answer.get(f"start{_END[query.kind]}"), answer.get(f"end{_END[query.kind]}"))
    try:
        if query.kind == "ip":
            low, high, asked = ip_address(str(first)), ip_address(str(last)), query.value
            if _within(low, ip_address(asked), high):
                return str(low), str(high)
        if query.kind == "autnum" and int(str(first)) <= int(query.value) <= int(str(last)):
            return str(int(str(first))), str(int(str(last)))
    except ValueError:
        pass
    return query.value, query.value


_END = {"ip": "Address", "autnum": "Autnum", "domain": "Domain"}
_Address = IPv4Address | IPv6Address


def _within(low: _Address, address: _Address, high: _Address) -> bool:
    same = low.version == address.version == high.version
    return same and int(low) <= int(address) <= int(high)


def contact_of(answer: Mapping[str, Any], server: str) -> Contact:
    """Return the abuse contact that an RDAP answer names; `why` is set when it names none."""
    country = answer.get("country")
    known = {
        "name": str(answer.get("name") or answer.get("ldhName") or answer.get("handle") or "")[
            :200
        ],
        "country": country.upper() if isinstance(country, str) and len(country) == 2 else "",
        "source": server,
    }
    abuse = [e for e in _entities(answer, _DEEPEST) if "abuse" in _listed(e, "roles")]
    mails = [mail for entity in abuse for mail in _usable(entity)]
    if mails:  # a registry's own mailbox only where there is no other
        return Contact(mail=min(mails, key=of_registry), **known)
    why = "its abuse contact has no usable mail" if abuse else "the registry has no abuse contact"
    return Contact(why=why, **known)


def _usable(entity: Mapping[str, Any]) -> Iterator[str]:
    for text in _mails(entity):
        with suppress(ValueError):
            yield mail_address(text).lower()


def _entities(holder: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    """Give every entity, the outer ones first."""
    inner = [e for e in _listed(holder, "entities") if isinstance(e, dict)]
    yield from inner
    if depth > 1:
        for entity in inner:
            yield from _entities(entity, depth - 1)


def _listed(holder: Mapping[str, Any], name: str) -> list[Any]:
    value = holder.get(name)
    return value if isinstance(value, list) else []


def _mails(entity: Mapping[str, Any]) -> list[str]:
    """Return the mails of a jCard: ["vcard", [[name, parameters, type, value...], ...]]."""
    card = _listed(entity, "vcardArray")
    lines = card[1] if len(card) == 2 and isinstance(card[1], list) else ()
    return [
        str(line[3])
        for line in lines
        if isinstance(line, list) and len(line) >= 4 and line[0] == "email"
    ]


def http_client(settings: Rdap) -> httpx.Client:
    """Return a client with our name, time limits and few redirects. Raises SourceError."""
    import httpx  # noqa: PLC0415 - slow to import

    try:
        return httpx.Client(
            timeout=settings.timeout,
            follow_redirects=True,
            max_redirects=3,
            headers={"User-Agent": "sakimori (abuse contact look-up)"},
        )
    except (ValueError, OSError) as error:  # a proxy in the environment that is none
        raise SourceError(f"no look-ups are possible: {error}") from error
