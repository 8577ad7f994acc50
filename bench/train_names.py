"""Make the model of names (`names.bin`) from word lists.

    python bench/train_names.py WORDS... > src/sakimori/detectors/names.bin

Each file holds one word a line; the first counts double. The shipped model was made from Debian's
`wamerican` (first), `wspanish`, `wdutch`, `wpolish` and `wportuguese`: lists in the public domain or
under BSD, Apache or MPL terms. No list of domain names is read.

Counted are words, and what people make of words for a domain: two joined, with a web word before or
behind, clipped, initials, hyphens and numbers. Languages without a list are made from syllables:
Japanese, Chinese, Korean and Vietnamese in Latin letters, Slavic names, and compounds of common German,
Japanese, Swedish, Turkish, Finnish, Hungarian, French and Italian words.
"""

# ruff: noqa: SIM905

from __future__ import annotations

import random
import sys
import unicodedata
import zlib
from pathlib import Path

import numpy as np

from sakimori.detectors._names import ALPHABET, CAP, ORDER, SIZE, STEP

OF_EACH = 60_000  # words of a list: no language is drowned
LETTERS = {"ß": "ss", "ø": "o", "ł": "l", "æ": "ae", "œ": "oe", "đ": "d", "'": ""}
VOWELS = "aiueo"
WEB = """web online shop store tech soft info net blog cdn cloud ads ad media group app apps mail img
    static data hub lab labs pro plus my get go the best top free buy new hd tv radio game games play
    live news bank pay auto car home hotel tour travel photo video music forum center club team zone
    world city land max box link click track stat stats api dev ok mobi sport bet""".split()
JAPANESE = [
    o + v
    for o in " k s t n h m y r w g z d b p ky sh ch ny hy my ry gy j by py ts f".split(" ")
    for v in VOWELS
] + ["n", "n", "u"]
CHINESE = [
    i + f
    for i in "b p m f d t n l g k h j q x zh ch sh r z c s y w".split()
    for f in """a o e i u ai ei ao ou an en ang eng ong ia ie iao iu ian in iang ing iong ua uo uai
        ui uan un uang ue""".split()
]
KOREAN = [
    a + b + c
    for a in " g k n d t r m b s j ch h p".split(" ")
    for b in "a eo o u eu i ae e ya yeo yu".split()
    for c in "   n ng m l k".split(" ")
]
VIETNAMESE = [
    a + b + c
    for a in "b c ch d g gi h kh l m n ng nh ph qu s t th tr v x".split()
    for b in "a e i o u ay ai ao ie uo oi eu ua".split()
    for c in " n ng nh c t m ".split(" ")
]
SLAVIC = [
    a + b + c
    for a in """b v d g zh z k l m n p r s t f kh ch sh st pr kr tr vl gr dr sv br pl sk""".split()
    for b in "a e i o u ya".split()
    for c in "b v d k l m n r s t sk st zh ch rn l".split()
]
SLAVIC_ENDS = """ov ova ovo ski skiy skaya in ina ka ki nik niki ost stvo ny naya a y i o tsa enko sk
    grad mir dom""".split()
GERMAN = """haus bau stadt berg burg dorf feld wald wasser markt kauf handel werk zeug maschinen technik
    schule hoch tief recht anwalt arzt zahn praxis kranken versicherung verein gesellschaft schaft
    wirtschaft buch druck zeitung nachrichten reise flug hafen bahn hof strasse platz garten kueche moebel
    schrank holz stein glas metall schmuck uhren schuh kleid mode kinder jugend frauen maenner freund
    gesund heit pflege dienst leistung buero rechner netz werke strom gas heizung dach fenster tuer auto
    fahrrad rad sport fussball spiel freizeit musik kunst bild foto film essen trinken brot fleisch fisch
    wein bier gast stube wirt ferien wohnung immobilien makler steuer berater bank spar kasse geld finanz
    kredit arbeit beruf ausbildung wissen forschung umwelt schutz tier hund katze pferd vogel blumen
    fruehling sommer herbst winter nord sued ost west deutsch frank reich schweiz oester neu alt gross
    klein gut schoen schnell billig guenstig einkauf aufsicht rat amt gericht verwaltung verkehr
    zentrum verband gemeinde kirche fest hochzeit geschenk""".split()
SWEDISH = """hus bygg stad berg skog sjo vatten torg handel verk tyg maskin teknik skola hog lag ratt
    lakare tand sjuk vard forsakring forening bolag bok tidning nyheter resa flyg buss tag gata plats
    tradgard kok mobler skap tra sten glas smycken klocka skor klader mode barn ungdom kvinnor man van
    halsa tjanst kontor dator nat kraft el varme tak fonster dorr bil cykel sport fotboll spel fritid
    musik konst bild mat dryck brod kott fisk vin ol gast stuga semester bostad skatt bank pengar arbete
    yrke utbildning kunskap forskning miljo skydd djur hund katt hast fagel blommor kyrka fest brollop
    gava svensk norsk ny gammal stor liten god snabb billig sven son strom kvist gren lund""".split()
