"""Bounces as mail systems write them: our own samples, each with what should be read from it."""

# ruff: noqa: E501  lines of mail stand as they are sent

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

ORIGINAL = "oferta.17@firma.example"
WHO = "jan@klient.example"


@dataclass(frozen=True)
class Sample:
    """One bounce: who wrote it, its bytes, and whether the address is lost for good."""

    system: str
    raw: bytes
    permanent: bool
    status: str | None = None
    recipient: str = WHO


def report(
    status: str,
    diagnostic: str,
    *,
    action: str = "failed",
    sender: str = "MAILER-DAEMON@mx.firma.example (Mail Delivery System)",
    subject: str = "Undelivered Mail Returned to Sender",
    text: str = "I'm sorry to have to inform you that your message could not be delivered.",
    recipient: str = f"Final-Recipient: rfc822; {WHO}",
    returned: str = "message/rfc822",
    extra: str = "",
) -> bytes:
    """A delivery report (RFC 3464) in three parts."""
    fields = [recipient, f"Action: {action}"] + ([f"Status: {status}"] if status else [])
    if diagnostic:
        fields.append(f"Diagnostic-Code: {diagnostic}")
    return (
        f"Return-Path: <>\nFrom: {sender}\nTo: anna@firma.example\nSubject: {subject}\nDate: Tue, 3 Nov 2026 12:00:00 +0100\n"
        f"Message-ID: <bounce@mx.firma.example>\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n{extra}"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="=b="\n\n'
        f"--=b=\nContent-Type: text/plain; charset=utf-8\n\n{text}\n\n"
        "--=b=\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.firma.example\n"
        "Arrival-Date: Tue, 3 Nov 2026 11:59:00 +0100\n\n" + "\n".join(fields) + "\n\n"
        f"--=b=\nContent-Type: {returned}\n\nFrom: anna@firma.example\nTo: {WHO}\nSubject: Oferta\nMessage-ID: <{ORIGINAL}>\n\n"
        "Oferta\n\n--=b=--\n"
    ).encode()


def plain(
    sender: str, subject: str, text: str, *, headers: str = "Return-Path: <>\n", kind: str = "text/plain"
) -> bytes:
    """A bounce without any report."""
    return (
        f"{headers}From: {sender}\nTo: anna@firma.example\nSubject: {subject}\nDate: Tue, 3 Nov 2026 12:00:00 +0100\n"
        f"MIME-Version: 1.0\nContent-Type: {kind}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}\n"
    ).encode()


