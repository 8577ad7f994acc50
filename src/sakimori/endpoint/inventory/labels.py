"""The labels of systeminfo in the languages that were written down, by field.

Each is kept as Windows prints it; older spellings stand beside newer ones. They are facts of the
program's own output, from published outputs (English, French, Russian, part of the Japanese) and from
the words that the localised Windows uses elsewhere. A label that is not here is found by its place
and by the shape of what follows it.
"""

# ruff: noqa: RUF001 - words of many languages

from __future__ import annotations

import re
import unicodedata
from functools import cache

FIELDS = (
    "host", "os", "version", "installed", "booted", "type", "bios", "hotfixes", "cards", "memory",
    "owner", "model",
)  # fmt: skip

_EN = {
    "host": ("Host Name",),
    "os": ("OS Name",),
    "version": ("OS Version",),
    "installed": ("Original Install Date",),
    "booted": ("System Boot Time", "System Up Time"),
    "type": ("System Type",),
    "bios": ("BIOS Version",),
    "hotfixes": ("Hotfix(s)", "Hotfixes"),
    "cards": ("Network Card(s)",),
    "memory": ("Total Physical Memory",),
    "owner": ("Registered Owner",),
    "model": ("System Model",),
}
_JA = {
    "host": ("ホスト名",),
    "os": ("OS 名", "OS の名前"),
    "version": ("OS バージョン", "OS のバージョン"),
    "installed": ("最初のインストール日付", "最初のインストール日", "元のインストール日"),
    "booted": (
        "システム起動時間",
        "システム ブート時間",
        "システム稼働時間",
        "システム アップ時間",
    ),
    "type": ("システムの種類", "システム タイプ"),
    "bios": ("BIOS バージョン", "BIOS のバージョン"),
    "hotfixes": ("ホットフィックス", "ホットフィックス(s)", "修正プログラム"),
    "cards": ("ネットワーク カード", "ネットワーク カード(s)"),
    "memory": ("物理メモリの合計",),
    "owner": ("登録されている所有者",),
    "model": ("システム モデル",),
}
_DE = {
    "host": ("Hostname",),
    "os": ("Betriebssystemname",),
    "version": ("Betriebssystemversion",),
    "installed": ("Ursprüngliches Installationsdatum",),
    "booted": ("Systemstartzeit", "Systembetriebszeit"),
    "type": ("Systemtyp",),
    "bios": ("BIOS-Version",),
    "hotfixes": ("Hotfix(e)", "Hotfix(es)", "Hotfixes"),
    "cards": ("Netzwerkkarte(n)",),
    "memory": ("Gesamter physischer Speicher", "Gesamter physikalischer Speicher"),
    "owner": ("Registrierter Benutzer", "Registrierter Besitzer"),
    "model": ("Systemmodell",),
}
_FR = {
    "host": ("Nom de l'hôte",),
    "os": ("Nom du système d'exploitation",),
    "version": ("Version du système", "Version du système d'exploitation"),
    "installed": ("Date d'installation originale",),
    "booted": ("Heure de démarrage du système", "Temps d'activité système"),
    "type": ("Type du système",),
    "bios": ("Version du BIOS",),
    "hotfixes": ("Correctif(s)",),
    "cards": ("Carte(s) réseau",),
    "memory": ("Mémoire physique totale",),
    "owner": ("Propriétaire enregistré",),
    "model": ("Modèle du système",),
}
_ES = {
    "host": ("Nombre de host", "Nombre del host"),
    "os": ("Nombre del sistema operativo",),
    "version": ("Versión del sistema operativo",),
    "installed": ("Fecha de instalación original",),
    "booted": ("Tiempo de arranque del sistema", "Tiempo de actividad del sistema"),
    "type": ("Tipo de sistema",),
    "bios": ("Versión del BIOS",),
    "hotfixes": ("Revisión(es)", "Revisiones"),
    "cards": ("Tarjeta(s) de red",),
    "memory": ("Cantidad total de memoria física", "Memoria física total"),
    "owner": ("Propiedad de", "Propietario registrado"),
    "model": ("Modelo el sistema", "Modelo del sistema"),
}
_IT = {
    "host": ("Nome host",),
    "os": ("Nome SO",),
    "version": ("Versione SO",),
    "installed": ("Data di installazione originale",),
    "booted": ("Tempo di avvio sistema", "Tempo di funzionamento sistema"),
    "type": ("Tipo sistema",),
    "bios": ("Versione BIOS",),
    "hotfixes": ("Aggiornamenti rapidi", "Hotfix"),
    "cards": ("Schede di rete",),
    "memory": ("Memoria fisica totale",),
    "owner": ("Proprietario registrato",),
    "model": ("Modello sistema",),
}
_NL = {
    "host": ("Hostnaam",),
    "os": ("Naam van besturingssysteem", "Besturingssysteem"),
    "version": ("Versie van besturingssysteem", "Besturingssysteemversie"),
    "installed": ("Oorspronkelijke installatiedatum",),
    "booted": ("Opstarttijd van systeem", "Systeemopstarttijd"),
    "type": ("Type systeem", "Systeemtype"),
    "bios": ("BIOS-versie",),
    "hotfixes": ("Hotfix(es)", "Hotfix(en)"),
    "cards": ("Netwerkkaart(en)",),
    "memory": ("Totaal fysiek geheugen",),
    "owner": ("Geregistreerde eigenaar",),
    "model": ("Systeemmodel",),
}
_RU = {
    "host": ("Имя узла",),
    "os": ("Название ОС",),
    "version": ("Версия ОС",),
    "installed": ("Дата установки",),
    "booted": ("Время загрузки системы", "Время работы системы"),
    "type": ("Тип системы",),
    "bios": ("Версия BIOS",),
    "hotfixes": ("Исправление(я)", "Исправления"),
    "cards": ("Сетевые адаптеры",),
    "memory": ("Полный объем физической памяти",),
    "owner": ("Зарегистрированный владелец",),
    "model": ("Модель системы",),
}
_ZH = {
    "host": ("主机名", "主機名稱"),
    "os": ("OS 名称", "作業系統名稱"),
    "version": ("OS 版本", "作業系統版本"),
    "installed": ("初始安装日期", "原始安裝日期"),
    "booted": ("系统启动时间", "系統開機時間"),
    "type": ("系统类型", "系統類型"),
    "bios": ("BIOS 版本",),
    "hotfixes": ("修补程序", "修正程式", "Hotfix"),
    "cards": ("网卡", "網路卡"),
    "memory": ("物理内存总量", "實體記憶體總計"),
    "owner": ("注册的所有人", "註冊擁有者"),
    "model": ("系统型号", "系統型號"),
}
_PT = {
    "host": ("Nome do host", "Nome do anfitrião"),
    "os": ("Nome do sistema operacional", "Nome do SO", "Nome do sistema operativo"),
    "version": ("Versão do sistema operacional", "Versão do SO", "Versão do sistema operativo"),
    "installed": ("Data da instalação original", "Data de instalação original"),
    "booted": ("Tempo de Inicialização do Sistema", "Hora de arranque do sistema"),
    "type": ("Tipo de sistema",),
    "bios": ("Versão do BIOS",),
    "hotfixes": ("Hotfix(es)", "Correção(ões)"),
    "cards": ("Placa(s) de Rede", "Adaptador(es) de rede"),
    "memory": ("Memória física total",),
    "owner": ("Proprietário registrado", "Proprietário registado"),
    "model": ("Modelo do sistema",),
}
_PL = {
    "host": ("Nazwa hosta",),
    "os": ("Nazwa systemu operacyjnego",),
    "version": ("Wersja systemu operacyjnego",),
    "installed": ("Pierwotna data instalacji", "Data pierwotnej instalacji"),
    "booted": ("Czas rozruchu systemu", "Czas działania systemu"),
    "type": ("Typ systemu",),
    "bios": ("Wersja systemu BIOS",),
    "hotfixes": ("Poprawki",),
    "cards": ("Karty sieciowe",),
    "memory": ("Całkowita pamięć fizyczna",),
    "owner": ("Zarejestrowany właściciel",),
    "model": ("Model systemu",),
}
_KO = {
    "host": ("호스트 이름",),
    "os": ("OS 이름",),
    "version": ("OS 버전",),
    "installed": ("원래 설치 날짜",),
    "booted": ("시스템 부트 시간", "시스템 가동 시간"),
    "type": ("시스템 종류",),
    "bios": ("BIOS 버전",),
    "hotfixes": ("핫픽스",),
    "cards": ("네트워크 카드",),
    "memory": ("총 실제 메모리",),
    "owner": ("등록된 소유자",),
    "model": ("시스템 모델",),
}
LABELS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": _EN, "ja": _JA, "de": _DE, "fr": _FR, "es": _ES, "it": _IT, "nl": _NL, "ru": _RU,
    "zh": _ZH, "pt": _PT, "pl": _PL, "ko": _KO,
}  # fmt: skip

_SPACES = re.compile(r"\s+")
_PLURAL = re.compile(r"\(\w{1,5}\)$")


def normal(text: str) -> str:
    """Return text as labels are compared: NFKC, lower case, one kind of apostrophe, no plural mark."""
    plain = unicodedata.normalize("NFKC", text).replace("\u2019", "'").casefold()
    return _PLURAL.sub("", _SPACES.sub(" ", plain).strip()).rstrip()


@cache
def meanings() -> dict[str, tuple[tuple[str, str], ...]]:
    """Return the fields and languages each normal label stands for: {label: ((field, language),)}."""
    found: dict[str, list[tuple[str, str]]] = {}
    for language, fields in LABELS.items():
        for name, spellings in fields.items():
            for spelling in spellings:
                found.setdefault(normal(spelling), []).append((name, language))
    return {label: tuple(which) for label, which in found.items()}
