"""A deal goes through a sequence: a call, a draft in the rep's own Drafts, a mail by itself, and one too many."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage

from tests.demo.desk import Desk
from tests.demo.story import EWA
from tests.demo.world import text_of

SENT = 1
"""Mails that the sequence sends by itself; the draft is sent by the rep's own program."""

NAME = "After the offer"
TEMPLATE = """
kind = "template"
name = "still interested"
for = "email"
language = "pl"
subject = "{{ deal.title }}"
body = '''
Dzień dobry {{ person.first_name }},

czy mogę jeszcze pomóc przy ofercie „{{ deal.title }}”?
'''
"""
SEQUENCE = """
kind = "sequence"
name = "After the offer"
for = "deals"
owner = "anna@firma.example"
[[step]]
type = "activity"
activity = "call"
priority = "high"
note = "Has the offer arrived?"
[[step]]
type = "draft"
after = "1d"
subject = "{{ deal.title }}"
body = '''
Dzień dobry {{ person.first_name }},

w załączeniu oferta. Kiedy możemy porozmawiać?
'''
[[step]]
type = "email"
after = "3d"
template = "still interested"
in_thread = true
[[step]]
type = "email"
after = "1w"
subject = "{{ deal.title }}"
body = "Dzień dobry {{ person.first_name }}, piszę po raz ostatni."
"""


def play(desk: Desk, deal: str) -> bool:
    """True if everything came as it was to come.

    Args:
        deal: its title; of Anna's and Ewa's.
    """
    ewa = EWA.partition("<")[2][:-1]
    desk.view.title(f"Anna puts {deal} into the sequence “{NAME}”")
    desk.apply("template", "still-interested", TEMPLATE)
    desk.apply("sequence", "after-the-offer", SEQUENCE)
    desk.do("consent", "grant", "--flow", NAME, "--user", "anna")
    desk.do("sequence", "enroll", NAME, "--deal", deal)
    desk.let_pass(timedelta())
    (call,) = desk.world.rows("activity", "list", "--deal", deal)
    desk.line(f"{call['type']}, priority {call['priority']}: {call['note']}", "Anna's activity")
    desk.let_pass(timedelta(days=1))
    right = [call["type"] == "call", _send_the_draft(desk)]
    desk.let_pass(timedelta(days=3))
    mails = desk.mails()
    for mail in mails:
        desk.view.mail(f"by itself, to {mail['To']}: {mail['Subject']}", text_of(mail), lines=8, style="green")
    right.append([ewa in str(mail["To"]) for mail in mails] == [True])
    desk.do("consent", "revoke", "--flow", NAME, "--user", "anna")
    desk.line(f"mail may no longer go in her name in “{NAME}”", "Anna says")
    desk.let_pass(timedelta(days=7))
    (item,) = desk.world.rows("sequence", "overview", NAME)
    desk.line(f"{item['title']}: {item['status']}, {item['reason']}", "the sequence")
    return all([*right, desk.mails() == [], item["status"] == "failed"])


def _send_the_draft(desk: Desk) -> bool:
    """In her own mail program Anna finds the draft, changes a word and sends it."""
    (draft,) = desk.world.letters("anna", "Drafts")
    desk.view.mail(f"in Anna's Drafts, to {draft['To']}: {draft['Subject']}", text_of(draft), lines=8)
    sent = EmailMessage()
    for name in ("From", "To", "Subject", "Message-ID", "X-Mailcrm-Draft"):
        sent[name] = draft[name]
    sent["Date"] = desk.now
    sent.set_content(text_of(draft).replace("Kiedy", "W którym dniu"))
    desk.world.move_to_sent("anna", "Drafts", sent.as_bytes())
    desk.line("she changes a word and sends it", "Anna")
    desk.let_pass(timedelta())
    waiting = [row for row in desk.world.rows("--as", "anna", "pulse") if row["kind"] == "draft"]
    return not waiting and not desk.world.letters("anna", "Drafts")
