"""Forwards as common mail programs write them, in several languages: our own samples, each with what it forwards."""

# ruff: noqa: E501  lines of mail stand as they are sent

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

SENT = datetime(2026, 11, 3, 11, 0, tzinfo=UTC)  # noon in Warsaw, Berlin, Paris
OWN = "Proszę o założenie szansy sprzedaży."
BODY = "Dzień dobry,\n\nproszę o ofertę na 20 sztuk.\n\nJan"


@dataclass(frozen=True)
class Sample:
    """One forward: the client, the forward's subject and text (or HTML), and what should be read from it."""

    client: str
    subject: str
    text: str
    html: str = ""
    email: str = "jan.kowalski@klient.example"
    name: str = "Jan Kowalski"
    original: str | None = "Zapytanie o ofertę"
    dated: bool = True


def samples() -> Iterator[Sample]:
    """Every sample."""
    yield from _gmail()
    yield from _outlook()
    yield from _apple()
    yield from _mozilla()
    yield from _webmail()
    yield from _eastern()
    yield from _html()


def _text(*lines: str, own: str = OWN) -> str:
    return "\n".join([own, "", *lines, "", BODY])


def _gmail() -> Iterator[Sample]:
    head = "---------- Forwarded message ---------"
    who, to = "Jan Kowalski <jan.kowalski@klient.example>", "Anna Nowak <anna@firma.example>"
    for of, date, about, at in (
        ("From", "Date: Tue, Nov 3, 2026 at 12:00 PM", "Subject", "To"),
        ("Od", "Date: wt., 3 lis 2026 o 12:00", "Subject", "To"),
        ("Von", "Date: Di., 3. Nov. 2026 um 12:00 Uhr", "Subject", "To"),
        ("De", "Date: mar. 3 nov. 2026 à 12:00", "Subject", "To"),
        ("De", "Date: mar, 3 nov 2026 a las 12:00", "Subject", "To"),
        ("Da", "Date: mar 3 nov 2026 alle ore 12:00", "Subject", "To"),
        ("Van", "Date: di 3 nov 2026 om 12:00", "Subject", "To"),
        ("De", "Date: ter., 3 de nov. de 2026 às 12:00", "Subject", "To"),
        ("Od", "Date: út 3. 11. 2026 v 12:00", "Subject", "To"),
        ("От", "Date: вт, 3 нояб. 2026 г. в 12:00", "Subject", "To"),
        ("Від", "Date: вт, 3 лист. 2026 р. о 12:00", "Subject", "To"),
        ("Från", "Date: tis 3 nov. 2026 kl 12:00", "Subject", "To"),
    ):
        lines = (head, f"{of}: {who}", date, f"{about}: Zapytanie o ofertę", f"{at}: {to}")
        yield Sample(f"Gmail ({of})", "Fwd: Zapytanie o ofertę", _text(*lines))
    lines = (head, f"From: {who}", "Date: Tue, Nov 3, 2026 at 12:00 PM", "Subject: Zapytanie o ofertę", f"To: {to}")
    yield Sample("Gmail, nothing added", "Fwd: Zapytanie o ofertę", _text(*lines, own=""))
    yield Sample(
        "Gmail, long list of recipients",
        "Fwd: Zapytanie o ofertę",
        _text(*lines[:-1], f"To: {to}, Piotr", " <p@firma.example>,", " Ola <o@firma.example>"),
    )


