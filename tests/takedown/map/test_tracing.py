from __future__ import annotations

from datetime import date
from typing import Any

from sakimori.i18n import Translator
from sakimori.takedown.map import Material, Options, make, next_steps
from sakimori.takedown.map.model import Holding, Suspect
from sakimori.takedown.map.tracing import REVEALS, told


def test_the_cheapest_step_is_the_first_and_each_partner_is_asked_once(
    material: Material,
) -> None:
    asks = next_steps(make(material, Options(today=date(2026, 3, 2))), "JP")
    assert asks[0].kind == "own"
    assert len({(a.kind, a.partner) for a in asks}) == len(asks)
    assert [a.rank for a in asks] == sorted((a.rank for a in asks), reverse=True)
    assert {"hosting", "registrar", "name_server", "asn", "upstream", "dead_drop"} <= {
        a.kind for a in asks
    }


def test_a_border_and_a_go_between_cost_more(draw: Any, calls: Any) -> None:
    def cost(home: str, kind: str = "hosting") -> int:
        held = (Holding("192.0.2.0/24", "Bullet", "64500", "B", "NL", ("AS64501",)),)
        drawn = draw(contacts=calls(1, "192.0.2.1"), holdings=held)
        return next(a.cost for a in next_steps(drawn, home) if a.kind == kind)

    assert cost("JP") == cost("NL") + 3
    assert cost("NL", "upstream") > cost("NL", "asn")
    held = next(a for a in next_steps(draw(contacts=calls(1, "192.0.2.1"), holdings=(
        Holding("192.0.2.0/24", "Bullet", country="NL"),)), "JP") if a.kind == "hosting")  # fmt: skip
    assert held.countries == ("NL",)


def test_more_controllers_at_one_partner_are_worth_more(draw: Any, calls: Any) -> None:
    held = (Holding("192.0.2.0/24", "Bullet"), Holding("198.51.100.0/24", "Other"))
    drawn = draw(contacts=calls(1, "192.0.2.1", "192.0.2.2", "198.51.100.1"), holdings=held)
    hosting = [a for a in next_steps(drawn) if a.kind == "hosting"]
    assert [(a.partner, len(a.about)) for a in hosting] == [("Bullet", 2), ("Other", 1)]


def test_a_dynamic_name_leads_to_its_service_not_to_a_registrar(draw: Any, calls: Any) -> None:
    kinds = {a.kind for a in next_steps(draw(contacts=calls(1, "evil.duckdns.org")))}
    assert kinds == {"own", "dynamic_dns"}


def test_nobody_is_asked_about_a_sinkhole(draw: Any, calls: Any) -> None:
    drawn = draw(contacts=calls(1, "192.0.2.1"), suspects=(Suspect("192.0.2.1", sinkhole=True),))
    assert next_steps(drawn) == []


def test_every_step_is_told_in_both_languages(material: Material) -> None:
    asks = next_steps(make(material, Options(today=date(2026, 3, 2))), "JP")
    for lang in ("en", "ja"):
        said = [told(a, Translator(lang)) for a in asks]
        assert len(set(said)) == len(said)
        assert all("{" not in text for text in said)
    assert told(asks[0], Translator("ja")) != told(asks[0], Translator("en"))
    assert {a.kind for a in asks} <= set(REVEALS)
