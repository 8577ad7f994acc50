"""What a change is, in words: one short phrase for each layer in which something differs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sakimori.endpoint.changes import Change
    from sakimori.i18n import Translator

    State = Mapping[str, Any]

_ENTRY = re.compile(r"\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_SHOWN_AS_THEIR_OWN = ("autorun", "key_time", "key_time_after", "parent_key_time", "mtime", "runs")


def in_words(change: Change, say: Translator) -> str:
    """Return what happened to one object, its layers joined."""
    told = [_LAYERS[layer](change, say) for layer in change.layers]
    told += _hints(change, say)
    return say.tr("; ").join(one for one in told if one)


def _hints(change: Change, say: Translator) -> Iterator[str]:
    before, after = change.before or {}, change.after or {}
    if "moved_to" in before:
        yield say.tr("the same content is now at {path}", path=before["moved_to"])
    if "moved_from" in after:
        yield say.tr("the same content was at {path}", path=after["moved_from"])
    if before.get("runs") != after.get("runs"):
        yield say.tr("it runs: {commands}", commands=" | ".join(after.get("runs") or ["-"]))
    if after.get("autorun") or before.get("autorun"):
        yield say.tr("starts by itself")


def _added(change: Change, say: Translator) -> str:
    what = _summary(change.after or {})
    return say.tr("new: {what}", what=what) if what else say.tr("new")


def _removed(change: Change, say: Translator) -> str:
    what = _summary(change.before or {})
    return say.tr("gone: {what}", what=what) if what else say.tr("gone")


def _summary(state: State) -> str:
    """Return the few words that tell what a new or lost thing is."""
    for name in ("text", "version", "command", "target", "rule", "value", "programs"):
        if state.get(name):
            return str(state[name])
    if "data" in state:
        return f"{state['type']} {state['data'][:32]}"
    return str(state.get("type", ""))


def _bytes(change: Change, say: Translator) -> str:
    before, after = change.before or {}, change.after or {}
    if change.object == "registry":
        return say.tr(
            "other value: {before} -> {after}", before=_value(before), after=_value(after)
        )
    if (
        change.object == "file"
        and "sha256" in after
        and after.get("sha256") != before.get("sha256")
    ):
        return _content(before, after, say)
    if change.object == "file":
        return say.tr(
            "points elsewhere: {before} -> {after}",
            before=before.get("target") or before.get("device"),
            after=after.get("target") or after.get("device"),
        )
    return _fields(before, after, say)


def _content(before: State, after: State, say: Translator) -> str:
    return say.tr(
        "other content: {before} -> {after} (SHA-256 {old} -> {new})",
        before=_bytes_of(before), after=_bytes_of(after),
        old=str(before.get("sha256"))[:12], new=str(after.get("sha256"))[:12],
    )  # fmt: skip


def _bytes_of(state: State) -> str:
    return f"{state.get('size')} B"


def _value(state: State) -> str:
    return str(state["text"]) if "text" in state else str(state.get("data", ""))[:64]


def _fields(before: State, after: State, say: Translator) -> str:
    """Return each attribute that differs with both values."""
    return say.tr("; ").join(
        say.tr(
            "{attribute}: {before} -> {after}",
            attribute=name, before=_plain(before.get(name)), after=_plain(after.get(name)),
        )
        for name in sorted(before.keys() | after.keys())
        if name not in _SHOWN_AS_THEIR_OWN and before.get(name) != after.get(name)
        and None not in (before.get(name, ""), after.get(name, ""))
    )  # fmt: skip


def _plain(value: Any) -> str | None:
    """Return a value without the brackets of lists and tables."""
    if isinstance(value, list):
        return ", ".join(str(_plain(one)) for one in value) or None
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(one)}" for name, one in value.items()) or None
    return None if value is None else str(value)


def _terminator(change: Change, say: Translator) -> str:
    one, other = (_ending((state or {}).get("data", "")) for state in (change.before, change.after))
    if one and not other:
        return say.tr("same text, terminating NUL missing")
    if other and not one:
        return say.tr("same text, terminating NUL added")
    return say.tr("same text, other ending: {before} -> {after}", before=one, after=other)


def _ending(data: str) -> str:
    """Return the zeros and the half unit at a text's end, "" where it ends without a NUL."""
    whole = len(data) - len(data) % 4
    end = whole
    while end and data[end - 4 : end] == "0000":
        end -= 4
    return data[end:] if end < whole else ""


def _type(change: Change, say: Translator) -> str:
    before, after = change.before or {}, change.after or {}
    if before.get("type") == after.get("type"):
        return say.tr("hard link: {before} -> {after}",
                      before=before.get("linked_to"), after=after.get("linked_to"))  # fmt: skip
    return say.tr(
        "other type: {before} -> {after}", before=before.get("type"), after=after.get("type")
    )


