"""Every message that is shown through `Translator.tr` can be read in every language we have."""

from __future__ import annotations

import ast
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any

import pytest
from babel.messages.pofile import read_po

import sakimori
from sakimori import detectors
from sakimori.app import results, sizing, snapshot_telling, snapshot_words, telling
from sakimori.config import LANGUAGES
from sakimori.endpoint.inventory.notes import NOTES as INVENTORY_NOTES
from sakimori.endpoint.study.words import KIND_WORDS as STUDY_KINDS
from sakimori.endpoint.study.words import NOTES as STUDY_NOTES
from sakimori.endpoint.study.words import VERDICT_WORDS as STUDY_VERDICTS
from sakimori.endpoint.verify.notes import NOTES as VERIFY_NOTES
from sakimori.endpoint.verify.notes import OBJECT_WORDS
from sakimori.endpoint.verify.notes import WORDS as VERIFY_WORDS
from sakimori.i18n import Translator
from sakimori.takedown.effect.notes import NOTES
from sakimori.takedown.effect.survival import SURVIVAL_NOTES
from sakimori.takedown.plan import solve
from sakimori.takedown.size import DEFINITIONS
from sakimori.takedown.size.words import METHODS
from sakimori.takedown.size.words import NOTES as SIZE_NOTES
from sakimori.verdicts import explain

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(sakimori.__file__).parent
OTHERS = [lang for lang in LANGUAGES if lang != "en"]

# Calls of `tr` whose message is no literal, and the constants that they take it from. A new one
# must be added here with its messages, or nobody would notice that they are not translated.
CONSTANTS: dict[tuple[str, str], Any] = {
    ("app/telling.py", "VERDICT_WORDS[h.verdict]"): telling.VERDICT_WORDS,
    ("app/telling.py", "KIND_WORDS[c.kind]"): telling.KIND_WORDS,
    ("app/telling.py", "d"): "what bots do",
    ("app/telling.py", "b.why"): "why a botnet is one",
    ("verdicts/explain.py", "VERDICTS[host.verdict]"): explain.VERDICTS,
    ("verdicts/explain.py", "step"): explain.FIRST_STEPS,
    ("verdicts/explain.py", "message"): "what detectors say",
    ("verdicts/explain.py", "WORDS[value]"): explain.WORDS,
    ("verdicts/explain.py", "REASONS.get(r, r)"): explain.REASONS,
    ("verdicts/explain.py", "KINDS[kind]"): explain.KINDS,
    ("app/plan_telling.py", "r.why"): dict(enumerate(solve.REASONS)),
    ("app/plan_telling.py", "n.message"): {"p2p": solve.P2P, "later": solve.LATER},
    ("app/effects.py", "note.message"): NOTES,
    ("app/cleaning.py", "SURVIVAL_NOTES[code]"): SURVIVAL_NOTES,
    ("app/snapshot_telling.py", "OBJECT_WORDS[kind]"): snapshot_telling.OBJECT_WORDS,
    ("app/snapshot_words.py", "KINDS[kind]"): snapshot_words.KINDS,
    ("app/snapshot_words.py", "RIGHTS[rights]"): snapshot_words.RIGHTS,
    ("app/sizing.py", "QUANTITY_WORDS[name]"): sizing.QUANTITY_WORDS,
    ("app/sizing.py", "REASON_WORDS[reason]"): sizing.REASON_WORDS,
    ("app/sizing.py", "DEFINITIONS[name]"): DEFINITIONS,
    ("app/sizing.py", "part.method"): METHODS,
    ("app/sizing.py", "note.message"): SIZE_NOTES,
    ("endpoint/verify/words.py", "NOTES[note.code]"): VERIFY_NOTES,
    ("endpoint/verify/words.py", "WORDS[code]"): VERIFY_WORDS,
    ("endpoint/verify/words.py", "OBJECT_WORDS[change.object]"): OBJECT_WORDS,
    ("endpoint/verify/statement.py", "OBJECT_WORDS[k]"): OBJECT_WORDS,
    ("app/verifying.py", "OBJECT_WORDS[scope.object]"): OBJECT_WORDS,
    ("app/verifying.py", "OBJECT_WORDS[one.object]"): OBJECT_WORDS,
    ("endpoint/study/words.py", "NOTES[note.code]"): STUDY_NOTES,
    ("endpoint/study/words.py", "NOTES[code]"): STUDY_NOTES,
    ("endpoint/study/words.py", "VERDICT_WORDS[one.verdict]"): STUDY_VERDICTS,
    ("app/studying.py", "words.VERDICT_WORDS[one.verdict]"): STUDY_VERDICTS,
    ("app/studying.py", "words.KIND_WORDS[one.kind]"): STUDY_KINDS,
    ("app/inventorying.py", "NOTES[n.code]"): INVENTORY_NOTES,
    ("app/results.py", "self.message"): {
        "no host": results.NO_HOST,
        "relative": results.RELATIVE,
        "ahead": results.AHEAD,
    },
}


