"""How much one source may ask for, in memory that no flood can grow.

A source is an IPv4 address or an IPv6 /48. Rates are token buckets in a table of fixed size: two
sources can share a bucket by chance, which makes the limit stricter, never looser, and the place
cannot be foretold, because Python's hash of text is keyed anew in each process.
"""

from __future__ import annotations

import socket
from collections import Counter
from functools import lru_cache
from ipaddress import ip_network

_SIZE = 1 << 16  # buckets: about 1 MB


class Buckets:
    """Token buckets: `rate` a second, `burst` at once."""

    __slots__ = ("_burst", "_left", "_rate", "_seen", "refused")

    def __init__(self, rate: float, burst: float, size: int = _SIZE) -> None:
        """Fill every bucket. `size` must be a power of two."""
        self._rate, self._burst = rate, max(burst, 1.0)
        self._left = [self._burst] * size
        self._seen = [0.0] * size
        self.refused = 0

    def take(self, source: str | bytes, now: float) -> bool:
        """Take a token of this source; False: it has none left. `now` is any clock in seconds."""
        at = hash(source) & (len(self._left) - 1)
        # A clock set back must not fill or empty a bucket.
        left = self._left[at] + max(0.0, now - self._seen[at]) * self._rate
        self._seen[at] = now
        left = min(left, self._burst)
        if left < 1.0:
            self._left[at] = left
            self.refused += 1
            return False
        self._left[at] = left - 1.0
        return True


class Connections:
    """Who is connected now: at most so many of one source, and in all."""

    __slots__ = ("_of", "_per_source", "_total", "open")

    def __init__(self, total: int, per_source: int) -> None:
        """Begin with nobody."""
        self._total, self._per_source = total, per_source
        self._of: Counter[str | bytes] = Counter()
        self.open = 0

    def enter(self, source: str | bytes) -> bool:
        """Count one more of this source; False: it has to wait outside, and is not counted."""
        if self.open >= self._total or self._of[source] >= self._per_source:
            if not self._of[source]:
                del self._of[source]
            return False
        self.open += 1
        self._of[source] += 1
        return True

    def leave(self, source: str | bytes) -> None:
        """Count one less."""
        self.open -= 1
        self._of[source] -= 1
        if not self._of[source]:
            del self._of[source]


@lru_cache(maxsize=4096)
def source_of(address: str) -> str | bytes:
    """Return what limits count: the IPv4 address as it is, the first 48 bits of an IPv6 one."""
    if ":" not in address:
        return address
    try:
        return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:6]
    except OSError:
        return address


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return the first address of an IPv4 address's /24 or an IPv6 one's /48."""
    plain = address.partition("%")[0]
    bits = 48 if ":" in plain else 24
    return str(ip_network(f"{plain}/{bits}", strict=False).network_address)


class Excess:
    """Hits over a limit, counted per source until they are logged; the number of sources is bounded."""

    _MOST = 1_024

    def __init__(self) -> None:
        """Begin empty."""
        self._counts: Counter[tuple[str, str, int, str, str]] = Counter()

    def add(self, caller: str, called: tuple[str, int], proto: str, service: str) -> None:
        """Count a hit; beyond so many sources they are counted together, without an address."""
        key = (caller, *called, proto, service)
        if key not in self._counts and len(self._counts) >= self._MOST:
            key = ("", *called, proto, service)
        self._counts[key] += 1

    def take(self) -> list[tuple[str, str, int, str, str, int]]:
        """Return source, address, port, proto, service and count of all, and begin anew."""
        found = [(*key, count) for key, count in self._counts.items()]
        self._counts.clear()
        return found
