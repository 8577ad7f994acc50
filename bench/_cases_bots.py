"""Bots of desktops, as made-up captures: each behaves as reports of a real family say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _cases_clean import desktop, sandbox, site, system

from sakimori.detectors._peers import OWN_ADDRESS
from sakimori.detectors.long_connection import DYNAMIC
from sakimori.detectors.upload import BOT_SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable

    from _capture import Capture

OLD_IE = "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.1; Trident/4.0)"
WIDGITS = "C=AU,ST=Some-State,O=Internet Widgits Pty Ltd"
PROGRAM = "application/x-dosexec"


def own_address(c: Capture, at: float, place: int = 0, agent: str = "") -> None:
    c.http(at, OWN_ADDRESS[place], "/", agent=agent, answer=13, mime="text/plain")


def home_name(c: Capture, label: str) -> str:
    """Return a controller's name at a dynamic DNS service."""
    return c.bot_name(f"{label}.{DYNAMIC[0]}")


def spam_run(c: Capture, servers: int, low: float, port: int = 25) -> None:
    for at in c.moments(servers, low):
        name = f"mx.{site(c).split('.', 1)[1]}"
        c.ask(at - 1, name.split(".", 1)[1], kind="MX", answers=[name])
        if c.rng.random() < 0.4:
            c.conn(at, c.find(at, name), port, state="S0")
        else:
            c.mail(at, c.find(at, name), port)


# Loaders and bankers of desktops


def emotet(c: Capture) -> None:
    """POSTs to bare addresses on 80, 8080, 7080, 443; some dead; a random path; every 15 minutes."""
    desktop(c)
    servers = [(c.bot_server(), port) for port in (80, 8080, 7080, 443, 8080, 80)]
    for at in c.timer(900, 0.1):
        for dead in c.rng.choice(len(servers), 2):
            c.conn(at - 5, servers[dead][0], servers[dead][1], state="S0")
        to, port = servers[c.number(3, 5)]
        c.http(
            at,
            to,
            f"/{c.text(8)}/{c.text(6)}/",
            port,
            method="POST",
            agent=OLD_IE,
            body=c.size(600),
            answer=148,
        )


def emotet_spam(c: Capture) -> None:
    """The mail module: stolen logins, submission and port 25, many servers."""
    emotet(c)
    spam_run(c, 25, 0.4, 587)
    spam_run(c, 25, 0.4, 465)


def trickbot(c: Capture) -> None:
    """Address look-up, TLS without a name to 449 and 443, self-signed; exfiltration on 8082."""
    desktop(c)
    own_address(c, c.begin + 200, 1)
    servers = [
        (c.bot_server(), 449),
        (c.bot_server(), 449),
        (c.bot_server(), 443),
        (c.bot_server(), 447),
    ]
    for at in c.timer(400, 0.5):
        to, port = servers[c.number(0, 3)]
        c.tls(at, to, port, version="TLSv12", certificate=(WIDGITS, WIDGITS, 90, 365))
    for at in c.moments(4):
        c.http(at, servers[0][0], f"/mor{c.number(1, 9)}/{c.text(20)}/90/", 8082, method="POST", agent="test", body=c.size(3000), answer=3)  # fmt: skip


def qakbot(c: Capture) -> None:
    """TLS without a name to dozens of infected homes on 443, 995, 2222; certificates of made-up firms."""
    desktop(c)
    homes = [(c.bot_server(), int(c.rng.choice([443, 995, 2222]))) for _ in range(12)]
    for n, at in enumerate(c.timer(1800, 0.3)):
        to, port = homes[n % 12]
        if c.rng.random() < 0.4:
            c.conn(at, to, port, state="S0")
            continue
        made = f"C=FR,OU={c.text(6).title()},CN={c.text(8)}.net"
        issuer = f"C=FR,ST={c.text(2).upper()},L={c.text(8).title()},O={c.text(9).title()} LLC.,CN={c.text(8)}.net"
        c.tls(
            at, to, port, version="TLSv12", certificate=(made, issuer, 40, 365), sent=900, back=700
        )


