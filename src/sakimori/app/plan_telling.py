"""A plan in words and tables, for people, in their language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.app.telling import Block
from sakimori.i18n import Translator
from sakimori.takedown.plan.reading import plain

if TYPE_CHECKING:
    from sakimori.takedown.plan import Plan

_SHOWN = 25


def tell_plan(plan: Plan, lang: str) -> tuple[Block, ...]:
    """Return a plan as blocks to print. Values in rows are raw: the printer escapes them."""
    say = Translator(lang)
    blocks = (
        Block(lines=_summary(plan, say)),
        _cuts(plan, say),
        _remaining(plan, say),
        _refused(plan, say),
        Block(title=say.tr("If something goes wrong"), lines=_robustness(plan, say)),
        Block(lines=tuple(say.tr(n.message, groups=n.groups, bots=n.bots) for n in plan.notes)),
    )
    return tuple(b for b in blocks if b.rows or b.lines)


def _summary(plan: Plan, say: Translator) -> tuple[str, ...]:
    certificate = (
        say.tr("No plan within these limits isolates more: this is the optimum.")
        if plan.optimal
        else say.tr("No plan within these limits can isolate more than {bound} bots.",
                    bound=plan.bound)
    )  # fmt: skip
    return (
        say.tr("{cuts} cuts isolate {bots} of {all} bots, cost {cost}, collateral {collateral}",
               cuts=len(plan.cuts), bots=plan.bots, all=plan.all_bots, cost=plan.cost,
               collateral=plan.collateral),
        certificate,
    )  # fmt: skip


def _cuts(plan: Plan, say: Translator) -> Block:
    cut, authority = say.tr("cut"), say.tr("authority")
    needs = set(plan.needs_authority)
    return Block(
        title=say.tr("Cuts"),
        columns=(cut, authority),
        rows=tuple(
            {cut: c, authority: say.tr("missing") if c in needs else say.tr("on record")}
            for c in plan.cuts[:_SHOWN]
        ),
        lines=_more(len(plan.cuts), say),
    )


def _remaining(plan: Plan, say: Translator) -> Block:
    group, bots, why = (say.tr(t) for t in ("group", "bots", "why"))
    return Block(
        title=say.tr("What remains"),
        columns=(group, bots, why),
        rows=tuple(
            {group: r.group, bots: plain(r.bots), why: say.tr(r.why)}
            for r in plan.remaining[:_SHOWN]
        ),
        lines=_more(len(plan.remaining), say),
    )


def _refused(plan: Plan, say: Translator) -> Block:
    resource, why = say.tr("resource"), say.tr("why")
    return Block(
        title=say.tr("Refused by the gates"),
        columns=(resource, why),
        rows=tuple({resource: r.id, why: r.why} for r in plan.refused[:_SHOWN]),
        lines=_more(len(plan.refused), say),
    )


def _more(count: int, say: Translator) -> tuple[str, ...]:
    if count <= _SHOWN:
        return ()
    return (say.tr("... and {count} more: --format json", count=count - _SHOWN),)


def _robustness(plan: Plan, say: Translator) -> tuple[str, ...]:
    held = plan.robustness
    lines = [
        say.tr("{share} % of controllers unknown: {bots} bots isolated, {worst} in the worst draw",
               share=round(100 * case["share"]), bots=case["bots"], worst=case["worst"])
        for case in held["unknown_controllers"]
    ]  # fmt: skip
    lines += [
        say.tr("{partner} fails: {bots} bots isolated", partner=case["partner"], bots=case["bots"])
        for case in held["partner_fails"][:3]
    ]
    delay = held["delay"]
    lines.append(say.tr("{hours} hours late: {bots} bots isolated", hours=delay["hours"],
                        bots=delay["bots"]))  # fmt: skip
    return tuple(lines)
