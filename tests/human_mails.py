"""People's mail that is easily mistaken for a machine's: made from our own sentences, the same for one seed."""

# ruff: noqa: E501  lines of mail stand as they are sent

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from mailcrm.core.model import Address, Message

SUBJECTS = {
    "pl": """Oferta na 20 krzeseł|Umowa nr 17/2026|Spotkanie w czwartek|Niedostarczona paczka|Urlop w przyszłym tygodniu
        |Nieobecność na spotkaniu|Automatyczna odpowiedź w Outlooku - jak ustawić?|Poza biurem w piątek|Zwrot towaru
        |Wypisanie dokumentów|Rezygnacja z dostawy|Odpowiedź automatyczna nie działa|Autoresponder na stronie|Dzień dobry""",
    "en": """Offer for 20 chairs|Undelivered parcel 88123|Returned goods|Delivery failure of our courier|Out of office next week
        |Automatic reply settings|Our automatic response times are bad|Vacation policy question|Away from Friday|Question
        |Failure notice period|Delivery report for October|Postmaster job opening|Undeliverable goods|Hello|""",
    "de": """Angebot für 20 Stühle|Abwesenheit am Freitag|Urlaub im August|Automatische Antwort einrichten|Unzustellbare Ware
        |Rücksendung der Ware|Zustellung fehlgeschlagen? Paket 12|Abmeldung vom Kurs am Montag|Lieferung am 3.12.|Frage""",
    "fr": "Devis pour 20 chaises|Absence vendredi|Réponse automatique mal configurée|Congés d'été|Livraison non remise|",
    "es": "Oferta para 20 sillas|Vacaciones en agosto|Respuesta automática del formulario|Pregunta",
    "it": "Offerta per 20 sedie|Ferie ad agosto|Risposta automatica del modulo|Domanda",
    "nl": "Offerte voor 20 stoelen|Vakantie in augustus|Automatisch antwoord instellen|Vraag",
    "cs": "Nabídka na 20 židlí|Dovolená v srpnu|Automatická odpověď ve formuláři|Dotaz",
    "ru": "Предложение на 20 стульев|Отпуск в августе|Автоответ на сайте|Вопрос",
    "sv": "Offert på 20 stolar|Semester i augusti|Autosvar på webben|Fråga",
}
SENTENCES = {
    "pl": """dziękuję za wiadomość, proszę o telefon jutro po 10.|Jestem na urlopie od poniedziałku, więc spotkajmy się wcześniej.
        |Będę poza biurem w piątek, ale w poniedziałek mogę rozmawiać.|Dostałem od Państwa automatyczną odpowiedź, czy ktoś to czytał?
        |Paczka nie została dostarczona, kurier napisał, że adresat nieznany.|Proszę o ofertę na 20 sztuk z dostawą do Krakowa.
        |Moja skrzynka jest pełna ofert, ale Państwa mi się podoba.|Czy mogę się wypisać z jednego szkolenia i zapisać na inne?
        |W sprawach pilnych proszę dzwonić do mnie na komórkę.|Wracam 27 listopada z delegacji i wtedy podpiszemy umowę.
        |To nie jest automatyczna odpowiedź, naprawdę czekam na telefon.|Proszę nie wysyłać towaru przed piątkiem.
        |Jak ustawić autoresponder na czas nieobecności?|Rezygnuję z wariantu drugiego, biorę pierwszy.|Usuń proszę punkt trzeci.""",
    "en": """thank you for your message, could you call me tomorrow?|I will be out of the office next week, so let us meet before that.
        |We got your automatic reply twice, is the form broken?|The parcel came back, the courier says the address does not exist.
        |Please send me an offer for 20 pieces, delivery to Leeds.|My mailbox is full of offers, but yours is the best.
        |How do I unsubscribe our users from the newsletter module?|In urgent cases please call my mobile.
        |I am back on 27 November and we can sign then.|Could your tool send an out of office message by itself?
        |Please do not deliver before Friday.|Stop by our office any time.|Remove the third item from the offer, please.
        |The vacation responder of our old system says "I am out of office" to everyone.|No more delays, please.""",
    "de": """vielen Dank für Ihre Nachricht, bitte rufen Sie mich morgen an.|Nächste Woche bin ich im Urlaub, treffen wir uns vorher.
        |Das Paket war unzustellbar, Empfänger unbekannt verzogen.|Ich habe Ihre automatische Antwort erhalten, wer liest das?
        |Bitte senden Sie mir ein Angebot über 20 Stück.|Ich muss mich für Freitag leider abmelden, können wir Montag sprechen?
        |In dringenden Fällen bin ich mobil erreichbar.|Am 27. November bin ich wieder im Büro, dann unterschreiben wir.
        |Bitte liefern Sie nicht vor Freitag.|Keine weiteren Fragen von mir.""",
    "fr": """merci de votre message, pouvez-vous m'appeler demain ?|Je serai absent vendredi, voyons-nous jeudi.
        |Le colis n'a pas été remis, adresse inconnue.|J'ai reçu votre réponse automatique, qui la lit ?
        |Merci de m'envoyer un devis pour 20 pièces.|Ne livrez pas avant vendredi, s'il vous plaît.""",
    "es": """gracias por su mensaje, ¿puede llamarme mañana?|La próxima semana estoy de vacaciones, hablemos antes.
        |El paquete no se pudo entregar.|Envíeme una oferta de 20 piezas, por favor.|No me envíe el segundo modelo.""",
    "it": """grazie del messaggio, può chiamarmi domani?|La settimana prossima sono in ferie, sentiamoci prima.
        |Il pacco è tornato indietro.|Mi mandi un'offerta per 20 pezzi.|Non voglio il secondo modello.""",
    "nl": """dank voor uw bericht, kunt u mij morgen bellen?|Volgende week ben ik met vakantie, kunnen we eerder afspreken?
        |Het pakket was onbestelbaar.|Stuurt u mij een offerte voor 20 stuks.|Geen haast.""",
    "cs": """děkuji za zprávu, můžete mi zítra zavolat?|Příští týden mám dovolenou.|Balík nebyl doručen.|Pošlete mi nabídku.""",
    "ru": """спасибо за письмо, позвоните мне завтра.|На следующей неделе я в отпуске, давайте встретимся раньше.
        |Посылка не доставлена.|Пришлите предложение на 20 штук.|Удалите третий пункт.""",
    "sv": """tack för ditt mejl, kan du ringa mig i morgon?|Nästa vecka har jag semester.|Paketet kom tillbaka.|Skicka en offert.""",
}

