"""When two spellings of a company's name are one company."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LEGAL_FORMS = (
    "spolka z ograniczona odpowiedzialnoscia",
    "spolka akcyjna",
    "spolka jawna",
    "spolka komandytowa",
    "spolka cywilna",
    "sp z o o sp k",
    "sp z o o",
    "spolka z o o",
    "sp zoo",
    "sp j",
    "sp k",
    "s a",
    "s c",
    "p s a",
    "gmbh co kg",
    "gmbh und co kg",
    *(
        "gmbh",
        "mbh",
        "ug",
        "ag",
        "kg",
        "ohg",
        "e k",
        "ev",
        "e v",
        "se",
        "sa",
        "sc",
        "psa",
        "spa",
        "s p a",
        "srl",
        "s r l",
    ),
    *(
        "ltd",
        "limited",
        "plc",
        "llc",
        "llp",
        "inc",
        "incorporated",
        "corp",
        "corporation",
        "co",
        "company",
        "bv",
        "b v",
    ),
    *("nv", "n v", "ab", "oy", "as", "a s", "aps", "s r o", "sro", "kft", "zrt", "sarl", "sas", "eood", "ood", "uab"),
)
_ENDING = re.compile(rf"(?:\s(?:{'|'.join(sorted(_LEGAL_FORMS, key=len, reverse=True))}))+$")


@lru_cache(20_000)
def company_key(name: str) -> str:
    """The form by which company names are compared: no case, accents, punctuation or legal form.

    ``"ACME Sp. z o.o."``, ``"Acme spółka z o.o."`` and ``"acme"`` are one. A name that is nothing but a legal form
    keeps it; one without letters or digits is compared as it stands.
    """
    text = unicodedata.normalize("NFKD", name.casefold().replace("ł", "l").replace("&", " "))
    text = "".join(c for c in text if not unicodedata.combining(c))
    words = " ".join(re.findall(r"[^\W_]+", text))
    return _ENDING.sub("", words) or words or name.strip()
