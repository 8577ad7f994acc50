"""Sharing findings: into a file of another format, or pushed to a TAXII 2.1 collection.

Nothing leaves above its TLP label, and nothing is pushed that nobody approved.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sakimori import __version__, exporters
from sakimori.app import contract, taxii
from sakimori.app.files import read_json, write_whole
from sakimori.errors import ConfigError, RefusedError, SakimoriError
from sakimori.exporters import stix

if TYPE_CHECKING:
    from pathlib import Path

    from sakimori.app.cases import Case
    from sakimori.app.taxii import Pushed
    from sakimori.app.workspace import Workspace
    from sakimori.exporters import Gate, Item, Sharing


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to share. `tlp` is the label of it all, `most` the strictest that the receiver may have."""

    tlp: str
    most: str = ""
    producer: str = "Sakimori"
    title: str = "Botnets found"
    only: str = ""  # controller or bot; empty: both
    made: datetime | None = None


def for_case(wanted: Wanted, case: Case) -> Wanted:
    """Return what is wanted under the case's label, or the stricter one that was asked for.

    Raises RefusedError for a looser one.
    """
    own = exporters.check_tlp(case.record.tlp)
    asked = exporters.check_tlp(wanted.tlp) if wanted.tlp else own
    if exporters.strictest(own, asked) != asked:
        raise RefusedError(f"the case {case.name} is TLP:{own.upper()}, stricter than --tlp {asked}",
                           hint="leave --tlp out")  # fmt: skip
    return replace(wanted, tlp=asked)


def of_workspace(ws: Workspace, wanted: Wanted) -> Gate:
    """Return the last hunt's bots and controllers past the exit. Raises RefusedError above the TLP."""
    return _gated(contract.as_object(ws.report()), wanted, str(ws.folder))


def of_file(path: Path, wanted: Wanted) -> Gate:
    """Return the same from the JSON of `hunt --format json`."""
    return _gated(read_json(path), wanted, str(path))


def _gated(report: Any, wanted: Wanted, where: str) -> Gate:
    if not wanted.tlp:
        raise RefusedError("nothing leaves without a TLP label", hint="--tlp AMBER")
    if wanted.only and wanted.only not in ("controller", "bot"):
        raise ConfigError(f"--only is {wanted.only!r}", hint="controller or bot")
    tlp = exporters.check_tlp(wanted.tlp)
    items = exporters.of_report(report, tlp, where)
    if wanted.only:
        items = tuple(_alone(i) for i in items if i.role == wanted.only)
    sharing = exporters.Sharing(
        title=_clean(wanted.title), producer=_clean(wanted.producer), tlp=tlp, items=items,
        version=__version__, made=wanted.made or datetime.now(UTC).replace(microsecond=0),
    )  # fmt: skip
    return exporters.gate(sharing, wanted.most or tlp)


def _alone(item: Item) -> Item:
    """Return a controller without its bots: who wants controllers only does not name victims."""
    return replace(item, peers=()) if item.role == "controller" else item


def _clean(text: str) -> str:
    """Return a text that can be written as UTF-8. Raises ConfigError for an empty one."""
    if not text.strip():
        raise ConfigError("--title and --producer must not be empty")
    return text.encode("utf-8", "replace").decode()


def text_of(gate: Gate, form: str) -> str:
    """Return what passed the exit as a file of a format.

    Raises ConfigError for an unknown format, and for one that can hold none of what there is.
    """
    exporter = exporters.exporter_named(form)
    roles = {item.role for item in gate.sharing.items}
    if roles and roles.isdisjoint(exporter.ROLES):
        raise ConfigError(f"{form} cannot hold a {' or '.join(sorted(roles))} alone",
                          hint="take another format, or leave --only out")  # fmt: skip
    return exporter.export(gate.sharing)


def write(gate: Gate, form: str, out: Path) -> None:
    """Write it, whole or not at all."""
    write_whole(out, text_of(gate, form))


def push(
    sharing: Sharing, collection: str, approved_by: str, token: str = "", case: Case | None = None
) -> Pushed:
    """Add a sharing's objects to a TAXII 2.1 collection, whose URL ends in `/collections/ID/`.

    In a case the approval is a record before, and what the server said a record after. Raises
    RefusedError without an approval; else as `taxii.push`.
    """
    if not approved_by.strip():
        raise RefusedError("nobody approved this push", hint="name who did: --approved-by")
    address = taxii.check_collection(collection)
    objects = stix.objects_of(sharing)
    digest = sha256(json.dumps(objects, sort_keys=True).encode()).hexdigest()
    what = {"what": "TAXII push", "collection": address, "tlp": sharing.tlp, "sha256": digest,
            "objects": len(objects)}  # fmt: skip
    if case is not None:
        case.evidence.record("approval", {**what, "by": approved_by})
    try:
        told = taxii.push(objects, address, token)
    except SakimoriError as error:
        if case is not None:
            case.evidence.record("act", {**what, "failed": str(error)})
        raise
    if case is not None:
        case.evidence.record("act", {**what, **asdict(told)})
    return told