def dridex(c: Capture) -> None:
    """Few TLS calls without a name on 443 and odd ports, certificates of invented cities."""
    system(c)
    made = "C=MN,L=Ulaanbaatar,O=Sedehenera Ltd.,CN=cwindonsim.nagoya"
    for at in c.moments(7):
        to = c.bot_server()
        c.tls(
            at,
            to,
            int(c.rng.choice([443, 1443, 4125, 8172])),
            version="TLSv12",
            certificate=(made, made, 20, 180),
        )


def icedid(c: Capture) -> None:
    """A gzip by HTTP, then TLS to two names every five minutes, OpenSSL's filled-in certificate."""
    desktop(c)
    c.http(
        c.begin + 100,
        c.bot_name("skigimeetroc.example"),
        "/",
        agent="",
        mime="application/gzip",
        answer=380_000,
    )
    names = [c.bot_name("aldegarden.example"), c.bot_name("lokibarsen.example")]
    made = "CN=localhost,C=AU,ST=Some-State,O=Internet Widgits Pty Ltd"
    for n, at in enumerate(c.timer(300, 0.05)):
        c.tls(
            at, names[n % 2], version="TLSv12", certificate=(made, made, 9, 365), sent=800, back=600
        )


def ursnif(c: Capture) -> None:
    """GETs of long encoded paths below /images/ that end in .avi, a few names, every five minutes."""
    desktop(c)
    name = c.bot_name("mafmoraw.example")
    for at in c.timer(300, 0.1):
        c.http(at, name, f"/images/{c.text(60)}/{c.text(40)}/{c.text(30)}.avi", agent=OLD_IE, answer=c.size(200), mime="text/html")  # fmt: skip


def zeus(c: Capture) -> None:
    """gate.php by POST each 20 minutes, config.bin each hour, one name."""
    desktop(c)
    name = c.bot_name("fine-trade.example")
    for at in c.timer(3600):
        c.http(
            at,
            name,
            "/web/config.bin",
            agent=OLD_IE,
            answer=29_000,
            mime="application/octet-stream",
        )
    for at in c.timer(1200, 0.02):
        c.http(at, name, "/web/gate.php", method="POST", agent=OLD_IE, body=c.size(400), answer=60)


def zeus_flows(c: Capture) -> None:
    """As an address for one hour and a bit, every minute; only flows are recorded."""
    desktop(c)
    to = c.bot_server()
    for at in c.timer(60, 0.05):
        c.conn(at, to, 80, sent=600, back=300)


def smokeloader(c: Capture) -> None:
    """POST / to a list of names each ten minutes, answered 404 with a body; most are dead."""
    desktop(c)
    names = [c.bot_name(f"{c.text(8, 'abcdefghilmnorstu')}.example") for _ in range(3)]
    dead = [f"{c.text(9, 'abcdefghilmnorstu')}.test" for _ in range(5)]
    for at in c.timer(600, 0.02):
        for n, name in enumerate(dead):
            c.ask(at + n, name, found=False)
        for n, name in enumerate(names):
            c.http(
                at + 6 + n,
                name,
                "/",
                method="POST",
                agent=OLD_IE,
                body=c.size(250),
                answer=400,
                status=404,
            )


def amadey(c: Capture) -> None:
    """POST index.php at a bare address each minute, no User-Agent; fetches programs."""
    sandbox(c)
    to = c.bot_server()
    for at in c.timer(60, 0.01):
        c.http(at, to, "/g7djSd/index.php", method="POST", agent="", body=86, answer=6)
    c.http(c.begin + 90, to, "/files/one.exe", agent="", mime=PROGRAM, answer=900_000)


