"""What a person did, as a log tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

# Accounts that no person logs in as, and the number of "nobody logged in" of Linux's audit.
MACHINES = frozenset(
    {"system", "local service", "network service", "localsystem", "trustedinstaller", "anonymous logon",
     "-", "", "unset", "4294967295", "-1"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One act. `time` is in UTC, None where the log carries none.

    `what` is the log's own words (a command, an event). `target` is the file or registry key that the
    log itself names as acted on, "" where only `what` may name it; `value` the registry value's name,
    None where not said. `program` is the process that did it.
    """

    time: datetime | None
    who: str
    what: str
    where: str
    target: str = ""
    value: str | None = None
    program: str = ""


def is_person(account: str) -> bool:
    """Whether an account can be a person's: not the system's, a service's or a machine's own."""
    bare = account.rpartition("\\")[2].strip().lower()
    return (
        bare not in MACHINES and not bare.endswith("$") and not bare.startswith(("dwm-", "umfd-"))
    )
