"""A sinkhole: it takes the calls of a cut-off botnet, answers from a closed set, and writes a log.

`config` its settings, `replies` all it can say, `limits` how much it takes, `log` what it keeps,
`dns`, `http`, `tls` and `tcp` the protocols, `server` the process, `servers` the same for BIND,
Unbound and nginx.
"""

from __future__ import annotations
