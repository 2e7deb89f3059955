"""Consent asked and given by mail: a token that is good for one answer, the words, and what an answer says.

The token stands in the question's Message-ID, as that of a choice does. It names the last word that was said on the
matter when the question was written: with the next word, said by whichever way, it is used up. So an answer that
somebody replays, or that is late, changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Literal

from mailcrm.core.choices import REPLY_ABOVE, is_own, own_lines
from mailcrm.core.model import Message
from mailcrm.core.questions import Language, Letter, one_line

_ID = re.compile(r"c\.(\d{1,18})\.(\d{1,18})\.(\d{1,18})\.([0-9a-f]{32})(?:\.[a-z]+)?@[^@]+")

Reason = Literal["ask", "granted", "withdrawn", "unclear", "late", "unproven"]


@dataclass(frozen=True, slots=True)
class ConsentReference:
    """Which question of ours a mail is, or answers; its signature has been checked.

    Args:
        flow, user: ids. last: the id of the last word said before it was written; 0: none was.
    """

    flow: int
    user: int
    last: int


def consent_id(secret: bytes, reference: ConsentReference, domain: str, label: str = "") -> str:
    """The Message-ID (without ``<>``) of a question; with a ``label`` (a-z), of another mail on the matter."""
    body = f"{reference.flow}.{reference.user}.{reference.last}"
    return f"c.{body}.{_sign(secret, body)}{'.' + label if label else ''}@{domain}"


def mail_key(reason: Reason, reference: ConsentReference) -> str:
    """The outbox key of a mail on the matter: one for each reason and word."""
    return f"consent:{reason}:{reference.flow}:{reference.user}:{reference.last}"


def is_consent_mail(message: Message, secret: bytes) -> bool:
    """True for our own mails on the matter, whichever folder they are found in."""
    return is_own(message, lambda each: _reference(each, secret) is not None)


def consent_reference(message: Message, secret: bytes) -> ConsentReference | None:
    """The question that a mail answers; None: no token, a forged one, or our own mail."""
    named = [*message.in_reply_to, *reversed(message.references)]
    if not any(each.startswith("c.") for each in named) or is_consent_mail(message, secret):
        return None
    return next((found for each in named if (found := _reference(each, secret))), None)


_YES = frozenset(
    {
        "yes",
        "y",
        "i agree",
        "agreed",
        "i consent",
        "granted",
        "tak",
        "zgoda",
        "zgadzam się",
        "wyrażam zgodę",
        "tak zgadzam się",
    }
)
_NO = frozenset(
    {"no", "stop", "revoke", "withdraw", "i withdraw", "i do not agree", "i don t agree", "nie", "nie zgadzam się"}
    | {"cofam", "cofam zgodę", "wycofuję", "wycofuję zgodę", "nie wyrażam zgody", "odmawiam"}
)
_FILLER = frozenset({"please", "thanks", "thank", "you", "proszę", "dziękuję", "dzięki"})
_WORD = re.compile(r"[^\W_]+")
_BEGINS = frozenset(phrase.split()[0] for phrase in _YES | _NO) - {"i"}


def read_consent(text: str) -> bool | None:
    """What an answer says: consent, no consent, or (None) nothing that is clear.

    The word stands on a line of its own. A condition ("yes, but not to Jan") is no clear answer, and two different
    ones cancel each other; greetings, signatures and quoted text are passed over.

    Args:
        text: the reply's own text, quoted text removed as far as that was possible.
    """
    found: set[bool] = set()
    for line in own_lines(text):
        words = [word for word in _WORD.findall(line.casefold()) if word not in _FILLER]
        said = " ".join(words)
        if said in _YES or said in _NO:
            found.add(said in _YES)
        elif words and words[0] in _BEGINS:
            return None
    return found.pop() if len(found) == 1 else None


def consent_letter(reason: Reason, *, name: str, sender: str, flow: str, by: str, given: Language) -> Letter:
    """A mail to a rep on the matter.

    Args:
        name: the rep's; sender: the address that the flow would write from.
        flow: the flow's name. by: who asks for it.
    """
    say = _WORDS[given]
    title = one_line(flow, given)
    fields = {"name": name, "sender": sender, "flow": title, "by": by}
    lines = [say[reason].format(**fields)]
    if reason != "late":
        lines.append(say["stop" if reason == "granted" else "how"].format(**fields))
    above = f"{REPLY_ABOVE} {say['above']} ##"
    html = "".join(f"<p>{escape(line)}</p>" for line in (above, *lines))
    subject = f"{'' if reason == 'ask' else 'Re: '}{say['subject']} {title}"
    page = f'<!doctype html><html lang="{given}"><meta charset="utf-8"><body>{html}</body></html>\n'
    return Letter(subject, "\n\n".join((above, *lines)) + "\n", page)


def _reference(message_id: str, secret: bytes) -> ConsentReference | None:
    match = _ID.fullmatch(message_id)
    if match is None or not hmac.compare_digest(_sign(secret, f"{match[1]}.{match[2]}.{match[3]}"), match[4]):
        return None
    return ConsentReference(int(match[1]), int(match[2]), int(match[3]))


def _sign(secret: bytes, body: str) -> str:
    return hmac.digest(secret, f"mailcrm consent mail {body}".encode(), hashlib.sha256).hex()[:32]


_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "above": "reply above this line",
        "subject": "May it send mail in your name?",
        "ask": '{name}, may the flow "{flow}" send mail by itself in your name, from {sender}? {by} asks for it. '
        "It sends nothing without your consent, and you can withdraw it at any time.",
        "how": "Reply with one word: YES or NO.",
        "granted": 'Noted: the flow "{flow}" may send mail by itself in your name, from {sender}.',
        "stop": "To withdraw that, reply with one word: STOP. What is scheduled then fails when it would be sent.",
        "withdrawn": 'Noted: the flow "{flow}" sends nothing in your name. Was that a mistake?',
        "unclear": 'I could not tell whether the flow "{flow}" may send mail in your name. Nothing was changed.',
        "late": 'Something was said about the flow "{flow}" since that question was asked, so your answer to it does '
        "not count. `mailcrm consent list` shows what counts.",
        "unproven": 'That answer about the flow "{flow}" could not be proved to be yours, so it does not count.',
    },
    "pl": {
        "above": "odpowiedz nad tą linią",
        "subject": "Czy może wysyłać w Twoim imieniu?",
        "ask": "{name}, czy przepływ „{flow}” może sam wysyłać wiadomości w Twoim imieniu, z adresu {sender}? "
        "Prosi o to {by}. Bez Twojej zgody nic nie wyśle, a zgodę można w każdej chwili cofnąć.",
        "how": "Odpowiedz jednym słowem: TAK albo NIE.",
        "granted": "Zapisano: przepływ „{flow}” może sam wysyłać wiadomości w Twoim imieniu, z adresu {sender}.",
        "stop": "Aby to cofnąć, odpowiedz jednym słowem: STOP. Zaplanowane wiadomości nie zostaną wysłane.",
        "withdrawn": "Zapisano: przepływ „{flow}” nic nie wysyła w Twoim imieniu. Jeśli to pomyłka:",
        "unclear": "Nie udało się odczytać, czy przepływ „{flow}” może wysyłać w Twoim imieniu. Nic nie zmieniono.",
        "late": "Od zadania tego pytania powiedziano już coś o przepływie „{flow}”, więc odpowiedź na nie pominięto. "
        "`mailcrm consent list --flow NAZWA` pokazuje, co obowiązuje.",
        "unproven": "Nie udało się potwierdzić, że odpowiedź o przepływie „{flow}” jest Twoja, więc się nie liczy.",
    },
}
