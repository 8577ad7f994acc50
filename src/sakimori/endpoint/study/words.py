"""What a study says, in words; everything foreign made visible by `tr`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.study.model import Exposure, Note, Study
    from sakimori.i18n import Translator

NOTES: dict[str, str] = {
    "few": "fewer than {least} machines with it, without it, or with the symptom: too few to say anything",
    "less": "machines with it show the symptom less often",
    "narrow": "with or without it the symptom is about as common; more than {high} times is ruled out",
    "wide": "no tie shows, but up to {high} times as often cannot be ruled out",
    "explained": "the tie at first sight is explained by {other}: among machines alike in that, it is gone"
    " (at most {high} times)",
    "perhaps-explained": "{other} may explain the tie: among machines alike in that, it cannot be told any"
    " more",
    "inseparable": "it goes together with {other} so closely that the two cannot be told apart",
    "together": "among machines alike in {others} at once, the tie cannot be told any more",
    "corrected": "a cell of the table is empty: a half was added to every cell",
    "differs-by-stratum": "the ratio differs between operating systems (p = {p}): one number does not fit all",
    "late": "machines whose symptom is older than it, where it cannot be the cause and counts as"
    " absent: {count}",
    "all-late": "no machine had it before the symptom: it is ruled out as the cause where days are known",
    "ignored": "columns that are neither known nor of yes and no were left out: {columns}",
    "empty-is-none": "{column} is empty on some machines and never says none: empty was taken for none",
    "no-os": "no column names the operating system: nothing could be stratified by it",
    "too-many": "only the 200 most common exposures were tried; {count} were left out",
    "association": "A tie is an association. It does not prove a cause.",
    "selection": "Who reports is no random sample: machines with a symptom, or with an infection somebody"
    " noticed, are reported more often.",
    "unmeasured": "What was not collected may explain a tie: other software, hardware, and families that no"
    " scan found.",
    "no-days": "Without days it is not known whether the symptom came after the exposure.",
    "clusters": "Machines of one organisation are alike and count here as independent; the intervals are then"
    " too narrow.",
}
CAVEATS = ("association", "selection", "unmeasured", "clusters")

VERDICT_WORDS: dict[str, str] = {
    "tied": "tied",
    "not tied": "not tied",
    "cannot tell": "cannot tell",
}
KIND_WORDS: dict[str, str] = {"update": "update", "family": "family", "other": "other"}


def note_text(note: Note, say: Translator) -> str:
    """Return one remark's sentence."""
    values: dict[str, Any] = {
        name: ("、" if say.lang == "ja" else ", ").join(value)
        if isinstance(value, tuple)
        else value
        for name, value in note.values.items()
    }
    return say.tr(NOTES[note.code], **values)


def caveats(found: Study, say: Translator) -> list[str]:
    """Return the caveats that always hold, and those of this file."""
    dated = any(one.late for one in found.exposures)
    own = [note_text(note, say) for note in found.notes]
    return [
        *(say.tr(NOTES[code]) for code in CAVEATS),
        *([] if dated else [say.tr(NOTES[code]) for code in ("no-days",)]),
        *own,
    ]


def conclusion(found: Study, say: Translator) -> str:
    """Return the answer: the sentence over all, then one line for each exposure."""
    return "\n".join([_answer(found, say), *(sentence(one, say) for one in found.exposures)])


def _answer(found: Study, say: Translator) -> str:
    tied = [one.name for one in found.exposures if one.verdict == "tied"]
    names = _joined(tied, say)
    cleared = [
        one.name for one in found.exposures if one.verdict == "not tied" and one.kind == "update"
    ]
    parts = []
    if found.answer == "update":
        parts.append(say.tr("The symptom is tied to an update: {names}.", names=names))
    elif found.answer == "family":
        parts.append(say.tr("The symptom is tied to a family: {names}.", names=names))
    elif found.answer == "other":
        parts.append(say.tr("The symptom is tied to something else: {names}.", names=names))
    elif found.answer == "several":
        parts.append(
            say.tr(
                "The symptom is tied to several things, each beside the others: {names}.",
                names=names,
            )
        )
    elif found.answer == "neither":
        parts.append(_none(found, say))
    else:
        parts.append(
            say.tr("Whether the symptom is tied to anything cannot be told from these data.")
        )
    if cleared and found.answer != "update":
        shown = _joined(cleared, say)
        parts.append(say.tr("Not tied to it, and so cleared by these data: {names}.", names=shown))
    return ("" if say.lang == "ja" else " ").join(parts)


def _none(found: Study, say: Translator) -> str:
    """No tie shows: whether one is also ruled out is another matter."""
    open_ones = [one.name for one in found.exposures if one.verdict == "cannot tell"]
    if not open_ones:
        return say.tr("The symptom is tied to none of what was collected.")
    return say.tr(
        "No tie to anything that was collected shows; for {names} one cannot be ruled out.",
        names=_joined(open_ones, say),
    )


def _joined(names: list[str], say: Translator) -> str:
    return ("、" if say.lang == "ja" else ", ").join(names)


def _p(p: float) -> str:
    """Return a p value as papers do: below a ten-thousandth it says no more."""
    return f"= {p:.2g}" if p >= 0.0001 else "< 0.0001"


def sentence(one: Exposure, say: Translator) -> str:
    """Return one exposure's line: counts, ratio with interval, verdict, and why."""
    t = one.overall
    counts = say.tr(
        "{name}: {a} of {exposed} machines with it show the symptom, {c} of {unexposed} without it.",
        name=one.name, a=t.a, exposed=t.exposed, c=t.c, unexposed=t.unexposed,
    )  # fmt: skip
    return ("" if say.lang == "ja" else " ").join(
        [counts, *_measured(one, say), _verdict(one, say)]
    )


def _measured(one: Exposure, say: Translator) -> Iterator[str]:
    ratio = one.pooled or one.ratio
    if ratio is not None:
        yield say.tr(
            "Within operating systems that is {ratio} times as often (95 % interval {low} to {high}; p {p}).",
            ratio=ratio.value, low=ratio.low, high=ratio.high, p=_p(one.p_holm),
        )  # fmt: skip


def _verdict(one: Exposure, say: Translator) -> str:
    notes = [note_text(note, say) for note in one.notes]
    word = say.tr(VERDICT_WORDS[one.verdict])
    if not notes:
        return say.tr("Verdict: {verdict}.", verdict=word)
    why = ("。" if say.lang == "ja" else "; ").join(notes)
    return say.tr("Verdict: {verdict}: ", verdict=word) + why + ("。" if say.lang == "ja" else ".")
