"""From a botnet to its end: map, plan, cuts, sinkhole, size, notices, effect, evidence.

Each part takes plain values and gives plain values; `app` carries out what a person approved. Nothing
here acts on the world, but for `sinkhole`, which listens and answers once `app` has started it.
"""

from __future__ import annotations
