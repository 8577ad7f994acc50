"""Bots of gadgets and of large botnets, as made-up captures; the rest is in _cases_bots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _cases_bots import OLD_IE, PROGRAM, own_address, spam_run
from _cases_clean import browsing, desktop, hold_push, quiet_gadget, sandbox, site, system

if TYPE_CHECKING:
    from collections.abc import Callable

    from _capture import Capture


# Gadgets


def mirai(c: Capture) -> None:
    """Telnet scan, a line to the controller with two bytes a minute."""
    quiet_gadget(c)
    c.hold(c.begin + 30, c.bot_server(), 48_101, 3600 * c.hours, pace=60.0, sent=120, back=120)
    c.sweep(c.begin + 40, 3000, 23, 8)
    c.sweep(c.begin + 40, 300, 2323, 0.8)


def gafgyt(c: Capture) -> None:
    """A line on 666, few scans, a UDP flood on order."""
    quiet_gadget(c)
    c.hold(c.begin + 30, c.bot_server(), 666, 3600 * c.hours, pace=60.0, sent=300, back=400)
    c.sweep(c.begin + 60, 60, 23, 0.1)
    c.conn(c.begin + 900, c.address(), 80, proto="udp", seconds=60.0, sent=400_000_000, back=0)


def gafgyt_idle(c: Capture) -> None:
    """Only the line to the controller, an hour, in a quiet gadget."""
    quiet_gadget(c)
    c.hold(c.begin + 30, c.bot_server(), 23, 3600 * c.hours, pace=60.0, sent=300, back=400)


def tsunami(c: Capture) -> None:
    """IRC on 6667 with a made nickname; flows only with the service named."""
    quiet_gadget(c)
    c.irc(c.begin + 20, c.bot_server(), 6667, "x86|x|8192044", seconds=3600 * c.hours, channel="#kaiten", messages=["!* UDP 192.0.2.9 80 60"])  # fmt: skip


def hajime(c: Capture) -> None:
    """The DHT from one port, and a scan of 5358 and 23."""
    quiet_gadget(c)
    for at in c.moments(400):
        port = 6881 if c.rng.random() < 0.06 else c.number(1025, 65_535)
        c.datagrams(at, c.address(), port, source=37_912, answered=0.45, size=280)
    c.sweep(c.begin + 200, 400, 5358, 0.3)


def mozi(c: Capture) -> None:
    """The DHT after asking for its doors by name; little else in an hour."""
    quiet_gadget(c)
    for n, at in enumerate(c.moments(300)):
        port = 6881 if n % 15 == 0 else c.number(1025, 65_535)
        c.datagrams(at, c.address(), port, source=14_737, answered=0.4, size=280)


def torii(c: Capture) -> None:
    """A line on 443 that is no TLS, by a name, held for hours; a dead one too."""
    quiet_gadget(c)
    to = c.find(c.begin, c.bot_name("top.haletteompson.example"))
    c.hold(c.begin + 60, to, 443, 3600 * c.hours, pace=60.0, service=None)


def muhstik_loader(c: Capture) -> None:
    """A script and programs for processors by wget, then a line on a high port."""
    quiet_gadget(c)
    to = c.bot_server()
    for n, arch in enumerate(("mips", "mpsl", "arm7", "x86")):
        c.http(
            c.begin + 60 + n,
            to,
            f"/bins/dark.{arch}",
            agent="Wget",
            mime="application/x-executable",
            answer=80_000,
        )
    c.hold(c.begin + 80, to, 9931, 3600 * c.hours, pace=60.0, sent=200, back=200)


# Botnets of the CTU captures


def neris(c: Capture) -> None:
    """A line on a high port, clicks and spam; only flows."""
    desktop(c)
    c.hold(c.begin + 60, c.bot_server(), 65_500, 3600 * c.hours, pace=60.0)
    for at in c.moments(600, 0.3):
        c.conn(at, c.address(), 80, sent=700, back=9000)
    spam_run(c, 150, 0.4)


def rbot(c: Capture) -> None:
    """IRC on 6667, flows only, and an ICMP flood on order."""
    desktop(c)
    c.hold(c.begin + 60, c.bot_server(), 6667, 3600 * c.hours, pace=90.0)
    c.conn(
        c.begin + 2000,
        c.address(),
        0,
        proto="icmp",
        seconds=60.0,
        sent=90_000_000,
        back=90_000_000,
        source=8,
    )


def rbot_line(c: Capture) -> None:
    """Only the IRC line, with reconnects; flows only."""
    desktop(c)
    to, at = c.bot_server(), c.begin + 40
    while at < c.end - 100:
        c.hold(at, to, 2081, c.size(900), pace=90.0)
        at += c.size(1000)


def virut(c: Capture) -> None:
    """IRC words on port 80 by a name, refused often; fetched programs; spam."""
    desktop(c)
    to = c.find(c.begin, c.bot_name("ilo.brenz.example"))
    for at in c.timer(120, 0.3, 0, 0.3):
        c.conn(at, to, 65_520, state="REJ")
    c.hold(c.begin + 4000, to, 80, 5000, pace=60.0)
    for n in range(3):
        c.http(
            c.begin + 4100 + 60 * n,
            c.bot_server(),
            f"/{c.text(4)}.exe",
            agent="Download",
            mime=PROGRAM,
            answer=50_000,
        )
    spam_run(c, 30, 0.5)


def nsis_p2p(c: Capture) -> None:
    """UDP to hundreds of peers on high ports from one port; flows only."""
    desktop(c)
    for at in c.moments(500):
        c.datagrams(at, c.address(), c.number(1025, 65_535), source=8247, answered=0.3, size=120)


def zeroaccess(c: Capture) -> None:
    """UDP 16464 to strangers; clicks without a page."""
    desktop(c)
    for at in c.moments(700):
        c.datagrams(at, c.address(), 16_464, source=c.number(1025, 1100), answered=0.2, size=500)
    for at in c.moments(60, 0.2):
        c.http(at, site(c), "/click?c=" + c.text(30), agent=OLD_IE, from_=f"http://find.{c.text(6)}.example/q", status=302, answer=0)  # fmt: skip


def sality(c: Capture) -> None:
    """Small UDP to peers on their own ports; a few programs in disguise by HTTP."""
    system(c)
    for at in c.moments(160):
        c.datagrams(at, c.address(), c.number(1025, 65_535), source=9674, answered=0.15, size=60)
    for n in range(3):
        c.http(c.moment(), f"www.{c.text(7)}site.example", "/images/logos.gif", agent="Opera/8.81 (Windows NT 6.0; U; en)", mime="image/gif" if n else PROGRAM)  # fmt: skip


def kelihos(c: Capture) -> None:
    """Peers on port 80 of home addresses, HTTP with bodies; spam."""
    desktop(c)
    homes = c.addresses(150)
    for at in c.moments(500):
        to = homes[c.number(0, 149)]
        if c.rng.random() < 0.5:
            c.conn(at, to, 80, state="S0")
        else:
            c.http(at, to, f"/{c.text(6)}.htm", agent="Mozilla/5.0 (Windows; U; MSIE 9.0)", body=c.size(900), answer=c.size(1500), mime="application/octet-stream")  # fmt: skip
    spam_run(c, 60, 0.4)


def waledac_flows(c: Capture) -> None:
    """The same without mail, flows only: hundreds of strangers on port 80, no name asked."""
    desktop(c)
    homes = c.addresses(180)
    for at in c.moments(600):
        works = c.rng.random() < 0.5
        c.conn(
            at,
            homes[c.number(0, 179)],
            80,
            **({"sent": 900, "back": 1500} if works else {"state": "S0"}),
        )


def phorpiex(c: Capture) -> None:
    """A program from a bare address, UDP 40500 to peers, spam on 25."""
    sandbox(c)
    to = c.bot_server()
    for n in range(4):
        c.http(
            c.begin + 30 + 20 * n,
            to,
            f"/{n + 1}",
            agent=OLD_IE,
            mime="application/octet-stream",
            answer=8000,
        )
    for at in c.moments(120):
        c.datagrams(at, c.address(), 40_500, answered=0.2)
    spam_run(c, 20, 0.5)


# Made-up names, worms, ransom


def necurs(c: Capture) -> None:
    """Random names of seven to twenty letters, a few hundred; none exists."""
    desktop(c)
    for at in c.moments(200, 0.3, 0.5):
        c.ask(at, f"{c.text(c.number(7, 20), 'abcdefghijklmnopqrstuvwxy')}.test", found=False)


def slow_dga(c: Capture) -> None:
    """Ranbyus, Qadars and others: few names an hour, until one answers."""
    desktop(c)
    for at in c.timer(500, 0.5):
        c.ask(at, f"{c.text(14, 'abcdefghijklmnopqrstuvwxy')}.test", found=False)


def word_dga(c: Capture) -> None:
    """Suppobox, Matsnu: two words, eighty names in an hour."""
    desktop(c)
    for at in c.moments(80, 0.4, 0.5):
        first, second = c.rng.choice(["heavy", "winter", "glass", "journey", "middle", "thought", "anger", "breakfast", "company", "valley"], 2)  # fmt: skip
        c.ask(at, f"{first}{second}{c.number(1, 9)}.test", found=False)


def conficker(c: Capture) -> None:
    """Names of five to eleven letters; 445 at random addresses; its own address."""
    desktop(c)
    own_address(c, c.begin + 300, 8)
    for at in c.moments(250, 0.1, 0.8):
        c.ask(at, f"{c.text(c.number(5, 11), 'abcdefghijklmnopqrstuvwxyz')}.test", found=False)
    c.sweep(c.begin + 600, 1500, 445, 1)


def gameover(c: Capture) -> None:
    """UDP to peers on ports of their own, and a thousand long names a day."""
    desktop(c)
    for at in c.moments(120):
        c.datagrams(at, c.address(), c.number(1024, 9999), source=6217, answered=0.5, size=200)
    for at in c.moments(120, 0.5, 0.6):
        c.ask(at, f"{c.text(c.number(20, 28))}.test", found=False)


def wannacry(c: Capture) -> None:
    """The switch's name, then 445 inside and outside."""
    sandbox(c)
    c.ask(
        c.begin + 20, f"www.{c.text(41, 'asdfghjkl;wertyuiop'.replace(';', ''))}.test", found=False
    )
    c.sweep(c.begin + 22, 250, 445, 5, net="10.0", alive=0.02, state="REJ")
    c.sweep(c.begin + 22, 1000, 445, 5)


