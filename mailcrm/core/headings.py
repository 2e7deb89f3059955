"""The headings that spreadsheets give their columns, in English, Polish and German, folded (``columns.fold``).

The prefixed ones ("Deal - Value") are those of Pipedrive's export and import sheets.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Field(StrEnum):
    """What a cell can be; a mapping file uses these words."""

    NAME = "name"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    EMAIL = "email"
    PHONE = "phone"
    ORGANIZATION = "organization"
    INDUSTRY = "industry"
    DOMAIN = "domain"
    TITLE = "title"
    VALUE = "value"
    CURRENCY = "currency"
    PIPELINE = "pipeline"
    STAGE = "stage"
    STATUS = "status"
    PERSON = "person"
    OWNER = "owner"
    TAGS = "tags"
    NOTE = "note"
    CREATED = "created"
    WON_TIME = "won_time"
    LOST_TIME = "lost_time"
    CLOSED = "closed"
    LOST_REASON = "lost_reason"


_WORDS: Final[dict[Field, str]] = {
    Field.NAME: "name | full name | display name | nazwa | imie i nazwisko | nazwisko i imie | vollstandiger name"
    " | vor und nachname",
    Field.FIRST_NAME: "first name | firstname | given name | forename | imie | vorname",
    Field.LAST_NAME: "last name | lastname | surname | family name | nazwisko | nachname | familienname",
    Field.EMAIL: "email | e mail | mail | email address | e mail address | email addresses | emails | e mails"
    " | adres email | adres e mail | adresy e mail | poczta | poczta elektroniczna | adres poczty elektronicznej"
    " | email adresse | e mail adresse | mailadresse | email value | e mail value",
    Field.PHONE: "phone | phone number | phone numbers | phones | telephone | tel | mobile | mobile phone | cell"
    " | cell phone | telefon | telefony | numer telefonu | nr telefonu | nr tel | komorka | telefon komorkowy"
    " | telefonnummer | rufnummer | handy | mobiltelefon | mobilnummer | phone value",
    Field.ORGANIZATION: "organization | organisation | company | company name | organization name | organisation name"
    " | account | account name | employer | firma | nazwa firmy | organizacja | nazwa organizacji | przedsiebiorstwo"
    " | kontrahent | klient | unternehmen | firmenname | name der organisation | kunde",
    Field.INDUSTRY: "industry | sector | branza | sektor | branche",
    Field.DOMAIN: "domain | domains | domain name | company domain name | website | web site | web | www | url"
    " | homepage | web page | domena"
    " | strona www | strona internetowa | strona | adres www | webseite | internetseite",
    Field.TITLE: "title | deal | deal title | deal name | lead | lead title | lead name | opportunity"
    " | opportunity name | subject | tytul | nazwa | szansa | szansa sprzedazy | nazwa szansy | transakcja"
    " | nazwa transakcji | temat | name | titel | bezeichnung | betreff",
    Field.VALUE: "value | amount | deal value | lead value | sum | price | wartosc | kwota | wartosc transakcji"
    " | wartosc szansy | cena | wert | betrag | summe | preis",
    Field.CURRENCY: "currency | currency of value | value currency | waluta | waluta wartosci | wahrung"
    " | wahrung des wertes",
    Field.PIPELINE: "pipeline | lejek | lejek sprzedazy",
    Field.STAGE: "stage | deal stage | stage pipeline | pipeline stage | etap | etap lejek | faza | phase | stufe",
    Field.STATUS: "status | deal status | state | stan",
    Field.PERSON: "person | person name | contact | contact name | contact person | primary contact | customer"
    " | osoba | osoba kontaktowa | kontakt | imie i nazwisko | kontaktperson | ansprechpartner",
    Field.OWNER: "owner | assigned to | assignee | sales rep | salesperson | responsible | wlasciciel | opiekun"
    " | handlowiec | przypisany do | odpowiedzialny | besitzer | eigentumer | zustandig | verantwortlich"
    " | verantwortlicher | owner name | owner email | contact owner | company owner | deal owner | lead owner",
    Field.TAGS: "tag | tags | label | labels | etykieta | etykiety | tagi | schlagworte | kennzeichnung"
    " | group membership",
    Field.NOTE: "note | notes | note content | comment | comments | notatka | notatki | uwagi | komentarz | opis"
    " | notiz | notizen | bemerkung | bemerkungen | kommentar",
    Field.CREATED: "created | created at | created on | date created | creation date | create date | add time"
    " | added | added on | person created | organization created | deal created | lead created | data utworzenia"
    " | utworzono | utworzona | data dodania | dodano | erstellt | erstellt am | erstellungsdatum | angelegt am",
    Field.WON_TIME: "won time | won on | won date | date won | data wygranej | wygrano | gewonnen am",
    Field.LOST_TIME: "lost time | lost on | lost date | date lost | data przegranej | przegrano | verloren am",
    Field.CLOSED: "closed | closed on | closed at | close date | deal closed on | date closed | data zamkniecia"
    " | zamknieto | geschlossen am | abschlussdatum",
    Field.LOST_REASON: "lost reason | loss reason | reason lost | powod przegranej | powod straty"
    " | przyczyna przegranej | verlustgrund",
}

_PERSON = {Field.NAME, Field.FIRST_NAME, Field.LAST_NAME, Field.EMAIL, Field.PHONE, Field.ORGANIZATION, Field.TAGS}
_COMMON = {Field.OWNER, Field.NOTE, Field.CREATED}
_TRADE = {Field.TITLE, Field.VALUE, Field.CURRENCY, Field.PERSON, Field.EMAIL, Field.PHONE, Field.ORGANIZATION}
_COURSE = {Field.PIPELINE, Field.STAGE, Field.STATUS, Field.WON_TIME, Field.LOST_TIME, Field.CLOSED, Field.LOST_REASON}

TARGETS: Final[dict[str, frozenset[Field]]] = {
    "persons": frozenset(_PERSON | _COMMON),
    "organizations": frozenset({Field.NAME, Field.EMAIL, Field.INDUSTRY, Field.DOMAIN} | _COMMON),
    "deals": frozenset(_TRADE | _COURSE | _COMMON),
    "leads": frozenset(_TRADE | _COMMON),
}
"""What each subject's rows can hold."""

