"""The JSON contracts of cleaning: `clean`, `clean-undo`, `clean-runs`, `clean-counts`, `recipe list`.

The schemas are in `sakimori/schemas`. Text is raw: whoever shows it must escape it.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.recipes.model import kind_of

if TYPE_CHECKING:
    from sakimori.app.clean_history import Run
    from sakimori.app.machine_cleaning import Cleaned, Looked
    from sakimori.app.recipe_shelf import Chosen
    from sakimori.endpoint.recipes import Finding, Undone
    from sakimori.i18n import Translator

SCHEMA_VERSION = "1"


def finding(one: Finding, outcome: str = "", reason: str = "") -> dict[str, Any]:
    """Return a finding; outcome is "" as long as nothing was done."""
    return {
        "id": one.id,
        "recipe": one.recipe,
        "version": one.version,
        "family": one.family,
        "kind": one.kind,
        "where": one.where,
        "found": one.found,
        "deed": one.deed,
        "good": one.good,
        "undo": one.undo,
        "source": one.source,
        "note": one.note,
        "outcome": outcome,
        "reason": reason,
    }


def clean(looked: Looked, cleaned: Cleaned | None) -> dict[str, Any]:
    """Return what a dry run found, or what became of it."""
    if cleaned is None:
        findings = [finding(f) for f in looked.found.findings]
    else:
        findings = [finding(o.finding, o.outcome, o.reason) for o in cleaned.outcomes]
    return {
        "schema": SCHEMA_VERSION,
        "run": cleaned.run if cleaned else None,
        "recipes": [one.as_plain() for one in looked.chosen],
        "findings": findings,
        "unseen": [asdict(u) for u in looked.found.unseen],
        "left_out": list(looked.left_out),
        "notes": list(looked.notes),
        "seconds": round(looked.seconds, 3),
    }


def resumed(cleaned: Cleaned) -> dict[str, Any]:
    """Return what became of a run that was gone on with."""
    return {
        "schema": SCHEMA_VERSION,
        "run": cleaned.run,
        "recipes": [],
        "findings": [finding(o.finding, o.outcome, o.reason) for o in cleaned.outcomes],
        "unseen": [],
        "left_out": [],
        "notes": [],
        "seconds": 0.0,
    }


def undo(run: str, undone: list[Undone]) -> dict[str, Any]:
    """Return what became of undoing a run."""
    return {
        "schema": SCHEMA_VERSION,
        "run": run,
        "undone": [
            {
                "id": u.finding.id,
                "family": u.finding.family,
                "where": u.finding.where,
                "act": u.act.word,
                "outcome": u.outcome,
                "reason": u.reason,
                "difference": list(u.difference),
            }
            for u in undone
        ],
    }


def runs(found: list[Run]) -> list[dict[str, Any]]:
    """Return runs."""
    return [
        {**asdict(run), "begun": run.begun.isoformat().replace("+00:00", "Z"),
         "families": list(run.families)}
        for run in found
    ]  # fmt: skip


def recipe(one: Chosen) -> dict[str, Any]:
    """Return a recipe whole: what it is about, who says so, and each item in words."""
    return one.as_plain() | {
        "about": dict(one.recipe.about),
        "sources": [asdict(s) for s in one.recipe.sources],
        "items": [
            {
                "line": i.line,
                "kind": kind_of(i),
                "what": what_of(i),
                "action": i.action,
                "source": i.source,
                "note": i.note,
            }
            for i in one.recipe.items
        ],
    }


def what_of(item: Any) -> str:
    """Return in a few words what an item looks for."""
    for name in ("path", "key", "names", "where", "exe", "name"):
        value = getattr(item, name, "")
        if value and name == "key":
            return f"{value}\\{item.name}" if not item.delete_key else str(value)
        if value and name == "where":
            return " ".join(filter(None, (value, item.name, *item.contains)))
        if value:
            return ", ".join(value) if isinstance(value, tuple) else str(value)
    return " ".join(getattr(item, "command", ())) or "programs of the files above"


def deed_words(say: Translator) -> dict[str, str]:
    """Return the words for what is or was done, in the reader's language."""
    words = [
        say.tr(word)
        for word in (
            "quarantine", "stop", "disable", "remove line", "change line", "remove job", "put back",
            "delete value", "delete key", "report",
        )
    ]  # fmt: skip
    from sakimori.endpoint.recipes.findings import DEEDS  # noqa: PLC0415 - slow to import

    return dict(zip(DEEDS, words, strict=True))


def outcome_words(say: Translator) -> dict[str, str]:
    """Return the words for what became of it."""
    words = [
        say.tr(word)
        for word in (
            "done", "refused: it changed", "failed", "only reported", "undone", "put back by force",
            "nothing to undo", "cannot be undone",
        )
    ]  # fmt: skip
    codes = ("done", "refused", "failed", "reported", "undone", "forced", "already", "impossible")
    return dict(zip(codes, words, strict=True))
