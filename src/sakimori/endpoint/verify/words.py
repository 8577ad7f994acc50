"""Evidence and names in words, in the reader's language; everything foreign made visible by `tr`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sakimori.endpoint.verify.notes import NOTES, OBJECT_WORDS, WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sakimori.endpoint.changes import Change
    from sakimori.endpoint.verify.model import Attribution, Note
    from sakimori.i18n import Translator


def evidence(one: Attribution, say: Translator) -> str:
    """Return the evidence of one attribution as one line."""
    return ended([note_text(note, say) for note in one.notes], say)


def note_text(note: Note, say: Translator) -> str:
    """Return one note's sentence."""
    values = {name: _value(value, say) for name, value in note.values.items()}
    return say.tr(NOTES[note.code], **values)


def _value(value: Any, say: Translator) -> Any:
    if isinstance(value, tuple):
        return joined([word(v, say) for v in value], say)
    return value


def word(code: str, say: Translator) -> str:
    """Return a code's word; what is no code is a name and stays."""
    return say.tr(WORDS[code]) if code in WORDS else code


def joined(parts: Iterable[str], say: Translator) -> str:
    """Return a list of words as one text."""
    return ("、" if say.lang == "ja" else ", ").join(parts)


def ended(sentences: Iterable[str], say: Translator) -> str:
    """Return phrases as one text: with semicolons, in Japanese as sentences."""
    parts = [s for s in sentences if s]
    if say.lang == "ja":
        return "".join(f"{part}。" for part in parts)
    return "; ".join(parts)


def named(change: Change, say: Translator) -> str:
    """Return what was changed in words: the value of a key, a key, a file, a package."""
    if change.object == "registry" and change.name is not None:
        value = change.name or say.tr("(default)")
        return say.tr("value {value} of {key}", value=value, key=change.key)
    if change.object == "registry":
        return say.tr("key {key}", key=change.key)
    if change.object == "file":
        return say.tr("file {key}", key=change.key)
    return say.tr("{kind} {key}", kind=say.tr(OBJECT_WORDS[change.object]), key=change.key)
