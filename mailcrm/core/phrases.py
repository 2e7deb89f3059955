"""What mail programs and people write in many languages, as patterns. No rule is decided here.

Patterns are bounded: no nested repetition, so that hostile text cannot make them slow. ``stems`` are plain substrings
of lower-case text: a cheap test that spares ordinary mail the patterns behind it.
"""

from __future__ import annotations

import re

_I = re.IGNORECASE


def _any(*alternatives: str) -> str:
    return "|".join(part for text in alternatives for part in text.split("\n") if part)


# --- subjects -------------------------------------------------------------------------------------------------------

TAGS = r"(?:\[[^\]\n]{1,40}\]\s{0,3}){0,3}"
REPLY_PREFIX = re.compile(
    TAGS + r"(?:re|odp|aw|antw|sv|vs|rif|res|resp|réf|ref|ynt|ответ|відп|回复|答复)(?:\s?[\[(]\d{1,3}[\])])?\s?[:：]",
    _I,
)
FORWARD_PREFIX = re.compile(
    TAGS + r"(?:fwd?|fyi|pd|przek|wg|weitergeleitet|tr|rv|i|inoltra|inoltro|doorst|doorgest|vb|enc|přep|předáno|fwd za"
    r"|továb|vl|videresendt|пересл|пересылка|переслано|нап|ha|i̇lt|ilt|πρθ|转发|轉寄|转寄)(?:\s?[\[(]\d{1,3}[\])])?\s?[:：]",
    _I,
)

# The whole prefix, colon included, as programs write it; people seldom begin a subject this way.
AUTO_SUBJECT = re.compile(
    TAGS
    + r"(?:"
    + _any(
        r"automatic reply|auto(?:matic|mated)?[- ]?(?:reply|response|responder)|out of (?:the )?office auto-?\s?reply",
        r"odpowiedź automatyczna|automatyczna odpowiedź|odp\.? automatyczna|auto-?odpowiedź",
        r"automatische (?:antwort|antwoord|reactie)|automatisch antwoord|abwesenheits(?:notiz|nachricht|meldung"
        r"|assistent)",
        r"autoantwort|auto-antwort",
        r"réponse automatique|message d'absence|respuesta automática|resposta automática",
        r"risposta automatica|automatická odpov[ěe]ď|automatick[áa] odpove[dď]",
        r"autosvar|automatis(?:k|kt) svar|automaattinen vastaus|automatikus válasz|otomatik yanıt|răspuns automat",
        r"автоответ(?:чик)?|автоматический ответ|автоматична відповідь|автовідповідь|自動応答|自动答复|自動回覆",
    )
    + r")\s{0,3}[:：]",
    _I,
)
# The heading of an absence notice, alone or before the answered subject; counts together with AWAY.
AWAY_SUBJECT = re.compile(
    TAGS
    + r"(?:"
    + _any(
        r"(?:i am |i'm )?(?:currently )?out of (?:the )?office(?: (?:message|notification|reply|notice))?|ooo|on"
        r" vacation|on leave",
        r"vacation (?:reply|message|notice)|away from (?:the office|my desk|my mail)|holiday notice|auto-?reply"
        r"|auto-?response",
        r"(?:jestem )?(?:poza biurem|na urlopie|nieobecn[ay])|nieobecność|urlop|autoresponder|brak dostępu do poczty",
        r"abwesenheit|abwesend|(?:bin )?(?:im urlaub|nicht im (?:büro|haus))|urlaub|absence(?: du bureau)?"
        r"|absent(?:e)?",
        r"en congés?|hors du bureau|fuera de la oficina|de vacaciones|ausencia|ausente|fuori (?:ufficio|sede)|in"
        r" ferie|assenza",
        r"afwezig(?:heid)?|buiten kantoor|fora do escritório|de férias|ausência|nepřítomnost|mimo kancelář|dovolená",
        r"в отпуске|отсутствие|у відпустці|відсутність|frånvaro|semester",
    )
    + r")\s{0,3}(?:$|[:：!.–—-])",
    _I,
)

# --- bodies of automatic replies ------------------------------------------------------------------------------------