def socgholish(c: Capture) -> None:
    """TLS with a public certificate to one odd name, then NetSupport: POSTs on 443 each minute."""
    desktop(c)
    for at in c.moments(6, 0.1, 0.2):
        c.tls(at, c.bot_name("xjquery.cloudkeep.example"), sent=9000, back=4000)
    to = c.bot_server()
    own_address(c, c.begin + 0.25 * 3600 * c.hours, 10)
    for at in c.timer(60, 0.01, 0.3):
        c.http(
            at,
            to,
            f"http://{to}/fakeurl.htm",
            443,
            method="POST",
            agent="NetSupport Manager/1.3",
            body=240,
            answer=60,
        )


# Remote control


def cobalt_strike(c: Capture) -> None:
    """HTTPS each minute, up to 30 % less, a public certificate, a name."""
    desktop(c)
    name = c.bot_name("updates.azurhost.example")
    for at in c.timer(60, -0.3):
        c.tls(at, name, version="TLSv12", sent=600, back=400, seconds=0.4)


def cobalt_strike_50(c: Capture) -> None:
    """The same with jitter of 50 %, sleep of five minutes, eight hours."""
    desktop(c)
    name = c.bot_name("cdn.bluetoken.example")
    for at in c.timer(300, -0.5):
        c.tls(at, name, version="TLSv13", sent=600, back=400, seconds=0.4)


def cobalt_dns(c: Capture) -> None:
    """Questions for A each minute below one zone, and TXT when there is a task."""
    desktop(c)
    zone = c.bot_name("ns1.securecheck.example")
    for at in c.timer(60, -0.2):
        c.ask(at, f"{c.text(8, '0123456789abcdef')}.{zone}", answers=["192.0.2.0"], ttl=1)
    begin = c.moment(0.3, 0.6)
    for n in range(120):
        c.ask(begin + n / 3, f"api.{c.text(3)}{n:02x}.{c.text(8, '0123456789abcdef')}.{zone}", kind="TXT", answers=[c.text(180)], ttl=1)  # fmt: skip


def remcos(c: Capture) -> None:
    """A line held on 2404 by a dynamic name, a message each 30 s; asks where it is."""
    sandbox(c)
    own_address(c, c.begin + 30, 26)
    to = c.find(c.begin + 20, home_name(c, "goodmorning"))
    c.hold(c.begin + 21, to, 2404, 3600 * c.hours, pace=30.0)


def nanocore(c: Capture) -> None:
    """A line on 54984 that breaks each some minutes, by a dynamic name; on a used desktop."""
    desktop(c)
    name, at = home_name(c, "nanoback"), c.begin + 30
    while at < c.end - 60:
        c.hold(at, c.find(at, name), 54_984, c.size(500), pace=10.0)
        at += c.size(600)


def njrat_dead(c: Capture) -> None:
    """Calls that nobody answers, each ten seconds or so, a name found."""
    sandbox(c)
    name = home_name(c, "hacker88")
    for at in c.timer(12, 0.1):
        c.conn(at, c.find(at, name), 5552, state="S0", seconds=3.0)


def darkcomet_refused(c: Capture) -> None:
    """Calls to 1604 refused, each 20 s, no name."""
    sandbox(c)
    to = c.bot_server()
    for at in c.timer(20, 0.02):
        c.conn(at, to, 1604, state="REJ", seconds=0.1)


def rat_no_answer_name(c: Capture) -> None:
    """The name of a RAT's controller is gone: only questions for it, each few seconds."""
    sandbox(c)
    name = f"oldboss.{DYNAMIC[1]}"
    c.controllers.add(name)
    for at in c.timer(15, 0.1):
        c.ask(at, name, found=False)


def quasar(c: Capture) -> None:
    """TLS on 4782 without a name, valid to 9999; five minutes in a sandbox."""
    sandbox(c)
    own_address(c, c.begin + 15, 18)
    to, made = c.bot_server(), "CN=Quasar Server CA"
    c.tls(c.begin + 20, to, 4782, version="TLSv12", certificate=(made, made, 20, 2_900_000), pace=25.0, seconds=270.0, sent=3000, back=1200)  # fmt: skip


