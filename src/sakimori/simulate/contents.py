"""What follows from handshakes and requests: the certificates that were shown, the files fetched."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from sakimori.simulate.addresses import texts_of
from sakimori.simulate.events import LINK, Events
from sakimori.simulate.traffic import fingerprint, mapped

if TYPE_CHECKING:
    from sakimori.simulate.addresses import Column
    from sakimori.simulate.events import Frame

DAY = 86_400.0
NOT_A_FILE = ("-", "")


def with_contents(events: Events) -> Events:
    """Return the events with x509 and files rows, as Zeek writes them beside ssl and http.

    A host's certificate is logged once, when first shown; its authority's is not (Zeek's
    log-hostcerts-only). Requests are given their file's id.
    """
    logs = dict(events.logs)
    if events.count("ssl"):
        logs["x509"] = _certificates(logs["ssl"])
    if events.count("http"):
        logs["http"], logs["files"] = _files(logs["http"])
    return Events(logs)


def _certificates(ssl: Frame) -> Frame:
    order = np.argsort(ssl["ts"], kind="stable")
    order = order[ssl["chain"][order] != "-"]
    leaves = mapped(ssl["chain"], lambda chain: chain.partition(",")[0])
    _, first = np.unique(leaves[order].astype("U"), return_index=True)
    rows = order[np.sort(first)]
    prints = leaves[rows]
    subject, issuer = ssl["subject"][rows], ssl["issuer"][rows]
    age = mapped(prints, lambda text: int(text[:4], 16) / 65_536, np.float64)
    since = ssl["ts"][rows] - DAY * (0.2 + 0.8 * age * np.minimum(ssl["valid"][rows], 200))
    return {
        LINK: ssl[LINK][rows],
        "ts": ssl["ts"][rows],
        "fingerprint": prints,
        "serial": mapped(prints, lambda text: fingerprint(f"serial {text}").upper()),
        "subject": subject,
        "issuer": issuer,
        "since": np.floor(since),
        "until": np.floor(since) + DAY * ssl["valid"][rows],
        "names": np.where(subject == issuer, "-", mapped(subject, _name_in)),
    }


def _name_in(subject: str) -> str:
    return subject.partition("CN=")[2].partition(",")[0] or "-"


def _files(http: Frame) -> tuple[Frame, Frame]:
    fetched = ~np.isin(http["mime"], NOT_A_FILE) & (http["answer"] > 0)
    of = np.flatnonzero(fetched)
    parts = zip(of.tolist(), http["ts"][of].tolist(), http["uri"][of].tolist(), strict=True)
    ids = texts_of([f"F{fingerprint(f'{i} {ts} {uri}')[:17]}" for i, ts, uri in parts])
    named = np.full(len(fetched), "-", dtype=object)
    named[of] = ids
    sizes = http["answer"][of].tolist()
    hosts, uris = http["host"][of].tolist(), http["uri"][of].tolist()
    content = texts_of([f"{h}{u} {s}" for h, u, s in zip(hosts, uris, sizes, strict=True)])
    frame = {
        LINK: http[LINK][of],
        "ts": http["ts"][of],
        "fuid": ids,
        "source": np.full(len(of), "HTTP", dtype=object),
        "mime": http["mime"][of],
        "filename": np.full(len(of), "-", dtype=object),
        "bytes": http["answer"][of],
        "md5": _digests(content, "md5"),
        "sha1": _digests(content, "sha1"),
    }
    return {**http, "fuid": named}, frame


def _digests(texts: Column, kind: str) -> Column:
    """Return a digest of the text that stands for a file's content."""
    return mapped(texts, lambda x: hashlib.new(kind, x.encode(), usedforsecurity=False).hexdigest())