def texts(node: ast.expr | None) -> list[str] | None:
    """The messages an expression can be: a literal, or a choice of literals; None for others."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        both = texts(node.body), texts(node.orelse)
        return None if None in both else [*(both[0] or ()), *(both[1] or ())]
    return None


def loops(tree: ast.AST) -> dict[int, list[str]]:
    """`tr(t) for t in ("host", "score")`: by the id of the call's argument, the literals it takes."""
    found: dict[int, list[str]] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.GeneratorExp | ast.ListComp):
            continue
        for loop in node.generators:
            if not isinstance(loop.iter, ast.Tuple | ast.List) or not isinstance(
                loop.target, ast.Name
            ):
                continue
            words = [t for item in loop.iter.elts for t in texts(item) or ()]
            for call in translations(node.elt):
                if isinstance(call.args[0], ast.Name) and call.args[0].id == loop.target.id:
                    found[id(call.args[0])] = words
    return found


def translations(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr == "tr" and node.args:
            yield node


@cache
def of_code() -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """The literal messages of the package, and the calls whose message is no literal."""
    messages: set[str] = set()
    dynamic: set[tuple[str, str]] = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text("utf-8")
        if ".tr(" not in text:  # most modules say nothing, and walking a tree is slow
            continue
        tree = ast.parse(text)
        in_loops = loops(tree)
        for call in translations(tree):
            found = texts(call.args[0]) or in_loops.get(id(call.args[0]))
            if found is None:
                where = path.relative_to(PACKAGE).as_posix()
                dynamic.add((where, ast.unparse(call.args[0])))
            messages.update(found or ())
    return frozenset(messages), frozenset(dynamic)


def of_constants() -> set[str]:
    messages: set[str] = set()
    for constant in CONSTANTS.values():
        for value in constant.values() if isinstance(constant, dict) else ():
            messages.update(value if isinstance(value, tuple) else (value,))
    return messages


def of_detectors() -> set[str]:
    said = {
        text
        for one in detectors.BUILTIN
        for text in (one.SAYS, one.INNOCENT, one.ASIDE, one.NEXT, one.DOES)
    }
    variants = {
        text
        for one in detectors.BUILTIN
        for part in ("SAYS", "INNOCENT", "ASIDE", "NEXT")
        for text in getattr(one, f"{part}_IF", {}).values()
    }
    return (said | variants) - {""}


def of_contract() -> set[str]:
    """What bots can do, by the published schema."""
    schema = json.loads(files("sakimori").joinpath("schemas/hunt.schema.json").read_text("utf-8"))
    return set(schema["properties"]["hosts"]["items"]["properties"]["does"]["items"]["enum"])


def of_judge() -> set[str]:
    """The words for `why` that the judge may give a botnet."""
    tree = ast.parse((PACKAGE / "verdicts/judge.py").read_text("utf-8"))
    values = [n.value for n in ast.walk(tree) if isinstance(n, ast.keyword) and n.arg == "why"]
    return {t for value in values for t in texts(value) or ()}


@cache
def wanted() -> frozenset[str]:
    literal, _ = of_code()
    return literal | of_constants() | of_detectors() | of_contract() | of_judge()


@cache
def catalog(lang: str) -> dict[str, Any]:
    path = files("sakimori").joinpath(f"locales/{lang}/LC_MESSAGES/sakimori.po")
    with path.open("rb") as file:
        return {str(m.id): m for m in read_po(file, locale=lang, abort_invalid=True) if m.id}


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_the_collectors_see_messages_of_every_origin() -> None:
    literal, _ = of_code()
    assert "Time line" in literal, "a plain literal"
    assert "verdict" in literal, "a literal in a loop"
    assert any(t.startswith("adds nothing more") for t in literal), "a choice of two"
    assert len(of_judge()) >= 2
    assert len(of_constants()) > 15
    assert {"scans", "spams"} <= of_contract()


def test_every_message_that_is_no_literal_comes_from_a_constant_we_know() -> None:
    _, dynamic = of_code()
    assert dynamic <= set(CONSTANTS), (
        "add the call to CONSTANTS in this file, with where its messages come from"
    )
    assert set(CONSTANTS) <= dynamic, "a call that is gone can be removed from CONSTANTS"


@pytest.mark.parametrize("lang", OTHERS)
def test_every_message_is_translated(lang: str) -> None:
    told = catalog(lang)
    missing = sorted(m for m in wanted() if m not in told or not told[m].string)
    assert missing == []


@pytest.mark.parametrize("lang", OTHERS)
def test_no_translation_is_left_over_or_doubtful(lang: str) -> None:
    told = catalog(lang)
    assert sorted(set(told) - wanted()) == []
    assert sorted(m for m, entry in told.items() if entry.fuzzy) == []


@pytest.mark.parametrize("lang", OTHERS)
def test_a_translation_has_the_places_of_the_message(lang: str) -> None:
    differing = {
        message: (places(message), places(entry.string))
        for message, entry in catalog(lang).items()
        if places(message) != places(entry.string)
    }
    assert differing == {}


@pytest.mark.parametrize("lang", OTHERS)
def test_the_columns_of_a_table_stay_apart_when_translated(lang: str) -> None:
    """Rows are kept by the heading: two headings of one name would lose a column."""
    say = Translator(lang)
    for columns in (
        ("host", "verdict", "score", "does", "why"),
        ("controller", "kind", "port", "score", "bots"),
        ("botnet", "bots", "controllers", "does", "why"),
    ):
        assert len({say.tr(c) for c in columns}) == len(columns)


def test_japanese_is_shown_when_asked_for() -> None:
    said = Translator("ja").tr(explain.VERDICTS["suspected"], host="10.0.0.7", score=0.95)
    assert said.startswith("10.0.0.7 には感染の疑いがあります")
    assert "0.95" in said
