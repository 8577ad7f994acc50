"""Ports on which programs hold connections open, or call many strangers. Facts, no detector.

Source: IANA's service name and port number registry, and the makers' firewall guides.
"""

from __future__ import annotations

from typing import Any

import ibis

# First port, last port, and how much a connection held open there says next to one on an
# unlisted port: from 1 (as much) towards 0 (nothing). No port is exempt: bots use them too.
HELD: tuple[tuple[int, int, float], ...] = (
    (22, 22, 0.3),  # SSH
    (53, 53, 0.06),
    (80, 80, 0.6),  # long polling, radio
    (88, 88, 0.3), (135, 135, 0.3), (389, 389, 0.3), (445, 445, 0.3), (636, 636, 0.3),  # domain
    (110, 110, 0.2), (143, 143, 0.2), (993, 993, 0.17), (995, 995, 0.2),  # mail that waits
    (123, 123, 0.06),
    (443, 443, 0.34),
    (500, 500, 0.2), (1194, 1194, 0.22), (1701, 1701, 0.2), (1723, 1723, 0.22), (4500, 4500, 0.22),
    (51820, 51820, 0.22),  # VPN
    (554, 554, 0.3), (1935, 1935, 0.3), (8000, 8010, 0.6), (8554, 8554, 0.3),  # radio, cameras
    (655, 655, 0.3),  # tinc
    (853, 853, 0.17),
    (1119, 1120, 0.3), (3074, 3074, 0.3), (3724, 3724, 0.3), (5055, 5058, 0.3), (6112, 6119, 0.3),
    (7777, 7778, 0.5), (9339, 9339, 0.3), (25565, 25565, 0.3), (27000, 27060, 0.3),
    (43594, 43595, 0.3),  # games
    (1433, 1433, 0.3), (1521, 1521, 0.3), (3306, 3306, 0.3), (5432, 5432, 0.3), (5671, 5672, 0.3),
    (6379, 6379, 0.3), (9092, 9092, 0.3),  # databases, queues
    (1863, 1863, 0.2), (4244, 4244, 0.2), (5050, 5050, 0.3), (5190, 5190, 0.2), (5222, 5223, 0.2),
    (5228, 5230, 0.12), (5242, 5242, 0.2),  # chat and push
    (1883, 1883, 0.28), (8883, 8883, 0.28),  # MQTT
    (2195, 2197, 0.2),  # push
    (3389, 3389, 0.4), (4899, 4899, 0.4), (5650, 5650, 0.4), (5900, 5903, 0.4), (5938, 5938, 0.3),
    (6568, 6568, 0.3), (7070, 7070, 0.4), (21115, 21119, 0.3),  # remote desktops
    (3478, 3481, 0.17), (5060, 5061, 0.2), (5349, 5349, 0.17), (19302, 19309, 0.17),  # calls
    (4070, 4070, 0.2),  # music
    (4662, 4662, 0.3), (6881, 6889, 0.3), (8333, 8333, 0.3), (30303, 30303, 0.3),
    (51413, 51413, 0.3),  # file sharing, coins
    (9001, 9001, 0.3), (9030, 9030, 0.3),  # Tor
    (12350, 12350, 0.3), (33033, 33034, 0.3),  # Skype's old network
    (6660, 6669, 0.8), (6697, 6697, 0.3), (7000, 7000, 0.5),  # IRC; few people's by now
    (8080, 8080, 0.7),
    (8443, 8443, 0.5),
)  # fmt: skip

# UDP ports of servers and games that ask or tell many strangers in small datagrams by design.
MANY_STRANGERS: tuple[tuple[int, int], ...] = (
    (0, 1023),  # DNS, NTP, HTTP/3, IPsec, DHCP, SNMP, ...
    (1194, 1194), (1701, 1701), (51820, 51820), (41641, 41641), (9993, 9993),  # VPN, overlays
    (1900, 1900), (5353, 5353), (5355, 5355), (3702, 3702),  # discovery
    (3074, 3076), (27000, 27060), (25565, 25565), (19132, 19133),  # games' servers
    (3478, 3481), (5349, 5349), (19302, 19309), (5060, 5061), (8801, 8810),  # calls
    (3544, 3544),  # Teredo
    (4500, 4500), (33033, 33034),  # IPsec, Skype's old network
    (4665, 4665), (4672, 4672),  # eMule
    (8333, 8333), (30303, 30303), (4001, 4001),  # coins, IPFS
    (33434, 33534),  # traceroute
)  # fmt: skip

# Default ports of BitTorrent programs: among many peers some always stayed with the default.
TORRENT: tuple[tuple[int, int], ...] = (
    (6881, 6999), (8999, 8999), (49001, 49001), (50321, 50321), (51413, 51413),
)  # fmt: skip

IRC: tuple[tuple[int, int], ...] = ((194, 194), (6660, 6669), (6697, 6697), (7000, 7000))


def within(port: Any, ranges: tuple[tuple[int, int], ...]) -> Any:
    """Return whether a port lies in one of the ranges; null for a port that is not known."""
    return ibis.or_(
        *(port == low if low == high else port.between(low, high) for low, high in ranges)
    )


def held_prior(port: Any) -> Any:
    """Return the weight of `HELD` for a port, 1 for unlisted ones."""
    rules = [
        (port == low if low == high else port.between(low, high), prior)
        for low, high, prior in HELD
    ]
    return ibis.cases(*rules, else_=1.0)