# Says itself that a machine wrote it. Must begin a line.
SAYS_AUTOMATIC_STEMS = ("auto", "авто", "maschinell", "系统")
SAYS_AUTOMATIC = re.compile(
    r"^[ \t*_(\[<—–-]{0,6}(?:"
    + _any(
        r"(?:please note:? )?(?:this|the following) is an? (?:auto-?(?:matic(?:ally generated)?|mated)|auto)[ -]?"
        r"(?:generated )?(?:e-?mail )?(?:reply|response|answer|responder)",
        r"(?:auto-?reply|automatic reply|automated reply|automatic response)\s{0,2}[:.!]",
        r"(?:to|niniejsza|ta) (?:jest |wiadomość (?:jest |to )?)(?:automatyczna odpowiedź|odpowiedź automatyczna)",
        r"to (?:wiadomość|jest wiadomość) (?:wygenerowana|wysłana) automatycznie[^\n]{0,40}odpowied",
        r"(?:jest to|to) (?:automatyczna odpowiedź|odpowiedź automatyczna|autoodpowiedź|autoresponder)",
        r"(?:automatyczna odpowiedź|odpowiedź automatyczna)\s{0,2}[:.!]",
        r"(?:dies|das) ist eine automatische?(?:r|s)? (?:generierte |erstellte |abwesenheits)?-?"
        r"(?:antwort|abwesenheits\w{0,12}|rückantwort)",
        r"diese (?:antwort|e-?mail|nachricht) wurde automatisch (?:generiert|erstellt|versandt|verschickt)",
        r"(?:ceci est|il s'agit d'|c'est) ?une réponse automatique|réponse automatique\s{0,2}[:.!]",
        r"(?:esta es una|este es un mensaje de) respuesta automática|questa è una risposta automatica",
        r"dit is een automatisch(?: gegenereerd)? (?:antwoord|bericht)|esta é uma resposta automática",
        r"(?:toto|tohle) je automatick[áa] odpov[ěe]ď|это автоматический ответ|це автоматична відповідь",
        r"(?:detta|det här) är ett automatiskt svar|dette er et automatisk svar",
    )
    + r")",
    _I | re.MULTILINE,
)

