"""What was done to a machine, in the machine's own chain of evidence.

    record(store, "quarantine take", {"id": "3fa9...", "path": "/tmp/x"}, actor="aiko")

The chain lies in STORE/evidence, its key in STORE/keys; `sakimori evidence verify STORE/evidence`
checks it. Each deed is one record of kind "act" whose body names the deed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sakimori.errors import PartFailedError, SakimoriError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CASE = "machine"


def record(store: Path, kind: str, body: Mapping[str, Any], actor: str = "") -> None:
    """Record one deed that was done; `kind` is what it was, such as "quarantine take".

    `actor` is who did it, "" for the login name. The body holds plain JSON values and times.
    Raises PartFailedError when it cannot be recorded: the deed itself stands.
    """
    record_all(store, kind, [body], actor)


def record_all(
    store: Path, kind: str, bodies: Sequence[Mapping[str, Any]], actor: str = ""
) -> None:
    """Record many deeds of one kind with one write to the disk. Raises as `record` does."""
    from sakimori.app.evidencing import Evidence, user  # noqa: PLC0415 - slow to import

    kept = Evidence(
        folder=store / "evidence", keys=store / "keys", case=CASE, actor=actor or user()
    )
    try:
        kept.record_all("act", [{"deed": kind, **body} for body in bodies])
    except (SakimoriError, OSError) as error:
        raise PartFailedError(
            f"{kind}: done, but not recorded in the evidence: {error}",
            where=str(store / "evidence"),
            hint="put that right, then note what was done: sakimori evidence add",
        ) from error
