"""What an importer is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sakimori.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

LONGEST_VALIDITY = 36_500


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator as its source gives it: columns of table `indicator`, nulls where it is silent.

    `value` has passed `normalise`. `load` fills what is null: source, confidence, expires.
    `last_seen` is no column: validity is counted from it.
    """

    kind: str
    value: str
    port: int | None = None
    source: str | None = None  # None: Options.source
    family: str | None = None
    label: str | None = None
    confidence: float | None = None
    sinkhole: bool = False
    first_seen: datetime | None = None
    expires: datetime | None = None
    tlp: str | None = None
    last_seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """Something that did not become an indicator, and why.

    `line` is the line of a list; in JSON the number of the object or event, from 1; 0: the file.
    """

    line: int
    reason: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user says about a source; used where the source itself is silent.

    Raises ConfigError for a confidence outside 0..1 or a validity outside 0..36500 days.
    """

    source: str
    confidence: float | None = None  # None: 0.5
    valid_days: int | None = None  # None: by kind, see `VALID_DAYS`
    family: str | None = None
    sinkhole: bool = False  # the whole source lists sinkholes
    context: bool = False  # also take what the source marks as not for detection (MISP to_ids)

    def __post_init__(self) -> None:
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise ConfigError(f"confidence is {self.confidence}, not between 0 and 1")
        if self.valid_days is not None and not 0 <= self.valid_days <= LONGEST_VALIDITY:
            raise ConfigError(f"validity is {self.valid_days} days, not 0 to {LONGEST_VALIDITY}")


class Importer(Protocol):
    """What `load` needs of an importer module."""

    NAME: str
    TITLE: str

    @property
    def recognises(self) -> Callable[[bytes], bool]:
        """Whether the first 64 KiB of the content (never the file's name) are this format."""

    @property
    def read(self) -> Callable[[Path, Options], Iterator[Indicator | Reject]]:
        """Give the indicators and what was refused.

        Raises SourceError only when the file as a whole is unreadable.
        """
