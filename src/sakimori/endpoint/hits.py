"""What a scan says about one file: the words that scanner, guard, quarantine and recipes share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One rule that matched one file, or one member of a container.

    `path` is as the file system has it; bytes that are no UTF-8 are kept as surrogates
    (`os.fsdecode`). `member` is the path inside the container with "/" between layers, None for the
    file itself. `kind` is yara, hash or ndb. `sha256` is of what matched: the member's bytes where there
    is a member. `family` is "" where the rule names none. `source` is the file the rule came from.
    """

    path: str
    member: str | None
    rule: str
    kind: str
    family: str
    sha256: str
    technique: str = ""  # ATT&CK id, where the rule names one
    author: str = ""
    licence: str = ""
    reference: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What could not be looked at, in whole or in part, and why: silence is no safety.

    `member` is the part of a container that was left out; None where it is the file itself.
    """

    path: str
    reason: str
    member: str | None = None
