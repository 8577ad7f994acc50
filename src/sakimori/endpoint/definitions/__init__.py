"""Definitions (rules, hash sets, recipes), published and fetched with The Update Framework (TUF).

A publisher's repository is a folder that any web server can serve. Root and targets need the signatures
of several people (a threshold); snapshot and timestamp are signed by one key that may be online. A new
pack goes to the ring `canary` first and to `all` when it has proved itself. Source: TUF
specification 1.0, through python-tuf.
"""

from __future__ import annotations

RINGS = ("canary", "all")