def _outlook() -> Iterator[Sample]:
    for prefix, of, sent, at, about, date in (
        ("FW", "From", "Sent", "To", "Subject", "Tuesday, November 3, 2026 12:00 PM"),
        ("FW", "From", "Sent", "To", "Subject", "03 November 2026 12:00"),
        ("PD", "Od", "Wysłano", "Do", "Temat", "wtorek, 3 listopada 2026 12:00"),
        ("PD", "Od", "Wysłane", "Do", "Temat", "3 listopada 2026 12:00"),
        ("WG", "Von", "Gesendet", "An", "Betreff", "Dienstag, 3. November 2026 12:00"),
        ("TR", "De", "Envoyé", "À", "Objet", "mardi 3 novembre 2026 12:00"),
        ("RV", "De", "Enviado el", "Para", "Asunto", "martes, 3 de noviembre de 2026 12:00"),
        ("I", "Da", "Inviato", "A", "Oggetto", "martedì 3 novembre 2026 12:00"),
        ("FW", "Van", "Verzonden", "Aan", "Onderwerp", "dinsdag 3 november 2026 12:00"),
        ("ENC", "De", "Enviada em", "Para", "Assunto", "terça-feira, 3 de novembro de 2026 12:00"),
        ("FW", "Od", "Odesláno", "Komu", "Předmět", "úterý 3. listopadu 2026 12:00"),
        ("FW", "От", "Отправлено", "Кому", "Тема", "3 ноября 2026 г. 12:00"),
        ("FW", "Від", "Надіслано", "Кому", "Тема", "вівторок, 3 листопада 2026 р. 12:00"),
        ("VB", "Från", "Skickat", "Till", "Ämne", "den 3 november 2026 12:00"),
    ):
        colon = " :" if about == "Objet" else ":"
        block = (
            f"{of}{colon} Jan Kowalski <jan.kowalski@klient.example>",
            f"{sent}{colon} {date}",
            f"{at}{colon} Anna Nowak <anna@firma.example>",
            f"{about}{colon} Zapytanie o ofertę",
        )
        subject = f"{prefix}: Zapytanie o ofertę"
        yield Sample(f"Outlook desktop ({about})", subject, _text(*block))
        yield Sample(f"Outlook on the web ({about})", subject, _text("_" * 32, *block))
        mailto = block[0].replace("<", "[mailto:").replace(">", "]")
        marker = {"Temat": "-----Wiadomość oryginalna-----", "Betreff": "-----Ursprüngliche Nachricht-----"}
        yield Sample(
            f"Outlook, plain ({about})",
            subject,
            _text(marker.get(about, "-----Original Message-----"), mailto, *block[1:]),
        )
    mobile = "Pobierz aplikację Outlook dla systemu iOS<https://outlook.example/>"
    block = (
        "From: Jan Kowalski <jan.kowalski@klient.example>",
        "Sent: Tuesday, November 3, 2026 12:00:00 PM",
        "To: Anna Nowak <anna@firma.example>",
        "Subject: Zapytanie o ofertę",
    )
    yield Sample("Outlook mobile", "Fw: Zapytanie o ofertę", _text(mobile, "_" * 32, *block))
    yield Sample(
        "Outlook, importance and attachments",
        "FW: Zapytanie o ofertę",
        _text(*block, "Importance: High", "Attachments: oferta.pdf"),
    )
    yield Sample(
        "Outlook, name alone",
        "FW: Zapytanie o ofertę",
        _text("From: Kowalski, Jan", *block[1:]),
        email="",
        name="Kowalski, Jan",
    )


