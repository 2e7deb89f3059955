"""The words that are new in a reply: without quoted history and signature.

mail-parser-reply was measured and not taken: 1.7 ms for 2.5 kB (it compiles its patterns anew for every text), it needs
the languages named beforehand, it kept "W dniu 3.11.2026 o 12:00, … pisze:" and all below it, and its signature
pattern runs from a greeting to the end, so answers between quoted lines were lost. Lines read once, each with a
handful of cheap tests, take a few microseconds and cannot be stalled.
"""

from __future__ import annotations

import re

from mailcrm.core import quoted

_MOST = 256_000  # characters looked at: nobody writes a reply of that length by hand
_LONG_LINE = 400
_BLANKS = frozenset(" \t\u00a0\u200b\ufeff")
_RULES = frozenset("-_=*#")
_COLONS = (":", "：")

_SEPARATOR = re.compile(
    r"[>\s]{0,6}(?:[-_=*]{2,40}\s{0,3}"
    r"(?:original (?:message|mail|e-?mail|appointment)|(?:wiadomość|wiadomosc) oryginalna|oryginalna wiadomość"
    r"|wiadomość pierwotna"
    r"|(?:ursprüngliche|original) ?-?nachricht|message d['’]origine|message original|mensaje original|messaggio"
    r" originale"
    r"|oorspronkelijk bericht|origineel bericht|mensagem original|původní (?:zpráva|e-?mail)|pôvodná správa|исходное"
    r" сообщение"
    r"|оригинальное сообщение|вихідне повідомлення|оригінальне повідомлення|ursprungligt meddelande|originalmeddelande"
    r"|oprindelig meddelelse|opprinnelig melding|alkuperäinen viesti|eredeti üzenet|özgün ileti"
    r"|reply (?:message|above this line)|odpowiedź powyżej)\s{0,3}[-_=*]{2,40}"
    r"|[-#=*\s]{0,10}(?:please )?(?:reply|write|type your reply) above this line.{0,60})\s{0,5}$",
    re.IGNORECASE,
)
# The verbs of "On … wrote:"; German and Dutch put the name behind them.
_WROTE = frozenset(
    {
        *(
            "wrote",
            "writes",
            "pisze",
            "napisał",
            "napisała",
            "napisał(a)",
            "napisał/a",
            "napisali",
            "napisal",
            "napisala",
        ),
        *(
            "napisal(a)",
            "schrieb",
            "schreef",
            "geschreven",
            "écrit",
            "ecrit",
            "escribió",
            "escribio",
            "scritto",
            "scrive",
        ),
        *(
            "escreveu",
            "napsal",
            "napsala",
            "napsal(a)",
            "napísal",
            "napísala",
            "napísal(a)",
            "пишет",
            "написал",
            "написала",
        ),
        *("написал(а)", "napisana", "пише", "написав", "skrev", "skreiv", "kirjoitti", "írta", "yazdı"),
    }
)
_ATTRIBUTION_START = re.compile(
    r"[>\s]{0,6}(?:on|w dniu|dnia|dn\.|am|op|le|el|il giorno|il|em|dne|den|в|on|(?:mon|tue|wed|thu|fri|sat|sun)\w{0,6}|"
    r"pon|wt|śr|czw|pt|sob|niedz|ndz|\w{2,13}\.?,|\d{1,4}[-./]|\S{1,80}@|<|\"|[A-ZŁŚŻÓĆ])",
    re.IGNORECASE,
)
# Prose that happens to end in "wrote:" runs over several sentences; an attribution is one.
_PROSE = re.compile(r"[!?]\s|[^\W\d]{4,}\.\s[^\W\d_]{1,20} [^\W\d_]{1,20} [^\W\d_A-ZŁŚŻĆ]")
_GAPS = re.compile(r"\n{3,}")
_DATED = re.compile(r"(?=.{0,40}\b\d{4}\b).{0,60}\b\d{1,2}:\d{2}\b")
_NUMBER = re.compile(r"\d")
_MOBILE = re.compile(
    r"(?:sent (?:from|via|with) (?:my |the )?(?:i?phone|ipad|mobile|samsung|galaxy|android|blackberry|huawei|outlook"
    r"|mail|yahoo|proton|windows|xiaomi)"
    r"|get outlook for|wysłan[eoya]{1,2} z (?:mojego |telefonu |urządzenia |aplikacji |programu )?(?:i?phone|ipad"
    r"|samsung|smartfon|telefon|android|poczty|outlook|mobile|huawei|urządzenia)"
    r"|pobierz (?:program |aplikację )?outlook|von meinem (?:i?phone|ipad|handy|samsung)|gesendet (?:von|mit|über)"
    r"|diese nachricht wurde von meinem"
    r"|envoyé (?:de|depuis|à partir)|enviado (?:desde|do|de) (?:mi|meu)|inviato da(?:l mio)?\b|verzonden (?:vanaf|met"
    r"|vanuit)|odesláno z|отправлено (?:с|из)"
    r"|надіслано з|skickat från)\b",
    re.IGNORECASE,
)


