"""Registry values and keys that a recipe's items are about: by text, by raw bytes, by a lost end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.endpoint.recipes.acts_more import DropKey, SetValue, content_of
from sakimori.endpoint.recipes.keys import keys_of
from sakimori.endpoint.recipes.patterns import expression_matches
from sakimori.endpoint.registry.model import Value, text_of, type_name

if TYPE_CHECKING:
    from sakimori.endpoint.recipes.findings import Search
    from sakimori.endpoint.recipes.model import AutorunItem, Match, RegistryItem

_RUN = tuple(
    rf"{root}\Microsoft\Windows\CurrentVersion\{end}"
    for root in ("SOFTWARE", r"SOFTWARE\Wow6432Node", r"NTUSER\Software")
    for end in ("Run", "RunOnce", r"Policies\Explorer\Run")
)
_NUL = b"\0\0"
_SHOWN = 500  # characters of a value


def registry_values(search: Search, item: RegistryItem) -> None:
    """Find a bad value or key."""
    registry = search.system.registry
    if registry is None:
        search.missed(item, "no registry is given")
        return
    root = item.key.split("\\")[0]
    if registry.values(root) is None and not registry.subkeys(root):
        search.missed(item, f"the registry that is given has no {root}")
        return
    for key in keys_of(registry, item.key):
        value = registry.get(key, item.name)
        if item.delete_key:
            _key(search, item, key, value)
        elif value is not None:
            _value(search, item, key, value)


def _key(search: Search, item: RegistryItem, key: str, value: Value | None) -> None:
    registry = search.system.registry
    if registry is None or registry.values(key) is None:
        return
    if item.bad is not None and (value is None or not matches(item.bad, value)):
        return
    found = shown(value) if value is not None else "the key is there"
    act = DropKey(key, content_of(registry, key))
    search.add(item, key, found, "delete key", (act,), undo="values only")


def _value(search: Search, item: RegistryItem, key: str, value: Value) -> None:
    good = _good_for(item, value)
    where = f"{key}\\{item.name or '(default)'}"
    deed = "put back" if good is not None else "delete value"
    if any(not g.absent and (g.type, g.data) == (value.type, value.data) for g in item.good):
        return
    if item.bad is not None and matches(item.bad, value):
        act = SetValue(key, value.name, value, good)
        told = shown(good) if good is not None else ""
        search.add(item, where, shown(value), deed, (act,), good=told)
    elif item.unterminated and is_unterminated(value):
        whole = Value(value.name, value.type, ended(value.data))
        act = SetValue(key, value.name, value, whole)
        search.add(item, where, shown(value), "put back", (act,), good=shown(whole))


def _good_for(item: RegistryItem, value: Value) -> Value | None:
    """Return the good value to put back; None: there must be none.

    Of alternatives the one with which the bad text begins, such as this Windows' own path; else the first.
    """
    if not item.good or item.good[0].absent:
        return None
    whole = value.data.lower()
    texts = [g for g in item.good if g.type in (1, 2) and len(g.data) > 2]
    same = [g for g in texts if whole.startswith(g.data[:-2].lower())]
    chosen = max(same, key=lambda g: len(g.data), default=item.good[0])
    return Value(value.name, chosen.type, chosen.data)


def is_unterminated(value: Value) -> bool:
    """Whether a text lacks its terminating NUL: what reads on finds other bytes."""
    return value.type in (1, 2) and bool(value.data) and not value.data.endswith(_NUL)


def ended(data: bytes) -> bytes:
    """Return a text's bytes with the NUL at its end; half a unit at the end goes."""
    return data[: len(data) & ~1] + _NUL


def shown(value: Value) -> str:
    """Return a value as text for people: type, text or bytes, and a lost terminator."""
    text = text_of(value)
    if text is None and value.type == 4 and len(value.data) == 4:
        text = str(int.from_bytes(value.data, "little"))
    told = text if text is not None else value.data.hex()
    lost = ", no terminator" if is_unterminated(value) else ""
    return f"{type_name(value.type)} {told[:_SHOWN]}{lost}"


def matches(match: Match, value: Value) -> bool:
    """Whether a value's text is bad. Texts behind a NUL count too: they can hide there."""
    texts = _texts(value)
    folded = [text.lower() for text in texts]
    if match.any_but:
        return folded[0] not in {text.lower() for text in match.any_but}
    if match.exact:
        return folded[0] in {text.lower() for text in match.exact}
    if match.contains:
        return any(part.lower() in text for part in match.contains for text in folded)
    return any(expression_matches(match.matches, text) for text in texts)


def _texts(value: Value) -> list[str]:
    text = text_of(value)
    if text is None:
        number = str(int.from_bytes(value.data, "little")) if value.type in (4, 11) else ""
        return [number or value.data.hex()]
    whole = value.data[: len(value.data) & ~1].decode("utf-16-le", "replace")
    return [text, *([whole] if whole.rstrip("\0") != text else [])]


def run_values(search: Search, item: AutorunItem) -> None:
    """Find Run values by name and text; they are deleted."""
    registry = search.system.registry
    if registry is None:
        search.missed(item, "no registry is given")
        return
    for key in _RUN:
        for value in registry.values(key) or ():
            if _is_run(item, value):
                act = SetValue(key, value.name, value, None)
                search.add(item, f"{key}\\{value.name}", shown(value), "delete value", (act,))


def _is_run(item: AutorunItem, value: Value) -> bool:
    if item.name and value.name.lower() != item.name.lower():
        return False
    texts = "\n".join(_texts(value)).lower()
    return all(marker.lower() in texts for marker in item.contains)
