"""Evidence: an append-only chain of records, sealed and stamped, and bundles that others can check.

chain = Chain.create(folder)
seen = chain.keep(Path("sinkhole.log"))
chain.append(Entry(kind="input", actor="a. analyst", time=now, tool="sakimori 1", objects=(seen,)))
seal(chain, key, actor="a. analyst", time=now, tool="sakimori 1")
export(chain.folder, Path("case.zip"), Wanted(key=key, actor="a. analyst", time=now, tool=...))
verify(Path("case.zip"), keys=[key.public]).ok
"""

from __future__ import annotations

from sakimori.takedown.evidence.bundle import Exported, Wanted, export
from sakimori.takedown.evidence.chain import Chain, Head
from sakimori.takedown.evidence.check import verify
from sakimori.takedown.evidence.custody import TLP, Transfer, transfer
from sakimori.takedown.evidence.record import KINDS, Entry, Object, Record, canonical
from sakimori.takedown.evidence.redaction import Redaction
from sakimori.takedown.evidence.report import Problem, Report
from sakimori.takedown.evidence.seal import (
    Key,
    Public,
    load_key,
    make_key,
    read_public,
    rotate,
    seal_chain,
)

__all__ = [
    "KINDS", "TLP", "Chain", "Entry", "Exported", "Head", "Key", "Object", "Problem", "Public",
    "Record", "Redaction", "Report", "Transfer", "Wanted", "canonical", "export", "load_key",
    "make_key", "read_public", "rotate", "seal_chain", "transfer", "verify",
]  # fmt: skip
