"""A case's cuts as block files: what is approved, covered and in force, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.app.files import read_text, write_whole
from sakimori.errors import RefusedError
from sakimori.takedown import blocks

if TYPE_CHECKING:
    from pathlib import Path

    from sakimori.app.cases import Case, Shown
    from sakimori.takedown.blocks import BlockEntry, Options, Written


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which file to write. Without `out` nothing is written: a dry run."""

    to: str
    options: Options
    out: Path | None = None
    changes: bool = False  # the changes from the file that is there, not the whole state


@dataclass(frozen=True, slots=True)
class Cut:
    """What came of it: the text, which proposals are in it, and which wait for what."""

    written: Written
    in_force: tuple[int, ...]
    waiting: tuple[Shown, ...]
    undo: Path | None = None


def block(case: Case, wanted: Wanted) -> Cut:
    """Return the block file of a case, and write it when `out` is given; that is the act.

    The file that takes it back lies beside it, `<out>.undo`. Raises RefusedError when nothing may be
    carried out and there is nothing to take back.
    """
    case.check_open()
    form = blocks.format_named(wanted.to)
    shown = [s for s in case.proposals() if s.proposal.kind == "block"]
    ready = [s for s in shown if s.standing.may_act]
    waiting = tuple(
        s for s in shown if s.standing.state in ("proposed", "approved") and s not in ready
    )
    before = read_text(wanted.out) if wanted.out is not None and wanted.out.exists() else None
    if not ready and before is None:
        raise RefusedError(
            "nothing may be blocked yet: no block is approved and covered by an authority",
            hint=f"sakimori case proposals {case.name}",
        )
    entries = [entry for s in ready for entry in _entries(case, s)]
    whole = blocks.state(entries, form, wanted.options, before)
    written = whole
    if wanted.changes and before is not None:
        written = blocks.changes(entries, form, wanted.options, before)
    ids = tuple(s.proposal.id for s in ready)
    if wanted.out is None:
        return Cut(written, ids, waiting)
    undo = wanted.out.with_name(wanted.out.name + ".undo")
    write_whole(undo, whole.undo)  # first, so that no deed is without its way back
    write_whole(wanted.out, whole.text)
    case.evidence.record(
        "act",
        {"what": "block file written", "format": wanted.to, "path": str(wanted.out),
         "proposals": list(ids), "entries": whole.count, "left_out": len(whole.left_out),
         "before": before is not None},
        [wanted.out, undo],
    )  # fmt: skip
    case.done(ids)
    return Cut(written, ids, waiting, undo)


def _entries(case: Case, shown: Shown) -> list[BlockEntry]:
    """Return a proposal's entries; what a block list cannot hold was never proposed as a block."""
    found = []
    for given in shown.proposal.what["entries"]:
        made = blocks.entry(given["kind"], given["value"])
        if isinstance(made, blocks.BlockEntry):
            reason = f"case {case.name}, proposal {shown.proposal.id}"
            found.append(blocks.BlockEntry(made.kind, made.value, shown.proposal.expires, reason))
        else:
            raise RefusedError(
                f"proposal {shown.proposal.id}: {given['value']!r} cannot be blocked:"
                f" {made.reason}",
                hint="reject this proposal",
            )
    return found