#: Status and diagnostic text of delivery reports, as servers phrase them, and whether the address is gone.
ANSWERS = (
    ("Postfix", "5.1.1", f"smtp; 550 5.1.1 <{WHO}>: Recipient address rejected: User unknown in virtual mailbox table", True, "5.1.1"),
    ("Postfix, no host", "5.4.4", "X-Postfix; Host or domain name not found. Name service error for name=klient.example type=AAAA: Host not found", True, "5.4.4"),
    ("Postfix, no host for now", "4.4.3", "X-Postfix; Host or domain name not found. Name service error for name=klient.example type=MX: Host not found, try again", False, "4.4.3"),
    ("Postfix, null MX", "5.1.0", "X-Postfix; Domain klient.example does not accept mail (nullMX)", True, "5.1.0"),
    ("Postfix, timeout", "4.4.1", "X-Postfix; connect to mx.klient.example[192.0.2.1]:25: Connection timed out", False, "4.4.1"),
    ("Dovecot, full", "5.2.2", f"smtp; 552 5.2.2 <{WHO}> Quota exceeded (mailbox for user is full)", False, "5.2.2"),
    ("Gmail, unknown", "5.1.1", "smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try\n 550-5.1.1 double-checking the recipient's email address for typos or\n 550-5.1.1 unnecessary spaces. 550 5.1.1 NoSuchUser - gsmtp", True, "5.1.1"),
    ("Gmail, disabled", "5.2.1", "smtp; 550-5.2.1 The email account that you tried to reach is inactive. 550 5.2.1 DisabledUser - gsmtp", True, "5.2.1"),
    ("Gmail, rate", "5.2.1", "smtp; 550-5.2.1 The user you are trying to contact is receiving mail at a rate that\n 550-5.2.1 prevents additional messages from being delivered.", False, "5.2.1"),
    ("Gmail, full", "5.2.2", "smtp; 552-5.2.2 The recipient's inbox is out of storage space. 552 5.2.2 OverQuotaPerm - gsmtp", False, "5.2.2"),
    ("Gmail, unsigned", "5.7.26", "smtp; 550-5.7.26 This mail has been blocked because the sender is unauthenticated.", False, "5.7.26"),
    ("Office 365, unknown", "5.1.10", f"smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient {WHO} not found by SMTP address lookup", True, "5.1.10"),
    ("Office 365, access denied", "5.4.1", "smtp;550 5.4.1 Recipient address rejected: Access denied. AS(201806281) [DB5EUR03FT042.eop-EUR03.prod]", True, "5.4.1"),
    ("Office 365, no domain", "5.4.310", "smtp;550 5.4.310 DNS domain klient.example does not exist [Message=InfoDomainNonexistent]", True, "5.4.310"),
    ("Office 365, banned", "5.7.606", "smtp;550 5.7.606 Access denied, banned sending IP [192.0.2.7]", False, "5.7.606"),
    ("Outlook.com, unknown", "5.5.0", "smtp;550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)", True, "5.5.0"),
    ("Exchange, sender restricted", "5.7.1", "smtp;550 5.7.1 RESOLVER.RST.AuthRequired; authentication required", False, "5.7.1"),
    ("Exchange, too large", "5.3.4", "smtp;552 5.3.4 Message size exceeds fixed maximum message size", False, "5.3.4"),
    ("Exchange, full", "5.2.2", "smtp;554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException", False, "5.2.2"),
    ("Exim, unrouteable", "5.0.0", "smtp; 550 Unrouteable address", True, "5.0.0"),
    ("Exim, relay", "5.0.0", "smtp; 550 relay not permitted", False, "5.0.0"),
    ("Sendmail, unknown", "5.1.1", f"SMTP; 550 5.1.1 <{WHO}>... User unknown", True, "5.1.1"),
    ("Sendmail, host", "5.1.2", "SMTP; 550 Host unknown", True, "5.1.2"),
    ("moved", "5.1.6", "smtp; 551 5.1.6 User has moved to another address", True, "5.1.6"),
    ("Yahoo, unknown", "5.0.0", "smtp; 554 delivery error: dd This user doesn't have a yahoo.example account (jan) [0]", True, "5.0.0"),
    ("Yahoo, deferred", "4.7.0", "smtp; 421 4.7.0 [TSS04] Messages temporarily deferred due to user complaints", False, "4.7.0"),
    ("mail.ru", "5.0.0", "smtp; 550 Message was not accepted -- invalid mailbox.  Local mailbox jan@klient.example is unavailable: user not found", True, "5.0.0"),
    ("mail.ru, full", "5.0.0", "smtp; 552 Message was not accepted: user mailbox is over quota", False, "5.0.0"),
    ("wp.pl, unknown", "5.0.0", f"smtp; 550 <{WHO}>: Nie ma takiego uzytkownika / No such user", True, "5.0.0"),
    ("o2, inactive", "5.5.0", "smtp; 550 5.5.0 Konto zostało zablokowane / account is inactive", True, "5.5.0"),
    ("onet, full", "5.0.0", "smtp; 552 Skrzynka odbiorcy jest pełna - mailbox full", False, "5.0.0"),
    ("interia, spam", "5.0.0", "smtp; 554 Wiadomość odrzucona z powodu polityki antyspamowej - rejected as spam", False, "5.0.0"),
    ("GMX, unknown", "5.0.0", "smtp; 550 Requested action not taken: mailbox unavailable invalid DNS MX or A/AAAA resource record not found", True, "5.0.0"),
    ("T-Online", "5.0.0", "smtp; 550 user unknown / Empfaenger unbekannt", True, "5.0.0"),
    ("Orange", "5.1.1", "smtp; 550 5.1.1 Adresse d'au moins un destinataire invalide. Invalid recipient. OFR_416", True, "5.1.1"),
    ("blocklist", "5.7.1", "smtp; 554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org", False, "5.7.1"),
    ("policy", "5.7.0", "smtp; 550 5.7.0 Message rejected for policy reasons", False, "5.7.0"),
    ("loop", "5.4.6", "smtp; 554 5.4.6 Too many hops 26 (25 max)", False, "5.4.6"),
    ("status in the words alone", "5.0.0", f"smtp; 550 5.1.1 <{WHO}> user unknown", True, "5.1.1"),
    ("full in spite of the status", "5.1.1", "smtp; 550 5.1.1 Mailbox full", False, "5.1.1"),
    ("nothing said", "5.0.0", "", False, "5.0.0"),
)  # fmt: skip


