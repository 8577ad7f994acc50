"""Clean hosts, as made-up captures; and what runs in the background of any host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _capture import BROWSER

from sakimori.detectors._peers import OWN_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from _capture import Capture

UPDATER, CHECKER = "Windows-Update-Agent/10.0", "Microsoft-CryptoAPI/10.0"
WORDS = ("north", "river", "cloud", "media", "shop", "daily", "green", "metric", "static", "photo",
         "news", "travel", "login", "video", "store", "market", "forum", "weather", "health", "bank",
         "sport", "track", "pixel", "search", "music", "office", "garden", "planet")  # fmt: skip


# Backgrounds


def site(capture: Capture) -> str:
    """Return one of some thousand sites' names."""
    first, second = capture.rng.choice(WORDS, 2)
    label = capture.rng.choice(["www", "api", "cdn", "static", "img", "ads"])
    return f"{label}.{first}{second}.example"


def page(capture: Capture, at: float) -> None:
    """Open a page: its site, and what it embeds, the odd one over plain HTTP."""
    main = f"www.{site(capture).split('.', 1)[1]}"
    if capture.rng.random() < 0.08:
        capture.http(at, main, "/")
        for n in range(capture.number(2, 8)):
            capture.http(
                at + 0.4 + n / 9, main, f"/img/{n}.png", mime="image/png", from_=f"http://{main}/"
            )
    else:
        capture.tls(at, main, sent=capture.size(4000), back=capture.size(80_000, 1))
    for n in range(capture.number(3, 12)):
        quic = capture.rng.random() < 0.25
        name = site(capture)
        if quic:
            sizes = {"sent": capture.size(4000), "back": capture.size(30_000, 1)}
            capture.conn(at + 0.5 + n / 10, capture.find(at, name), 443, proto="udp", service="quic", seconds=8.0, **sizes)  # fmt: skip
        else:
            capture.tls(at + 0.5 + n / 10, name)


def browsing(capture: Capture, per_hour: float = 20) -> None:
    """Open pages in some sittings."""
    for begin in capture.moments(max(1, int(capture.hours / 3))):
        at = begin
        for _ in range(int(per_hour * min(capture.hours, 3) / 2) + 3):
            at += float(capture.rng.exponential(60)) + 2
            page(capture, at)


def system(capture: Capture, services: int = 12) -> None:
    """Windows: checks of the network, time, certificates, updates, telemetry, push."""
    for at in capture.moments(2 + int(capture.hours)):
        capture.http(
            at,
            "www.netcheck.example",
            "/connecttest.txt",
            agent="Microsoft NCSI",
            answer=22,
            mime="text/plain",
        )
    for at in capture.moments(int(capture.hours) + 1):
        capture.http(at, f"ocsp.pki{capture.number(1, 5)}.example", "/MFEwTzBNMEs" + capture.text(8), agent=CHECKER, mime="application/ocsp-response", answer=471)  # fmt: skip
    for at in capture.timer(3600 * 4):
        capture.datagrams(at, capture.find(at, "time.maker.example"), 123, source=123, size=48)
    for at in capture.moments(3 + int(capture.hours / 2)):
        capture.tls(at, "update.maker.example", back=capture.size(40_000, 1.2))
        capture.http(at + 3, "dl.delivery.maker.example", f"/c/{capture.text(8)}.cab", agent=UPDATER, mime="application/vnd.ms-cab-compressed", answer=capture.size(300_000))  # fmt: skip
    hold_push(capture, "push.notify.maker.example")
    for n in range(services):
        maker = WORDS[n % len(WORDS)]
        name = f"telemetry{n}.{maker}soft.example"
        for at in capture.moments(1 + int(capture.rng.exponential(1.5 * capture.hours))):
            capture.tls(at, name, sent=capture.size(3000), back=capture.size(1500))


def hold_push(capture: Capture, name: str, port: int = 443) -> None:
    """Hold a push channel open; it breaks every some hours."""
    at = capture.begin + 20
    while at < capture.end - 60:
        seconds = float(capture.rng.uniform(3000, 12_000))
        flow = {"pace": 60.0, "seconds": min(seconds, capture.end - at)}
        capture.tls(at, name, port, **flow, sent=2000, back=5000, version="TLSv13")
        at += seconds + float(capture.rng.uniform(1, 30))


