"""The words of the page on which a recipient unsubscribes, in Polish and English."""

from __future__ import annotations

from collections.abc import Mapping

from mailcrm.core.questions import Language

_EN = {
    "title": "No more automatic mail?",
    "text": "Once you unsubscribe, neither {sender} nor a colleague will send automatic mail to",
    "text_nobody": "Once you unsubscribe, we will send no more automatic mail to",
    "personal": "Mail that a person writes to you by hand, such as an answer to a question of yours, still arrives.",
    "button": "Unsubscribe",
    "done": "You are unsubscribed",
    "done_text": "No more automatic mail goes to",
    "changed": "If you change your mind, just answer one of our mails.",
    "gone": "This link does not work any more",
    "gone_text": "Answer the mail instead and say that you want no more of them: that counts just as much.",
    "too_many": "Please try again in a minute",
}
_PL = {
    "title": "Nie chcesz więcej automatycznych wiadomości?",
    "text": "Po wypisaniu ani {sender}, ani nikt z tej firmy nie wyśle automatycznej wiadomości na adres",
    "text_nobody": "Po wypisaniu nie wyślemy już automatycznej wiadomości na adres",
    "personal": "Wiadomości napisane osobiście, na przykład odpowiedź na Twoje pytanie, nadal będą przychodzić.",
    "button": "Wypisz mnie",
    "done": "Wypisano",
    "done_text": "Automatyczne wiadomości nie będą już wysyłane na adres",
    "changed": "Jeśli zmienisz zdanie, po prostu odpowiedz na jedną z naszych wiadomości.",
    "gone": "Ten link już nie działa",
    "gone_text": "Odpowiedz na wiadomość i napisz, że nie chcesz ich więcej: to znaczy dokładnie tyle samo.",
    "too_many": "Spróbuj ponownie za minutę",
}


def words(language: Language) -> Mapping[str, str]:
    """What the page says, by the names that its template uses."""
    return _PL if language == "pl" else _EN
