"""Short letters of people who want no more mail, in many languages.

Patterns are bounded: no nested repetition, so that hostile text cannot make them slow.
"""

from __future__ import annotations

import re

from mailcrm.core.phrases import Cue, heard

_MOST = 300  # characters: a longer letter has more to say, and somebody should read it

# Alone, these words are the whole of the wish.
_WORD = re.compile(
    r"\W{0,10}(?:(?:please|proszę|bitte)[ ,]{1,2})?(?:unsubscribe(?: me)?|stop|remove(?: me)?|opt[- ]?out"
    r"|wypisz(?:cie)?(?: mnie)?|wypisać|wypisanie|wypis|usuń(?:cie)?(?: mnie)?|rezygnacja|rezygnuję"
    r"|abmelden|abbestellen|austragen|désabonner|désinscription|désabonnement|désinscrire|baja|cancelar suscripción"
    r"|cancellami|disiscrivimi|uitschrijven|afmelden|descadastrar|odhlásit|отписаться|отпишите|отписка|відписатися"
    r"|відпишіть|avregistrera)(?: (?:please|proszę|bitte|svp|por favor))?\W{0,10}",
    re.IGNORECASE,
)

_WISHES = (
    Cue.of(  # English
        (
            "unsub",
            "remove",
            "delete",
            "take me",
            "take us",
            "opt out",
            "opt-out",
            "opt me",
            "opt us",
            "stop ",
            "do not",
            "don't",
            "don’t",
            "never ",
            "no more",
        ),
        r"\bunsubscribe (?:me|us|my|this|from)\b|\b(?:to|please|kindly|and) unsubscribe\b|\bunsubscribe,? please\b",
        r"\b(?:take|remove|delete) (?:me|us|my (?:e-?mail|address|name|data|details)|this address)[^.?\n]{0,40}\b"
        r"(?:lists?|database|mailings?|records|system)\b",
        r"\bremove (?:me|us|my (?:e-?mail|address))(?: please| now| immediately| asap)?\s{0,2}(?:[.!,]|$)",
        r"\bstop (?:(?:e-?)?mailing|contacting|writing|spamming|sending|messaging|bothering|all (?:e-?mails|contact))",
        r"\b(?:do not|don['’]t|never) (?:ever )?(?:contact|e-?mail|mail|write(?: to)?|message|spam) (?:me|us|this"
        r" address)"
        r"(?: any ?more| again| any further| in (?:the )?future|\s{0,2}[.!,]|\s{0,2}$)",
        r"\b(?:do not|don['’]t) (?:want|wish) (?:to (?:receive|get)|any)[^.?\n]{0,30}\b(?:e-?mails?|mails?|messages?"
        r"|newsletters?)",
        r"\b(?:want|would like|wish) to opt[ -]?out|\bopt (?:me|us) out\b|\bno more (?:e-?mails|mails|messages)\b",
        r"\b(?:off|from) (?:this|the|your) (?:mailing|e-?mail|distribution|contact|marketing|newsletter) lists?\b",
    ),
    Cue.of(  # Polish
        (
            *("wypis", "usun", "usuń", "wykreśl", "rezygnuj", "nie życz", "nie chc", "przesta", "wycofuj", "nie pis"),
            *("nie kont", "nie mail", "nie spam", "nie wys", "nie przy", "nie prze"),
        ),
        r"\b(?:proszę|prosze|poproszę|żądam|prosimy)[^.?\n]{0,30}\b(?:wypisać|wypisanie|usunąć"
        r"|usunięcie)\b[^.?\n]{0,30}"
        r"(?:mnie|nas|adres\w{0,2}|e-?mail\w{0,2}|list\w{0,2}|baz\w{0,2}|dan\w{2,4}|newsletter\w{0,2}"
        r"|subskrypc\w{1,3})",
        r"\b(?:proszę|prosze|prosimy)[^.?\n]{0,15} (?:mnie|nas) (?:wypisać|usunąć|wykreślić)\b",
        r"\b(?:proszę|prosze) o wypis\w{0,5}\b|\bwypisz(?:cie)? (?:mnie|nas|ten)\b",
        r"\b(?:usuń|usuńcie|usunąć) (?:mnie|nas|mój (?:adres|e-?mail)|moje dane|ten adres)\b",
        r"\brezygnuj(?:ę|emy) z (?:subskrypcji|newslettera|otrzymywania|dalszej korespondencji|mailingu|wiadomości)",
        r"\bnie życz(?:ę|ymy) sobie\b[^.?\n]{0,60}(?:mail|wiadomo|korespond|kontakt|newslet|ofert|reklam)",
        r"\bnie chc(?:ę|emy) (?:już |więcej )?(?:otrzymywać|dostawać)\b|\bwycofuj(?:ę|emy) (?:moją |swoją )?zgodę",
        r"\b(?:proszę|prosze|prosimy)(?: już| więcej| o)? ?(?:do (?:mnie|nas) )?(?:już |więcej )?nie "
        r"(?:pisać|kontaktować|mailować|spamować)\b(?! (?:przed|po |do (?:\d|godz)|w (?:so|ni|pi)))",
        r"\b(?:proszę|prosze|prosimy)(?: o)? ?(?:już |więcej )?(?:mi |nam |do (?:mnie|nas) )?(?:już |więcej )?nie "
        r"(?:wysyłać|przysyłać|przesyłać)(?: mi| nam| do (?:mnie|nas)| już| więcej){0,2}"
        r"(?: (?:takich |żadnych |tych )?(?:e-?maili|maili|wiadomości|ofert|reklam|newsletter)|\s{0,2}(?:[.!]|$))",
        r"\bprzesta(?:ńcie|ń|ć)(?: do (?:mnie|nas))?(?: mi)? (?:pisać|wysyłać|spamować|przysyłać|mailować)",
        r"\bnie (?:piszcie|wysyłajcie|przysyłajcie)(?: do (?:mnie|nas)| mi| nam)? (?:więcej|już)",
    ),
    Cue.of(  # German
        ("abmeld", "abbestell", "austrag", "verteiler", "mailingliste", "keine ", "lösch", "newsletter", " sie mich"),
        r"\b(?:melden|meldet|tragen|streichen|nehmen|entfernen|löschen) sie (?:mich|uns|meine)\b[^.?\n]{0,60}"
        r"(?:ab\b|aus\b|verteiler|newsletter|liste|datenbank|adresse|daten)",
        r"\b(?:vom|von (?:ihrem|diesem|dem)) (?:newsletter|(?:mail)?verteiler) (?:abmelden|abbestellen|austragen"
        r"|streichen)",
        r"\b(?:aus|von) (?:ihrem|ihrer|dem|der|eurem|eurer)? ?(?:e-?mail-?)?(?:verteiler|mailing-?liste)",
        r"\bbitte (?:senden|schicken|schreiben) sie (?:mir|uns) keine\b|\bnewsletter (?:abbestellen|kündigen)",
        r"\bkeine (?:weiteren |werbe-?)?(?:e-?mails|mails|newsletter|nachrichten|werbung)(?: mehr)?"
        r"(?: (?:erhalten|senden|schicken|zusenden)|\s{0,2}[.!]|$)",
    ),
    Cue.of(  # French
        (
            "désabonn",
            "désinscri",
            "desinscri",
            "retire",
            "supprime",
            "enleve",
            "ne plus",
            "ne m",
            "ne nous",
            "ne souh",
            "ne veu",
        ),
        r"\b(?:désabonner|désinscrire|désabonnez|désinscrivez|desinscrire)\b",
        r"\b(?:me|nous) (?:retirer|supprimer|enlever) de\b",
        r"\b(?:retirez|supprimez|enlevez)[ -](?:moi|nous|mon adresse|mon e-?mail)\b",
        r"\bne (?:me |m['’]|nous )?(?:plus|envoyez plus|contactez plus|écrivez plus|envoyer plus)\b[^.?\n]{0,40}"
        r"(?:contacter|écrire|envoyer|mails?|recevoir|messages?|$)",
        r"\bne souhaite plus (?:recevoir|être contact)|\bne veux plus (?:recevoir|de)",
    ),
    Cue.of(  # Spanish, Italian, Portuguese
        (
            *(
                "baja",
                "suscrip",
                "no me ",
                "no nos",
                "no deseo",
                "no quiero",
                "elimin",
                "cancell",
                "disiscri",
                "rimuov",
            ),
            *("non vo", "non de", "remov", "retire", "exclua", "não ", "cancelar"),
        ),
        r"\b(?:dar(?:me|nos)?|dén?me|denme|solicito(?: la)?|quiero(?: la)?) (?:de )?baja\b|\bcancel\w{1,4} (?:la |mi"
        r" )?suscripción",
        r"\bno (?:me|nos) (?:envíe[ns]?|escriba[ns]?|contacte[ns]?|mande[ns]?)[^.?\n]{0,20}m[áa]s\b",
        r"\bno (?:deseo|quiero) (?:recibir|seguir recibiendo)|\belimin\w{1,4} (?:mi|nuestro) (?:correo|e-?mail"
        r"|dirección)",
        r"\b(?:cancella(?:te)?mi|disiscriv\w{2,6}|rimuov\w{1,4}mi|cancellare il mio)\b",
        r"\bnon (?:voglio|desidero) (?:più )?ricevere",
        r"\b(?:remova|remove|retire|exclua)m?[- ](?:me|o meu|meu)\b[^.?\n]{0,30}(?:lista|e-?mail|contato|base)",
        r"\bnão (?:quero|desejo) (?:mais )?receber|\bcancelar? (?:a |minha )?(?:inscrição|subscrição|assinatura)",
    ),
    Cue.of(  # Dutch, Swedish
        ("schrijf", "meld ", "haal ", "verwijder", "geen ", "avregistr", "avprenum", "ta bort", "sluta"),
        r"\b(?:schrijf|meld|haal|verwijder) (?:mij|me|ons|mijn)\b[^.?\n]{0,40}(?:uit|af|lijst|adres|bestand)",
        r"\bgeen (?:e-?)?mails? meer\b",
        r"\b(?:avregistrera|avprenumerera|ta bort) (?:mig|oss|min)\b|\bsluta (?:skicka|mejla|maila)",
    ),
    Cue.of(  # Czech
        ("odhl", "vyřaď", "vyškrt", "nepřej", "nezasíl", "neposíl"),
        r"\b(?:odhlas|odhlaste|odhlásit|vyřaďte|vyškrtněte) (?:mě|nás|mne|se)\b|\bnepřeji si (?:dostávat|zasíl)",
        r"\b(?:nezasílejte|neposílejte) mi\b",
    ),
    Cue.of(  # Russian, Ukrainian
        ("отпи", "не пи", "не хо", "не жел", "удали", "убери", "исключ", "відпи", "видал", "прибер", "не надс"),
        r"\b(?:отпишите|уберите|удалите|исключите) (?:меня|нас|мой|мою)\b|\bне пишите (?:мне|нам|сюда)|\bотписаться"
        r" от\b",
        r"\bне (?:хочу|желаю) получать|\b(?:відпишіть|видаліть|приберіть) (?:мене|нас|мою|мій)\b",
        r"\bне (?:пишіть|надсилайте) (?:мені|нам)|\bвідписатися від\b",
    ),
)
# A wish about something else than mail, or a question how it is done.
_OTHERWISE = re.compile(
    r"\b(?:how (?:do|can|could|would|to)|jak (?:mogę|można|się)|wie kann|comment|cómo|come (?:posso|si)) [^\n]{0,60}\?"
    r"|\bremove (?:me|us) from (?:the |this )?(?:cc|copy|thread|invit|meeting|call|loop)"
    r"|\b(?:if|jeśli|wenn|si) [^\n.]{0,50}(?:unsubscribe|wypisa|abmeld|désabonn)"
    r"|\b(?:our|my|nasi|our own) (?:users|customers|subscribers|klienci|odbiorcy)\b",
    re.IGNORECASE,
)


_NAMING = re.compile(r"unsubscribe ([0-9a-f]{32})", re.IGNORECASE)


def naming(token: str) -> str:
    """The subject of a mail that asks to stop, for the reader's mail program to write: it names the letter's token."""
    return f"unsubscribe {token}"


def named(subject: str) -> str | None:
    """The token that such a subject names; None: it is another one."""
    found = _NAMING.fullmatch(subject.strip()[:80])
    return found[1].lower() if found else None


def asks_to_stop(own: str, subject: str = "") -> bool:
    """True for a short letter whose writer wants no more mail.

    Args:
        own: the writer's own words, without history and signature.
        subject: stands in for an empty letter; one that names a letter's token says so whatever is below.
    """
    if named(subject) is not None:
        return True
    if len(own) > _MOST:
        return False
    if _WORD.fullmatch(own or subject[:80]):
        return True
    return heard(_WISHES, own, _MOST) and not _OTHERWISE.search(own)
