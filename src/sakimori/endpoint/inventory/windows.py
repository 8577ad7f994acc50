"""Names, builds and processors of Windows, in one spelling whatever the source wrote."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from sakimori.endpoint.inventory.record import Note, note

# Build -> (client, server, release of the client, release of the server). Source: Microsoft, "Windows
# 10 release information", "Windows 11 release information", "Windows Server release information",
# "Operating System Version". Builds that are not here keep only their number.
BUILDS: dict[int, tuple[str, str, str, str]] = {
    2195: ("Windows 2000", "Windows 2000 Server", "", ""),
    2600: ("Windows XP", "", "", ""),
    3790: ("Windows XP Professional x64 Edition", "Windows Server 2003", "", ""),
    6000: ("Windows Vista", "", "", ""),
    6001: ("Windows Vista", "Windows Server 2008", "", ""),
    6002: ("Windows Vista", "Windows Server 2008", "", ""),
    6003: ("", "Windows Server 2008", "", ""),
    7600: ("Windows 7", "Windows Server 2008 R2", "", ""),
    7601: ("Windows 7", "Windows Server 2008 R2", "", ""),
    9200: ("Windows 8", "Windows Server 2012", "", ""),
    9600: ("Windows 8.1", "Windows Server 2012 R2", "", ""),
    10240: ("Windows 10", "", "1507", ""),
    10586: ("Windows 10", "", "1511", ""),
    14393: ("Windows 10", "Windows Server 2016", "1607", "1607"),
    15063: ("Windows 10", "", "1703", ""),
    16299: ("Windows 10", "Windows Server", "1709", "1709"),
    17134: ("Windows 10", "Windows Server", "1803", "1803"),
    17763: ("Windows 10", "Windows Server 2019", "1809", "1809"),
    18362: ("Windows 10", "Windows Server", "1903", "1903"),
    18363: ("Windows 10", "Windows Server", "1909", "1909"),
    19041: ("Windows 10", "Windows Server", "2004", "2004"),
    19042: ("Windows 10", "Windows Server", "20H2", "20H2"),
    19043: ("Windows 10", "", "21H1", ""),
    19044: ("Windows 10", "", "21H2", ""),
    19045: ("Windows 10", "", "22H2", ""),
    20348: ("", "Windows Server 2022", "", "21H2"),
    22000: ("Windows 11", "", "21H2", ""),
    22621: ("Windows 11", "", "22H2", ""),
    22631: ("Windows 11", "", "23H2", ""),
    25398: ("", "Windows Server", "", "23H2"),
    26100: ("Windows 11", "Windows Server 2025", "24H2", "24H2"),
    26200: ("Windows 11", "", "25H2", ""),
}

# What localised systems call an edition -> English. Longer spellings first.
_EDITIONS = (
    (r"Édition Familiale Premium|Familiale? Premium|Домашняя расширенная|家庭高级版", "Home Premium"),
    (r"Édition Familiale Basique|Familiale? Basique|Домашняя базовая|家庭普通版", "Home Basic"),
    (r"Édition Starter|Начальная", "Starter"),
    (r"(?:Édition )?Intégrale|Максимальная|旗舰版|旗艦版", "Ultimate"),
    (r"Single Language|для одного языка|单语言版", "Single Language"),
    (r"Famille|Домашняя|家庭版|家用版|홈", "Home"),
    (r"家庭中文版", "Home China"),
    (r"Entreprise|Корпоративная|企业版|企業版|エンタープライズ|엔터프라이즈", "Enterprise"),
    (r"Professionnel|Profesional|Профессиональная|专业版|專業版|プロフェッショナル", "Professional"),
    (r"Éducation|教育版", "Education"),
    (r"标准版|標準版|スタンダード", "Standard"),
    (r"数据中心版|資料中心版", "Datacenter"),
)  # fmt: skip
_TRIAL = re.compile(
    r"(?i)\b(?:Ознакомительная версия|Version d'évaluation|Evaluierungsversion|Testversion"
    r"|Versión de evaluación|Versione di valutazione|Evaluatieversie)\b|評価版|评估版"
)
_MAKER = re.compile(r"(?i)^\s*(?:Microsoft|Майкрософт|マイクロソフト)(?:r(?=\s))?\s*")
_MARKS = re.compile(r"\((?:R|TM|C)\)|[®™©]", re.IGNORECASE)
# ® and ™ as the nearest letters of a code page that has neither
_FITTED = re.compile(r"\b(Windows|Server|Vista|Microsoft)[rT](?=\s|$)")
_BUILD = re.compile(r"(\d{1,2}\.\d{1,2})\.(\d{3,5})(?:\.(\d{1,5}))?")
_PACK = re.compile(r"(?i)(?:service\s*pack|サービス\s*パック|\bSP)\s*(\d)")
_LONGEST = 400  # characters of a name or version that are looked at
_ARCHITECTURES = (
    (r"arm64|aarch64", "arm64"),
    (r"itanium|ia-?64", "ia64"),
    (r"x64|amd64|x86[_-]64|em64t|64[- ]?(?:bit|разрядная|ビット|位)", "x64"),
    (r"x86|i[3-6]86|32[- ]?(?:bit|разрядная|ビット|位)", "x86"),
    (r"armv?\w*", "arm"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Version:
    """What a text such as "6.1.7601 Service Pack 1 Build 7601" says."""

    version: str
    build: str
    ubr: int | None
    service_pack: int


def version_of(text: str) -> Version | None:
    """Return version, build and service pack of a text; None where it has no such numbers.

    The service pack is 0 where none is named; a lone digit between version and build is one.
    """
    text = text[:_LONGEST]
    found = _BUILD.search(text)
    if found is None:
        return None
    pack = _PACK.search(text, found.end())
    build = found[2]
    if pack is None:
        lone = re.compile(rf"(?<![\d.])([1-6])(?![\d.]).*\b{build}\b")
        pack = lone.search(text, found.end())
    ubr = int(found[3]) if found[3] and found[3] != "0" else None
    return Version(f"{found[1]}.{build}", build, ubr, int(pack[1]) if pack else 0)


def architecture_of(text: str) -> str | None:
    """Return x86, x64, arm, arm64 or ia64 for what a source wrote; None where it names none."""
    for pattern, name in _ARCHITECTURES:
        if re.search(rf"(?i)(?<![a-z0-9]){pattern}(?![a-z0-9])", text):
            return name
    return None


def name_of(text: str, build: str | None) -> tuple[str | None, list[Note]]:
    """Return the name in English without its maker, and what had to be assumed.

    "Microsoftr Windows VistaT Enterprise" is "Windows Vista Enterprise". Without a name, the build gives
    the family. A name "Windows 10" on a build of Windows 11 is Windows 11: the registry keeps the old.
    """
    number = int(build) if build and build.isdigit() else 0
    plain = re.sub(
        r"\s+", " ", unicodedata.normalize("NFKC", _MARKS.sub("", text[:_LONGEST]))
    ).strip()
    name = _english(plain)
    if not name:
        client = BUILDS.get(number, ("", "", "", ""))[0] or BUILDS.get(number, ("", "", "", ""))[1]
        return (client or None), ([note("name-build", os=client, build=build)] if client else [])
    notes = [note("name", written=plain, os=name)] if name not in plain else []
    if number >= 22000 and re.match(r"Windows 10\b", name):
        name = name.replace("Windows 10", "Windows 11", 1)
        notes.append(note("eleven", build=build))
    return name, notes


def _english(text: str) -> str:
    name = _FITTED.sub(r"\1", _MAKER.sub("", text))
    trial = bool(_TRIAL.search(name))
    name = _TRIAL.sub(" ", name)
    for pattern, english in _EDITIONS:
        name = re.sub(rf"(?<!\w)(?:{pattern})(?!\w)", english, name)
    name = re.sub(r"\s+", " ", name).strip(" ,")
    if re.match(r"Windows (?:8|8\.1|1[01]) Professional\b", name):
        name = name.replace("Professional", "Pro", 1)
    return f"{name} Evaluation" if trial and name else name


def edition_of(name: str) -> str | None:
    """Return what follows the family in a name: "Enterprise N"; None where nothing does."""
    found = re.match(
        r"Windows (?:Server(?: \d{4}(?: R2)?)?|XP|Vista|2000|7|8\.1|8|10|11|NT 4\.0)\s+(.+)$", name
    )
    return found[1] if found else None


def release_of(name: str | None, build: str | None) -> str | None:
    """Return the release a build is known by ("22H2"); None where the build is not known."""
    known = BUILDS.get(int(build)) if build and build.isdigit() else None
    if known is None:
        return None
    return (known[3] if name and "Server" in name else known[2] or known[3]) or None