def _apple() -> Iterator[Sample]:
    for prefix, marker, of, about, when, at, date in (
        ("Fwd", "Begin forwarded message:", "From", "Subject", "Date", "To", "November 3, 2026 at 12:00:00 PM GMT+1"),
        ("Fwd", "Początek przekazywanej wiadomości:", "Od", "Temat", "Data", "Do", "3 listopada 2026 o 12:00:00 CET"),
        (
            "Fwd",
            "Anfang der weitergeleiteten Nachricht:",
            "Von",
            "Betreff",
            "Datum",
            "An",
            "3. November 2026 um 12:00:00 MEZ",
        ),
        ("Fwd", "Début du message réexpédié :", "De", "Objet", "Date", "À", "3 novembre 2026 à 12:00:00 UTC+1"),
        (
            "Fwd",
            "Inicio del mensaje reenviado:",
            "De",
            "Asunto",
            "Fecha",
            "Para",
            "3 de noviembre de 2026, 12:00:00 CET",
        ),
        ("Fwd", "Inizio messaggio inoltrato:", "Da", "Oggetto", "Data", "A", "3 novembre 2026 alle ore 12:00:00 CET"),
        ("Fwd", "Begin doorgestuurd bericht:", "Van", "Onderwerp", "Datum", "Aan", "3 november 2026 om 12:00:00 CET"),
        (
            "Fwd",
            "Начало переадресованного сообщения:",
            "От",
            "Тема",
            "Дата",
            "Кому",
            "3 ноября 2026 г. в 12:00:00 GMT+1",
        ),
    ):
        colon = " :" if about == "Objet" else ":"
        block = (
            f"{of}{colon} Jan Kowalski <jan.kowalski@klient.example>",
            f"{about}{colon} Zapytanie o ofertę",
            f"{when}{colon} {date}",
            f"{at}{colon} Anna Nowak <anna@firma.example>",
        )
        subject = f"{prefix}: Zapytanie o ofertę"
        yield Sample(f"Apple Mail ({about})", subject, _text(marker, "", *block))
        quoted = "\n".join(f"> {line}".rstrip() for line in (marker, "", *block, "", *BODY.split("\n")))
        yield Sample(f"iOS Mail ({about})", subject, f"{OWN}\n\nWysłane z iPhone’a\n\n{quoted}\n")


def _mozilla() -> Iterator[Sample]:
    for marker, about, when, of, at, date in (
        ("-------- Forwarded Message --------", "Subject", "Date", "From", "To", "Tue, 3 Nov 2026 12:00:00 +0100"),
        (
            "-------- Wiadomość przekazana --------",
            "Temat",
            "Data",
            "Nadawca",
            "Adresat",
            "Tue, 3 Nov 2026 12:00:00 +0100",
        ),
        ("-------- Przekazana wiadomość --------", "Temat", "Data", "Od", "Do", "Tue, 3 Nov 2026 12:00:00 +0100"),
        (
            "-------- Weitergeleitete Nachricht --------",
            "Betreff",
            "Datum",
            "Von",
            "An",
            "Tue, 3 Nov 2026 12:00:00 +0100",
        ),
        ("-------- Message transféré --------", "Sujet ", "Date ", "De ", "Pour ", "Tue, 3 Nov 2026 12:00:00 +0100"),
        ("-------- Mensaje reenviado --------", "Asunto", "Fecha", "De", "Para", "Tue, 3 Nov 2026 12:00:00 +0100"),
        ("-------- Messaggio Inoltrato --------", "Oggetto", "Data", "Mittente", "A", "Tue, 3 Nov 2026 12:00:00 +0100"),
        (
            "-------- Doorgestuurd bericht --------",
            "Onderwerp",
            "Datum",
            "Van",
            "Aan",
            "Tue, 3 Nov 2026 12:00:00 +0100",
        ),
        ("-------- Mensagem encaminhada --------", "Assunto", "Data", "De", "Para", "Tue, 3 Nov 2026 12:00:00 +0100"),
        ("-------- Přeposlaná zpráva --------", "Předmět", "Datum", "Od", "Komu", "Tue, 3 Nov 2026 12:00:00 +0100"),
        (
            "-------- Перенаправленное сообщение --------",
            "Тема",
            "Дата",
            "От",
            "Кому",
            "Tue, 3 Nov 2026 12:00:00 +0100",
        ),
        ("-------- Переслане повідомлення --------", "Тема", "Дата", "Від", "Кому", "Tue, 3 Nov 2026 12:00:00 +0100"),
        (
            "-------- Vidarebefordrat meddelande --------",
            "Ämne",
            "Datum",
            "Från",
            "Till",
            "Tue, 3 Nov 2026 12:00:00 +0100",
        ),
    ):
        yield Sample(
            f"Thunderbird ({about.strip()})",
            "Fwd: Zapytanie o ofertę",
            _text(
                marker,
                f"{about}: \tZapytanie o ofertę",
                f"{when}: \t{date}",
                f"{of}: \tJan Kowalski <jan.kowalski@klient.example>",
                f"{at}: \tAnna Nowak <anna@firma.example>",
            ),
        )


