"""Carry out what was approved, go on after a crash, and undo it.

Every deed is written down before and after; its state is always read from the machine, never from the
journal alone. So a run that was killed anywhere can be gone on with, or undone, and both can be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.recipes.acts import AFTER, BEFORE, CHANGED, Cut, Work
from sakimori.endpoint.recipes.acts_more import DropKey, Settle, SetValue, Stop
from sakimori.errors import EngineError, RefusedError, SakimoriError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sakimori.endpoint.recipes.acts import Act
    from sakimori.endpoint.recipes.findings import Finding
    from sakimori.endpoint.recipes.journal import Journal, Plan, Progress
    from sakimori.endpoint.recipes.system import Keeper, System

DONE, REFUSED, FAILED, REPORTED = "done", "refused", "failed", "reported"
UNDONE, FORCED, ALREADY, IMPOSSIBLE = "undone", "forced", "already", "impossible"
_At = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a finding: done, refused (it changed), failed or reported; with the reason."""

    finding: Finding
    outcome: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of undoing one deed.

    undone, already (it was never done, or undone before), refused (it changed since: see
    `difference`), forced, failed, or impossible (a program that was ended).
    """

    finding: Finding
    act: Act
    outcome: str
    reason: str = ""
    difference: tuple[str, ...] = ()


def _silent(_step: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Cleaner:
    """Carries out plans on one machine. `hook` is told each step, for tests of crashes."""

    system: System
    keeper: Keeper
    hook: Callable[[str], None] = _silent

    def carry_out(self, journal: Journal, now: datetime) -> list[Outcome]:
        """Do what a run's plan says and is not done yet. A finding that changed is left as it is.

        Raises EngineError when the journal cannot be written; `carry_out` again goes on from there.
        """
        plan, progress = journal.plan(), journal.progress()
        if progress.state in ("undone", "half-undone"):
            raise RefusedError(f"run {plan.run} is being undone", hint="start a new run")
        self.keeper.recover()
        outcomes = list[Outcome]()
        unsaved = list[int]()
        for number, finding in enumerate(plan.findings):
            if unsaved and not _of_registry(finding):
                self._save(outcomes, unsaved)
            outcomes.append(self._finding(journal, plan, progress, number, now))
            if _of_registry(finding):
                unsaved.append(number)
        if unsaved:
            self._save(outcomes, unsaved)
        journal.write("end", outcomes=[
            {"id": o.finding.id, "outcome": o.outcome, "reason": o.reason} for o in outcomes
        ])  # fmt: skip
        return outcomes

    def _save(self, outcomes: list[Outcome], unsaved: list[int]) -> None:
        """Make the registry's changes last; what cannot be kept was not done."""
        self.hook("before saving the registry")
        try:
            if self.system.registry is not None:
                self.system.registry.save()
        except (OSError, SakimoriError) as error:
            for number in unsaved:
                outcomes[number] = Outcome(outcomes[number].finding, FAILED, _reason(error))
        unsaved.clear()

    def _finding(
        self, journal: Journal, plan: Plan, progress: Progress, number: int, now: datetime
    ) -> Outcome:
        finding = plan.findings[number]
        if not finding.acts:
            return Outcome(finding, REPORTED)
        work = self._work(journal, plan, finding, now)
        try:
            for index, act in enumerate(finding.acts):
                self._act(journal, work, act, (number, index), progress)
        except RefusedError as error:
            return Outcome(finding, REFUSED, str(error))
        except (OSError, SakimoriError) as error:
            if isinstance(error, EngineError) and not _is_written(journal):
                raise
            return Outcome(finding, FAILED, _reason(error))
        return Outcome(finding, DONE)

    def _act(self, journal: Journal, work: Work, act: Act, at: _At, progress: Progress) -> None:
        if progress.last.get(at) == "done" and not _is_registry(act):
            return  # a later deed may have changed the same file since
        fresh = at not in progress.saved
        if fresh:
            saved = act.prepare(work)
            journal.write("begin", at, saved=saved)
        else:
            saved = progress.saved[at]
            if isinstance(act, Cut):
                act.tidy(work)
        self.hook(f"begun {act.word}")
        try:
            result = self._do(work, act, saved)
        except (OSError, SakimoriError):
            if fresh and _left_alone(work, act, saved):
                journal.write("not done", at)  # so there is nothing to undo
            raise
        if result or progress.last.get(at) != "done":
            journal.write("done", at, saved=result)

    def _do(self, work: Work, act: Act, saved: dict[str, Any]) -> dict[str, Any]:
        state = act.state(work, saved)
        if state == CHANGED:
            raise RefusedError("it changed since it was found; look again")
        if state == AFTER:
            return {}
        result = act.do(work, saved)
        self.hook(f"did {act.word}")
        return result

    def _work(self, journal: Journal, plan: Plan, finding: Finding, now: datetime) -> Work:
        labels = {
            "rule": f"recipe:{finding.recipe}",
            "family": finding.family,
            "definitions": plan.definitions,
            "reason": f"clean {plan.run}",
        }
        return Work(self.system, self.keeper, journal.blobs, plan.begun, now, plan.run, labels)

    def undo(self, journal: Journal, now: datetime, *, force: bool = False) -> list[Undone]:
        """Undo a run, last deed first. What changed since is left and told, unless forced."""
        plan, progress = journal.plan(), journal.progress()
        journal.write("undo-begin")
        self.keeper.recover()
        undone = list[Undone]()
        for at in sorted(progress.saved, reverse=True):
            finding = plan.findings[at[0]]
            act = finding.acts[at[1]]
            work = self._work(journal, plan, finding, now)
            if progress.last[at] == "undone" and not _is_registry(act):
                one = Undone(finding, act, ALREADY)  # an earlier deed on the same file came after
            else:
                one = self._undo(work, finding, act, progress.saved[at], force=force)
            if one.outcome in (UNDONE, FORCED):
                journal.write("undone", at)
                self.hook(f"undid {act.word}")
            undone.append(one)
        undone = self._end_undo(undone)
        journal.write("undo-end", undone=[
            {"id": u.finding.id, "act": u.act.word, "outcome": u.outcome} for u in undone
        ])  # fmt: skip
        return undone

    def _undo(
        self, work: Work, finding: Finding, act: Act, saved: dict[str, Any], *, force: bool
    ) -> Undone:
        if isinstance(act, Stop):
            return Undone(finding, act, IMPOSSIBLE, "start it again")
        if isinstance(act, Settle):
            return Undone(finding, act, ALREADY)
        try:
            if isinstance(act, Cut):
                act.tidy(work)
            state = act.state(work, saved)
            if state == BEFORE:
                return Undone(finding, act, ALREADY)
            if state != AFTER and not force:
                told = act.difference(work, saved)
                return Undone(finding, act, REFUSED, "it changed since", told)
            act.undo(work, saved)
        except (OSError, SakimoriError) as error:
            return Undone(finding, act, FAILED, _reason(error))
        return Undone(finding, act, UNDONE if state == AFTER else FORCED)

    def _end_undo(self, undone: list[Undone]) -> list[Undone]:
        """Make the registry's changes last, and let the service manager see its files again."""
        try:
            if self.system.registry is not None and any(_is_registry(u.act) for u in undone):
                self.system.registry.save()
        except (OSError, SakimoriError) as error:
            undone = [
                Undone(u.finding, u.act, FAILED, _reason(error)) if _is_registry(u.act) else u
                for u in undone
            ]
        if self.system.units is not None and any(isinstance(u.act, Settle) for u in undone):
            self.system.units.reload()
        return undone


def _is_written(journal: Journal) -> bool:
    """Whether the journal can still be written."""
    try:
        journal.write("note")
    except EngineError:
        return False
    return True


def _left_alone(work: Work, act: Act, saved: dict[str, Any]) -> bool:
    """Whether a deed that failed changed nothing. A file that was written in place may be half written."""
    try:
        state = act.state(work, saved)
    except (OSError, SakimoriError):
        return False
    return state == BEFORE or (state == CHANGED and not isinstance(act, Cut))


def _is_registry(act: Act) -> bool:
    return isinstance(act, (SetValue, DropKey))


def _of_registry(finding: Finding) -> bool:
    return any(_is_registry(act) for act in finding.acts)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
