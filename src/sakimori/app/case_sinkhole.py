"""A case's sinkhole: the names it may take, and the settings file that `sinkhole run` reads."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sakimori.app.cases import value_of
from sakimori.app.files import write_whole
from sakimori.errors import ConfigError, RefusedError
from sakimori.takedown import acting
from sakimori.takedown.plan import Limits, Lists, Resource
from sakimori.takedown.plan.gates import reason
from sakimori.takedown.sinkhole.config import settings_of, zone_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sakimori.app.cases import Case, Shown

_NAMES = ("name", "controller_name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the sinkhole is to stand and who answers for it. Ports left out are not listened on."""

    operator: str
    contact: str
    addresses: tuple[str, ...]
    log: str = "sinkhole-log"
    dns: int | None = None
    http: int | None = None
    https: int | None = None
    tcp: tuple[int, ...] = field(default=())


def names_of(case: Case) -> list[str]:
    """Return the controllers' names in the case's graph that a sinkhole could hold."""
    resources = case.graph()["resources"]
    return sorted({value_of(r) for r in resources if str(r.get("kind")) in _NAMES})


def propose(case: Case, names: Sequence[str], days: int) -> list[int]:
    """Propose to hold names; returns the ids. Raises ConfigError for none, or what is no name."""
    wanted = sorted({zone_name(n) for n in names} or names_of(case))
    if not wanted:
        raise ConfigError("there is no name to hold", hint="--zone NAME")
    for name in wanted:
        why = reason(Resource(id=name, kind="name", value=name), Lists(), Limits())
        if why:
            raise RefusedError(f"{name} may not be held: {why}", hint="leave it out: --zone NAME")
    made = case.propose([("sinkhole", {"names": wanted})], "hold the names, count the calls", days)
    return [p.id for p in made]


def settings(case: Case, site: Site, out: Path) -> tuple[Path, list[str]]:
    """Write the settings of the sinkhole for all names that are approved and covered; that is the act.

    Returns the file and the names. Raises RefusedError when there are none.
    """
    case.check_open()
    ready = case.ready("sinkhole")
    if not ready:
        raise RefusedError(
            "no sinkhole may be run yet: none is approved and covered by an authority",
            hint=f"sakimori case proposals {case.name}",
        )
    names = sorted({str(n) for s in ready for n in s.proposal.what["names"]})
    values = _values(case, site, ready, names)
    settings_of(values, str(out))  # refuses what could not run
    write_whole(out, _toml(values))
    ids = [s.proposal.id for s in ready]
    case.evidence.record(
        "act", {"what": "sinkhole settings written", "path": str(out), "names": names,
                "proposals": ids}, [out],
    )  # fmt: skip
    case.done(ids)
    return out, names


def _values(
    case: Case, site: Site, ready: Sequence[Shown], names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    authorities = case.authorities()
    now = case.evidence.clock()
    found = [acting.covering(n, authorities, now) for n in names]
    rests = sorted({f"{a.kind}: {a.reference}" for a in found if a is not None})
    ends = [s.proposal.expires for s in ready if s.proposal.expires is not None]
    who = {
        "operator": site.operator, "contact": site.contact, "zones": list(names),
        "addresses": list(site.addresses), "authority": "; ".join(rests),
        "approved_by": ", ".join(sorted({b for s in ready for b in s.standing.by})),
    }  # fmt: skip
    if ends:
        who["expires"] = min(ends).isoformat()
    ports = {"dns": site.dns, "http": site.http, "https": site.https, "tcp": list(site.tcp)}
    return {
        "sinkhole": who,
        "ports": {k: v for k, v in ports.items() if v not in (None, [])},
        "log": {"folder": site.log},
    }


def _toml(values: dict[str, dict[str, Any]]) -> str:
    """Return sections as TOML; a JSON text, number or list of such is one of TOML, too."""
    parts = [
        f"[{section}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in some.items())
        for section, some in values.items()
    ]
    return "\n".join(parts)