def sandbox(capture: Capture) -> None:
    """A freshly started virtual machine: a few checks and nothing else."""
    capture.http(capture.begin + 5, "www.netcheck.example", "/connecttest.txt", agent="Microsoft NCSI", answer=22, mime="text/plain")  # fmt: skip
    capture.datagrams(capture.begin + 9, capture.find(capture.begin + 8, "time.maker.example"), 123, source=123, size=48)  # fmt: skip
    for at in capture.moments(5):
        capture.tls(at, f"settings{capture.number(1, 3)}.data.maker.example")
    for at in capture.moments(2):
        capture.http(at, "ctldl.delivery.maker.example", "/msdownload/trusted.cab", agent=CHECKER, mime="application/vnd.ms-cab-compressed")  # fmt: skip


def quiet_gadget(capture: Capture) -> None:
    """A gadget in the home: time, one service of its maker."""
    for at in capture.timer(1024, 0.02):
        capture.datagrams(
            at, capture.find(at, "0.pool.ntp.example", ttl=3000), 123, source=123, size=48
        )
    for at in capture.timer(1800, 0.02):
        capture.tls(at, "api.gadget.example", sent=900, back=3000)


def desktop(capture: Capture) -> None:
    system(capture)
    browsing(capture)


# Clean hosts


def windows_day(c: Capture) -> None:
    system(c, services=60)
    browsing(c, 25)
    for at in c.timer(300, 0.02):  # a mail program that asks every five minutes
        c.tls(at, "imap.mailhost.example", 993, version="TLSv12", sent=700, back=3500)
    for at in c.timer(60, 0.1, 0.2, 0.7):  # a chat program's presence
        c.tls(at, "presence.chat.example", sent=900, back=700)
    for at in c.timer(3600, 0.01):  # an antivirus program
        c.http(at, "update.antivirus.example", "/v/base.ver", agent="AVUpdater/7.1", answer=180, mime="text/plain")  # fmt: skip


def linux_desktop(c: Capture) -> None:
    browsing(c, 15)
    for at in c.timer(2048, 0.01):
        for n in range(4):
            c.datagrams(at + n / 9, c.find(at, f"{n}.pool.ntp.example", ttl=9000), 123, size=48)
    for at in c.timer(300, 0.001):  # is there a portal in between?
        c.http(at, "connectivity-check.distro.example", "/", agent="", answer=0, status=204)
    for n, at in enumerate(c.moments(30, 0.2, 0.3)):
        c.http(at, "archive.distro.example", f"/pool/main/p{n}.deb", agent="Debian APT-HTTP/1.3", mime="application/vnd.debian.binary-package", answer=c.size(200_000))  # fmt: skip


def mac_desktop(c: Capture) -> None:
    browsing(c, 20)
    hold_push(c, "courier.fruit.example", 5223)
    for at in c.timer(900, 0.3):
        c.tls(at, f"gateway{c.number(1, 4)}.fruitcloud.example")
    for at in c.timer(3600):
        c.datagrams(at, c.find(at, "time.fruit.example"), 123, source=123, size=48)


def android_phone(c: Capture) -> None:
    hold_push(c, "mtalk.robot.example", 5228)
    for n in range(25):
        for at in c.moments(3 + int(c.rng.exponential(c.hours))):
            c.tls(at, f"api{n}.{WORDS[n % 28]}app.example")
    for at in c.timer(900, 0.05):  # an ad library and a weather widget on timers
        c.http(at, "widget.weathermaker.example", "/v2/now.json", agent="Dalvik/2.1.0 (Linux; Android 12)", mime="application/json")  # fmt: skip
    for at in c.moments(10):
        c.http(
            at, "connectivity.robot.example", "/generate_204", agent=BROWSER, answer=0, status=204
        )


def gamer(c: Capture) -> None:
    system(c)
    for at in c.moments(20):
        c.hold(at, c.address(), 27000 + c.number(15, 40), 600, pace=30.0)
    for _ in range(60):  # the list of servers
        c.datagrams(c.moment(0.1, 0.2), c.address(), 27015, answered=0.8, source=27005)
    c.conn(c.moment(0.25, 0.3), c.address(), 27015, proto="udp", seconds=3600.0, sent=9_000_000, back=22_000_000)  # fmt: skip
    voice = {"proto": "udp", "seconds": 5000.0, "sent": 12_000_000, "back": 20_000_000}
    c.conn(c.moment(0.1, 0.2), c.find(c.begin, "voice7.discuss.example"), 50012, **voice)
    hold_push(c, "gateway.discuss.example")


