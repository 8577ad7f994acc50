from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sakimori.state import Approval, Authority, Proposal
from sakimori.takedown.acting import Standing, covers, standing

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def proposal(**changes: Any) -> Proposal:
    given: dict[str, Any] = {
        "id": 1, "case": "c", "kind": "block", "why": "", "created": NOW, "created_by": "a",
        "what": {"entries": [{"kind": "name", "value": "evil.example"}]},
        "expires": NOW + timedelta(days=30),
    }  # fmt: skip
    return Proposal(**{**given, **changes})


def yes(by: str, of: int = 1) -> Approval:
    return Approval(proposal=of, by=by, at=NOW, note="")


def right(covers: str = "*", expires: datetime | None = None) -> Authority:
    return Authority(case="c", kind="agreement", covers=[covers], reference="r", file_sha256="",
                     added=NOW, added_by="a", expires=expires)  # fmt: skip


def stands(
    *approvals: Approval,
    needed: int = 1,
    authorities: list[Authority] | None = None,
    **changes: Any,
) -> Standing:
    rights = [right()] if authorities is None else authorities
    return standing(proposal(**changes), approvals, rights, needed, NOW)


@pytest.mark.parametrize(
    ("scope", "value", "covered"),
    [
        ("*", "anything.example", True),
        ("evil.example", "EVIL.example.", True),
        ("evil.example", "c2.evil.example", True),
        ("evil.example", "notevil.example", False),
        ("c2.evil.example", "evil.example", False),
        ("192.0.2.0/24", "192.0.2.7", True),
        ("192.0.2.0/24", "198.51.100.7", False),
        ("192.0.2.7", "192.0.2.7", True),
        ("2001:db8::/32", "2001:db8::7", True),
        ("evil.example", "http://c2.evil.example/gate.php", True),
        ("evil.example", "http://good.example/evil.example", False),
        ("", "evil.example", False),
    ],
)
def test_a_scope_covers_itself_and_what_lies_in_it(scope: str, value: str, covered: bool) -> None:
    assert covers(scope, value) is covered


def test_without_approval_nothing_may_act() -> None:
    assert not stands().may_act
    assert stands().missing == 1


def test_with_approval_and_authority_it_may_act() -> None:
    assert stands(yes("a")).may_act
    assert stands(yes("a")).state == "approved"


def test_two_people_are_two_names() -> None:
    assert stands(yes("A. Tanaka"), yes("a.  tanaka "), needed=2).missing == 1
    assert stands(yes("A. Tanaka"), yes("B. Suzuki"), needed=2).may_act


def test_an_approval_of_another_proposal_does_not_count() -> None:
    assert stands(yes("a", of=2)).missing == 1


def test_without_authority_nothing_may_act() -> None:
    found = stands(yes("a"), authorities=[right("other.example")])
    assert found.lacking == ("evil.example",)
    assert not found.may_act


def test_an_authority_that_ended_covers_nothing() -> None:
    assert not stands(yes("a"), authorities=[right("*", expires=NOW)]).may_act


def test_telling_victims_needs_no_authority_of_its_own() -> None:
    assert stands(yes("a"), authorities=[], kind="notify", what={"notices": 3}).may_act


@pytest.mark.parametrize("state", ["undone", "rejected"])
def test_what_was_taken_back_stays_so(state: str) -> None:
    assert stands(yes("a"), state=state).state == state
    assert not stands(yes("a"), state=state).may_act


@pytest.mark.parametrize("state", ["proposed", "done"])
def test_what_expired_may_not_act(state: str) -> None:
    found = stands(yes("a"), state=state, expires=NOW)
    assert found.state == "expired"
    assert not found.may_act