def cerber(c: Capture) -> None:
    """Single datagrams of 25 bytes to whole networks on 6892; a block explorer by name."""
    sandbox(c)
    at = c.begin + 40
    for third in range(4):
        for last in range(256):
            at += 0.004
            c.conn(
                at,
                f"245.17.{third}.{last}",
                6892,
                proto="udp",
                sent=25,
                back=0,
                seconds=0.0,
                source=50_001,
            )


def locky(c: Capture) -> None:
    """A few POSTs of main.php at three bare addresses, some dead; a dozen made-up names."""
    sandbox(c)
    for n in range(5):
        to = c.bot_server()
        if n % 2:
            c.conn(c.begin + 30 + n, to, 80, state="S0")
        else:
            c.http(
                c.begin + 30 + n, to, "/main.php", method="POST", agent=OLD_IE, body=900, answer=300
            )
    for n in range(8):
        c.ask(
            c.begin + 60 + n,
            f"{c.text(c.number(8, 14), 'abcdefghijklmnopqrstuvwxy')}.test",
            found=False,
        )


def miner(c: Capture) -> None:
    """Stratum on 3333 by a pool's name, held."""
    sandbox(c)
    c.hold(c.begin + 40, c.find(c.begin + 39, c.bot_name("xmr.minepool.example")), 3333, 3600 * c.hours, pace=20.0, sent=90_000, back=120_000)  # fmt: skip


