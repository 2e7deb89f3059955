"""Marks that mail programs put on subjects and senders, and the way to listen for words in many languages.

No rule is decided here. Patterns are bounded: no nested repetition, so that hostile text cannot make them slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

_I = re.IGNORECASE


class Cue(NamedTuple):
    """What people say in one language, and plain stems that spare other mail the pattern: one is in every match."""

    stems: tuple[str, ...]
    pattern: str

    @classmethod
    def of(cls, stems: tuple[str, ...], *alternatives: str) -> Cue:
        """A cue whose pattern is any of the alternatives."""
        return cls(stems, "|".join(alternatives))


@lru_cache(64)
def compiled(pattern: str, flags: re.RegexFlag = _I) -> re.Pattern[str]:
    """A large pattern that most mail does not need: compiling all of them takes longer than reading a hundred mails."""
    return re.compile(pattern, flags)


def heard(cues: Iterable[Cue], text: str, most: int) -> bool:
    """True if one of the cues is in the first ``most`` characters of ``text``."""
    lower = text[:most].lower()
    for stems, pattern in cues:
        for stem in stems:  # plain loops: this runs for every mail, and a generator costs as much again
            if stem in lower:
                if compiled(pattern, _I | re.MULTILINE).search(text, 0, most):
                    return True
                break
    return False


TAGS = r"(?:\[[^\]\n]{1,40}\]\s{0,3}){0,3}"
REPLY_PREFIX = re.compile(
    TAGS + r"(?:re|odp|aw|antw|sv|vs|rif|res|resp|réf|ref|ynt|ответ|відп|回复|答复)(?:\s?[\[(]\d{1,3}[\])])?\s?[:：]",
    _I,
)
FORWARD_PREFIX = re.compile(
    TAGS + r"(?:fwd?|pd|przek|wg|weitergeleitet|tr|rv|i|inoltra|inoltro|doorst|doorgest|vb|enc|přep|předáno|fwd za"
    r"|továb|vl|videresendt|пересл|пересылка|переслано|пер|i̇lt|ilt|πρθ|转发|轉寄|转寄)(?:\s?[\[(]\d{1,3}[\])])?\s?[:：]",
    _I,
)

# --- mail systems -----------------------------------------------------------------------------------------------------

SYSTEM_LOCALS = frozenset(
    {
        *("mailer-daemon", "mailerdaemon", "mail-daemon", "maildaemon", "mailer_daemon", "mdaemon", "daemon"),
        *("postmaster", "mail.delivery.system", "mail-delivery-subsystem", "maildelivery", "double-bounce"),
        *("bounce", "bounces", "ndr", "mailadm"),
    }
)
SYSTEM_NAME = re.compile(
    r"mail(?:er)?[ -]?(?:daemon|delivery|administrator|router)|postmaster|delivery (?:sub)?system|system administrator"
    r"|jetmail|microsoft outlook|internet mail|e500_smtp|imss|antivirus",
    _I,
)
FAILURE_SUBJECT = re.compile(
    r"(?:re: .{0,80})?(?:"
    r"undeliver(?:able|ed)\b|non-?delivery\b|delivery (?:status notification|report|notification|failure|has failed"
    r"|problem)"
    r"|(?:automatically )?rejected mail|automatically rejected|returned (?:mail|to sender)|mail delivery (?:failed"
    r"|failure|problem|system|warning)"
    r"|failure (?:notice|delivery)|failed mail|mail (?:failed|error|system error|not delivered|could not be delivered)"
    r"|(?:message|email|e-mail) (?:delivery fail|not delivered|undeliver|could not be delivered)|permanent delivery"
    r" failure"
    r"|warning: .{0,80}(?:unknown|delayed|not)|your message to .{0,80}could not be delivered|processing error"
    r"|\[postmaster\]|nie ?dostarcz|niedostarcz|zwrot (?:wiadomo|poczty)|nie można dostarczyć|wiadomość niedostarcz"
    r"|niemożliwe do dostarcz"
    r"|unzustellbar|nicht zustellbar|zustellung fehlgeschlagen|non remis|échec de (?:la )?(?:remise|livraison"
    r"|distribution)"
    r"|no se (?:puede|pudo) entregar|mancato recapito|impossibile recapitare|onbestelbaar|não (?:foi )?(?:possível"
    r" )?entreg|nedoručit"
    r"|ваше сообщение не доставлено|недоставлен|не доставлено|olevererbar|kunde inte levereras"
    r")",
    _I,
)
