"""Header blocks that mail programs put above the text they quote or forward ("From: … Sent: … Subject: …")."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LABELS = {
    "from": """from od nadawca von absender de expéditeur expediteur da mittente di van afzender remetente odesílatel
        odesilatel odosielateľ от от_кого від від_кого отправитель відправник från avsändare fra afsender lähettäjä
        feladó gönderen remitente 发件人 寄件者 差出人 보낸사람""",
    "date": """date sent data wysłano wysłane wysłany wyslano data_wysłania gesendet datum envoyé envoye envoyé_le le
        enviado enviado_el fecha enviada inviato inviata data_invio verzonden enviada_em enviado_em odesláno odoslané
        дата отправлено дата_отправки надіслано відправлено skickat sendt dato lähetetty päivämäärä päiväys küldve dátum
        elküldve tarih gönderildi 发送时间 日期 寄件日期 日付 送信日時 보낸날짜""",
    "to": """to do adresat odbiorca dla an empfänger à pour destinataire para destinatario a per destinatário aan
        ontvanger komu pro кому получатель одержувач till til vastaanottaja címzett kime alıcı 收件人 宛先 받는사람""",
    "cc": """cc bcc dw udw kopia kopie do_wiadomości copie copie_à kopi копия копія copia kópia másolatot_kap bilgi 抄送
        reply-to odpowiedz_do antwort_an répondre_à responder_a responder rispondi_a odpovědět_komu importance ważność
        priorytet priority wichtigkeit priorität attachments załączniki anlagen message-id organization organizacja
        list-id resent-from""",
    "subject": """subject temat betreff objet sujet asunto oggetto onderwerp assunto předmět predmet тема ämne emne aihe
        tárgy konu 主题 主旨 件名 제목""",
}  # fmt: skip
_ROLE = {label.replace("_", " "): role for role, labels in _LABELS.items() for label in labels.split()}

# "> *From:* Jan", "| Od : Jan": quoting marks, bold marks of converted HTML, French blanks before the colon
_LINE = re.compile(
    r"[>|\s]{0,12}[*_]{0,2}([^\W\d_][^\n:：*]{0,20}?)[\s\u00a0]{0,3}[*_]{0,2}[:：][*_]{0,2}(?:[\s\u00a0]+|$)(.*)"
)
_MARKS = re.compile(r"^[>|\s]{0,12}")
_MOST_LINES = 24


@dataclass(frozen=True, slots=True)
class HeaderBlock:
    """Lines ``start`` to ``end`` (exclusive) of a text, and the values read from them."""

    start: int
    end: int
    from_: str
    date: str = ""
    subject: str = ""
    message_id: str = ""


def label(line: str) -> tuple[str, str] | None:
    """The role (``from``, ``date``, ``to``, ``cc``, ``subject``) and the value of one quoted header line, or None."""
    if ":" not in line[:40] and "：" not in line[:40]:
        return None
    found = _LINE.match(line, 0, 600)
    if found is None:
        return None
    role = _ROLE.get(found[1].strip().casefold())
    return (role, found[2].strip(" *_\t\u00a0")) if role else None


def header_block(lines: Sequence[str], start: int) -> HeaderBlock | None:
    """The header block that begins in line ``start``, or None.

    A block names at least an author and two of date, recipient and subject. Long values may be folded into lines
    without a label; one blank line between two labels is allowed, as HTML turned into text has them.
    """
    first = label(lines[start])
    if first is None or first[0] in ("to", "cc"):
        return None
    values: dict[str, list[str]] = {}
    message_id = ""
    folded = 0
    end = at = start
    current: list[str] = []
    while at < min(len(lines), start + _MOST_LINES):
        line = lines[at][:600]
        found = label(line)
        if found is not None:
            role, value = found
            if role in values and role in ("from", "subject", "date") and values[role] != [""]:
                break
            current = values.setdefault(role, [])
            current.append(value)
            if "message-id" in line[:20].lower():
                message_id = value.strip("<> ")
            folded = 0
            end = at + 1
        elif not _MARKS.sub("", line).strip():
            # a gap ends the block, unless the next line goes on with it
            if at + 1 >= len(lines) or label(lines[at + 1]) is None:
                break
        elif folded < 8 and (current == [""] or _continues(line, current)):
            current.append(_MARKS.sub("", line).strip())
            folded += 1
            end = at + 1
        else:
            break
        at += 1
    if "from" not in values or len(values.keys() & {"date", "to", "subject"}) < 2:
        return None
    joined = {role: " ".join(parts).strip() for role, parts in values.items()}
    return HeaderBlock(start, end, joined["from"], joined.get("date", ""), joined.get("subject", ""), message_id)


def _continues(line: str, value: Sequence[str]) -> bool:
    return (
        line[:1] in " \t"
        or value[-1].endswith((";", ","))
        or ("@" in line and "@" in value[-1] and line.rstrip().endswith((">", ";")))
    )