TURKISH = """ev is okul yol su dag deniz gol kent sehir koy pazar alis veris hizmet hizmetleri teknik makine
    insaat yapi emlak araba oto saglik hastane doktor dis hukuk avukat sigorta banka para kredi haber
    gazete kitap muzik film izle oyun spor futbol tatil otel gezi tur seyahat yemek ekmek et balik kahve
    cay giyim moda ayakkabi saat mucevher mobilya ahsap cam demir bilgisayar yazilim bilgi egitim
    ogrenci ogretmen universite kadin erkek cocuk genc aile dugun hediye cicek hayvan kedi kopek guzel
    yeni eski buyuk kucuk hizli ucuz guvenlik cozumleri nakliyat lik ler lar ci si turk istanbul ankara
    izmir bursa konya rehberi""".split()
JAPANESE_WORDS = """nihon nippon tokyo osaka kyoto nagoya yokohama kobe sapporo sendai fukuoka hiroshima hokkaido
    okinawa kyushu shikoku chiba saitama kanagawa shizuoka niigata nagano ginko shinbun shimbun sha kaisha
    kabushiki gakko daigaku gakuen gakuin koko byoin iin shika yakkyoku sogo sangyo kogyo shoji shoten
    shokai seisakusho kensetsu jutaku fudosan hoken keizai seiji bunka kagaku gijutsu kenkyu jo kyokai
    kai jin kan ken shi ku machi cho mura yama kawa gawa mori ki hara no ta da naka moto ishi matsu sugi
    take hayashi kobayashi tanaka suzuki sato takahashi watanabe ito yamamoto nakamura kato yoshida sasaki
    hoshi hana sakura umi sora kaze yuki ame hi tsuki mizu inu neko tori sakana niku gohan sushi ramen
    ryori tabemono nomimono sake ocha kissa onsen ryokan yado hotel tabi ryoko densha tetsudo eki kuruma
    jidosha hikoki kuko michi hon eiga ongaku anime manga geimu asobi omocha kodomo onna otoko kazoku
    tomodachi kenko iryo kaigo fukushi shigoto kyujin tenshoku shukatsu kakaku hikaku yasui tsuhan raku
    rakuten ichiba mizuho mitsubishi mitsui sumitomo toyota honda nissan hitachi toshiba panasonic matome
    sokuho joho sokuhou nyusu tenki yoho chizu jiten shosetsu burogu shinjuku shibuya ikebukuro ueno
    asakusa""".split()
FINNISH = """talo koti kaupunki kaupunkin kyla jarvi meri metsa vesi kauppa tori tyo palvelu palvelut tekniikka
    koulu yliopisto laki asianajaja laakari hammas sairaala vakuutus yhdistys seura pankki raha kirja lehti
    uutiset matka lento juna katu puisto keittio huonekalut lasi kello kengat vaatteet lapset nuoriso nainen
    terveys hoito toimisto tietokone verkko voima sahko lampo katto ikkuna ovi auto pyora urheilu peli
    musiikki taide kuva elokuva ruoka juoma leipa liha kala viini olut vieras loma asunto kiinteisto
    valitys suomi helsinki tampere turku oulu jyvaskyla kuopio uusi vanha iso pieni hyva kaunis nopea
    halpa linen sto nen lainen""".split()
HUNGARIAN = """haz lakas varos falu hegy erdo viz piac bolt kereskedelem munka szolgaltatas technika iskola
    egyetem jog ugyved orvos fogorvos korhaz biztosito egyesulet bank penz konyv ujsag hirek utazas repulo
    vonat utca ter kert konyha butor uveg ora cipo ruha gyerek ifjusag nok ferfi egeszseg iroda szamitogep
    halozat aram futes teto ablak ajto auto kerekpar sport jatek zene muveszet kep film etel ital kenyer
    hus hal bor sor vendeg szallas hely udules ingatlan kozvetito magyar budapest debrecen szeged uj regi
    nagy kis jo szep gyors olcso feluletkezeles epito gyar ozo szekes""".split()
ROMANCE = """maison chateau ville montagne bois eau marche vente achat travail travaux ecole droit avocat
    sante medecin dentiste assurance banque argent livre journal voyage vol gare rue place jardin cuisine
    meuble verre bijoux chaussures vetements mode enfants femmes homme amis bureau chauffage toit voiture
    velo jeux loisirs musique art image manger boire pain viande poisson vin biere vacances logement
    immobilier credit emploi formation recherche environnement chien chat cheval oiseau fleurs eglise
    mariage cadeau francais neuf vieux grand petit bon beau rapide casa citta montagna bosco acqua
    mercato vendita lavoro lavori scuola diritto avvocato salute medico assicurazione banca soldi libro
    giornale viaggio volo stazione strada piazza giardino cucina mobili vetro gioielli scarpe vestiti moda
    bambini donne uomo amici ufficio tetto macchina bicicletta giochi tempo musica arte immagine mangiare
    bere pane carne pesce vino birra vacanze appartamento agenzia credito formazione ricerca ambiente cane
    gatto cavallo uccello fiori chiesa matrimonio regalo italiano nuovo vecchio grande piccolo buono bello
    veloce gli degli della dei""".split()


