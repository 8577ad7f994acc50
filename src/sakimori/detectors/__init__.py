"""Tables in, findings out: one file per behaviour.

To add one: copy `beacon.py`, list it in BUILTIN, add `tests/detectors/test_<name>.py`.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol

from sakimori.detectors import (
    beacon,
    brute_force,
    click_fraud,
    dga,
    dns_tunnel,
    download,
    exfiltration,
    fast_flux,
    flood,
    icmp_tunnel,
    intelligence,
    irc,
    long_connection,
    odd_http,
    odd_tls,
    p2p,
    scan,
    spam,
    synchrony,
    upload,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import ibis


class Detector(Protocol):
    """What the runner needs of a detector module."""

    NAME: str
    TECHNIQUE: str  # MITRE ATT&CK technique id
    KIND: str  # of evidence: control, names, discovery, intelligence, ...; see docs on scoring
    DOES: str  # what a host that shows it does: spams, scans, floods, steals, relays, or ""
    WEIGHT: float  # nats that a finding of full score adds to a host's case
    SAYS: str  # one sentence with {fields} of the finding; translated where it is shown
    INNOCENT: str  # the innocent explanation to consider
    ASIDE: str  # why that was set aside, where the finding decides
    NEXT: str  # what to do next

    @property
    def READS(self) -> Mapping[str, tuple[str, ...]]:  # noqa: N802 - a constant of the module
        """Table to the columns it reads."""

    @property
    def DETAILS(self) -> Mapping[str, str]:  # noqa: N802
        """The detector's own columns with their ibis types."""

    @property
    def NEEDS(self) -> tuple[tuple[str, ...], ...]:  # noqa: N802 - a constant of the module
        """Alternatives of `table.column` that must hold data; one complete alternative is enough."""

    # Optional: FUNCTIONS, the engine's functions written in Python, each with the type it takes.

    def Config(self) -> Any:  # noqa: N802 - a class: calling it makes the defaults
        """Return the default settings."""

    @property
    def detect(self) -> Callable[..., ibis.Table]:
        """One argument per table in READS, by its name, and then `config`."""


BUILTIN: tuple[Detector, ...] = (
    beacon,
    brute_force,
    click_fraud,
    dga,
    dns_tunnel,
    download,
    exfiltration,
    fast_flux,
    flood,
    icmp_tunnel,
    intelligence,
    irc,
    long_connection,
    odd_http,
    odd_tls,
    p2p,
    scan,
    spam,
    synchrony,
    upload,
)


@cache
def load_all() -> dict[str, Detector]:
    """Return every detector by name: ours, then those of installed plugins.

    Raises:
        ValueError: two detectors have one name.
    """
    plugins = [point.load() for point in entry_points(group="sakimori.detectors")]
    found: dict[str, Detector] = {}
    for detector in (*BUILTIN, *plugins):
        if detector.NAME in found:
            raise ValueError(f"two detectors are named {detector.NAME!r}")
        found[detector.NAME] = detector
    return found
