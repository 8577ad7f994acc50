"""`case`: a takedown from what a hunt found to the proof that it worked."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sakimori.cli import _output as out
from sakimori.cli._app import As, Config, Format, In, InWorkspace
from sakimori.cli._app import case as group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sakimori.app.cases import Case, Shown
    from sakimori.app.workspace import Workspace

Name = Annotated[str, typer.Argument(metavar="CASE", help="The case's name.")]
By = Annotated[str, typer.Option("--by", help="Who does this; your login name when left out.")]
Ids = Annotated[list[int] | None, typer.Argument(metavar="ID...", help="Proposals.")]
Reason = Annotated[str, typer.Option(help="Why.")]
_PROPOSALS = ("id", "kind", "what", "state", "approved_by", "missing_approvals", "no_authority_for",
              "expires")  # fmt: skip


def case_of(ws: Workspace, name: str, by: str = "") -> Case:
    """Return an open case. Raises SourceError when there is none of that name."""
    from sakimori.app.cases import Case  # noqa: PLC0415

    return Case(ws, name, by)


@group.command("open", epilog="Example: sakimori case open rustock --botnet bn-1 --tlp AMBER -w ws")
def open_(  # noqa: PLR0913, PLR0917 - one parameter per option
    name: Name,
    botnet: Annotated[
        list[str] | None, typer.Option(help="A botnet of the last hunt; repeat; all if left out.")
    ] = None,
    tlp: Annotated[str, typer.Option(help="CLEAR, GREEN, AMBER, AMBER+STRICT or RED.")] = "AMBER",
    approvals: Annotated[int, typer.Option(help="How many people must approve each act.")] = 1,
    pdns: Annotated[Path | None, typer.Option(help="Passive DNS, Common Output Format.")] = None,
    registration: Annotated[Path | None, typer.Option(help="Registration facts, JSON.")] = None,
    fallback: Annotated[Path | None, typer.Option(help="The bots' fallback order.")] = None,
    asn: Annotated[
        Path | None, typer.Option(help="Table of address ranges and AS numbers.")
    ] = None,
    by: By = "",
    workspace: InWorkspace = None,
    config: Config = None,
) -> None:
    """Open a case on what the last hunt found. Its chain of evidence begins here."""
    from sakimori.app import cases, mapping  # noqa: PLC0415

    opening = cases.Opening(
        botnets=tuple(botnet or ()), tlp=tlp.upper(), approvals=approvals,
        files=mapping.Files(pdns=pdns, registration=registration, fallback=fallback, asn=asn),
    )  # fmt: skip
    with out.opened(workspace, config=config) as ws:
        opened = cases.open_case(ws, name, opening, by)
        graph = opened.graph()
    bots = sum(g["bots"] for g in graph["groups"])
    out.say(
        f"case {name}: {len(graph['groups'])} groups with {bots:,} bots,"
        f" {len(graph['resources'])} things that could be cut"
    )
    out.say(f"next: sakimori case authority {name} --help; then: sakimori case plan {name}")


@group.command("list", epilog="Example: sakimori case list --workspace ws")
def list_(workspace: InWorkspace = None, form: As = Format.table, config: Config = None) -> None:
    """Show every case."""
    from sakimori.state import Cases  # noqa: PLC0415

    with out.opened(workspace, config=config) as ws:
        rows = [asdict(c) for c in Cases(ws.store).all()]
    out.print_rows(rows, form, ("name", "botnets", "tlp", "approvals", "opened", "opened_by",
                                "closed"))  # fmt: skip


@group.command(
    "authority",
    epilog="Example: sakimori case authority rustock --kind court-order --covers '*'"
    " --reference 'order 12/2026' --file order.pdf -w ws",
)
def authority(  # noqa: PLR0913, PLR0917 - one parameter per option
    name: Name,
    kind: Annotated[
        str | None, typer.Option(help="own-network, agreement or court-order; none: list them.")
    ] = None,
    covers: Annotated[
        list[str] | None, typer.Option(help="A name (and below), address, CIDR, or *; repeat.")
    ] = None,
    reference: Annotated[str, typer.Option(help="Number of the order or agreement.")] = "",
    file: Annotated[Path | None, typer.Option(help="The order or agreement itself.")] = None,
    expires: Annotated[datetime | None, typer.Option(help="In force until then, UTC.")] = None,
    by: By = "",
    workspace: InWorkspace = None,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """Put on record why you may act, or show what is on record."""
    with out.opened(workspace, config=config) as ws:
        case = case_of(ws, name, by)
        if kind is not None:
            case.authorise(kind, covers or (), reference, file=file, expires=_utc(expires))
        rows = [asdict(a) for a in case.authorities()]
    out.print_rows(rows, form, ("id", "kind", "covers", "reference", "file_sha256", "added_by",
                                "expires"))  # fmt: skip


@group.command("plan", epilog="Example: sakimori case plan rustock --budget 20 -w ws")
def plan(  # noqa: PLR0913, PLR0917 - one parameter per option
    name: Name,
    budget: Annotated[float | None, typer.Option(min=0, help="Most cost in all.")] = None,
    partner_budget: Annotated[
        list[str] | None, typer.Option(metavar="NAME=COST", help="Most cost of a partner; repeat.")
    ] = None,
    jurisdiction_budget: Annotated[
        list[str] | None, typer.Option(metavar="NAME=COST", help="Likewise of a country; repeat.")
    ] = None,
    window: Annotated[float | None, typer.Option(min=0, help="Hours for all cuts.")] = None,
    most_shared: Annotated[
        int | None, typer.Option(min=0, help="Names an address may share; 10 when left out.")
    ] = None,
    sinkholes: Annotated[list[Path] | None, typer.Option(help="Known sinkholes; repeat.")] = None,
    top: Annotated[list[Path] | None, typer.Option(help="Most used names; repeat.")] = None,
    days: Annotated[int, typer.Option(min=0, help="Cuts end after this many; 0: never.")] = 30,
    by: By = "",
    workspace: InWorkspace = None,
    lang: In = None,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """Plan the cuts and propose them. Nothing is blocked."""
    from sakimori.app import planning  # noqa: PLC0415
    from sakimori.cli.plan import print_plan  # noqa: PLC0415
    from sakimori.takedown.plan import Limits, as_object  # noqa: PLC0415

    limits = Limits(budget=budget, window_hours=window, most_shared=most_shared)
    limits = planning.with_budgets(limits, partner_budget or (), jurisdiction_budget or ())
    lists = planning.lists_of(planning.ListFiles(tuple(sinkholes or ()), tuple(top or ())))
    with out.opened(workspace, lang=lang, config=config) as ws:
        made, proposed = case_of(ws, name, by).plan(limits, lists, days)
        language = ws.settings.lang
    if form is Format.json:
        out.print_json({**as_object(made), "proposals": [p.id for p in proposed]})
    else:
        print_plan(made, form, language)
    out.say(f"{len(proposed)} new proposals: sakimori case proposals {name}")


@group.command("proposals", epilog="Example: sakimori case proposals rustock -w ws")
def proposals(
    name: Name, workspace: InWorkspace = None, form: As = Format.table, config: Config = None
) -> None:
    """Show what is proposed, and what each still needs."""
    with out.opened(workspace, config=config) as ws:
        rows = [_row(s, form) for s in case_of(ws, name).proposals()]
    out.print_rows(rows, form, _PROPOSALS)


@group.command(
    "approve", epilog="Example: sakimori case approve rustock 1 2 --by 'A. Tanaka' -w ws"
)
def approve(  # noqa: PLR0913, PLR0917 - one parameter per option
    name: Name,
    by: Annotated[str, typer.Option(help="Who approves.")],
    ids: Ids = None,
    everything: Annotated[bool, typer.Option("--all", help="All that can be approved.")] = False,
    note: Annotated[str, typer.Option(help="A remark for the record.")] = "",
    workspace: InWorkspace = None,
    form: As = Format.table,
    config: Config = None,
) -> None:
    """Say yes to proposals, by name. An act that needs two people needs two names."""
    with out.opened(workspace, config=config) as ws:
        case = case_of(ws, name, by)
        chosen = list(ids or ())
        if everything:
            chosen = [s.proposal.id for s in case.proposals() if _approvable(s, by)]
        rows = [_row(s, form) for s in case.approve(chosen, by, note)]
    out.print_rows(rows, form, _PROPOSALS)


@group.command(
    "reject", epilog="Example: sakimori case reject rustock 3 --reason 'a hospital' -w ws"
)
def reject(
    name: Name, ids: Ids, reason: Reason, workspace: InWorkspace = None, config: Config = None
) -> None:
    """Turn proposals down for good."""
    with out.opened(workspace, config=config) as ws:
        case_of(ws, name).reject(ids or (), reason)
    out.say(f"rejected: {', '.join(map(str, ids or ()))}")


@group.command("block", epilog="Example: sakimori case block rustock --to rpz --out rpz.zone -w ws")
def block(  # noqa: PLR0913, PLR0917 - one parameter per option
    name: Name,
    to: Annotated[str, typer.Option(help="rpz, dnsmasq, hosts, nftables, suricata, ...")],
    file: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write this file. Without it: a dry run.")
    ] = None,
    changes: Annotated[
        bool, typer.Option("--changes", help="Print the changes from the file that is there.")
    ] = False,
    policy: Annotated[str, typer.Option(help="RPZ answer.")] = "nxdomain",
    sinkhole: Annotated[list[str] | None, typer.Option(help="Lead names there; repeat.")] = None,
    by: By = "",
    workspace: InWorkspace = None,
    config: Config = None,
) -> None:
    """Write the block file of all that is approved, covered and in force; `<out>.undo` undoes it."""
    import sys  # noqa: PLC0415
    from datetime import UTC  # noqa: PLC0415

    from sakimori.app import case_blocks  # noqa: PLC0415
    from sakimori.takedown.blocks import Options  # noqa: PLC0415

    options = Options(now=datetime.now(UTC), policy=policy, sinkhole=tuple(sinkhole or ()))
    wanted = case_blocks.Wanted(to=to, options=options, out=file, changes=changes)
    with out.opened(workspace, config=config) as ws:
        cut = case_blocks.block(case_of(ws, name, by), wanted)
    if file is None or changes:
        sys.stdout.write(cut.written.text)
    for left in cut.written.left_out:
        out.say(f"not in the file: {left.entry.kind} {out.shown(left.entry.value)}: {left.reason}")
    for shown in cut.waiting:
        out.say(f"waits: proposal {shown.proposal.id}: {_waits(shown)}")
    done = (
        f"written: {file}, undo: {cut.undo}"
        if file
        else "dry run: nothing was written (--out FILE)"
    )
    out.say(f"{cut.written.count} entries of {len(cut.in_force)} proposals; {done}")


@group.command("undo", epilog="Example: sakimori case undo rustock 2 --reason 'wrong host' -w ws")
def undo(  # noqa: PLR0913, PLR0917 - one parameter per option
    name: Name,
    ids: Ids,
    reason: Reason,
    by: By = "",
    workspace: InWorkspace = None,
    config: Config = None,
) -> None:
    """Take acts back: write the block file again and their entries are gone."""
    with out.opened(workspace, config=config) as ws:
        case_of(ws, name, by).undo(ids or (), reason)
    out.say(
        f"undone: {', '.join(map(str, ids or ()))}; write the block files again: case block {name}"
    )


@group.command("close", epilog="Example: sakimori case close rustock --reason 'cleaned' -w ws")
def close(
    name: Name, reason: Reason, by: By = "", workspace: InWorkspace = None, config: Config = None
) -> None:
    """Close a case. It can still be read and exported."""
    with out.opened(workspace, config=config) as ws:
        case_of(ws, name, by).close(reason)
    out.say(f"closed: {name}")


def _approvable(shown: Shown, by: str) -> bool:
    from sakimori.takedown.acting import person  # noqa: PLC0415

    state = shown.standing
    new = person(by) not in {person(p) for p in state.by}
    return new and not state.lacking and state.state in ("proposed", "approved")


def _waits(shown: Shown) -> str:
    state = shown.standing
    if state.lacking:
        return f"no authority for {out.shown(', '.join(state.lacking))}"
    return f"{state.missing} more must approve"


def _row(shown: Shown, form: Format) -> dict[str, Any]:
    proposal, state = shown.proposal, shown.standing
    row = {
        "id": proposal.id, "kind": proposal.kind, "what": proposal.what, "state": state.state,
        "approved_by": list(state.by), "missing_approvals": state.missing,
        "no_authority_for": list(state.lacking), "why": proposal.why,
        "created": proposal.created, "created_by": proposal.created_by, "expires": proposal.expires,
    }  # fmt: skip
    return row if form is Format.json else {**row, "what": _what(proposal.what)}


def _what(what: dict[str, Any]) -> str:
    entries: Sequence[dict[str, Any]] = what.get("entries") or ()
    named = [f"{e['kind']} {e['value']}" for e in entries] + [str(n) for n in what.get("names", ())]
    return ", ".join(named) or ", ".join(f"{k} {v}" for k, v in what.items())


def _utc(time: datetime | None) -> datetime | None:
    from datetime import UTC  # noqa: PLC0415

    return time if time is None or time.tzinfo else time.replace(tzinfo=UTC)