AWAY_STEMS = (
    "out of office", "out of the office", "away from", "on vacation", "on holiday", "on leave", "on annual leave",
    "on maternity", "on parental", "no longer w", "not in the office", "nieobecn", "poza biurem", "urlop",
    "nie pracuj", "nicht im büro", "nicht im haus", "abwesend", "urlaub", "außer haus", "nicht erreichbar", "absent",
    "absence", "congé", "fuera de la oficina", "vacaciones", "ausente", "fuori ufficio", "fuori sede", "in ferie",
    "assente", "afwezig", "vakantie", "niet op kantoor", "fora do escrit", "de férias", "nepřítom", "dovolen",
    "mimo kancelář", "в отпуске", "отсутств", "у відпуст", "відсутн", "semester", "föräldraledig", "inte på kontoret",
    "frånvarande",
)  # fmt: skip
AWAY = re.compile(
    _any(
        r"\b(?:i am|i'm|i’m|i will be|i'll be|we are) (?:currently |presently |now |away and |also )?"
        r"(?:out of (?:the )?office|away from (?:the|my) (?:office|desk)|on (?:\w{1,12} )?(?:vacation|holiday|leave)"
        r"|not in the office)",
        r"\bi (?:am )?no longer work(?:ing)? (?:at|for|with)\b|^out of (?:the )?office\b",
        r"\b(?:jestem|przebywam|będę)(?: obecnie| aktualnie| teraz)? (?:na (?:\w{1,16} )?urlopie|poza biurem"
        r"|nieobecn[ya])",
        r"\b(?:obecnie|aktualnie|w dniach|do dnia)[^\n]{0,60}?(?:na (?:\w{1,16} )?urlopie|poza biurem|nieobecn)",
        r"\bnie pracuję już w\b|\bw (?:biurze|pracy) (?:jestem|będę) nieobecn[ya]\b",
        r"\bich (?:bin|befinde mich)[^\n]{0,60}?(?:nicht im (?:büro|haus)|abwesend|im urlaub|außer haus|nicht"
        r" erreichbar|in urlaub)",
        r"\b(?:je suis|je serai)[^\n]{0,50}?(?:absente?|en congé|en vacances)|\bpendant mon absence\b|\bactuellement"
        r" absent",
        r"\b(?:estoy|estaré|me encuentro)[^\n]{0,50}?(?:fuera de la oficina|de vacaciones|ausente)",
        r"\b(?:sono|sarò)[^\n]{0,50}?(?:fuori ufficio|fuori sede|in ferie|assente)",
        r"\bik ben[^\n]{0,50}?(?:afwezig|op vakantie|niet op kantoor|met vakantie)",
        r"\b(?:estou|estarei)[^\n]{0,50}?(?:fora do escritório|de férias|ausente)",
        r"\b(?:jsem|budu)[^\n]{0,50}?(?:mimo kancelář|na dovolené|nepřítom)|čerpám dovolenou",
        r"\bя[^\n]{0,50}?(?:в отпуске|отсутств)|\bнахожусь в отпуске|\bя[^\n]{0,50}?(?:у відпустці|відсутн)",
        r"\bперебуваю у відпустці|\bjag (?:är|har)[^\n]{0,40}?(?:semester|inte på kontoret|frånvarande|föräldraledig)",
    ),
    _I | re.MULTILINE,
)
# Sentences that an absence notice adds and a person in a hurry does not.
AWAY_FORMULA = re.compile(
    _any(
        r"\blimited access to (?:my )?e-?mail|\b(?:in|for) (?:any )?urgent (?:matters|cases|issues|requests|inquiries)",
        r"\byour (?:e-?mail|message) will not be forwarded|\bi will (?:respond|reply|answer)[^\n.]{0,40}(?:return"
        r"|back)",
        r"\bthank you for (?:your|the) (?:e-?mail|message)|\bthanks for your (?:e-?mail|message)",
        r"\bw (?:sprawach pilnych|pilnych sprawach|razie pilnych)|\bdziękuję za (?:wiadomość|maila|e-mail|kontakt)",
        r"\bna (?:wiadomość|wiadomości|maile?|e-maile?|mail) odpowiem|\bograniczony dostęp do poczty|\bodpowiem po"
        r" powrocie",
        r"\bin dringenden (?:fällen|angelegenheiten)|\bvielen dank für ihre (?:e-?mail|nachricht)|\bnicht"
        r" weitergeleitet",
        r"\ben cas d'urgence|\bpour toute (?:demande )?urgen|\bje vous répondrai|\bmerci (?:pour|de) votre (?:e-?mail"
        r"|message)",
        r"\ben caso de urgencia|\bpara asuntos urgentes|\bin caso di urgenz|\bper urgenze|\bvoor dringende|\bbij"
        r" dringende",
        r"\bem caso de urgência|\bpara assuntos urgentes|\bv naléhavých|\bпо срочным|\bв термінових|\bvid brådskande",
    ),
    _I,
)

# A person who tells of an absence to come; a notice speaks of now.
AWAY_LATER = re.compile(
    r"next (?:week|month|year|friday|monday)|przyszł\w{2,3} (?:tygodni|miesiąc|rok)|nächste\w? (?:woche|monat|jahr)"
    r"|(?:semaine|mois|année) prochaine?|próxim[ao] (?:semana|mes)|(?:settimana|mese) prossim[ao]|prossim[ao]"
    r" (?:settimana|mese)"
    r"|volgende (?:week|maand)|příští (?:týden|měsíc)|следующ\w{2,3} (?:недел|месяц)|наступн\w{2,3} (?:тиж|місяц)"
    r"|nästa vecka",
    _I,
)

# --- people who want no more mail -----------------------------------------------------------------------------------

