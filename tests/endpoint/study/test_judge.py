from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.endpoint.study.judge import study
from sakimori.endpoint.study.rows import collected
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from sakimori.endpoint.study.model import Study

SYSTEMS = ("Windows XP", "Windows Vista", "Windows 7")
RISK = {"Windows XP": 0.08, "Windows Vista": 0.04, "Windows 7": 0.02}


def machines(
    seed: int, *, family: float = 1, update: float = 1, linked: bool = True, count: int = 600
) -> list[dict[str, Any]]:
    """Machines on which a family and an update multiply the risk; `linked`: they go together."""
    dice = random.Random(seed)
    rows = []
    for number in range(count):
        system = dice.choice(SYSTEMS)
        has_update = dice.random() < 0.6
        infected = dice.random() < (0.35 if linked and has_update else 0.12)
        risk = RISK[system] * (family if infected else 1) * (update if has_update else 1)
        rows.append({
            "machine": f"m{number}", "os": system, "symptom": int(dice.random() < min(risk, 0.95)),
            "updates": ["KB976098"] if has_update else [], "family": ["Daonol"] if infected else [],
        })  # fmt: skip
    return rows


def judged(rows: list[dict[str, Any]]) -> Study:
    return study(collected([(f"f:{n}", row) for n, row in enumerate(rows)]))


def verdicts(found: Study) -> dict[str, str]:
    return {one.name: one.verdict for one in found.exposures}


def test_where_a_family_does_it_the_update_that_goes_with_it_is_cleared() -> None:
    found = judged(machines(1, family=12))
    assert verdicts(found) == {"Daonol": "tied", "KB976098": "not tied"}
    assert found.answer == "family"
    update = next(one for one in found.exposures if one.kind == "update")
    assert update.p_holm < 0.05, "at first sight it looked tied"
    assert [note.code for note in update.notes] == ["explained"]
    assert update.adjusted[0].by == ("Daonol",)


def test_where_the_update_does_it_the_family_that_goes_with_it_is_cleared() -> None:
    found = judged(machines(2, update=8))
    assert verdicts(found)["KB976098"] == "tied"
    assert verdicts(found)["Daonol"] != "tied"
    assert found.answer == "update"


def test_where_neither_does_it_nothing_is_tied() -> None:
    found = judged(machines(3, count=3000))
    assert set(verdicts(found).values()) == {"not tied"}
    assert found.answer == "neither"


def test_where_both_do_it_both_are_tied() -> None:
    found = judged(machines(4, family=5, update=5, count=2000))
    assert set(verdicts(found).values()) == {"tied"}
    assert found.answer == "several"


def test_two_exposures_that_always_go_together_cannot_be_told_apart() -> None:
    rows = machines(5, family=12)
    for row in rows:
        row["updates"] = ["KB976098"] if row["family"] else []
    found = judged(rows)
    assert set(verdicts(found).values()) == {"cannot tell"}
    assert found.answer == "cannot tell"
    assert {n.code for one in found.exposures for n in one.notes} == {"inseparable"}


def test_a_tie_that_is_only_the_operating_systems_is_none() -> None:
    rows = machines(6, count=3000)
    dice = random.Random(6)
    for row in rows:
        on_xp = row["os"] == "Windows XP"
        row["symptom"] = int(dice.random() < (0.3 if on_xp else 0.02))
        row["updates"] = ["KB1"] if dice.random() < (0.9 if on_xp else 0.1) else []
    found = judged(rows)
    (update,) = [one for one in found.exposures if one.kind == "update"]
    assert update.fisher_p < 1e-6
    assert update.verdict == "not tied"
    rows = [{k: v for k, v in row.items() if k != "os"} for row in rows]
    assert verdicts(judged(rows))["KB1"] == "tied", "without the column nothing tells them apart"


def test_few_machines_say_nothing() -> None:
    found = judged(machines(7, family=12, count=12))
    assert set(verdicts(found).values()) == {"cannot tell"}
    assert found.answer == "cannot tell"


def test_what_is_unknown_is_counted_and_left_out() -> None:
    rows = machines(8, family=12)
    for row in rows[:50]:
        row["symptom"] = None
    for row in rows[50:80]:
        row["family"] = None
    found = judged(rows)
    missing = {one.name: one.missing for one in found.exposures}
    assert found.unknown_symptom == 50
    assert missing == {"Daonol": 80, "KB976098": 50}


def test_a_symptom_older_than_the_update_rules_the_update_out() -> None:
    rows = machines(9, update=8)
    for row in rows:
        row["updates"] = [f"{kb}@2009-11-25" for kb in row["updates"]]
        row["symptom_date"] = "2009-11-20" if row["symptom"] else None
    (update,) = [one for one in judged(rows).exposures if one.kind == "update"]
    assert update.verdict == "not tied"
    assert update.late == sum(bool(r["symptom"] and r["updates"]) for r in rows)
    assert "all-late" in {note.code for note in update.notes}


@pytest.mark.slow
def test_null_data_raise_few_false_alarms() -> None:
    """bench/study.py measures this with thousands; here that a gross error would show."""
    answers = [judged(machines(seed, count=300)).answer for seed in range(100, 116)]
    assert sum(a in ("update", "family", "other", "several") for a in answers) <= 3


def row(**cells: Any) -> dict[str, Any]:
    return {"machine": "a", "os": "x", "symptom": "1", "updates": "KB1", "family": "", **cells}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "no row"),
        ([row(symptom="perhaps")], "neither yes, no nor unknown"),
        ([row(), row()], "twice"),
        ([{"machine": "a", "updates": "KB1"}], "no column is named symptom"),
        ([row(machine="")], "no machine's name"),
        ([row(symptom_date="tomorrow")], "is no day"),
        ([{"machine": "a", "symptom": "1"}], "no column holds an exposure"),
    ],
)
def test_rows_that_cannot_be_used_are_errors_with_their_place(
    rows: list[dict[str, Any]], says: str
) -> None:
    with pytest.raises(SourceError, match=says):
        collected([(f"f.csv:{n + 2}", r) for n, r in enumerate(rows)])


def test_an_empty_list_is_none_only_where_none_is_never_written() -> None:
    rows = [row(machine=m, family=f) for m, f in (("a", "Daonol"), ("b", ""), ("c", ""))]
    read = collected([("f:2", r) for r in rows])
    assert [m.exposed.get(("family", "Daonol")) for m in read.machines] == [True, False, False]
    assert "empty-is-none" in {note.code for note in read.notes}
    rows[2]["family"] = "none"
    read = collected([("f:2", r) for r in rows])
    assert [m.exposed.get(("family", "Daonol")) for m in read.machines] == [True, None, False]


def test_columns_of_yes_and_no_are_exposures_by_their_names() -> None:
    rows = [
        {"machine": m, "symptom": s, "KB976098": k, "infection": f, "Old Antivirus": "yes", "owner": "someone"}
        for m, s, k, f in (("a", "yes", "1", "0"), ("b", "no", "?", "1"))
    ]  # fmt: skip
    read = collected([("f:2", r) for r in rows])
    assert set(read.exposures) == {
        ("update", "KB976098"),
        ("family", "infection"),
        ("other", "Old Antivirus"),
    }
    assert [dict(n.values) for n in read.notes if n.code == "ignored"] == [{"columns": ("owner",)}]
