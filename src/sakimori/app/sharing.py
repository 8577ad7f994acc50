"""Sharing findings: into a file of another format, or pushed to a TAXII 2.1 collection.

Nothing leaves above its TLP label, and nothing is pushed that nobody approved.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sakimori import exporters
from sakimori.app import contract
from sakimori.app.files import read_json, write_whole
from sakimori.errors import ConfigError, RefusedError, SourceError
from sakimori.exporters import stix

if TYPE_CHECKING:
    from pathlib import Path

    from sakimori.app.workspace import Workspace
    from sakimori.exporters import Gate, Sharing

_ACCEPT = "application/taxii+json;version=2.1"
_AT_ONCE = 200  # objects in one envelope: servers limit its size
_TIMEOUT = 30.0
_PATIENCE = 60.0  # s to wait for a server that takes objects later


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to share. `tlp` is the label of it all, `most` the strictest that the receiver may have."""

    tlp: str
    most: str = ""
    producer: str = "Sakimori"
    title: str = "Botnets found"
    only: str = ""  # controller or bot; empty: both
    made: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a TAXII server said: objects taken, refused and still pending, and why some were refused."""

    sent: int
    success: int
    failure: int
    pending: int
    reasons: tuple[str, ...]


def of_workspace(ws: Workspace, wanted: Wanted) -> Gate:
    """Return the last hunt's bots and controllers past the exit. Raises RefusedError above the TLP."""
    return _gated(contract.as_object(ws.report()), wanted, str(ws.folder))


def of_file(path: Path, wanted: Wanted) -> Gate:
    """Return the same from the JSON of `hunt --format json`."""
    given = read_json(path)
    if not isinstance(given, dict):
        raise SourceError("not a report of a hunt", where=str(path),
                          hint="sakimori hunt LOGS --format json writes one")  # fmt: skip
    return _gated(given, wanted, str(path))


def _gated(report: dict[str, Any], wanted: Wanted, where: str) -> Gate:
    if not wanted.tlp:
        raise RefusedError("nothing leaves without a TLP label", hint="--tlp AMBER")
    if wanted.only and wanted.only not in ("controller", "bot"):
        raise ConfigError(f"--only is {wanted.only!r}", hint="controller or bot")
    tlp = exporters.check_tlp(wanted.tlp)
    items = exporters.of_report(report, tlp, where)
    sharing = exporters.Sharing(
        title=wanted.title, producer=wanted.producer, tlp=tlp,
        made=wanted.made or datetime.now(UTC).replace(microsecond=0),
        items=tuple(i for i in items if wanted.only in ("", i.role)),
    )  # fmt: skip
    return exporters.gate(sharing, wanted.most or tlp)


def text_of(gate: Gate, form: str) -> str:
    """Return what passed the exit as a file of a format. Raises ConfigError for an unknown one."""
    return exporters.exporter_named(form).export(gate.sharing)


def write(gate: Gate, form: str, out: Path) -> None:
    """Write it, whole or not at all."""
    write_whole(out, text_of(gate, form))


def push(sharing: Sharing, collection: str, approved_by: str, token: str = "") -> Pushed:
    """Add a sharing's objects to a TAXII 2.1 collection, whose URL ends in `/collections/ID/`.

    Raises RefusedError without an approval, ConfigError for a URL that is none or travels in clear,
    SourceError when the server cannot be reached or refuses. Source: OASIS TAXII 2.1, 5.4.
    """
    if not approved_by.strip():
        raise RefusedError("nobody approved this push", hint="name who did: --approved-by")
    address = _collection(collection)
    objects = stix.objects_of(sharing)
    taken = [0, 0, 0]
    reasons: list[str] = []
    for at in range(0, len(objects), _AT_ONCE):
        status = _settled(address, _post(address, objects[at : at + _AT_ONCE], token), token)
        for place, name in enumerate(("success_count", "failure_count", "pending_count")):
            taken[place] += int(status.get(name) or 0)
        reasons += [str(f.get("message") or f.get("id")) for f in status.get("failures") or ()]
    success, failure, pending = taken
    return Pushed(len(objects), success, failure, pending, tuple(reasons[:20]))


def _collection(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "/collections/" not in url:
        raise ConfigError(f"{url!r} is no TAXII collection",
                          hint="such as https://taxii.example/api/collections/ID/")  # fmt: skip
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigError("this would travel in clear", where=url, hint="use https")
    return url.rstrip("/") + "/"


def _post(address: str, objects: list[dict[str, Any]], token: str) -> dict[str, Any]:
    return _asked("POST", f"{address}objects/", token, {"objects": objects})


def _settled(address: str, status: dict[str, Any], token: str) -> dict[str, Any]:
    """Ask again until a server that takes objects later has decided, or patience ends."""
    ends = time.monotonic() + _PATIENCE
    root = address.partition("/collections/")[0]
    while status.get("status") == "pending" and status.get("id") and time.monotonic() < ends:
        time.sleep(0.2)
        status = _asked("GET", f"{root}/status/{status['id']}/", token, None)
    return status


def _asked(method: str, url: str, token: str, body: Any) -> dict[str, Any]:
    import httpx  # noqa: PLC0415 - slow to import

    headers = {"Accept": _ACCEPT, "Content-Type": _ACCEPT}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        answer = httpx.request(method, url, json=body, headers=headers, timeout=_TIMEOUT)
        answer.raise_for_status()
        status = answer.json()
    except httpx.HTTPStatusError as error:
        raise SourceError(f"the server answered {error.response.status_code}", where=url,
                          hint="check the collection, and that you may write to it") from error  # fmt: skip
    except (httpx.HTTPError, ValueError) as error:
        raise SourceError(f"the server cannot be used: {error}", where=url,
                          hint="nothing more was sent; run the same again") from error  # fmt: skip
    if not isinstance(status, dict):
        raise SourceError("the server's answer is no status", where=url)
    return status
