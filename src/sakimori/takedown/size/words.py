"""What is said about a size: methods and warnings, as sentences with {named} places."""

from __future__ import annotations

from sakimori.takedown.size.model import Note

FOOTPRINT = "bots of a day, times how many more a window sees when bots skip days and are replaced"
DAILY = "calls a day over the calls of one bot, with leases and habits told apart per ASN"
PEAK = "calls of the busiest hour over the calls of one bot; high: with silent bots on line"
NAMED_FOOTPRINT = "distinct identifiers, with bots without one and bots never heard (Chao 1984)"
NAMED_DAILY = "distinct identifiers a day, with bots without one"
NAMED_PEAK = "distinct identifiers of the busiest hour; high: with silent bots on line"
BOUNDS = "bounds only: no fewer than called in one hour, no more than calls"
METHODS = {m: m for m in (FOOTPRINT, DAILY, PEAK, NAMED_FOOTPRINT, NAMED_DAILY, NAMED_PEAK, BOUNDS)}

FEW = "Only {cells} hours with calls of an address: too few to learn habits from, so bounds only."
CLONES = (
    "{count} identifiers call from many addresses at once, as cloned disks do: counted by calls."
)
WITHOUT = "{share} % of the bots send no identifier; they are counted in proportion to their calls."
SHARED = (
    "{count} addresses, with {share} % of the calls, are shared (NAT, CGN, proxy) or never change: "
    "their bots are counted by calls, which is a lower bound where a gateway holds calls back."
)
SHORT = "The window has {hours} hours: bots that are off on most days are not in it."
SILENT = (
    "For {hours} hours in a row nothing called. If the sinkhole was down, the mean day is too low."
)
TURNOVER = (
    "No ASN keeps addresses long enough to see whether the same bots come back: the footprint "
    "rests on how long infections usually last."
)
RECONNECT = (
    "Addresses change when a lease ends (then {low} bots a day) or with each connection (then {high}): "
    "the calls leave {share} % for the latter, and the interval holds both."
)
FEW_NAMES = "Only {share} % of the calls have an identifier: addresses were counted."
APART = (
    "The two sinkholes have almost nothing in common, so bots that neither met cannot be estimated: "
    "what is shown is a lower bound."
)
TWICE = (
    "Bots that neither sinkhole met are estimated from {both} on both lists (Chapman, Chao). That "
    "assumes that calling one says nothing about calling the other."
)
TWICE_ADDRESSES = (
    "Bots that neither sinkhole met are estimated from {both} addresses and days on both lists. That "
    "assumes that calling one says nothing about calling the other."
)
NOTES = {n: n for n in (FEW, CLONES, WITHOUT, SHARED, SHORT, SILENT, TURNOVER, RECONNECT, FEW_NAMES, APART,
                        TWICE, TWICE_ADDRESSES)}  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.1f}" if share < 0.1 else f"{100 * share:.0f}"


def few(cells: int) -> Note:
    """Say that there is too little."""
    return Note(FEW, {"cells": cells})


def clones(count: int) -> Note:
    """Say that identifiers are shared."""
    return Note(CLONES, {"count": count})


def without(share: float) -> Note:
    """Say how many bots send no identifier."""
    return Note(WITHOUT, {"share": _percent(share)})


def shared(count: int, share: float) -> Note:
    """Say how much is behind gateways."""
    return Note(SHARED, {"count": count, "share": _percent(share)})


def short(hours: int) -> Note:
    """Say that the window is short."""
    return Note(SHORT, {"hours": hours})


def silent(hours: int) -> Note:
    """Say that there is a gap."""
    return Note(SILENT, {"hours": hours})


def turnover() -> Note:
    """Say that turnover is not seen."""
    return Note(TURNOVER)


def reconnect(share: float, low: float, high: float) -> Note:
    """Say that leases and reconnections cannot be told apart, and the bots of a day for each."""
    return Note(RECONNECT, {"share": round(100 * share), "low": round(low), "high": round(high)})


def few_names(share: float) -> Note:
    """Say that identifiers were left aside."""
    return Note(FEW_NAMES, {"share": _percent(share)})


def apart() -> Note:
    """Say that two sinkholes do not overlap."""
    return Note(APART)


def twice(both: int) -> Note:
    """Say what two sinkholes assume."""
    return Note(TWICE, {"both": both})


def twice_addresses(both: int) -> Note:
    """Say what two sinkholes assume, by address."""
    return Note(TWICE_ADDRESSES, {"both": both})
