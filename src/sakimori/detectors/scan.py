"""Scanning: a host that tries many targets, most of which do not answer or refuse.

Horizontal: many addresses on one port. Vertical: many ports of one address. For each only the first
contact with a target counts, in time order, as evidence for "scanner" (it failed) or against (it
worked); a target that failed for everybody proves nothing. The walk of the log-likelihood ratio,
floored at its lowest point so far, must reach ln 99 as in the sequential test. All scans of one
host, shape and direction are one finding; `peer` and `peer_port` are those of the widest.

    score     share of first contacts that failed, x a stretch of the number of targets from
              `min_targets` (0.3) to `full_targets` (1), x focus for horizontal scans
    focus     of the addresses that failed this host, the share that did so on a swept port, from
              0.15 (nothing) to 0.5 (1): a scanner asks on few ports, a peer-to-peer program whose
              peers are gone on hundreds, of which one or two are common

UDP is looked at across addresses only, from `min_udp` targets on: traceroute and calls behind NAT
try many ports of one address.

Direction is told apart in `details.direction`: outbound (inside to outside), internal (inside to
inside), inbound (outside to inside: `host` is then the outside scanner, and is not judged).

Also finds: network scanners run on purpose, peer-to-peer bots whose peers have one fixed port.
Misses: scans slower than the data, scans that only meet live targets, one-way flow data without
states or answer packets. Patient scans count, because time does not reset the walk.
Source: threshold random walk, Jung, Paxson, Berger, Balakrishnan 2004,
doi:10.1109/SECPRI.2004.1301325 (theta0 0.8, theta1 0.2, alpha 0.01, beta 0.01).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import ibis
from ibis import _

from sakimori.detectors._common import as_findings, ramp, sample, was_unanswered

NAME = "scan"
TECHNIQUE = "T1046"  # Network Service Discovery; outbound also T1595.001
KIND = "discovery"
DOES = "scans"
WEIGHT = 5.0  # nats at full score; see docs/reference/scoring.md
READS = {
    "conn": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "proto", "state", "dst_pkts",
             "src_inside", "dst_inside"),
}  # fmt: skip
NEEDS = (("conn.state",), ("conn.dst_pkts",))
DETAILS = {
    "direction": "string",  # outbound, internal or inbound
    "shape": "string",  # horizontal or vertical
    "widest": "string",  # the port (as 23/tcp) or address with the most targets
    "scans": "int64",  # ports swept (horizontal) or addresses swept (vertical)
    "targets": "int64",  # first contacts, over all of them
    "failed": "float64",  # share of first contacts
    "per_minute": "float64",  # targets per minute between first and last
    "focus": "float64",  # 0..1; horizontal
    "walk": "float64",  # highest point of the log-likelihood ratio
}
SAYS = (
    "tried {targets} targets ({shape}, {direction}, most on {widest}), of which {failed_pct} did"
    " not answer"
)
SAYS_IF = {
    "shape=vertical": (
        "tried {targets} ports ({direction}, most of them at {widest}), of which {failed_pct} did"
        " not answer"
    ),
}
INNOCENT = (
    "A vulnerability scanner or inventory tool run on purpose looks the same; so does a program"
    " whose peers are gone. Ask who runs scans from this address."
)
ASIDE = (
    "A program whose peers are gone asks on many different ports; of the addresses that did not"
    " answer this host, {focus_pct} were asked on the ports that it swept. A scan on purpose is"
    " not told apart."
)
ASIDE_IF = {
    "shape=vertical": (
        "A program whose peers are gone tries one or two ports of each, and this host tried"
        " {targets} ports in all. A scan on purpose is not told apart."
    ),
}
NEXT = "If nobody scans on purpose from this host, cut it off from the network and examine it."

FULL_FOCUS = 0.5
STEP = math.log(4)  # ln(0.8 / 0.2), and with the other sign ln(0.2 / 0.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as a scan. Raises ValueError for limits that could match nothing."""

    min_targets: int = 20
    min_udp: int = 80  # lost answers are common in UDP, and so are peers that are gone
    full_targets: int = 500
    min_failed: float = 0.6
    min_focus: float = 0.15
    walk: float = math.log(99)
    dead_for: int = 3  # hosts that must all have failed before a target proves nothing

    def __post_init__(self) -> None:
        if not 1 < self.min_targets < self.full_targets:
            raise ValueError(f"need 1 < {self.min_targets=} < {self.full_targets=}")
        if not 0 <= self.min_focus < FULL_FOCUS:
            raise ValueError(f"need 0 <= {self.min_focus=} < {FULL_FOCUS}")


def detect(conn: ibis.Table, config: Config) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    first = _first_contacts(conn, config)
    across = first.select(
        "host", "ts", "uid", "failed", "proto", "direction", target="dst_ip",
        shape=ibis.literal("horizontal"), peer=ibis.null("string"), peer_port="dst_port",
    )  # fmt: skip
    down = first.filter(_.proto == "tcp").select(
        "host", "ts", "uid", "failed", "proto", "direction", target=_.dst_port.cast("string"),
        shape=ibis.literal("vertical"), peer="dst_ip", peer_port=ibis.null("int32"),
    )  # fmt: skip
    walked = _walked(ibis.union(across, down), config)
    failing = first.group_by("host", "direction", "proto").agg(
        failing=_.dst_ip.nunique(where=_.failed)
    )
    return as_findings(_scored(_summed(walked), failing, config), DETAILS)


