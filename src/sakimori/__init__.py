"""Sakimori: find the bots in a network, and the servers that command them."""

from __future__ import annotations

__version__ = "0.1.0"