def samples() -> Iterator[Sample]:
    """Every sample."""
    for system, status, diagnostic, permanent, read in ANSWERS:
        yield Sample(system, report(status, diagnostic), permanent, read)
    yield from _reports()
    yield from _odd()


def _reports() -> Iterator[Sample]:
    unknown = f"smtp; 550 5.1.1 <{WHO}>: User unknown"
    alias = f"Original-Recipient: rfc822;{WHO}\nFinal-Recipient: rfc822; jan.k@skrzynki.example"
    yield Sample("both recipients", report("5.1.1", unknown, recipient=alias), True, "5.1.1")
    yield Sample("headers alone", report("5.1.1", unknown, returned="text/rfc822-headers"), True, "5.1.1")
    yield Sample("brackets", report("5.1.1", unknown, recipient=f"Final-Recipient: RFC822; <{WHO}>"), True, "5.1.1")
    yield Sample(
        "internationalised", report("5.1.1", unknown, recipient=f"Final-Recipient: utf-8; {WHO}"), True, "5.1.1"
    )
    yield Sample("OpenSMTPD", report("5.1.1", unknown, action="error"), True, "5.1.1")
    yield Sample("comment on the action", report("5.1.1", unknown, action="failed (bad address)"), True, "5.1.1")
    bare = report("5.1.1", unknown, sender="Mail Delivery System <>", subject="Delivery status notification")
    yield Sample("no address in From", bare, True, "5.1.1")
    office = report(
        "5.1.10",
        "",
        sender="Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@firma.example>",
        subject="Niedostarczalne: Oferta",
        text=f"Nie można dostarczyć wiadomości do następujących adresatów:\n\n{WHO}\nNie znaleziono adresu e-mail.",
    )
    yield Sample("Exchange, Polish", office, True, "5.1.10")
    several = report(
        "4.2.2",
        "smtp; 452 4.2.2 mailbox full",
        action="delayed",
        recipient="Final-Recipient: rfc822; ola@klient.example",
    )
    several = several.replace(
        b"\n\n--=b=\nContent-Type: message/rfc822",
        f"\n\nFinal-Recipient: rfc822; {WHO}\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: {unknown}\n\n"
        f"Final-Recipient: rfc822; ewa@klient.example\nAction: failed\nStatus: 5.2.2\n\n--=b=\nContent-Type: message/rfc822".encode(),
    )
    yield Sample("several recipients", several, True, "5.1.1")