def _first_contacts(conn: ibis.Table, config: Config) -> ibis.Table:
    """Return one row per host and target, with whether every try of it failed."""
    tries = conn.filter(
        _.proto.isin(("tcp", "udp")), _.src_inside.notnull(), _.dst_inside.notnull(),
        _.src_inside | _.dst_inside,
    )  # fmt: skip
    tries = tries.mutate(
        failed=was_unanswered(tries),
        direction=tries.src_inside.ifelse(
            tries.dst_inside.ifelse("internal", "outbound"), "inbound"
        ),
    ).filter(_.failed.notnull())
    targets = tries.group_by("src_ip", "dst_ip", "dst_port", "proto", "direction").agg(
        failed=_.failed.all(), ts_first=_.ts.min(), uid=_.uid.argmin(_.ts)
    )
    place = ["dst_ip", "dst_port", "proto"]
    alive = targets.group_by(place).agg(askers=_.count(), dead=_.failed.all())
    proof = targets.inner_join(alive, place).filter(~(_.dead & (_.askers >= config.dead_for)))
    return proof.select(
        "dst_ip", "dst_port", "proto", "direction", "failed", "uid",
        host="src_ip", ts="ts_first",
    )  # fmt: skip


def _walked(tries: ibis.Table, config: Config) -> ibis.Table:
    """Return one finding per host, shape and port or address whose walk went far enough."""
    key = ("host", "shape", "direction", "peer", "peer_port", "proto")
    many = tries.group_by(key).agg(targets=_.count())
    least = (many.proto == "udp").ifelse(
        max(config.min_udp, config.min_targets), config.min_targets
    )
    many = many.filter(many.targets >= least)
    narrowed = tries.inner_join(
        many,
        [
            tries.host == many.host,
            tries.shape == many.shape,
            tries.direction == many.direction,
            tries.proto == many.proto,
            tries.peer.fill_null("") == many.peer.fill_null(""),
            tries.peer_port.fill_null(-1) == many.peer_port.fill_null(-1),
        ],
    ).select(*(tries[c] for c in tries.columns))
    # The target too, so that tries of one moment are walked in the same order each time.
    order = ("ts", "target")
    so_far = ibis.window(group_by=key, order_by=order, preceding=None, following=0)
    stepped = narrowed.mutate(
        step=narrowed.failed.ifelse(STEP, -STEP),
        rank=ibis.row_number().over(ibis.window(group_by=key, order_by=order)),
    ).mutate(height=_.step.sum().over(so_far))
    floored = stepped.mutate(lowest=ibis.least(_.height.min().over(so_far), 0.0))
    walked = floored.group_by(key).agg(
        first_seen=_.ts.min(),
        last_seen=_.ts.max(),
        targets=_.count(),
        failed=_.failed.cast("float64").mean(),
        walk=(_.height - _.lowest).max(),
        evidence=sample(_.uid, _.rank),
    )
    return walked.filter(_.walk >= config.walk, _.failed >= config.min_failed)


def _summed(walked: ibis.Table) -> ibis.Table:
    """Return one finding per host, direction and shape; the widest scan gives peer and port."""
    key = ("host", "shape", "direction", "proto")
    widest = [_.targets.desc(), _.peer, _.peer_port]
    ranked = walked.mutate(place=ibis.row_number().over(ibis.window(group_by=key, order_by=widest)))
    return ranked.group_by(key).agg(
        first_seen=_.first_seen.min(),
        last_seen=_.last_seen.max(),
        scans=_.count(),
        failed=(_.failed * _.targets).sum() / _.targets.sum(),
        walk=_.walk.max(),
        targets=_.targets.sum(),
        peer=_.peer.max(where=_.place == 0),
        peer_port=_.peer_port.max(where=_.place == 0),
        evidence=_.evidence.first(order_by=_.place),
    )


def _scored(summed: ibis.Table, failing: ibis.Table, config: Config) -> ibis.Table:
    """Return the findings with a score; those without focus are left out."""
    table = summed.inner_join(failing, ["host", "direction", "proto"]).select(
        *summed.columns, "failing"
    )
    # An address that failed on several swept ports counts for each: at most all.
    share = (table.failed * table.targets / ibis.greatest(table.failing, 1)).clip(0.0, 1.0)
    across = table["shape"] == "horizontal"
    focus = across.ifelse(share, ibis.null("float64"))
    weight = ramp(focus, config.min_focus, FULL_FOCUS).fill_null(1.0)
    size = 0.3 + 0.7 * ramp(
        table.targets.ln(), math.log(config.min_targets), math.log(config.full_targets)
    )
    minutes = table.last_seen.delta(table.first_seen, unit="second") / 60
    port = table.peer_port.cast("string").concat("/", table.proto)
    scored = table.mutate(
        count=table.targets,
        widest=ibis.coalesce(table.peer, port),
        focus=focus,
        score=table.failed * size * weight,
        per_minute=table.targets / ibis.greatest(minutes, 1.0),
    )
    return scored.filter(_.score > 0)