def _webmail() -> Iterator[Sample]:
    who, to = "Jan Kowalski <jan.kowalski@klient.example>", "anna@firma.example"
    blocks = {
        "Yahoo": ("----- Forwarded Message -----", f"From: {who}", f"To: {to}", "Sent: Tuesday, November 3, 2026 at 12:00:00 PM GMT+1", "Subject: Zapytanie o ofertę"),
        "Yahoo (pl)": ("----- Przekazana wiadomość -----", f"Od: {who}", f"Do: {to}", "Wysłano: wtorek, 3 listopada 2026 12:00:00 CET", "Temat: Zapytanie o ofertę"),
        "Proton": ("------- Forwarded Message -------", f"From: {who}", "Date: On Tuesday, November 3rd, 2026 at 12:00 PM", "Subject: Zapytanie o ofertę", f"To: {to}"),
        "Roundcube": ("-------- Original Message --------", "Subject: Zapytanie o ofertę", "Date: 2026-11-03 12:00", f"From: {who}", f"To: {to}"),
        "Roundcube (pl)": ("-------- Wiadomość oryginalna --------", "Temat: Zapytanie o ofertę", "Data: 2026-11-03 12:00", f"Nadawca: {who}", f"Adresat: {to}"),
        "Roundcube (de)": ("-------- Originalnachricht --------", "Betreff: Zapytanie o ofertę", "Datum: 03.11.2026 12:00", f"Von: {who}", f"An: {to}"),
        "Zimbra": ("----- Forwarded Message -----", 'From: "Jan Kowalski" <jan.kowalski@klient.example>', f"To: {to}", "Sent: Tuesday, November 3, 2026 12:00:00 PM", "Subject: Zapytanie o ofertę"),
        "Zimbra (pl)": ("----- Przekazana wiadomość -----", 'Od: "Jan Kowalski" <jan.kowalski@klient.example>', f"Do: {to}", "Wysłane: wtorek, 3 listopada 2026 12:00:00", "Temat: Zapytanie o ofertę"),
        "SOGo": ("-------- Original Message --------", "Subject: Zapytanie o ofertę", "Date: Tuesday, November 03, 2026 12:00 CET", f"From: {who}", f"To: {to}"),
        "wp.pl": ("---------- Wiadomość przekazana ----------", f"Od: {who}", f"Do: {to}", "Data: 3 listopada 2026 12:00", "Temat: Zapytanie o ofertę"),
        "interia": ("----- Wiadomość przekazana -----", 'Od: "Jan Kowalski" <jan.kowalski@klient.example>', "Data: 2026-11-03 12:00", f"Do: {to}", "Temat: Zapytanie o ofertę"),
        "Fastmail": ("----- Original message -----", f"From: {who}", f"To: {to}", "Subject: Zapytanie o ofertę", "Date: Tuesday, 3 November 2026 12:00 PM"),
        "Zoho": ("============ Forwarded message ============", f"From: {who}", f"To: {to}", "Date: Tue, 03 Nov 2026 12:00:00 +0100", "Subject: Zapytanie o ofertę", "============ Forwarded message ============"),
        "Horde": ("----- Forwarded message from Jan Kowalski <jan.kowalski@klient.example> -----", "    Date: Tue, 3 Nov 2026 12:00:00 +0100", f"    From: {who}", " Subject: Zapytanie o ofertę", f"      To: {to}"),
        "GMX": ("Gesendet: Dienstag, 03. November 2026 um 12:00 Uhr", 'Von: "Jan Kowalski" <jan.kowalski@klient.example>', f"An: {to}", "Betreff: Zapytanie o ofertę"),
        "mutt": (f"----- Forwarded message from {who} -----", "", "Date: Tue, 3 Nov 2026 12:00:00 +0100", f"From: {who}", f"To: {to}", "Subject: Zapytanie o ofertę"),
    }  # fmt: skip
    for client, block in blocks.items():
        prefix = "WG" if client == "GMX" else "Fwd"
        yield Sample(client, f"{prefix}: Zapytanie o ofertę", _text(*block))
    yield Sample(
        "onet",
        "Fwd: Zapytanie o ofertę",
        _text("W dniu 2026-11-03 12:00:00 użytkownik Jan Kowalski <jan.kowalski@klient.example> napisał:"),
        original=None,
    )


