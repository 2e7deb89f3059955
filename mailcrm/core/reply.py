"""The words that are new in a reply: without quoted history and signature.

mail-parser-reply was measured and not taken: 1.7 ms for 2.5 kB (it compiles its patterns anew for every text), it needs
the languages named beforehand, it kept "W dniu 3.11.2026 o 12:00, … pisze:" and all below it, and its signature
pattern runs from a greeting to the end, so answers between quoted lines were lost. Lines read once, each with a
handful of cheap tests, take a few microseconds and cannot be stalled.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser

from mailcrm.core import quoted

_MOST = 256_000  # characters looked at: nobody writes a reply of that length by hand
_LONG_LINE = 400

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
# Verbs at the end (or, in German and Dutch, before the name) of "On … wrote:".
_WROTE = re.compile(
    r"\b(?:wrote|writes|pisze|napisa[łl](?:\(?[ao]\)?|[ao]|/a)?|napisali|schrieb(?:en)?|schreef|geschreven|a écrit"
    r"|écrit|escribi[óo]|ha scritto|scritto"
    r"|scrive|escreveu|napsal\(?a?\)?|napísal\(?a?\)?|пишет|написал\(?а?\)?|писал\(?а?\)?|пише|написав|написала|skrev"
    r"|skreiv|kirjoitti|írta|yazdı)\b",
    re.IGNORECASE,
)
_ATTRIBUTION_START = re.compile(
    r"[>\s]{0,6}(?:on|w dniu|dnia|dn\.|am|op|le|el|il giorno|il|em|dne|den|в|on|(?:mon|tue|wed|thu|fri|sat|sun)\w{0,6}|"
    r"pon|wt|śr|czw|pt|sob|niedz|ndz|\w{2,13}\.?,|\d{1,4}[-./]|\S{1,80}@|<|\"|[A-ZŁŚŻÓĆ])",
    re.IGNORECASE,
)
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
_QUOTE_ELEMENTS = (
    "blockquote[type=cite], blockquote.gmail_quote, div.gmail_quote, div.gmail_extra blockquote, div.moz-cite-prefix, "
    "div.yahoo_quoted, div.protonmail_quote, div#divRplyFwdMsg ~ *, div#divRplyFwdMsg, div#appendonsend ~ *, "
    "blockquote.protonmail_quote, blockquote.tutanota_quote, div.zmail_extra, style, script, head, title"
)


def trim(text: str, html: str | None = None) -> str:
    """The new text of a message: no quoted history, no "On … wrote:", no copied header block, no signature.

    Answers written between quoted lines are kept. Where nothing would be left because the history is not marked,
    the text is returned with only the marked lines taken out.

    Args:
        text: the plain text as parsed.
        html: the HTML part; read only where ``text`` is blank.
    """
    if not text.strip():
        return _from_html(html) if html else ""
    if len(text) < 4000 and not _may_quote(text):
        return text.strip()
    lines = text[:_MOST].splitlines()
    kept = _kept(lines)
    return kept or _unmarked(lines)


def _may_quote(text: str) -> bool:
    return ">" in text or ":" in text or "--" in text or "__" in text or _MOBILE.search(text) is not None


def _kept(lines: list[str]) -> str:
    new: list[str] = []
    in_signature = False
    at = 0
    while at < len(lines):
        line = lines[at]
        head = line.lstrip(" \t\u00a0")[:1]
        if head == ">":
            in_signature = False
        elif line in ("-- ", "--", "--\u00a0"):
            in_signature = True
        elif skipped := _attribution(lines, at):
            in_signature = False
            if not _marked_after(lines, at + skipped):
                break
            at += skipped
            continue
        elif _begins_history(lines, at, head):
            break
        elif not in_signature:
            new.append(line)
        at += 1
    while new and (not new[-1].strip() or (len(new[-1]) < 120 and _MOBILE.match(new[-1].strip()))):
        new.pop()
    return _squeezed(new)


def _begins_history(lines: list[str], at: int, head: str) -> bool:
    line = lines[at]
    if head in "-_=*#" and head and len(line) < 200:
        if _SEPARATOR.match(line):
            return True
        if len(line) >= 10 and not line.strip("_- \t"):
            # Outlook's rule above its header block
            below = next((i for i in range(at + 1, min(at + 4, len(lines))) if lines[i].strip()), None)
            return below is not None and quoted.header_block(lines, below) is not None
    return ":" in line[:40] and quoted.header_block(lines, at) is not None


def _attribution(lines: list[str], at: int) -> int:
    """How many lines from ``at`` on are an "On <date> <somebody> wrote:"; 0 if none."""
    line = lines[at]
    if len(line) > _LONG_LINE or not line.strip():
        return 0
    joined = ""
    for count in range(1, 4):
        if at + count > len(lines):
            return 0
        part = lines[at + count - 1].strip()
        if not part or part[0] == ">" or len(joined) + len(part) > _LONG_LINE:
            return 0
        joined = f"{joined} {part}" if joined else part
        if part[-1] in ":：":
            verb = _WROTE.search(joined)
            dated = verb is not None and _NUMBER.search(joined) is not None
            named = verb is not None and joined.rstrip(" :").endswith(verb[0]) and "@" in joined
            return count if (dated or named) and _ATTRIBUTION_START.match(joined) and _short_before(joined) else 0
        if count == 1 and not _ATTRIBUTION_START.match(part):
            return 0
        if part[-1] in ".!?" and count == 1 and "@" not in part:
            return 0
    return 0


def _short_before(joined: str) -> bool:
    """Prose that happens to end in "wrote:" runs over several sentences; an attribution does not."""
    return re.search(r"[!?]\s|[^\W\d]{4,}\.\s[A-ZŁŚŻĆ][a-ząćęłńóśźż]+ [a-ząćęłńóśźż]+ [a-z]", joined) is None


def _marked_after(lines: list[str], at: int) -> bool:
    """True if the next line that holds anything is marked as quoted."""
    following = next((line for line in lines[at : at + 4] if line.strip()), "")
    return following.lstrip()[:1] == ">"


def _unmarked(lines: list[str]) -> str:
    """All but the lines marked as quoted and the separators."""
    return _squeezed([line for line in lines if line.lstrip()[:1] != ">" and not _SEPARATOR.match(line[:200])])


def _squeezed(lines: list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip()


def _from_html(html: str) -> str:
    tree = LexborHTMLParser(html[:_MOST])
    for node in tree.css(_QUOTE_ELEMENTS):
        node.decompose()
    body = tree.body
    text = body.text(separator="\n", strip=False) if body is not None else ""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return _kept(lines) or _unmarked(lines)
