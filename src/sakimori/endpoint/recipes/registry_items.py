r"""Registry items of a recipe.

- registry: SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon
  name: Userinit
  bad: {contains: '\sdra64.exe'}
  good: ['C:\Windows\system32\userinit.exe,', {type: REG_SZ, text: '...'}]
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.recipes.model import Good, Match, RegistryItem
from sakimori.endpoint.recipes.patterns import is_wild, wrong_expression
from sakimori.endpoint.registry.model import TYPES

if TYPE_CHECKING:
    from sakimori.endpoint.recipes.nodes import Node

_TYPES = {name: number for number, name in TYPES.items()}
_ROOTS = ("SOFTWARE", "SYSTEM", "NTUSER")
_DEEP = 4  # parts of a key that may be deleted
_DROPPABLE = 3  # parts of it that must be fixed


def registry_item(node: Node, given: dict[str, Node], common: dict[str, Any]) -> RegistryItem:
    """Return a registry item. Raises SourceError with the place."""
    key = _key(given["registry"])
    drop = "delete-key" in given and given["delete-key"].flag()
    made = RegistryItem(
        key=key,
        name=given["name"].text(empty=True) if "name" in given else "",
        bad=_match(given["bad"]) if "bad" in given else None,
        good=_goods(given["good"]) if "good" in given else (),
        unterminated="unterminated" in given and given["unterminated"].flag(),
        delete_key=drop,
        **common,
    )
    if drop:
        _check_drop(node, made)
    elif made.bad is None and not made.unterminated:
        node.wrong("which value is bad?", "add bad or unterminated")
    elif made.bad and not made.good and made.action == "clean":
        node.wrong("what is the good value?", "add good; `good: absent` where there must be none")
    return made


def _key(node: Node) -> str:
    text = node.text().strip("\\")
    parts = text.split("\\")
    if parts[0] not in _ROOTS or len(parts) < 2 or not all(parts):
        node.wrong(f"{text!r} begins nowhere", rf"such as {', '.join(_ROOTS)}\...")
    wild = [part for part in parts if is_wild(part)]
    if len(wild) > 1 or (wild and is_wild("\\".join(parts[:2]))):
        node.wrong("only one part below the first two may hold wildcards")
    if any(not re.fullmatch(r"[^\x00-\x1f]{1,255}", part) for part in parts):
        node.wrong("a part is longer than 255 characters or holds a control character")
    return text


def _check_drop(node: Node, made: RegistryItem) -> None:
    parts = made.key.split("\\")
    fixed = [part for part in parts if not is_wild(part)]
    if len(parts) < _DEEP or len(fixed) < _DROPPABLE:
        node.wrong("too near to the root to be deleted", f"name {_DEEP} parts or more")
    if made.bad is None and not made.always_bad:
        node.wrong("a key alone does not decide", "add bad, or `always-bad: true`")
    if is_wild(made.key) and made.bad is None:
        node.wrong("wildcards need bad")


def _match(node: Node) -> Match:
    given = node.fields(("exact", "contains", "matches", "any-but"))
    if len(given) != 1:
        node.wrong("one of exact, contains, matches and any-but is expected")
    how, value = next(iter(given.items()))
    if how == "matches":
        problem = wrong_expression(value.text())
        if problem:
            value.wrong(f"expression: {problem}", "see the guide for what is allowed")
        return Match(matches=value.text())
    texts = value.texts()
    if how == "contains" and any(len(text) < 3 for text in texts):
        value.wrong("a text of one or two characters is in many values")
    if how == "exact":
        return Match(exact=texts)
    return Match(contains=texts) if how == "contains" else Match(any_but=texts)


def _goods(node: Node) -> tuple[Good, ...]:
    entries = node.list() if node.tag == "seq" else [node]
    return tuple(_good(entry) for entry in entries)


def _good(node: Node) -> Good:
    if node.tag == "str" and node.value == "absent":
        return Good(absent=True)
    if node.tag == "str":
        return Good(1, terminated(node.text()))
    given = node.fields(("type", "text", "number", "hex"))
    if len(given.keys() - {"type"}) != 1:
        node.wrong("one of text, number and hex is expected")
    if "number" in given:
        kind = _TYPES[given["type"].choice(("REG_DWORD", "REG_QWORD"))] if "type" in given else 4
        size = 4 if kind == 4 else 8
        return Good(kind, given["number"].number(0, 2 ** (8 * size) - 1).to_bytes(size, "little"))
    kind = _TYPES[given["type"].choice(_TYPES)] if "type" in given else 1
    if "text" in given:
        if kind not in (1, 2):
            given["text"].wrong("a text is REG_SZ or REG_EXPAND_SZ")
        return Good(kind, terminated(given["text"].text(empty=True)))
    digits = given["hex"].text().replace(" ", "").replace(",", "")
    if not re.fullmatch("([0-9a-fA-F]{2}){1,4096}", digits):
        given["hex"].wrong("pairs of hexadecimal digits are expected")
    return Good(kind, bytes.fromhex(digits))


def terminated(text: str) -> bytes:
    """Return a text as the registry stores it: UTF-16, little-endian, with its NUL."""
    return text.encode("utf-16-le", "surrogatepass") + b"\0\0"
