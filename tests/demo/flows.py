"""Two persons go through a workflow; days pass while one looks on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.demo.desk import Desk
from tests.demo.story import HANNA, KRZYSZTOF
from tests.worked_example import with_clicks

SENT = 3
"""Mails that the campaigns send."""

CAMPAIGN = """
kind = "workflow"
name = "Campaign {number}"
owner = "anna@firma.example"
[nodes.by-tag]
on = "tag.added"
where = {{ tag = "campaign-{number}" }}
next = "letter"
[nodes.letter]
do = "mail.send"
with = {{ subject = "{subject}", body = "{body}" }}
next = "pause"
[nodes.pause]
wait = "1mo"
next = "end"
[nodes.end]
end = "all"
"""
LETTERS = {
    1: ("Jak dbać o drewno", "Dzień dobry {{ person.first_name }}, oto obiecany poradnik."),
    2: ("Dziękujemy za zakup", "Dzień dobry {{ person.first_name }}, oto karta stałego klienta."),
}
LETTER = """
[nodes.letter]
do = "notify"
with = { text = "{{ person.name }} is interested" }
next = "end"
"""
BUYERS = """
kind = "rule"
name = "Buyers of offer 1"
on = "sale.made"
where = { product = "offer-1" }
do = "tag.add"
with = { tag = "Client 1" }
"""


def play(desk: Desk) -> bool:
    """True if everything came as it was to come."""
    desk.view.title("Two persons fill in a form: campaign 1, three days, has he bought? Then campaign 2 instead")
    for number, (subject, body) in LETTERS.items():
        desk.apply("workflow", f"campaign-{number}", CAMPAIGN.format(number=number, subject=subject, body=body))
        desk.do("workflow", "activate", f"Campaign {number}", "--yes")
        desk.do("consent", "grant", "--flow", f"Campaign {number}", "--user", "anna")
    hanna, krzysztof = HANNA.partition("<")[2][:-1], KRZYSZTOF.partition("<")[2][:-1]
    desk.do("field", "set", "region", "north", "--person", hanna)
    desk.apply("workflow", "offer-1", with_clicks("letter", LETTER))
    desk.do("workflow", "activate", "Offer 1", "--yes")
    desk.apply("workflow", "buyers", BUYERS)
    for person in (hanna, krzysztof):
        desk.emit("form.submitted", person, form="offer-1")
    right = [desk.letters() == {(hanna, LETTERS[1][0]), (krzysztof, LETTERS[1][0])}]
    desk.let_pass(timedelta(days=1))
    desk.emit("sale.made", krzysztof, product="offer-1", amount=1290.0, currency="PLN")
    desk.let_pass(timedelta(days=2))
    right.append(desk.letters() == {(krzysztof, LETTERS[2][0])})
    right += [_why(desk, hanna, "bought", "no"), _why(desk, krzysztof, "bought", "yes")]
    (place,) = _run(desk, hanna)["waiting"]
    desk.line(f"{hanna} waits for {place['event']} until {place['due_at'][:10]}", "workflow")
    desk.let_pass(timedelta(days=1))
    desk.emit("link.clicked", hanna, message="guide@firma.example", url="https://firma.example/offer")
    right.append(_why(desk, hanna, "by-region", "case 1"))
    desk.let_pass(timedelta(hours=2))
    (call,) = desk.world.rows("activity", "list", "--person", hanna)
    desk.line(f"{call['type']}: {call['note']}", "Anna's activity")
    return all([*right, call["type"] == "call", _run(desk, hanna)["status"] == "completed"])


def _run(desk: Desk, person: str) -> dict[str, Any]:
    (run,) = desk.world.rows("workflow", "trace", "Offer 1", person)
    return run


def _why(desk: Desk, person: str, node: str, way: str) -> bool:
    """Show what a person was asked at a node; whether he went this way."""
    (asked,) = [step for step in _run(desk, person)["steps"] if step["node"] == node]
    desk.line(f"{person}: {asked['expected']}? {asked['result']} ({asked['actual']})", "why")
    return bool(asked["result"] == way)