def trim(text: str) -> str:
    """The new text of a message: no quoted history, no "On … wrote:", no copied header block, no signature.

    Answers written between quoted lines are kept. Where nothing would be left because the history is not marked,
    the text is returned with only the marked lines taken out.

    Args:
        text: the plain text, or what was made of HTML with quoted parts marked ``> ``.
    """
    lines = list(map(str.rstrip, text[:_MOST].splitlines()))
    return _kept(lines) or _unmarked(lines)


def _kept(lines: list[str]) -> str:
    """The lines of the writer, down to where unmarked history begins. Lines come without blanks at their end."""
    colons = [":" in line or "：" in line for line in lines]
    colons += (False, False)  # an attribution runs over up to three lines
    new: list[str] = []
    in_signature = False
    resume = 0
    for at, line in enumerate(lines):
        first = line[:1]
        if first in _BLANKS:
            first = line.lstrip()[:1]
        if at < resume:
            continue
        if first == ">":
            in_signature = False
            continue
        if first in _RULES:
            if line == "--":
                in_signature = True
                continue
            if _is_separator(lines, at):
                break
        if colons[at] or colons[at + 1] or colons[at + 2]:
            if spanned := _attribution(lines, at):
                in_signature = False
                if not _marked_after(lines, at + spanned):
                    break
                resume = at + spanned
                continue
            if colons[at] and quoted.header_block(lines, at) is not None:
                break
        if not in_signature:
            new.append(line)
    while new and (not (last := new[-1].strip()) or (len(last) < 120 and _MOBILE.match(last))):
        new.pop()
    return _squeezed(new)


def _is_separator(lines: list[str], at: int) -> bool:
    """True for "-----Original Message-----" and its kin, and for Outlook's rule above a header block."""
    line = lines[at]
    if len(line) > 200:
        return False
    if _SEPARATOR.match(line):
        return True
    if len(line) < 10 or line.strip("_- \t"):
        return False
    below = next((i for i in range(at + 1, min(at + 4, len(lines))) if lines[i].strip()), None)
    return below is not None and quoted.header_block(lines, below) is not None


def _attribution(lines: list[str], at: int) -> int:
    """How many lines from ``at`` on are an "On <date> <somebody> wrote:"; 0 if none."""
    joined = ""
    spanned = 0
    for part in lines[at : at + 3]:
        if not part or len(joined) + len(part) > _LONG_LINE or part.lstrip()[:1] == ">":
            return 0
        joined = f"{joined} {part.strip()}" if joined else part.strip()
        spanned += 1
        if part.endswith(_COLONS):
            break
    else:
        return 0
    words = [word.strip(":,.： ") for word in joined.casefold().split()]
    verb = next((at for at, word in enumerate(words) if word in _WROTE), None)
    if verb is None:  # Gmail in Russian and Yandex: date, time, name and address, and a colon
        return spanned if joined.endswith(">:") and "@" in joined and _DATED.match(joined) else 0
    if not _ATTRIBUTION_START.match(joined):
        return 0
    dated = _NUMBER.search(joined) is not None
    named = "@" in joined and verb == len(words) - 1
    return spanned if (dated or named) and not _PROSE.search(joined) else 0


def _marked_after(lines: list[str], at: int) -> bool:
    """True if the next line that holds anything is marked as quoted."""
    following = next((line for line in lines[at : at + 4] if line.strip()), "")
    return following.lstrip()[:1] == ">"


def _unmarked(lines: list[str]) -> str:
    """All but the lines marked as quoted and the separators."""
    return _squeezed([line for line in lines if line.lstrip()[:1] != ">" and not _SEPARATOR.match(line[:200])])


def _squeezed(lines: list[str]) -> str:
    text = "\n".join(lines).strip()
    return _GAPS.sub("\n\n", text) if "\n\n\n" in text else text