def _odd() -> Iterator[Sample]:
    copy = f"\nMessage-ID: <{ORIGINAL}>\nFrom: anna@firma.example\nTo: {WHO}\nSubject: Oferta\n\nOferta"
    qmail = (
        "Hi. This is the qmail-send program at mx.klient.example.\nI'm afraid I wasn't able to deliver your message to the"
        " following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        f"<{WHO}>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n{copy}"
    )
    yield Sample("qmail", plain("MAILER-DAEMON@mx.klient.example", "failure notice", qmail), True, "5.1.1")
    unmarked = plain("MAILER-DAEMON@mx.klient.example", "failure notice", qmail, headers="")
    yield Sample("qmail, sender unknown", unmarked, True, "5.1.1")
    exim = (
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered"
        " to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n"
        f"  {WHO}\n    host mx.klient.example [192.0.2.1]\n    SMTP error from remote mail server after RCPT TO:<{WHO}>:\n"
        "    550 5.1.1 User unknown\n\n------ This is a copy of the message, including all the headers. ------\n" + copy
    )
    sender = "Mail Delivery System <Mailer-Daemon@mx.firma.example>"
    failed = f"Return-Path: <>\nX-Failed-Recipients: {WHO}\nAuto-Submitted: auto-replied\n"
    subject = "Mail delivery failed: returning message to sender"
    yield Sample("Exim", plain(sender, subject, exim, headers=failed), True, "5.1.1")
    full = exim.replace("550 5.1.1 User unknown", "552 Quota exceeded (mailbox for user is full)")
    yield Sample("Exim, full", plain(sender, subject, full, headers=failed), False)
    yahoo = (
        "Message from yahoo.example.\nUnable to deliver message to the following address(es).\n\n"
        f"<{WHO}>:\nThis user doesn't have a yahoo.example account ({WHO}) [0]\n\n--- Original message follows.\n{copy}"
    )
    yield Sample("Yahoo", plain("MAILER-DAEMON@yahoo.example", "Delivery failure", yahoo), True)
    gmail = (
        "This is an automatically generated Delivery Status Notification\n\nDelivery to the following recipient failed"
        f" permanently:\n\n     {WHO}\n\nTechnical details of permanent failure:\nGoogle tried to deliver your message, but it was"
        " rejected by the server for the recipient domain.\nThe error that the other server returned was:\n550 5.1.1"
        f" <{WHO}> User unknown\n\n----- Original message -----\n{copy}"
    )
    daemon = "Mail Delivery Subsystem <mailer-daemon@googlemail.example>"
    yield Sample("Gmail of old", plain(daemon, "Delivery Status Notification (Failure)", gmail), True, "5.1.1")
    exchange = (
        "Your message did not reach some or all of the intended recipients.\n\n      Subject:  Oferta\n      Sent:  2026-11-03"
        f" 12:00\n\nThe following recipient(s) could not be reached:\n\n      {WHO} on 2026-11-03 12:00\n            The e-mail account"
        " does not exist at the organization this message was sent to.\n            <mx.klient.example #5.1.1>\n"
    )
    yield Sample(
        "Exchange of old", plain("postmaster@klient.example", "Undeliverable: Oferta", exchange), True, "5.1.1"
    )
    polish = (
        f"Twoja wiadomość nie została dostarczona do adresata:\n\n<{WHO}>: skrzynka odbiorcy jest pełna (mailbox full)\n\n"
        f"--- Kopia oryginalnej wiadomości ---\n{copy}"
    )
    yield Sample("Polish portal, full", plain("MAILER-DAEMON@poczta.example", "Zwrot wiadomości", polish), False)
    gone = polish.replace("skrzynka odbiorcy jest pełna (mailbox full)", "adresat nie istnieje")
    yield Sample("Polish portal, gone", plain("MAILER-DAEMON@poczta.example", "Wiadomość niedostarczona", gone), True)
    russian = (
        "Это письмо создано автоматически сервером Mail.Ru, отвечать на него не нужно.\n\nК сожалению, Ваше письмо не может быть\n"
        f"доставлено одному или нескольким получателям:\n\n**********************\nA message that you sent was rejected by the local"
        f" scanning code that\nchecks incoming messages on this system.\n\n{WHO}\n    user not found\n\nThis is a copy of your message"
        f" including all headers.\n{copy}"
    )
    yield Sample("mail.ru of old", plain(sender, "Ваше сообщение не доставлено. Mail failure.", russian), True)


#: What is not a failure: the message is on its way, or has arrived.
def harmless() -> Iterator[tuple[str, bytes]]:
    """Mail systems' messages that are no bounces."""
    for action in ("delayed", "relayed", "expanded", "delivered"):
        yield (
            action,
            report("4.4.1", "smtp; connection timed out", action=action, subject="Delayed Mail (still being retried)"),
        )
    yield (
        "Exim's warning",
        plain(
            "Mail Delivery System <Mailer-Daemon@mx.firma.example>",
            "Warning: message 1abc-0002-3d delayed 24 hours",
            f"A message that you sent has not yet been delivered to one or more of its recipients after more than 24 hours.\n\n  {WHO}\n",
        ),
    )