def asyncrat_flows(c: Capture) -> None:
    """Two hours on 6606 at an address, only flows."""
    desktop(c)
    c.hold(c.begin + 100, c.bot_server(), 6606, 3600 * c.hours, pace=20.0)


def empire(c: Capture) -> None:
    """HTTP each five seconds, 20 % jitter, three pages of a bare address, a browser's agent."""
    desktop(c)
    to = c.bot_server()
    for at in c.timer(5, 0.2, 0.4):
        uri = ("/admin/get.php", "/news.php", "/login/process.php")[c.number(0, 2)]
        c.http(
            at, to, uri, agent="Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0)", answer=0
        )


def sliver(c: Capture) -> None:
    """Mutual TLS on 8888 held, to an address, no name, its own authority."""
    desktop(c)
    certificate = ("CN=localhost,O=", "CN=operators", 30, 900)
    c.tls(c.begin + 300, c.bot_server(), 8888, version="TLSv13", certificate=certificate, pace=60.0, seconds=3300.0 * c.hours, sent=50_000, back=30_000)  # fmt: skip


def sliver_https(c: Capture) -> None:
    """A call each 60 to 90 s with TLS 1.3 to a name with a free certificate."""
    desktop(c)
    name = c.bot_name("static.quickmetric.example")
    for at in c.timer(75, 0.2):
        c.tls(at, name, version="TLSv13", sent=1200, back=500, seconds=0.6)


def dnscat(c: Capture) -> None:
    """Names with coded data below one zone, TXT, CNAME and MX, each second."""
    desktop(c)
    zone = c.bot_name("tunnelme.example")
    for at in c.timer(1, 0.1, 0.5, 0.7):
        c.ask(at, f"{c.text(40, '0123456789abcdef')}.{zone}", kind=str(c.rng.choice(["TXT", "CNAME", "MX"])), answers=[c.text(34, '0123456789abcdef') + f".{zone}"], ttl=60)  # fmt: skip


# Thieves


def agenttesla_mail(c: Capture) -> None:
    """Own address over TLS, then mail by STARTTLS on 587, two in five minutes."""
    sandbox(c)
    c.tls(c.begin + 30, OWN_ADDRESS[0])
    for at in (c.begin + 36, c.begin + 250):
        c.mail(at, c.find(at, "mail.hijackedshop.example"), 587, sent=c.size(4000))
    c.controllers |= {"mail.hijackedshop.example", *c.where("mail.hijackedshop.example")}


def snake_ftp(c: Capture) -> None:
    """Own address twice, then one small file stored by FTP."""
    sandbox(c)
    own_address(c, c.begin + 20, 5)
    server = c.find(c.begin + 25, c.bot_name("ftp.hijackedshop.example"))
    c.conn(c.begin + 26, server, 21, service="ftp", seconds=8.0, sent=180, back=600)
    c.conn(c.begin + 28, server, 52_113, sent=2300, back=0)


def tesla_telegram(c: Capture) -> None:
    """A document handed to a chat's bot service."""
    sandbox(c)
    c.tls(c.begin + 25, OWN_ADDRESS[0])
    for at in (c.begin + 31, c.begin + 40):
        c.tls(at, BOT_SERVICE, sent=9000, back=900)


def redline(c: Capture) -> None:
    """One TCP conversation on a high port with a bare address, a megabyte up; own address by TLS."""
    sandbox(c)
    c.tls(c.begin + 40, "api.ip.sb")
    c.conn(c.begin + 30, c.bot_server(), 23_065, seconds=40.0, sent=1_300_000, back=9000)


