"""STIX 2.1 bundles with TLP 2.0 markings.

Controllers become indicators that point at an infrastructure object of their botnet; families become
malware. Bots are victims: they become observed addresses that the infrastructure relates to, never
indicators. Ids depend on content only, so that a second export updates the first.
Source: OASIS STIX 2.1; OASIS STIX Common Objects, TLP 2.0 extension.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sakimori.exporters._contract import TLP, Item, Sharing, ident, stamp, version_of

NAME = "stix"
TITLE = "STIX 2.1 bundle"
ROLES: tuple[str, ...] = ("controller", "bot")

_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
MARKINGS = {
    "clear": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "green": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "amber": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "amber+strict": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "red": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
_TLP_CREATED = "2022-10-01T00:00:00.000Z"  # of the published objects
_MOST_OBSERVED = 999_999_999


@dataclass
class _Bundle:
    """Objects by id, in the order they were first needed."""

    sharing: Sharing
    objects: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def created(self) -> str | None:
        """When what is shared was first seen: a new version of an object must keep this time."""
        times = [i.first_seen for i in self.sharing.items if i.first_seen]
        return stamp(min([*times, self.sharing.made]))

    def add(self, kind: str, key: tuple[str, ...], tlp: str, **fields: Any) -> str:
        """Add an object unless it is there; returns its id."""
        name = f"{kind}--{ident('stix', kind, self.sharing.producer, *key)}"
        if name not in self.objects:
            common = {"id": name, "created": self.created, "modified": stamp(self.sharing.made)}
            if kind != "identity":
                common["created_by_ref"] = self.producer()
            self.objects[name] = _marked(tlp, {"type": kind, **common, **fields})
        return name

    def observe(self, kind: str, value: str, tlp: str) -> str:
        """Add an observable; its id is that which every producer gives it (STIX 2.1, 2.9)."""
        made = _marked(tlp, {"type": kind, "value": value})
        name: str = made["id"]
        self.objects.setdefault(name, made)
        return name

    def producer(self) -> str:
        """Return the id of who shares; that is no secret to a receiver, so it is TLP:CLEAR."""
        return self.add("identity", (), "clear", name=self.sharing.producer,
                        identity_class="organization")  # fmt: skip

    def relate(self, source: str, verb: str, target: str, tlp: str) -> None:
        """Join two objects."""
        self.add("relationship", (source, verb, target), tlp, source_ref=source, target_ref=target,
                 relationship_type=verb)  # fmt: skip


def export(sharing: Sharing) -> str:
    """Return a bundle; of nothing, a bundle without objects."""
    import stix2  # noqa: PLC0415 - slow to import

    bundle = _Bundle(sharing)
    # The least strict first: what several items tell of is marked as by the one that says most freely.
    for item in sorted(
        sharing.items, key=lambda i: (i.role != "controller", TLP.index(str(i.tlp)))
    ):
        (_controller if item.role == "controller" else _bot)(bundle, item)
    used = {m for o in bundle.objects.values() for m in o.get("object_marking_refs", ())}
    markings = [_marking(tlp) for tlp, name in MARKINGS.items() if name in used]
    key = [sharing.title, str(stamp(sharing.made)), *sorted(used), *bundle.objects]
    made = stix2.v21.Bundle(
        [*markings, *bundle.objects.values()], id=f"bundle--{ident('bundle', *key)}",
        allow_custom=False,
    )  # fmt: skip
    return json.dumps(json.loads(made.serialize()), indent=1, sort_keys=True) + "\n"


def pattern(item: Item) -> str:
    """Return the pattern that matches an item, with its text escaped as STIX demands."""
    value = item.value.replace("\\", "\\\\").replace("'", "\\'")
    if item.kind != "address":
        return f"[{'url' if item.kind == 'url' else 'domain-name'}:value = '{value}']"
    family = f"ipv{version_of(item.value)}-addr"
    if item.port is None:
        return f"[{family}:value = '{value}']"
    return (
        f"[network-traffic:dst_ref.type = '{family}' AND network-traffic:dst_ref.value = '{value}'"
        f" AND network-traffic:dst_port = {item.port}]"
    )


def _controller(bundle: _Bundle, item: Item) -> None:
    tlp = str(item.tlp)
    first = item.first_seen or bundle.sharing.made
    indicator = bundle.add(
        "indicator", (item.kind, item.value, str(item.port)), tlp,
        name=f"C&C server {item.value}", description=_description(item), pattern=pattern(item), pattern_type="stix",
        pattern_version="2.1", valid_from=stamp(first), indicator_types=["malicious-activity"],
        confidence=round(100 * item.score),
        kill_chain_phases=[
            {"kill_chain_name": "mitre-attack", "phase_name": "command-and-control"}
        ],
    )  # fmt: skip
    place = _infrastructure(bundle, item)
    bundle.relate(indicator, "indicates", place, tlp)
    for family in item.families:
        malware = bundle.add("malware", (family.lower(),), tlp, name=family, is_family=True,
                             malware_types=["bot"])  # fmt: skip
        bundle.relate(indicator, "indicates", malware, tlp)
        bundle.relate(malware, "uses", place, tlp)


def _description(item: Item) -> str:
    return f"Bots of {item.botnet or 'a botnet'} call it; score {item.score:.2f} of 1."


def _infrastructure(bundle: _Bundle, item: Item) -> str:
    name = item.botnet or item.value
    return bundle.add("infrastructure", (name,), str(item.tlp), name=f"botnet {name}",
                      infrastructure_types=["botnet", "command-and-control"])  # fmt: skip


def _bot(bundle: _Bundle, item: Item) -> None:
    tlp = str(item.tlp)
    address = bundle.observe(f"ipv{version_of(item.value)}-addr", item.value, tlp)
    first = item.first_seen or bundle.sharing.made
    count = sum(max(1, int(f["count"])) for f in item.findings) or 1
    seen = bundle.add(
        "observed-data", (item.value,), tlp, first_observed=stamp(first),
        last_observed=stamp(item.last_seen or first), object_refs=[address],
        number_observed=min(count, _MOST_OBSERVED), labels=["infected-system"],
    )  # fmt: skip
    if item.botnet:
        bundle.relate(_infrastructure(bundle, item), "consists-of", seen, tlp)


def _marking(tlp: str) -> Any:
    return _parsed({
        "type": "marking-definition", "spec_version": "2.1", "id": MARKINGS[tlp],
        "created": _TLP_CREATED, "name": f"TLP:{tlp.upper()}",
        "extensions": {_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": tlp}},
    })  # fmt: skip


def _marked(tlp: str, given: dict[str, Any]) -> Any:
    return _parsed({**given, "spec_version": "2.1", "object_marking_refs": [MARKINGS[tlp]]})


def _parsed(given: dict[str, Any]) -> Any:
    """Return an object that stix2 has checked."""
    import stix2  # noqa: PLC0415 - slow to import

    return stix2.parse(given, version="2.1", allow_custom=False)


def objects_of(sharing: Sharing) -> list[dict[str, Any]]:
    """Return the bundle's objects as plain JSON values, for a TAXII envelope."""
    objects: list[dict[str, Any]] = json.loads(export(sharing)).get("objects", [])
    return objects