def android_banker(c: Capture) -> None:
    """POSTs to one name each minute, plain HTTP; the usual push beside."""
    hold_push(c, "mtalk.robot.example", 5228)
    browsing(c, 6)
    name = c.bot_name("securepanel.test")
    for at in c.timer(60, 0.1):
        c.http(at, name, "/private/tuk_tuk.php", method="POST", agent="Dalvik/2.1.0 (Linux; Android 9)", body=c.size(200), answer=60, mime="text/plain")  # fmt: skip


def android_tls(c: Capture) -> None:
    """The same over TLS with a public certificate."""
    hold_push(c, "mtalk.robot.example", 5228)
    browsing(c, 6)
    for at in c.timer(60, 0.1):
        c.tls(at, "securepanel.test", sent=900, back=500)
    c.controllers |= {"securepanel.test", *c.where("securepanel.test")}


def proxy_bot(c: Capture) -> None:
    """Bunitu, socks bots: a line to the controller, connections to many on its order; flows only."""
    sandbox(c)
    c.hold(c.begin + 30, c.bot_server(), 443, 3600 * c.hours, pace=30.0)
    for at in c.moments(300):
        c.conn(at, c.address(), int(c.rng.choice([80, 443])), sent=900, back=20_000)


def ramnit(c: Capture) -> None:
    """Made-up names that lead to one address; bytes of its own protocol on 443."""
    desktop(c)
    for at in c.moments(60, 0.1, 0.2):
        c.ask(at, f"{c.text(c.number(8, 19), 'abcdefghijklmnopqrstuvwxy')}.test", found=False)
    to = c.find(c.begin, c.bot_name(f"{c.text(14, 'bcdfghjklmnpqrstvwxz')}.test"))
    for at in c.timer(120, 0.1):
        c.conn(at, to, 443, sent=300, back=200)


# Name to hours and what it does; "flows" at the end: only conn is recorded.
BOTNETS: dict[str, tuple[float, Callable[[Capture], None]]] = {
    "mirai": (1, mirai),
    "gafgyt": (1, gafgyt),
    "gafgyt idle": (2, gafgyt_idle),
    "tsunami": (2, tsunami),
    "tsunami flows": (2, tsunami),
    "hajime": (2, hajime),
    "mozi": (1, mozi),
    "torii": (5, torii),
    "muhstik": (2, muhstik_loader),
    "neris flows": (4, neris),
    "rbot flows": (2, rbot),
    "rbot line flows": (5, rbot_line),
    "virut": (4, virut),
    "nsis.ay flows": (4, nsis_p2p),
    "zeroaccess": (3, zeroaccess),
    "sality": (2, sality),
    "kelihos": (4, kelihos),
    "waledac flows": (4, waledac_flows),
    "phorpiex": (1, phorpiex),
    "necurs": (2, necurs),
    "slow dga": (9, slow_dga),
    "word dga": (3, word_dga),
    "conficker": (3, conficker),
    "gameover zeus": (4, gameover),
    "wannacry": (0.2, wannacry),
    "cerber": (0.1, cerber),
    "locky": (0.1, locky),
    "miner": (2, miner),
    "android banker": (3, android_banker),
    "android banker tls": (3, android_tls),
    "proxy bot flows": (2, proxy_bot),
    "ramnit": (4, ramnit),
}