def lumma(c: Capture) -> None:
    """A few POSTs within TLS to a name behind a content network, a zip up; nothing else."""
    sandbox(c)
    name = c.bot_name("lonelyfalcon.test")
    for n in range(5):
        c.tls(
            c.begin + 30 + 3 * n,
            name,
            sent=c.size(2000) if n < 2 else c.size(250_000),
            back=4000,
            version="TLSv13",
        )


def vidar(c: Capture) -> None:
    """A profile page, then a bare address: libraries fetched, a zip posted."""
    sandbox(c)
    to = c.bot_server()
    c.tls(c.begin + 25, "profiles.gameshop.example")
    c.http(c.begin + 28, to, "/", method="POST", agent=OLD_IE, body=300, answer=1200)
    for n, name in enumerate(("sqlite3", "freebl3", "mozglue", "nss3", "softokn3")):
        c.http(
            c.begin + 32 + n,
            to,
            f"/{c.text(16)}/{name}.dll",
            agent=OLD_IE,
            mime=PROGRAM,
            answer=700_000,
        )
    c.http(c.begin + 50, to, "/", method="POST", agent=OLD_IE, body=2_100_000, answer=2)


def formbook(c: Capture) -> None:
    """One path at sixteen names, GET and POST, most of them decoys; some do not exist."""
    sandbox(c)
    names = [f"www.{c.text(c.number(6, 12), 'abcdeghilmnoprstu')}.example" for _ in range(16)]
    c.bot_name(names[7])
    for at in c.timer(25, 0.3):
        name = names[c.number(0, 15)]
        if name in names[:4]:
            c.ask(at, name, found=False)
        else:
            c.http(at, name, "/k0ue/", method="GET" if c.rng.random() < 0.4 else "POST", agent=OLD_IE, body=200, answer=300, status=404)  # fmt: skip


def guloader(c: Capture) -> None:
    """A program as .bin from a bare address, then a RAT's line."""
    sandbox(c)
    c.http(c.begin + 20, c.bot_server(), "/kTrBi/sEGhK173.bin", agent="Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0)", mime="application/octet-stream", answer=494_000)  # fmt: skip
    c.hold(c.begin + 30, c.find(c.begin + 29, home_name(c, "tobbiz")), 3980, 260, pace=30.0)


# Name to hours and what it does; "flows" at the end: only conn is recorded.
BOTS: dict[str, tuple[float, Callable[[Capture], None]]] = {
    "emotet": (4, emotet),
    "emotet spam": (4, emotet_spam),
    "trickbot": (5, trickbot),
    "qakbot": (9, qakbot),
    "dridex": (1.5, dridex),
    "icedid": (4, icedid),
    "ursnif": (4, ursnif),
    "zeus gate": (7, zeus),
    "zeus flows": (1.5, zeus_flows),
    "smokeloader": (5, smokeloader),
    "amadey": (0.5, amadey),
    "socgholish netsupport": (3, socgholish),
    "cobalt strike 30%": (4, cobalt_strike),
    "cobalt strike 50%": (8, cobalt_strike_50),
    "cobalt strike dns": (4, cobalt_dns),
    "remcos": (1, remcos),
    "nanocore": (4, nanocore),
    "njrat dead": (0.7, njrat_dead),
    "darkcomet refused": (0.5, darkcomet_refused),
    "rat name gone": (0.5, rat_no_answer_name),
    "quasar": (0.09, quasar),
    "asyncrat flows": (3, asyncrat_flows),
    "empire": (2, empire),
    "sliver mtls": (4, sliver),
    "sliver https": (4, sliver_https),
    "dnscat2": (2, dnscat),
    "agent tesla mail": (0.09, agenttesla_mail),
    "snake ftp": (0.09, snake_ftp),
    "tesla telegram": (0.09, tesla_telegram),
    "redline": (0.09, redline),
    "lumma": (0.09, lumma),
    "vidar": (0.09, vidar),
    "formbook": (0.5, formbook),
    "guloader": (0.1, guloader),
}
