"""Automatic replies that carry no mark in their header: told by subject and words, in many languages.

Nobody's letter is taken for a notice on a hint alone. Patterns are bounded: no nested repetition.
"""

from __future__ import annotations

import re
from datetime import date

from mailcrm.core.dates import returns_on
from mailcrm.core.phrases import TAGS, Cue, heard

_MOST = 2500  # characters of a notice
_HEAD = 800

# The whole prefix, colon included, as programs write it; people seldom begin a subject this way.
_PREFIX = re.compile(
    TAGS
    + r"(?:automatic reply|auto(?:matic|mated)?[- ]?(?:reply|response|responder)|out of (?:the )?office auto-?\s?reply"
    r"|odpowiedź automatyczna|automatyczna odpowiedź|odp\.? automatyczna|auto-?odpowiedź"
    r"|automatische (?:antwort|antwoord|reactie)|automatisch antwoord|abwesenheits(?:notiz|nachricht|meldung|assistent)"
    r"|auto-?antwort|réponse automatique|message d'absence|respuesta automática|resposta automática"
    r"|risposta automatica|automatická odpov[ěe]ď|automatick[áa] odpove[dď]"
    r"|autosvar|automatis(?:k|kt) svar|automaattinen vastaus|automatikus válasz|otomatik yanıt|răspuns automat"
    r"|автоответ(?:чик)?|автоматический ответ|автоматична відповідь|автовідповідь"
    r"|自動応答|自动答复|自動回覆)\s{0,3}[:：]",
    re.IGNORECASE,
)
# The heading of an absence notice, alone or before the answered subject.
_HEADING = re.compile(
    TAGS + r"(?:(?:i am |i'm )?(?:currently )?out of (?:the )?office(?: (?:message|notification|reply|notice))?|ooo|on"
    r" vacation"
    r"|on leave|vacation (?:reply|message|notice)|away from (?:the office|my desk|my mail)|holiday notice|auto-?reply"
    r"|auto-?response|(?:jestem )?(?:poza biurem|na urlopie|nieobecn[ay])|nieobecność|urlop|autoresponder"
    r"|brak dostępu do poczty|abwesenheit|abwesend|(?:bin )?(?:im urlaub|nicht im (?:büro|haus))|urlaub"
    r"|absence(?: du bureau)?|absente?|en congés?|hors du bureau|fuera de la oficina|de vacaciones|ausencia|ausente"
    r"|fuori (?:ufficio|sede)|in ferie|assenza|afwezig(?:heid)?|buiten kantoor|fora do escritório|de férias|ausência"
    r"|nepřítomnost|mimo kancelář|dovolená|в отпуске|отсутствие|у відпустці|відсутність|frånvaro|semester)"
    r"\s{0,3}(?:$|[:：!.–—-])",
    re.IGNORECASE,
)

_LINE_START = r"^[ \t*_(\[<—–-]{0,6}"
_SAYS_SO = (  # the text itself says that a machine wrote it
    Cue.of(
        ("auto",),
        _LINE_START
        + r"(?:please note:? )?(?:this|the following) is an? (?:auto-?(?:matic(?:ally generated)?|mated)|auto)"
        r"[ -]?(?:generated )?(?:e-?mail )?(?:reply|response|answer|responder)",
        _LINE_START + r"(?:auto-?reply|automatic reply|automated reply|automatic response)\s{0,2}[:.!]",
        _LINE_START
        + r"(?:to|niniejsza|ta) (?:jest |wiadomość (?:jest |to )?)(?:automatyczna odp|odpowiedź automatyczna)",
        _LINE_START + r"to (?:wiadomość|jest wiadomość) (?:wygenerowana|wysłana) automatycznie[^\n]{0,40}odpowied",
        _LINE_START + r"(?:jest to|to) (?:automatyczna odpowiedź|odpowiedź automatyczna|autoodpowiedź|autoresponder)",
        _LINE_START + r"(?:automatyczna odpowiedź|odpowiedź automatyczna)\s{0,2}[:.!]",
        _LINE_START + r"(?:dies|das) ist eine automatische?(?:r|s)? (?:generierte |erstellte |abwesenheits)?-?"
        r"(?:antwort|abwesenheit|rückantwort)",
        _LINE_START
        + r"diese (?:antwort|e-?mail|nachricht) wurde automatisch (?:generiert|erstellt|versandt|verschickt)",
        _LINE_START + r"(?:ceci est|il s'agit d'|c'est) ?une réponse automatique|^réponse automatique\s{0,2}[:.!]",
        _LINE_START + r"(?:esta es una|este es un mensaje de) respuesta automática|^questa è una risposta automatica",
        _LINE_START + r"dit is een automatisch(?: gegenereerd)? (?:antwoord|bericht)|^esta é uma resposta automática",
        _LINE_START + r"(?:toto|tohle) je automatick[áa] odpov[ěe]ď|^(?:detta|det här|dette) är ett automatiskt svar",
    ),
    Cue.of(("авто",), _LINE_START + r"(?:это автоматический ответ|це автоматична відповідь)"),
)