def _acl(change: Change, say: Translator) -> str:
    before, after = change.before or {}, change.after or {}
    if change.object == "registry":
        return say.tr("; ").join(_lists(before, after, say))
    told = [
        words(say, _plain(before.get(name)), _plain(after.get(name)))
        for name, words in _ATTRIBUTES.items()
        if before.get(name) != after.get(name)
    ]
    return say.tr("; ").join(told)


_ATTRIBUTES: dict[str, Callable[[Translator, str | None, str | None], str]] = {
    "acl": lambda say, a, b: say.tr("access list: {before} -> {after}", before=a, after=b),
    "capabilities": lambda say, a, b: say.tr(
        "capabilities: {before} -> {after}", before=a, after=b
    ),
    "xattrs": lambda say, a, b: say.tr(
        "extended attributes: {before} -> {after}", before=a, after=b
    ),
}


# Well-known accounts, as Windows shows them in English; kinds of entries and rights that have words.
_ACCOUNTS = {
    "WD": "Everyone", "BA": "Administrators", "SY": "SYSTEM", "BU": "Users", "AU": "Authenticated Users",
    "CO": "CREATOR OWNER", "AN": "ANONYMOUS LOGON", "BG": "Guests", "IU": "INTERACTIVE",
    "LS": "LOCAL SERVICE", "NS": "NETWORK SERVICE", "PU": "Power Users", "RC": "RESTRICTED",
    "AC": "ALL APPLICATION PACKAGES",
}  # fmt: skip
KINDS = {"A": "may", "D": "may not", "AU": "is audited"}
RIGHTS = {
    "KA": "do everything", "GA": "do everything", "KR": "read", "GR": "read", "KW": "write",
    "GW": "write",
}  # fmt: skip


def _lists(before: State, after: State, say: Translator) -> Iterator[str]:
    for name in ("dacl", "sacl"):
        one, other = before.get(name), after.get(name)
        if one is None or other is None or one == other:
            continue
        new, old = _entries(other, say), _entries(one, say)
        gained, lost = new - old, old - new
        values = {
            "gained": ", ".join(sorted(gained)) or None,
            "lost": ", ".join(sorted(lost)) or None,
        }
        if name == "sacl":
            yield say.tr("same values, new audit list: gained {gained}, lost {lost}", **values)
        elif gained or lost:
            yield say.tr("same values, new access list: gained {gained}, lost {lost}", **values)
        else:
            yield say.tr("same values, access list in other order or inheritance: {before} -> {after}",
                         before=one, after=other)  # fmt: skip


def _entries(acl: str, say: Translator) -> set[str]:
    """Return an ACL's entries as `who kind rights`, as far as they have that form."""
    return {_entry(entry, say) for entry in _ENTRY.findall(acl)}


def _entry(entry: str, say: Translator) -> str:
    parts = entry.split(";")
    if len(parts) < 6:
        return entry
    kind, flags, rights, who = parts[0], parts[1], parts[2], parts[5]
    named = f"{_ACCOUNTS[who]} ({who})" if who in _ACCOUNTS else who
    verb = say.tr(KINDS[kind]) if kind in KINDS else kind
    what = f"{say.tr(RIGHTS[rights])} ({rights})" if rights in RIGHTS else rights
    return f"{named} {verb} {what}" + (f" [{flags}]" if flags else "")


def _owner(change: Change, say: Translator) -> str:
    before, after = change.before or {}, change.after or {}
    if change.object == "registry":
        return say.tr("other owner: {before} -> {after}",
                      before=_pair(before), after=_pair(after))  # fmt: skip
    return say.tr(
        "other owner: {before} -> {after}", before=_account(before), after=_account(after)
    )


def _pair(state: State) -> str:
    return f"{state.get('owner')}:{state.get('group')}"


def _account(state: State) -> str:
    user = state.get("owner") or state.get("uid")
    return f"{user}:{state.get('group') or state.get('gid')}"


def _mode(change: Change, say: Translator) -> str:
    before, after = change.before or {}, change.after or {}
    return say.tr("mode: {before} -> {after}", before=before.get("mode"), after=after.get("mode"))


def _time(change: Change, say: Translator) -> str:
    before, after = change.before or {}, change.after or {}
    name = "key_time" if change.object == "registry" else "mtime"
    return say.tr("only the time moved: {before} -> {after}",
                  before=before.get(name), after=after.get(name))  # fmt: skip


_LAYERS: dict[str, Callable[[Change, Translator], str]] = {
    "added": _added,
    "removed": _removed,
    "bytes": _bytes,
    "terminator": _terminator,
    "type": _type,
    "acl": _acl,
    "owner": _owner,
    "mode": _mode,
    "time": _time,
}
