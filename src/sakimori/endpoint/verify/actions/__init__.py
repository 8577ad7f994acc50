"""Logs of what persons did: one module a form, listed here.

To add one: a module with NAME, TITLE, recognises and read, one line in BUILTIN, a sample in
tests/endpoint/verify/test_actions.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sakimori.endpoint.verify.actions import (
    auditd,
    plain_csv,
    shell_history,
    sudo_log,
    windows_security,
)
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.endpoint.verify.actions._record import Action
    from sakimori.endpoint.verify.manifests._source import Source
    from sakimori.endpoint.verify.model import Aside


class ActionReader(Protocol):
    """One form of log; one module each."""

    NAME: str
    TITLE: str

    @property
    def recognises(self) -> Callable[[Source], bool]:
        """Whether the content is this form."""

    @property
    def read(self) -> Callable[[Source], tuple[list[Action], list[Aside]]]:
        """Return the acts, and the lines that could not be read."""


BUILTIN: tuple[ActionReader, ...] = (auditd, windows_security, sudo_log, plain_csv, shell_history)


def read_actions(source: Source) -> tuple[list[Action], list[Aside]]:
    """Read a log of persons' acts. Raises SourceError when its form is not known."""
    for reader in BUILTIN:
        if reader.recognises(source):
            return reader.read(source)
    raise SourceError(
        "this is no log of persons' actions that is known",
        where=str(source.path),
        hint="forms: " + "; ".join(reader.TITLE for reader in BUILTIN),
    )