_AWAY = (
    Cue.of(  # English
        (
            "out of office",
            "out of the office",
            "away from",
            "vacation",
            "holiday",
            " leave",
            "no longer w",
            "not in the",
        ),
        r"\b(?:i am|i'm|i’m|i will be|i'll be|we are) (?:currently |presently |now |away and |also )?"
        r"(?:out of (?:the )?office|away from (?:the|my) (?:office|desk)|on (?:\w{1,12} )?(?:vacation|holiday|leave)"
        r"|not in the office)",
        r"\bi (?:am )?no longer work(?:ing)? (?:at|for|with)\b|^out of (?:the )?office\b",
    ),
    Cue.of(  # Polish
        ("nieobecn", "poza biurem", "urlop", "nie pracuj"),
        r"\b(?:jestem|przebywam|będę)(?: obecnie| aktualnie| teraz)? (?:na (?:\w{1,16} )?urlopie|poza biurem"
        r"|nieobecn[ya])",
        r"\b(?:obecnie|aktualnie|w dniach|do dnia)[^\n]{0,60}?(?:na (?:\w{1,16} )?urlopie|poza biurem|nieobecn)",
        r"\bnie pracuję już w\b|\bw (?:biurze|pracy) (?:jestem|będę) nieobecn[ya]\b",
    ),
    Cue.of(  # German
        ("nicht im", "abwesend", "urlaub", "außer haus", "nicht erreichbar"),
        r"\bich (?:bin|befinde mich)[^\n]{0,60}?(?:nicht im (?:büro|haus)|abwesend|i[mn] urlaub|außer haus|nicht"
        r" erreichbar)",
    ),
    Cue.of(  # French, Spanish, Italian, Portuguese
        (
            "absen",
            "congé",
            "vacances",
            "fuera de la",
            "vacaciones",
            "ausente",
            "fuori ",
            "ferie",
            "assente",
            "fora do",
            "férias",
        ),
        r"\b(?:je suis|je serai)[^\n]{0,50}?(?:absente?|en congé|en vacances)|\bpendant mon absence\b|\bactuellement"
        r" absent",
        r"\b(?:estoy|estaré|me encuentro)[^\n]{0,50}?(?:fuera de la oficina|de vacaciones|ausente)",
        r"\b(?:sono|sarò)[^\n]{0,50}?(?:fuori ufficio|fuori sede|in ferie|assente)",
        r"\b(?:estou|estarei)[^\n]{0,50}?(?:fora do escritório|de férias|ausente)",
    ),
    Cue.of(  # Dutch, Swedish, Czech
        (
            "afwezig",
            "vakantie",
            "kantoor",
            "semester",
            "kontoret",
            "frånvar",
            "ledig",
            "kancelář",
            "dovolen",
            "nepřítom",
        ),
        r"\bik ben[^\n]{0,50}?(?:afwezig|op vakantie|niet op kantoor|met vakantie)",
        r"\bjag (?:är|har)[^\n]{0,40}?(?:semester|inte på kontoret|frånvarande|föräldraledig)",
        r"\b(?:jsem|budu)[^\n]{0,50}?(?:mimo kancelář|na dovolené|nepřítom)|čerpám dovolenou",
    ),
    Cue.of(  # Russian, Ukrainian
        ("отпуск", "отсутств", "відпуст", "відсутн"),
        r"\bя[^\n]{0,50}?(?:в отпуске|отсутств)|\bнахожусь в отпуске|\bя[^\n]{0,50}?(?:у відпустці|відсутн)",
        r"\bперебуваю у відпустці",
    ),
)
# A person who tells of an absence to come; a notice speaks of now.
_LATER = re.compile(
    r"next (?:week|month|year|friday|monday)|przyszł\w{2,3} (?:tygodni|miesiąc|rok)|nächste\w? (?:woche|monat|jahr)"
    r"|(?:semaine|mois|année) prochaine?|próxim[ao] (?:semana|mes)|(?:settimana|mese) prossim[ao]"
    r"|prossim[ao] (?:settimana|mese)|volgende (?:week|maand)|příští (?:týden|měsíc)|nästa vecka"
    r"|следующ\w{2,3} (?:недел|месяц)|наступн\w{2,3} (?:тиж|місяц)",
    re.IGNORECASE,
)
# Sentences that an absence notice adds and a person in a hurry does not.
_FORMULA = re.compile(
    r"\blimited access to (?:my )?e-?mail|\b(?:in|for) (?:any )?urgent (?:matters|cases|issues|requests|inquiries)"
    r"|\byour (?:e-?mail|message) will not be forwarded|\bi will (?:respond|reply|answer)[^\n.]{0,40}(?:return|back)"
    r"|\bthank you for (?:your|the) (?:e-?mail|message)|\bthanks for your (?:e-?mail|message)"
    r"|\bw (?:sprawach pilnych|pilnych sprawach|razie pilnych)|\bdziękuję za (?:wiadomość|maila|e-mail|kontakt)"
    r"|\bna (?:wiadomości?|maile?|e-maile?|mail) odpowiem|\bograniczony dostęp do poczty|\bodpowiem po powrocie"
    r"|\bin dringenden (?:fällen|angelegenheiten)|\bvielen dank für ihre (?:e-?mail|nachricht)|\bnicht weitergeleitet"
    r"|\ben cas d'urgence|\bpour toute (?:demande )?urgen|\bje vous répondrai|\bmerci (?:pour|de) votre (?:e-?mail"
    r"|message)"
    r"|\ben caso de urgencia|\bpara asuntos urgentes|\bin caso di urgenz|\bper urgenze|\bvoor dringende|\bbij dringende"
    r"|\bem caso de urgência|\bpara assuntos urgentes|\bv naléhavých|\bпо срочным|\bв термінових|\bvid brådskande",
    re.IGNORECASE,
)


def evidence(subject: str, own: str, sent: date | None, *, quotes: bool) -> str | None:
    """What shows that a message is an automatic reply, or None.

    Args:
        subject: of the message.
        own: its text without history and signature.
        sent: the day it was sent (UTC).
        quotes: True if there is history below the own words, as people's replies have.
    """
    if _PREFIX.match(subject, 0, 120) and not subject.rstrip().endswith("?"):
        return "subject of an automatic reply"
    if not own or len(own) > _MOST or "?" in own:
        return None  # a notice asks nothing
    if heard(_SAYS_SO, own, _HEAD):
        return "says that it is an automatic reply"
    headed = _HEADING.match(subject, 0, 200) is not None
    if quotes and not headed:
        return None
    if not heard(_AWAY, own, 400) or _LATER.search(own, 0, _HEAD):
        return None
    formulas = len({found[0][:8].lower() for found in _FORMULA.finditer(own, 0, _HEAD)})
    if headed and formulas:
        return "heading and words of an absence notice"
    if not headed and formulas < 2:
        return None
    return None if returns_on(own, sent) is None else "absence notice with a day of return"
