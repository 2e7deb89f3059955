"""The new words of a reply, without history and signature."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.reply import trim

NEW = "Dzień dobry,\n\nbierzemy 20 sztuk.\n\nJan"
OLD = "Dzień dobry,\nprzesyłam ofertę: 100 zł.\nAnna"
QUOTED = "\n".join(f"> {line}" for line in OLD.split("\n"))

ATTRIBUTIONS = (
    "W dniu 3.11.2026 o 12:00, Anna Nowak pisze:",
    "W dniu wt., 3 lis 2026 o 12:00 Anna Nowak <anna@firma.example> napisał(a):",
    "wt., 3 lis 2026 o 12:00 Anna Nowak <anna@firma.example> napisał(a):",
    "Dnia 3 listopada 2026 12:00 Anna Nowak <anna@firma.example> napisał(a):",
    "W dniu 2026-11-03 12:00:00 użytkownik Anna Nowak <anna@firma.example> napisał:",
    "Wiadomość napisana przez Anna Nowak <anna@firma.example> w dniu 3 lis 2026, o godz. 12:00:",
    "On Tue, Nov 3, 2026 at 12:00 PM Anna Nowak <anna@firma.example> wrote:",
    "On 2026-11-03 12:00, Anna Nowak wrote:",
    "On Tue, Nov 3, 2026 at 12:00 PM Anna Nowak <anna.maria.nowak@bardzo-dluga-nazwa.example>\nwrote:",
    "On Tuesday, November 3rd, 2026 at 12:00 PM, Anna Nowak <anna@firma.example> wrote:",
    "Am 03.11.26 um 12:00 schrieb Anna Nowak:",
    "Am Di., 3. Nov. 2026 um 12:00 Uhr schrieb Anna Nowak <\nanna@firma.example>:",
    "Le 03/11/2026 à 12:00, Anna Nowak a écrit :",
    "Le mar. 3 nov. 2026 à 12:00, Anna Nowak <anna@firma.example> a écrit :",
    "El mar, 3 nov 2026 a las 12:00, Anna Nowak (<anna@firma.example>) escribió:",
    "Il giorno mar 3 nov 2026 alle ore 12:00 Anna Nowak <anna@firma.example> ha scritto:",
    "Op di 3 nov 2026 om 12:00 schreef Anna Nowak <anna@firma.example>:",
    "Em ter., 3 de nov. de 2026 às 12:00, Anna Nowak <anna@firma.example> escreveu:",
    "Dne 3. 11. 2026 v 12:00 Anna Nowak napsal(a):",
    "вт, 3 нояб. 2026 г. в 12:00, Anna Nowak <anna@firma.example>:",
    "03.11.2026 12:00, Anna Nowak пишет:",
    "вт, 3 лист. 2026 р. о 12:00 Anna Nowak <anna@firma.example> пише:",
    "Den tis 3 nov. 2026 kl 12:00 skrev Anna Nowak <anna@firma.example>:",
    "Anna Nowak <anna@firma.example> wrote:",
)


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_attribution_and_quoted_lines_go(attribution: str) -> None:
    assert trim(f"{NEW}\n\n{attribution}\n{QUOTED}\n") == NEW


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_unmarked_history_below_an_attribution_goes(attribution: str) -> None:
    assert trim(f"{NEW}\n\n{attribution}\n\n{OLD}\n") == NEW


HEADERS = (
    ("From", "Sent", "To", "Subject", "Tuesday, November 3, 2026 12:00 PM"),
    ("Od", "Wysłano", "Do", "Temat", "wtorek, 3 listopada 2026 12:00"),
    ("Von", "Gesendet", "An", "Betreff", "Dienstag, 3. November 2026 12:00"),
    ("De ", "Envoyé ", "À ", "Objet ", "mardi 3 novembre 2026 12:00"),
    ("De", "Enviado", "Para", "Asunto", "martes, 3 de noviembre de 2026 12:00"),
    ("Da", "Inviato", "A", "Oggetto", "martedì 3 novembre 2026 12:00"),
    ("Van", "Verzonden", "Aan", "Onderwerp", "dinsdag 3 november 2026 12:00"),
    ("Od", "Odesláno", "Komu", "Předmět", "úterý 3. listopadu 2026 12:00"),
    ("От", "Отправлено", "Кому", "Тема", "3 ноября 2026 г. 12:00"),
    ("*From", "*Sent", "*To", "*Subject", "* Tuesday, November 3, 2026 12:00 PM"),
)


@pytest.mark.parametrize(
    "rule", ["", "_" * 32 + "\n", "-----Original Message-----\n", "-----Wiadomość oryginalna-----\n"]
)
@pytest.mark.parametrize("names", HEADERS)
def test_outlooks_header_block_ends_the_new_text(names: tuple[str, ...], rule: str) -> None:
    of, sent, to, about, date = names
    block = f"{of}: Anna Nowak <anna@firma.example>\n{sent}: {date}\n{to}: Jan <jan@klient.example>\n{about}: Oferta"
    assert trim(f"{NEW}\n\n{rule}{block}\n\n{OLD}") == NEW


@pytest.mark.parametrize(
    "separator",
    ["-----Original Message-----", "-----Ursprüngliche Nachricht-----", "-------- Message d'origine --------"],
)
def test_separators_alone(separator: str) -> None:
    assert trim(f"{NEW}\n\n{separator}\n{OLD}") == NEW


def test_signature_and_mobile_line_go() -> None:
    assert trim("Tak.\n\n-- \nJan Kowalski\ntel. 600\n") == "Tak."
    assert trim("Tak.\n\n--\nJan\n\nW dniu 3.11.2026 Anna pisze:\n> x\n") == "Tak."
    assert trim("Tak.\n\nWysłane z iPhone'a\n") == "Tak."
    assert trim("Yes.\n\nSent from my Samsung Galaxy smartphone.\n\nOn 3 Nov 2026 Anna wrote:\n> x\n") == "Yes."
    assert trim("Ja.\n\nVon meinem iPhone gesendet") == "Ja."


def test_answers_between_quoted_lines_are_kept() -> None:
    text = "W dniu 3.11.2026 Anna pisze:\n> Ile sztuk?\n20\n\n> Kiedy?\nW piątek.\n> Anna\n"
    assert trim(text) == "20\n\nW piątek."


def test_prose_is_left_alone() -> None:
    for text in (
        "Ceny: 100 zł.\nTermin: piątek.",
        "As John wrote: we buy.",
        "Temat: oferta\nproszę o telefon",
        "a -- b\n--- c",
        "From: Kraków\nthe road is long",
        "Lista:\n- jeden\n- dwa\n\n- trzy",
    ):
        assert trim(text) == text


def test_history_alone_is_not_trimmed_to_nothing() -> None:
    assert trim(f"On Tue, Nov 3, 2026 Anna wrote:\n\n{OLD}").endswith(OLD)
    assert trim("> a\n> b\n") == ""
    assert trim("") == ""


@settings(max_examples=100)
@given(st.text(max_size=300))
def test_never_raises_and_never_adds(text: str) -> None:
    assert len(trim(text)) <= len(text)


@pytest.mark.parametrize(
    "unit", ["x", "> ", "\n", "On 1 wrote:\n", "From: a\n", "-", "_", ":", "\u00a0", "a:\n\n", "-- \n"]
)
def test_hostile_text_takes_no_time(unit: str) -> None:
    text = unit * (3_000_000 // len(unit))
    start = time.perf_counter()
    trim(text)
    assert time.perf_counter() - start < 1