def video_calls(c: Capture) -> None:
    desktop(c)
    for at in c.moments(4):
        c.tls(at, "meet.calls.example")
        for _ in range(6):  # candidates that do not answer
            c.conn(at + 2, c.address(), c.number(30_000, 60_000), proto="udp", sent=400, back=0)
        c.conn(at + 3, c.find(at, "relay3.calls.example"), 3478, proto="udp", seconds=1800.0, sent=80_000_000, back=150_000_000)  # fmt: skip
        c.conn(at + 4, c.address(), 8801, proto="udp", seconds=1700.0, sent=10**7, back=10**8)


def torrents(c: Capture) -> None:
    for _ in range(900):
        port = 6881 if c.rng.random() < 0.05 else c.number(1025, 65_535)
        c.datagrams(c.moment(), c.address(), port, source=51_413, answered=0.6, size=250)
    for _ in range(250):
        works = c.rng.random() < 0.4
        flow = {"sent": c.size(60_000, 1.5), "back": c.size(900_000, 1.5), "seconds": 300.0}
        port = c.number(1025, 65_535) if c.rng.random() < 0.9 else 6881
        c.conn(c.moment(), c.address(), port, **(flow if works else {"state": "S0"}))
    for at in c.timer(1800):
        c.http(at, "tracker.sharing.example", "/announce", 6969, agent="Transmission/3.0", mime="text/plain", answer=300)  # fmt: skip


def skype(c: Capture) -> None:
    desktop(c)
    for _ in range(40):
        c.datagrams(c.moment(), c.address(), c.number(33_033, 33_034), source=41_822, answered=0.7)
    c.hold(c.begin + 60, c.address(), 443, 3600 * c.hours, pace=60.0)
    c.hold(c.begin + 70, c.address(), 12_350, 3600 * c.hours, pace=60.0)


def tor_browser(c: Capture) -> None:
    system(c, 5)
    for _ in range(3):
        name, guard = f"www.{c.text(14, 'abcdefghijklmnopqrstuvwxyz234567')}.com", c.address()
        port = int(c.rng.choice([9001, 443]))
        maker = f"CN=www.{c.text(12, 'abcdefghijklmnopqrstuvwxyz')}.com"
        c.tls(c.moment(0, 0.2), guard, port, hello=name, version="TLSv12", seconds=2400.0, sent=900_000, back=9_000_000, certificate=(f"CN=www.{c.text(13, 'abcdefghijklmnop')}.net", maker, 100, 250))  # fmt: skip


def vpn(c: Capture) -> None:
    system(c, 3)
    at = c.begin + 60
    c.conn(at, c.find(at, "nl4.tunnel.example"), 51_820, proto="udp", seconds=3500.0 * c.hours, sent=10**8, back=10**9)  # fmt: skip
    at += 30
    c.conn(at, c.find(at, "office.firm.example"), 1194, proto="tcp", seconds=3000.0 * c.hours, sent=10**7, back=10**8)  # fmt: skip


def developer(c: Capture) -> None:
    browsing(c, 15)
    for at in c.moments(3):
        c.hold(at, c.address(), 22, 3600, service="ssh", sent=90_000, back=400_000)
    for at in c.moments(30):
        c.tls(at, "git.code.example", sent=c.size(8000), back=c.size(400_000, 1))
        c.conn(at + 30, c.find(at, "ssh.code.example"), 22, service="ssh", sent=5000, back=30_000)
    for at in c.moments(10):
        c.tls(at, "files.packages.example", back=c.size(3_000_000))
        c.tls(at + 60, "registry.boxes.example", back=c.size(30_000_000))
    for at in c.timer(5, 0.02, 0.4, 0.45):  # a script that polls a test server
        c.http(at, "staging.firm.example", "/health", 8080, agent="curl/8.1", answer=15)


def web_developer(c: Capture) -> None:
    desktop(c)
    server = c.find(c.begin, "ftp.hoster.example")
    for at in c.moments(8):
        c.conn(at, server, 21, service="ftp", seconds=120.0, sent=900, back=2500)
        c.conn(at + 1, server, c.number(40_000, 50_000), sent=0, back=1800)
        for n in range(5):
            c.conn(at + 3 + n, server, c.number(40_000, 50_000), sent=c.size(20_000), back=0)


def camera(c: Capture) -> None:
    quiet_gadget(c)
    c.hold(
        c.begin + 30,
        c.find(c.begin, "mqtt.gadget.example"),
        8883,
        3600 * c.hours,
        pace=60.0,
        service="ssl",
    )
    for at in c.timer(600, 0.05):
        c.http(at, "stat.gadget.example", "/report.php", method="POST", agent="", body=400, answer=20, mime="application/json")  # fmt: skip
    for at in c.timer(25, 0.02):
        c.datagrams(at, c.find(at, "p2p1.gadget.example"), 32_100, source=14_000)


