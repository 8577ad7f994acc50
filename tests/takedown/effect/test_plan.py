from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest

from sakimori.errors import ConfigError
from sakimori.takedown.effect import Options, effects
from sakimori.takedown.effect.plan import Design, departures, fingerprint, registered

if TYPE_CHECKING:
    from tests.takedown.effect.conftest import World

    from sakimori.takedown.effect import Series

NOW = datetime(2026, 3, 1)  # noqa: DTZ001 - series have no zone: UTC


def planned(series: Series, world: World) -> dict[str, Any]:
    return registered([series], Design(world.day, 56, ("mx1", "mx2")), NOW)


def until(world: World) -> Options:
    return Options(until=world.day + timedelta(days=55))


def test_a_plan_follows_its_schema_and_uses_only_what_was_before(world: World) -> None:
    plan = planned(world(ratio=0.1), world)
    schema = files("sakimori").joinpath("schemas/effect-plan.schema.json").read_text("utf-8")
    jsonschema.validate(plan, json.loads(schema))
    assert plan == planned(world(ratio=0.9), world)
    assert plan["series"][0]["before"] == 56


def test_the_least_drop_is_the_one_that_is_told_afterwards(world: World) -> None:
    series = world()
    told = planned(series, world)["series"][0]["minimum_detectable_ratio"]
    [one] = effects([series], world.day)
    assert told == pytest.approx(one.minimum_detectable_ratio)


def test_a_plan_can_be_made_before_the_day(world: World) -> None:
    series = world()
    early = replace(series, values=series.values[:50])
    plan = registered([early], Design(world.day, 56), NOW)
    assert plan["data"]["last"] == "2026-02-23T00:00:00Z"
    assert 0.5 < plan["series"][0]["minimum_detectable_ratio"] < 1
    assert departures(plan, [series], world.day, until(world)) == []


def test_a_run_that_follows_the_plan_departs_in_nothing(world: World) -> None:
    series = world()
    assert departures(planned(series, world), [series], world.day, until(world)) == []


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("control", {"control": "bots"}),
        ("find_outages", {"find_outages": False}),
        ("until", {"until": datetime(2026, 3, 20)}),  # noqa: DTZ001
        ("sensor_changes", {"sensor_changes": (datetime(2026, 1, 20),)}),  # noqa: DTZ001
    ],
)
def test_departures_are_named(world: World, part: str, changes: dict[str, Any]) -> None:
    series = world()
    options = replace(until(world), **changes)
    assert departures(planned(series, world), [series], world.day, options) == [part]


def test_other_dates_series_and_counts_are_departures(world: World) -> None:
    series = world()
    plan = planned(series, world)
    later = world.day + timedelta(days=1)
    assert departures(plan, [series], later, until(world)) == ["date"]
    more = [series, world(name="other")]
    assert departures(plan, more, world.day, until(world)) == ["series"]
    changed = replace(series, values=np.where(np.arange(112) == 3, 1.0, series.values))
    assert departures(plan, [changed], world.day, until(world)) == ["data"]


def test_any_change_of_a_plan_changes_its_fingerprint(world: World) -> None:
    plan = planned(world(), world)
    again = json.loads(json.dumps(plan))
    assert fingerprint(again) == fingerprint(plan)
    again["series"][0]["minimum_detectable_ratio"] = 0.5
    assert fingerprint(again) != fingerprint(plan)


def test_a_plan_needs_something_before_the_date(world: World) -> None:
    with pytest.raises(ConfigError):
        registered([world()], Design(world.start, 56), NOW)


def test_a_plan_of_too_few_days_tells_no_least_drop(world: World) -> None:
    series = world()
    early = replace(series, values=series.values[:5])
    plan = registered([early], Design(world.start + timedelta(days=5), 56), NOW)
    assert plan["series"][0]["minimum_detectable_ratio"] is None