def _eastern() -> Iterator[Sample]:
    block = (
        "-------- Пересылаемое сообщение --------",
        "От кого: Jan Kowalski <jan.kowalski@klient.example>",
        "Кому: anna@firma.example",
        "Дата: Вторник, 3 ноября 2026, 12:00 +01:00",
        "Тема: Zapytanie o ofertę",
    )
    yield Sample("mail.ru", "Fwd: Zapytanie o ofertę", _text(*block))
    yandex = (
        "-------- Пересылаемое сообщение --------",
        '03.11.2026, 12:00, "Jan Kowalski" <jan.kowalski@klient.example>:',
    )
    text = _text(*yandex) + "\n-------- Завершение пересылаемого сообщения --------\n"
    yield Sample("Yandex", "Fwd: Zapytanie o ofertę", text, original=None)


def _html() -> Iterator[Sample]:
    """Programs that send HTML alone: the block as they mark it up."""
    rows = "".join(
        f'<tr><th align="RIGHT" valign="BASELINE" nowrap="nowrap">{name}: </th><td>{value}</td></tr>'
        for name, value in (
            ("Temat", "Zapytanie o ofertę"),
            ("Data", "Tue, 3 Nov 2026 12:00:00 +0100"),
            (
                "Nadawca",
                'Jan Kowalski <a href="mailto:jan.kowalski@klient.example">&lt;jan.kowalski@klient.example&gt;</a>',
            ),
            ("Adresat", "anna@firma.example"),
        )
    )
    body = "<p>Dzień dobry,</p><p>proszę o ofertę na 20 sztuk.</p>"
    yield Sample(
        "Thunderbird, HTML",
        "Fwd: Zapytanie o ofertę",
        "",
        f'<html><body><p>{OWN}</p><div class="moz-forward-container"><br>-------- Wiadomość przekazana --------'
        f'<table class="moz-email-headers-table"><tbody>{rows}</tbody></table><br>{body}</div></body></html>',
    )
    yield Sample(
        "Outlook, HTML",
        "PD: Zapytanie o ofertę",
        "",
        f'<html><body><div class="WordSection1"><p class="MsoNormal">{OWN}</p><div style="border:none;border-top:solid #E1E1E1 1.0pt">'
        '<p class="MsoNormal"><b>From:</b> Jan Kowalski &lt;jan.kowalski@klient.example&gt; <br><b>Sent:</b> Tuesday, November 3, 2026 12:00 PM'
        f"<br><b>To:</b> Anna Nowak &lt;anna@firma.example&gt;<br><b>Subject:</b> Zapytanie o ofertę</p></div>{body}</div></body></html>",
    )
    yield Sample(
        "Gmail, HTML",
        "Fwd: Zapytanie o ofertę",
        "",
        f'<div dir="ltr">{OWN}<br><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">---------- Forwarded message ---------<br>'
        'Od: <strong class="gmail_sendername" dir="auto">Jan Kowalski</strong> <span dir="auto">&lt;<a href="mailto:jan.kowalski@klient.example">'
        "jan.kowalski@klient.example</a>&gt;</span><br>Date: wt., 3 lis 2026 o 12:00<br>Subject: Zapytanie o ofertę<br>To:  &lt;"
        f'<a href="mailto:anna@firma.example">anna@firma.example</a>&gt;<br></div><br><br>{body}</div></div>',
    )