STOP_STEMS = (
    "unsub", "remove", "take me off", "take us off", "opt out", "opt-out", "stop", "do not", "don't", "don’t", "no",
    " more", "wypis", "wypisz", "usun", "usuń", "usuni", "rezygn", "nie życzę", "nie chcę", "nie wysyła", "nie pis",
    "przesta", "wycofuj", "proszę nie", "prosze nie", "abmeld", "abbestell", "austrag", "verteiler", "keine",
    "nicht mehr", "lösch", "désabonn", "désinscri", "desabonn", "retirez", "ne plus", "ne m", "baja", "no me ",
    "no deseo", "no quiero", "elimin", "suscrip", "cancell", "disiscri", "rimuov", "non ", "uitschrijv", "afmeld",
    "geen ", "verwijder", "cancelar", "remov", "descadastr", "não ", "odhlás", "odhlas", "nepřeji", "nezasíl",
    "neposíl", "отпис", "отпиш", "ne souhaite", "ne veu", "не пиш", "удалит", "уберит", "відпис", "відпиш", "видаліт",
    "avregistr", "avprenum", "avsluta", "ta bort", "sluta",
)  # fmt: skip
# Alone, these words are the whole of the wish.
STOP_WORD = re.compile(
    r"\W{0,10}(?:please[ ,]{1,2}|proszę[ ,]{1,2}|bitte[ ,]{1,2})?(?:unsubscribe(?: me)?|stop|remove(?: me)?"
    r"|opt[- ]?out|"
    r"wypisz(?:cie)?(?: mnie)?|wypisać|wypisanie|wypis|usuń(?:cie)?(?: mnie)?|rezygnacja|rezygnuję|abmelden"
    r"|abbestellen|austragen|"
    r"désabonner|désinscription|désabonnement|désinscrire|baja|cancelar suscripción|cancellami|disiscrivimi"
    r"|uitschrijven|"
    r"afmelden|descadastrar|odhlásit|отписаться|отпишите|отписка|відписатися|відпишіть|avregistrera)"
    r"(?: (?:please|proszę|bitte|svp|por favor))?\W{0,10}",
    _I,
)
_LISTS = r"(?:mailing|e-?mail|distribution|contact|marketing|newsletter|your)"
STOP = re.compile(
    _any(
        r"\bunsubscribe (?:me|us|my|this|from)\b|\b(?:to|please|kindly|and) unsubscribe\b|\bunsubscribe,? please\b",
        r"\b(?:take|remove|delete) (?:me|us|my (?:e-?mail|address|name|data|details)|this address)[^.?\n]{0,40}\b"
        r"(?:list|lists|database|mailings?|records|system)\b",
        r"\bremove (?:me|us|my (?:e-?mail|address))(?: please| now| immediately| asap)?\s{0,2}(?:[.!,]|$)",
        r"\bstop (?:e-?mailing|mailing|contacting|writing|spamming|sending|messaging|bothering|all (?:e-?mails"
        r"|contact))",
        r"\b(?:do not|don['’]t|never) (?:ever )?(?:contact|e-?mail|mail|write(?: to)?|message|spam) (?:me|us|this"
        r" address)"
        r"(?: any ?more| again| any further| in (?:the )?future|\s{0,2}[.!,]|\s{0,2}$)",
        r"\b(?:do not|don['’]t) (?:want|wish) (?:to (?:receive|get)|any)[^.?\n]{0,30}\b(?:e-?mails?|mails?|messages?"
        r"|newsletters?)",
        r"\b(?:i|we) (?:want|would like|wish) to opt[ -]?out|\bopt (?:me|us) out\b|\bno more (?:e-?mails|mails"
        r"|messages)\b",
        r"\b(?:proszę|prosze|poproszę|żądam|prosimy)[^.?\n]{0,30}\b(?:wypisać|wypisanie|wypisanie mnie|usunąć"
        r"|usunięcie)\b"
        r"[^.?\n]{0,30}(?:mnie|nas|adres\w{0,2}|e-?mail\w{0,2}|maila|list\w{0,2}|baz\w{0,2}|dan\w{2,4}"
        r"|newsletter\w{0,2}|subskrypc\w{1,3})",
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
        r"(?: (?:takich |żadnych |tych )?(?:e-?maili|maili|wiadomości|ofert|reklam|newsletter\w{0,2})|\s{0,2}(?:[.!]"
        r"|$))",
        r"\b(?:proszę |prosze )?przesta(?:ńcie|ń|ć|nie)(?: do (?:mnie|nas))?(?: mi)? (?:pisać|wysyłać|spamować"
        r"|przysyłać|mailować)",
        r"\bnie (?:piszcie|wysyłajcie|przysyłajcie)(?: do (?:mnie|nas)| mi| nam)? (?:więcej|już)",
        r"\b(?:melden|meldet|tragen|streichen|nehmen|entfernen|löschen) sie (?:mich|uns|meine)\b[^.?\n]{0,60}"
        r"(?:ab\b|aus\b|verteiler|newsletter|liste|datenbank|adresse|daten)",
        r"\b(?:vom|von (?:ihrem|diesem|dem)) (?:newsletter|verteiler|mailverteiler) (?:abmelden|abbestellen|austragen"
        r"|nehmen|streichen)",
        r"\b(?:aus|von) (?:ihrem|ihrer|dem|der|eurem|eurer)? ?(?:e-?mail-?)?(?:verteiler|verteilerliste|mailingliste"
        r"|mailing-liste)\b",
        r"\bbitte (?:senden|schicken|schreiben) sie (?:mir|uns) keine\b|\bkeine (?:weiteren |werbe-?)?(?:e-?mails"
        r"|mails|newsletter"
        r"|nachrichten|werbung)(?: mehr)?(?: (?:erhalten|senden|schicken|zusenden)|\s{0,2}[.!]|$)",
        r"\bnewsletter (?:abbestellen|kündigen)",
        r"\b(?:me |nous )?(?:désabonner|désinscrire|désabonnez|désinscrivez|desinscrire)\b|\b(?:me|nous) (?:retirer"
        r"|supprimer|enlever) de\b",
        r"\b(?:retirez|supprimez|enlevez)[ -](?:moi|nous|mon adresse|mon e-?mail)\b",
        r"\bne (?:me |m['’]|nous )?(?:plus |envoyez plus|contactez plus|écrivez plus|envoyer plus)[^.?\n]{0,40}"
        r"(?:contacter|écrire|envoyer|mails?|recevoir|messages?|$)",
        r"\bne souhaite plus (?:recevoir|être contact)|\bne veux plus (?:recevoir|de)",
        r"\b(?:dar(?:me|nos)?|dé(?:n)?me|denme|solicito(?: la)?|quiero(?: la)?) (?:de )?baja\b|\bcancel\w{1,4} (?:la "
        r"|mi )?suscripción",
        r"\bno (?:me|nos) (?:envíe[ns]?|escriba[ns]?|contacte[ns]?|mande[ns]?)[^.?\n]{0,20}(?:más|mas)\b",
        r"\bno (?:deseo|quiero) (?:recibir|seguir recibiendo)|\belimin\w{1,4} (?:mi|nuestro) (?:correo|e-?mail"
        r"|dirección)",
        r"\b(?:cancella(?:te)?mi|disiscriv\w{2,6}|rimuov\w{1,4}mi|cancellare il mio)\b|\bnon (?:voglio|desidero)"
        r" (?:più )?ricevere",
        r"\b(?:schrijf|meld|haal|verwijder) (?:mij|me|ons|mijn)\b[^.?\n]{0,40}(?:uit|af|lijst|adres|bestand)|\bgeen"
        r" (?:e-?)?mails? meer\b",
        r"\b(?:remova|remove|retire|exclua)m?[- ](?:me|o meu|meu)\b[^.?\n]{0,30}(?:lista|e-?mail|contato|base)",
        r"\bnão (?:quero|desejo) (?:mais )?receber|\bcancelar? (?:a |minha )?(?:inscrição|subscrição|assinatura)",
        r"\b(?:odhlas|odhlaste|odhlásit|vyřaďte|vyškrtněte) (?:mě|nás|mne|se)\b|\bnepřeji si (?:dostávat|zasíl)"
        r"|\b(?:nezasílejte|neposílejte) mi\b",
        r"\b(?:отпишите|уберите|удалите|исключите) (?:меня|нас|мой|мою)\b|\bне пишите (?:мне|нам|сюда)|\bотписаться"
        r" от\b|\bне (?:хочу|желаю) получать",
        r"\b(?:відпишіть|видаліть|приберіть) (?:мене|нас|мою|мій)\b|\bне (?:пишіть|надсилайте) (?:мені|нам)"
        r"|\bвідписатися від\b",
        r"\b(?:avregistrera|avprenumerera|ta bort) (?:mig|oss|min)\b|\bsluta (?:skicka|mejla|maila)",
        rf"\b(?:off|from) (?:this|the|your|all)? ?{_LISTS}[- ](?:mailing )?lists?\b",
    ),
    _I | re.MULTILINE,
)
# A wish about something else than mail, or a question how it is done.
STOP_NOT = re.compile(
    r"\b(?:how (?:do|can|could|would|to)|jak (?:mogę|można|się)|wie kann|comment|cómo|come (?:posso|si)) [^\n]{0,60}\?"
    r"|\bremove (?:me|us) from (?:the |this )?(?:cc|copy|thread|invit|meeting|call|loop)"
    r"|\b(?:if|jeśli|wenn|si) [^\n.]{0,50}(?:unsubscribe|wypisa|abmeld|désabonn)"
    r"|\b(?:our|my|nasi|our own) (?:users|customers|subscribers|klienci|odbiorcy)\b",
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