def television(c: Capture) -> None:
    quiet_gadget(c)
    for at in c.timer(60, 0.05):
        c.http(at, "log.adtv.example", "/v1/beacon", method="POST", agent="Mozilla/5.0 (SMART-TV; Linux)", body=600, answer=2)  # fmt: skip
    for at in c.moments(20):
        c.tls(at, f"occ{c.number(1, 4)}.films.example", back=c.size(90_000_000), seconds=400.0)
    c.conn(c.moment(0, 0.2), c.address(), 8080, seconds=5000.0, sent=60_000, back=1_500_000_000)


def thermostat(c: Capture) -> None:
    quiet_gadget(c)
    c.hold(
        c.begin + 9,
        c.find(c.begin, "broker.heating.example"),
        8883,
        3600 * c.hours,
        pace=60.0,
        service="ssl",
    )
    for at in c.timer(300, 0.01):
        c.http(
            at,
            "data.heating.example",
            "/api/upload",
            method="PUT",
            agent="heating/2.3",
            body=300,
            answer=2,
        )


def cheap_plug(c: Capture) -> None:
    """A gadget whose maker holds a TCP line on a port of its own, by name, and nothing else."""
    c.hold(
        c.begin + 15, c.find(c.begin + 14, "m2.plugmaker.example"), 7788, 3600 * c.hours, pace=20.0
    )
    for at in c.timer(3600):
        c.datagrams(at, c.find(at, "1.pool.ntp.example"), 123, source=123, size=48)


def music(c: Capture) -> None:
    desktop(c)
    c.hold(c.begin + 60, c.find(c.begin, "ap.tunes.example"), 4070, 3600 * c.hours, pace=60.0)
    for at in c.timer(200, 0.3):
        c.tls(at, "audio.tunes.example", back=c.size(3_000_000))
    for _ in range(20):
        c.conn(c.moment(), c.address(), c.number(1025, 65_535), state="S0")


def cloud_disk(c: Capture) -> None:
    desktop(c)
    for at in c.moments(120):
        c.tls(at, f"block{c.number(1, 3)}.clouddisk.example", sent=c.size(4_000_000), back=9000)
    for at in c.timer(60, 0.02):
        c.tls(at, "notify.clouddisk.example", sent=800, back=600)


def mail_client(c: Capture) -> None:
    system(c)
    for at in c.timer(600, 0.01):
        for server in ("imap.firm.example", "imap.mailhost.example"):
            c.tls(at, server, 993, version="TLSv12", sent=900, back=6000)
    for at in c.moments(12):
        c.mail(at, c.find(at, "smtp.firm.example"), 587, sent=c.size(30_000))


def monitor(c: Capture) -> None:
    """A monitoring server: fifty servers of customers, web and ports, each minute or five."""
    for n in range(50):
        name, period = f"www.customer{n}.example", 60 if n % 2 else 300
        for at in c.timer(period, 0.01):
            if n % 3:
                c.tls(at, name, sent=600, back=5000)
            else:
                c.http(at, name, "/", agent="check_http/v2.3 (monitoring-plugins)")
    for at in c.timer(60):
        c.conn(at, c.where("www.customer7.example")[0], 5666, sent=300, back=300)


def name_server(c: Capture) -> None:
    """A resolver that asks the world's name servers, and a time server."""
    for _ in range(3000):
        name = site(c)
        c.ask(c.moment(), name, server=c.where("ns." + name.split(".", 1)[1])[0])
    for n in range(4):
        for at in c.timer(1024, 0.001):
            c.datagrams(
                at, c.find(at, f"{n}.pool.ntp.example", ttl=10**6), 123, source=123, size=48
            )


def crawler(c: Capture) -> None:
    for _ in range(1500):
        name, at = f"www.{''.join(c.rng.choice(WORDS, 3))}.example", c.moment()
        if c.rng.random() < 0.07:
            c.ask(at, name, found=False)
        elif c.rng.random() < 0.4:
            c.http(at, name, "/robots.txt", agent="ExampleBot/2.1 (+http://bot.example)")
        else:
            c.tls(at, name)


def remote_desktop(c: Capture) -> None:
    desktop(c)
    c.conn(
        c.moment(0, 0.2),
        c.find(c.begin, "rdp.firm.example"),
        3389,
        seconds=9000.0,
        sent=2_000_000,
        back=80_000_000,
    )
    c.conn(c.moment(0, 0.2), c.address(), 5938, seconds=7000.0, sent=2_000_000, back=60_000_000)