def plain(word: str) -> str:
    """Return a word in the letters a domain name has."""
    text = "".join(LETTERS.get(letter, letter) for letter in word.lower())
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def read(path: str, rnd: random.Random) -> list[str]:
    """Return at most OF_EACH words of a list."""
    raw = Path(path).read_bytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("iso-8859-1")
    found = sorted(
        w for w in {plain(w) for w in text.split()}
        if w.isascii() and w.isalpha() and 2 < len(w) <= 16
    )  # fmt: skip
    return rnd.sample(found, min(OF_EACH, len(found)))


def of_parts(parts: list[str], sizes: tuple[int, int], count: int, rnd: random.Random) -> list[str]:
    """Return words of that many parts each."""
    return ["".join(rnd.choices(parts, k=rnd.randint(*sizes))) for _ in range(count)]


def languages(paths: list[str], rnd: random.Random) -> list[list[str]]:
    """Return a list of words for each language."""
    lists = [read(path, rnd) for path in paths]
    lists[0] = lists[0] * 2
    half = OF_EACH // 2
    lists.append(of_parts(JAPANESE, (2, 5), half, rnd))
    lists.append(of_parts(CHINESE, (1, 4), half, rnd))
    lists.append(of_parts(KOREAN, (2, 4), half // 2, rnd))
    lists.append(of_parts(VIETNAMESE, (2, 4), half // 2, rnd))
    lists.extend(of_parts(words, (1, 3), half, rnd) for words in (GERMAN, ROMANCE))
    lists.append(of_parts(JAPANESE_WORDS, (1, 3), half, rnd))
    smaller = (SWEDISH, TURKISH, FINNISH, HUNGARIAN)
    lists.extend(of_parts(words, (1, 3), half // 2, rnd) for words in smaller)
    lists.append(
        [
            rnd.choice(SLAVIC)
            + rnd.choice(["", rnd.choice("aoei") + rnd.choice(SLAVIC)])
            + rnd.choice(SLAVIC_ENDS)
            for _ in range(half)
        ]
    )
    return lists


def names(words: list[str], rnd: random.Random) -> list[str]:
    """Return what people make of words for a domain, the words included."""

    def one() -> str:
        return rnd.choice(words)

    def initials(low: int, high: int) -> str:
        return "".join(one()[0] for _ in range(rnd.randint(low, high)))

    n = len(words)
    return [
        *words,
        *(one() + one() for _ in range(n)),
        *(rnd.choice(WEB) + one() for _ in range(n // 4)),
        *(one() + rnd.choice(WEB) for _ in range(n // 4)),
        *(initials(2, 5) for _ in range(n // 8)),
        *(initials(2, 4) + one() for _ in range(n // 6)),
        *(one() + initials(2, 3) for _ in range(n // 10)),
        *(one()[: rnd.randint(2, 5)] + one()[: rnd.randint(2, 5)] for _ in range(n // 5)),
        *(one() + "^" + one() for _ in range(n // 6)),
        *(one() + "0" + rnd.choice([one(), rnd.choice(WEB)]) for _ in range(n // 10)),
    ]


def counted(texts: list[str]) -> np.ndarray:
    """Return how often each four characters follow one another."""
    at = np.full(256, SIZE - 1)
    for code, letter in enumerate(ALPHABET):
        at[ord(letter)] = code
    edge = "^" * (ORDER - 1)
    raw = np.frombuffer((edge + edge.join(t + "^" for t in texts)).encode(), dtype=np.uint8)
    codes = at[raw]
    last = len(codes) - ORDER + 1
    index = np.zeros(last, dtype=np.int64)
    for back in range(ORDER):
        index = index * SIZE + codes[back : last + back]
    # The edges before the next name are no characters to foretell.
    counts = index[(codes[ORDER - 1 :] != SIZE - 1) | (codes[ORDER - 2 : -1] != SIZE - 1)]
    return np.bincount(counts, minlength=SIZE**ORDER).reshape((SIZE,) * ORDER).astype(float)


def likelihood(counts: np.ndarray) -> np.ndarray:
    """Return the probability of each next character, shorter contexts filling in (Witten-Bell)."""
    found = np.full(SIZE, 1 / SIZE)
    for size in range(1, ORDER + 1):
        some = counts.sum(axis=tuple(range(ORDER - size)))
        weight = (some > 0).sum(axis=-1, keepdims=True) + 1
        found = (some + weight * found) / (some.sum(axis=-1, keepdims=True) + weight)
    return found


def main() -> None:
    rnd = random.Random(7)
    texts = [name for words in languages(sys.argv[1:], rnd) for name in names(words, rnd)]
    nats = np.minimum(-np.log(likelihood(counted(texts))), CAP)
    sys.stdout.buffer.write(zlib.compress(np.round(nats / STEP).astype(np.uint8).tobytes(), 9))


if __name__ == "__main__":
    main()