NEEDED: Final[dict[str, tuple[frozenset[Field], str]]] = {
    "persons": (frozenset({Field.NAME, Field.FIRST_NAME, Field.LAST_NAME, Field.EMAIL}), "a name or e-mail address"),
    "organizations": (frozenset({Field.NAME}), "a name"),
    "deals": (frozenset({Field.TITLE}), "a title"),
    "leads": (frozenset({Field.TITLE}), "a title"),
}
"""Fields of which one must have a column, and how an error names them."""

LABELLED: Final = frozenset({Field.EMAIL, Field.PHONE})
"""Fields whose headings say of which kind the address or number is."""

NUMBERED: Final = LABELLED | {Field.ORGANIZATION, Field.DOMAIN}
"""Fields of which a sheet may have several columns, told apart by a number or a word: "Website 1 - Value"."""

LABELS: Final[dict[str, str]] = {
    word: label
    for label, words in {
        "work": "work business office sluzbowy sluzbowa praca firmowy firmowa biuro geschaftlich dienstlich arbeit",
        "home": "home private personal prywatny prywatna domowy domowa dom privat",
        "mobile": "mobile cell komorka komorkowy komorkowa mobil handy",
        "other": "other inny inna pozostale andere sonstige",
        "": "primary main default value glowny glowna podstawowy haupt",
    }.items()
    for word in words.split()
}
"""Words beside ``e-mail`` or ``phone`` and the label that they mean; "" for those that say nothing."""

ENTITIES: Final = {"persons": "person", "organizations": "organization", "deals": "deal", "leads": "lead"}

ENTITY_NAMES: Final[dict[str, str]] = {
    name: entity
    for entity, names in {
        "person": "person people contact osoba kontakt",
        "organization": "organization organisation organizacja company",
        "deal": "deal transakcja szansa geschaft",
        "lead": "lead",
    }.items()
    for name in names.split()
} | {"szansa sprzedazy": "deal", "potencjalny klient": "lead"}
"""What stands before the dash of a heading, and the record that it means."""


def _aliases(fields: frozenset[Field] | set[Field]) -> dict[str, Field]:
    found: dict[str, Field] = {}
    for field in _WORDS:
        if field in fields:
            for words in _WORDS[field].split(" | "):
                found.setdefault(words, field)
    return found


ALIASES: Final[dict[str, Mapping[str, Field]]] = {
    "persons": _aliases(TARGETS["persons"]) | {"person": Field.NAME, "osoba": Field.NAME},
    "organizations": _aliases(TARGETS["organizations"])
    | dict.fromkeys(_WORDS[Field.ORGANIZATION].split(" | "), Field.NAME),
    "deals": _aliases(TARGETS["deals"]),
    "leads": _aliases(TARGETS["leads"]),
}
"""Folded heading -> field, for headings without a prefix or with the subject's own."""

_NAMES: Final = _WORDS[Field.NAME].split(" | ")
_ORGANIZATION_OF: Final[Mapping[str, Field]] = dict.fromkeys(_NAMES, Field.ORGANIZATION)
_PERSON_OF_DEAL: Final[Mapping[str, Field]] = _aliases({Field.EMAIL, Field.PHONE, Field.ORGANIZATION}) | dict.fromkeys(
    _NAMES, Field.PERSON
)
FOREIGN: Final[dict[str, dict[str, Mapping[str, Field]]]] = {
    "persons": {"organization": _ORGANIZATION_OF},
    "organizations": {},
    "deals": {"person": _PERSON_OF_DEAL, "organization": _ORGANIZATION_OF},
    "leads": {"person": _PERSON_OF_DEAL, "organization": _ORGANIZATION_OF},
}
"""The same for headings with another record's prefix, such as ``Person - Email`` among deals."""

COMPUTED: Final = frozenset(
    {"update time", "last stage change", "next activity date", "last activity date", "last email received"}
    | {"last email sent", "total activities", "done activities", "activities to do", "email messages count"}
    | {"open deals", "closed deals", "won deals", "lost deals", "people", "visible to", "profile picture"}
    | {"weighted value", "currency of weighted value", "sequence enrollment", "archive status", "archive time"}
)
"""What Pipedrive counts or keeps for itself: left out unless the mapping asks for it."""
