"""From a botnet to its end: map, plan, cuts, sinkhole, size, notices, effect, evidence.

Nothing here acts on the world. Each part takes plain values and gives plain values; `app` carries
out what a person approved.
"""

from __future__ import annotations