def printer(c: Capture) -> None:
    for at in c.timer(86_400 / 6):
        c.tls(at, "register.printermaker.example", version="TLSv12", sent=1500, back=4000)
    for at in c.timer(3600, 0.01):
        c.datagrams(at, c.find(at, "time.printermaker.example"), 123, source=123, size=48)
    c.hold(
        c.begin + 5, c.find(c.begin, "xmpp.printermaker.example"), 5222, 3600 * c.hours, pace=120.0
    )


def voip_phone(c: Capture) -> None:
    for at in c.timer(60, 0.02):
        c.datagrams(at, c.find(at, "sip.telco.example"), 5060, source=5060, size=500)
    for at in c.moments(6):
        c.conn(
            at,
            c.address(),
            c.number(16_384, 32_000),
            proto="udp",
            seconds=200.0,
            sent=1_700_000,
            back=1_700_000,
        )


def bank_terminal(c: Capture) -> None:
    """A card terminal: TLS of its maker's own authority at a fixed address, each ten minutes."""
    host = c.address()
    maker = (
        "CN=host.payments.example,O=Payments Example",
        "CN=Terminal CA,O=Payments Example",
        400,
        3650,
    )
    for at in c.timer(600, 0.01):
        c.tls(at, host, 9443, version="TLSv12", certificate=maker, sent=900, back=1200, seconds=2.0)


def proxied_office(c: Capture) -> None:
    """All traffic by an inside proxy, CONNECT and absolute requests."""
    for at in c.moments(int(60 * c.hours)):
        name = site(c)
        row = c.conn(at, "10.0.0.9", 3128, service="http", seconds=5.0, sent=3000, back=40_000)
        c.rows["http"].append({**row, "method": "CONNECT", "host": name, "uri": f"{name}:443", "user_agent": BROWSER, "request_body_len": 0, "response_body_len": 0, "status_code": 200})  # fmt: skip
    for at in c.timer(120, 0.05):
        row = c.conn(at, "10.0.0.9", 3128, service="http", seconds=1.0, sent=900, back=800)
        c.rows["http"].append({**row, "method": "CONNECT", "host": "presence.chat.example", "uri": "presence.chat.example:443", "user_agent": "chat/4.2", "request_body_len": 0, "response_body_len": 0, "status_code": 200})  # fmt: skip


def stocks(c: Capture) -> None:
    """A trader's program: a quote line on a port of its own, by name, busy; its own address asked."""
    desktop(c)
    c.conn(
        c.begin + 90,
        c.find(c.begin, "quotes.broker.example"),
        4001,
        seconds=3500.0 * c.hours,
        sent=300_000,
        back=90_000_000,
    )
    c.http(c.begin + 80, OWN_ADDRESS[0], "/", agent="trader/3.1", answer=13)


def small_web(c: Capture) -> None:
    """A page in the background that asks for news by script each 15 s, plain HTTP."""
    desktop(c)
    for at in c.timer(15, 0.02, 0.3, 0.8):
        c.http(
            at,
            "www.scores.example",
            "/live.php",
            mime="application/json",
            from_="http://www.scores.example/",
        )


CLEAN: dict[str, tuple[float, Callable[[Capture], None]]] = {
    "windows day": (24, windows_day),
    "linux desktop": (8, linux_desktop),
    "mac": (10, mac_desktop),
    "android phone": (12, android_phone),
    "gamer": (5, gamer),
    "video calls": (6, video_calls),
    "torrents only": (4, torrents),
    "skype": (4, skype),
    "tor browser": (2, tor_browser),
    "vpn": (5, vpn),
    "developer": (8, developer),
    "web developer": (6, web_developer),
    "ip camera": (12, camera),
    "television": (8, television),
    "thermostat": (12, thermostat),
    "cheap plug": (6, cheap_plug),
    "music": (4, music),
    "cloud disk": (5, cloud_disk),
    "mail client": (8, mail_client),
    "monitoring server": (3, monitor),
    "name server": (3, name_server),
    "crawler": (1, crawler),
    "remote desktop": (5, remote_desktop),
    "printer": (24, printer),
    "voip phone": (8, voip_phone),
    "bank terminal": (12, bank_terminal),
    "proxied office": (8, proxied_office),
    "trader": (7, stocks),
    "live scores": (3, small_web),
}
FLOWS_TOO = ("windows day", "android phone", "torrents only", "ip camera", "video calls")
