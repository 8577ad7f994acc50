"""The programs on a host: what a browser says of itself, and its habit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.simulate.traffic import mapped
from sakimori.simulate.visits import share_of

if TYPE_CHECKING:
    from sakimori.simulate.addresses import Column

_BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36 Edg/133.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:135.0) Gecko/20100101 Firefox/135.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
)


def browser_of(address: str) -> str:
    """Return the user agent of the host's browser: always the same for one host."""
    return _BROWSERS[int(share_of(f"browser {address}") * len(_BROWSERS))]


def browsers(sources: Column) -> Column:
    """Return the user agents of many hosts' browsers."""
    return mapped(sources, browser_of)
