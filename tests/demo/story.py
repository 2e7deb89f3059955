"""Who is in the story: a furniture maker's three reps, their customers, deals. Every name and text is made up."""

from __future__ import annotations

from dataclasses import dataclass

ANNA = "Anna Nowak <anna@firma.example>"
JAN = "Jan Lis <jan@firma.example>"
OLA = "Ola Wrona <ola@firma.example>"
DROP_BOX = "crm@firma.example"
REPS = {"anna": ANNA, "jan": JAN, "ola": OLA}

EWA = "Ewa Zielińska <ewa@drewmar.example>"
MAREK = "Marek Wójcik <marek@hotel-tatry.example>"
PRIYA = "Priya Shah <priya@northwind.example>"
TOMASZ = "Tomasz Kaczmarek <tomasz@biurplus.example>"
BEATA = "Beata Mazur <beata@szkola42.example>"
KRZYSZTOF = "Krzysztof Baran <k.baran@stolarnia-baran.example>"
HANNA = "Hanna Pawlak <hanna@cafe-pod-lipa.example>"
TOM = "Tom Field <tom.field@northwind.example>"
GRZEGORZ = "Grzegorz Pająk <g.pajak@eko-dom.example>"
DOROTA = "Dorota Sikora <dorota@dworek.example>"
ROBERT = "Robert Szulc <r.szulc@meblostyl.example>"
OLIVER = "Oliver Brandt <oliver@brandt-interiors.example>"

PERSONS_CSV = """Person - Name;Person - Email - Work;Person - Phone - Work;Person - Organization;Person - Owner;\
Person - Label
Ewa Zielińska;ewa@drewmar.example;+48 600 100 200;Drewmar Sp. z o.o.;Anna Nowak;hurt
Marek Wójcik;marek@hotel-tatry.example;+48 18 200 30 40;Hotel Tatry S.A.;Anna Nowak;vip
Priya Shah;priya@northwind.example;+44 20 7946 0000;Northwind Ltd;Jan Lis;vip
Tomasz Kaczmarek;tomasz@biurplus.example;;Biurplus Sp. z o.o.;Jan Lis;
Beata Mazur;beata@szkola42.example;;Szkoła nr 42;Ola Wrona;
"""
DEALS_CSV = """Deal - Title;Deal - Value;Deal - Currency of Value;Deal - Stage;Deal - Status;Deal - Contact person;\
Deal - Organization;Deal - Owner
Regały do magazynu;48 500,00;PLN;Offer;Open;Ewa Zielińska;Drewmar Sp. z o.o.;Anna Nowak
Krzesła do restauracji;36 000,00;PLN;Negotiation;Open;Marek Wójcik;Hotel Tatry S.A.;Anna Nowak
Łóżka do pokoi;120 000,00;PLN;Offer;Open;Marek Wójcik;Hotel Tatry S.A.;Anna Nowak
London office fit-out;85,000.00;GBP;Meeting;Open;Priya Shah;Northwind Ltd;Jan Lis
Biurka regulowane;22 400,00;PLN;Contacted;Open;Tomasz Kaczmarek;Biurplus Sp. z o.o.;Jan Lis
Biurka 2024;15 000,00;PLN;Offer;Won;Tomasz Kaczmarek;Biurplus Sp. z o.o.;Jan Lis
Ławki szkolne;64 000,00;PLN;Offer;Open;Beata Mazur;Szkoła nr 42;Ola Wrona
Szafki do szatni;31 000,00;PLN;New;Open;Beata Mazur;Szkoła nr 42;Ola Wrona
"""


@dataclass(frozen=True)
class Becomes:
    """What is to become of a letter.

    Args:
        kind: as ``mailcrm message list`` says it; "quarantine", or "not stored".
        persons: names of the persons it is linked to, in order of the alphabet.
        new: those of them whom this letter created.
        deal: title of the deal it is linked to.
        asked: its thread waits for the rep's answer.
    """

    kind: str
    persons: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    deal: str | None = None
    asked: bool = False


@dataclass(frozen=True)
class Scene:
    """One letter on its way into the mailboxes.

    Args:
        reps: whose mailboxes; none: it is handed in by LMTP, from ``envelope`` to the drop-box.
        folder: where the server or the rep's mail program puts it.
        remark: what is to be seen here.
    """

    name: str
    raw: bytes
    reps: tuple[str, ...]
    subject: str
    shown: str
    becomes: Becomes
    folder: str = "INBOX"
    remark: str = ""
    envelope: str = ""
    ago: int = 0


def human(*persons: str, new: tuple[str, ...] = (), deal: str | None = None, asked: bool = False) -> Becomes:
    """A letter that a person wrote."""
    return Becomes("human", persons, new, deal, asked)