GREETINGS = {
    "pl": "Dzień dobry,",
    "en": "Hi Anna,",
    "de": "Guten Tag Frau Nowak,",
    "fr": "Bonjour,",
    "es": "Hola,",
    "it": "Buongiorno,",
}
CLOSINGS = {
    "pl": ("Pozdrawiam\nJan Kowalski", "-- \nJan Kowalski\ntel. 600 100 200"),
    "en": ("Best regards\nJan", "Jan"),
    "de": ("Viele Grüße\nJan", ""),
    "fr": ("Cordialement\nJan",),
}
QUOTES = (
    "W dniu 3.11.2026 o 12:00, Anna Nowak pisze:\n> Dzień dobry,\n> jestem poza biurem do 27.11.2026, to jest automatyczna odpowiedź.\n",
    "On Tue, Nov 3, 2026 at 12:00 PM Anna Nowak <anna@firma.example> wrote:\n\n> This is an automatic reply: I am out of the office.\n> To unsubscribe click here.\n",
    "-----Original Message-----\nFrom: Mail Delivery System <mailer-daemon@mx.example>\nSent: Tuesday, November 3, 2026 12:00 PM\nTo: Jan\nSubject: Undelivered\n\nYour message could not be delivered.\n",
    "Am 03.11.26 um 12:00 schrieb Anna Nowak:\n> Ich bin derzeit nicht im Büro.\n> Newsletter abbestellen\n",
    "",
    "",
)  # fmt: skip
PREFIXES = ("Re: ", "RE: ", "Odp: ", "AW: ", "SV: ", "", "", "")


def messages(count: int, seed: int = 17) -> Iterator[Message]:
    """That many different letters of people, in a dozen languages."""
    rng = random.Random(seed)
    sentences = {language: _split(text) for language, text in SENTENCES.items()}
    subjects = {language: _split(text) for language, text in SUBJECTS.items()}
    for number in range(count):
        language = rng.choice(("pl", "pl", "en", "en", "de", *SENTENCES))
        prefix = rng.choice(PREFIXES)
        own = "\n\n".join(
            part
            for part in (
                rng.choice((GREETINGS.get(language, ""), "")),
                " ".join(rng.sample(sentences[language], rng.randint(1, 4))),
                rng.choice(CLOSINGS.get(language, ("Jan",))),
                rng.choice(QUOTES) if prefix else "",
            )
            if part
        )
        headers = {"return-path": ("<jan@klient.example>",), "x-auto-response-suppress": ("OOF",)} if number % 3 else {}
        if number % 7 == 0:
            headers["auto-submitted"] = ("no",)
        yield Message(
            message_id=f"{number}@klient.example",
            date=datetime(2026, 11, 3, 12, tzinfo=UTC) + timedelta(minutes=number),
            from_=Address("Jan Kowalski", f"jan{number % 50}@klient.example"),
            to=(Address("Anna", "anna@firma.example"),),
            subject=prefix + rng.choice(subjects[language]),
            in_reply_to=("known@firma.example",) if prefix else (),
            headers=headers,
            text=own,
        )


def _split(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split("|")]
