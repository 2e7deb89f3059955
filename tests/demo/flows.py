"""The second act: a deal goes through a sequence, two persons through a workflow; days pass while one looks on."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

from rich.text import Text

from tests.demo.observe import Observer
from tests.demo.story import EWA, HANNA, KRZYSZTOF
from tests.demo.view import View
from tests.demo.world import World, text_of

SENT = 4
"""Mails that the flows send: one of the sequence, three of the campaigns."""

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
type = "email"
after = "2d"
subject = "{{ deal.title }}"
body = '''
Dzień dobry {{ person.first_name }},

czy mogę jeszcze pomóc przy ofercie „{{ deal.title }}"?
'''
"""
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
OFFER = """
kind = "workflow"
name = "Offer 1"
owner = "anna@firma.example"
[nodes.signed-up]
on = "form.submitted"
where = { form = "offer-1" }
next = "welcome"
[nodes.welcome]
do = "workflow.join"
with = { workflow = "Campaign 1" }
next = "pause"
[nodes.pause]
wait = "3d"
next = "bought"
[nodes.bought]
if = [[{ tag = "Client 1" }]]
yes = "leave-1"
no = "clicked"
[nodes.leave-1]
do = "workflow.leave"
with = { workflow = "Campaign 1" }
next = "join-2"
[nodes.join-2]
do = "workflow.join"
with = { workflow = "Campaign 2" }
next = "end"
[nodes.clicked]
on = "link.clicked"
entry = false
within = "5d"
next = "by-region"
otherwise = "end"
[nodes.by-region]
switch = { field = "region" }
cases = { north = "call", "!south" = "letter" }
other = "end"
[nodes.letter]
do = "notify"
with = { text = "{{ person.name }} is interested" }
next = "end"
[nodes.call]
do = "activity.create"
with = { activity = "call", note = "Clicked in campaign 1" }
after = "2h"
next = "end"
[nodes.end]
end = "all"
"""
BUYERS = """
kind = "rule"
name = "Buyers of offer 1"
on = "sale.made"
where = { product = "offer-1" }
do = "tag.add"
with = { tag = "Client 1" }
"""


class Act:
    """Plays it on the world of the first act, with the commands that anybody would give.

    Args:
        deal: the title of the deal that goes through the sequence.
        pace: seconds to look at each line.
    """

    def __init__(self, world: World, observer: Observer, view: View, deal: str, *, pace: float) -> None:
        self.world, self.observer, self.view, self.deal, self.pace = world, observer, view, deal, pace
        self.now = datetime.now(UTC)
        self._seen = len(world.sink.mails)

    def play(self) -> bool:
        """Both flows. True if everything came as it was to come."""
        right = [self._sequence(), self._workflow()]
        self.view.counts(self.observer.counts())
        return all(right)

    def _sequence(self) -> bool:
        name = "After the offer"
        self.view.title(
            f"Anna puts {self.deal} into the sequence “{name}”: a call, and two days later a mail by itself"
        )
        self._apply("sequence", "follow-up", SEQUENCE)
        self._do("consent", "grant", "--flow", name, "--user", "anna")
        self._do("sequence", "enroll", name, "--deal", self.deal)
        self._pass(timedelta())
        (call,) = self.world.rows("activity", "list", "--deal", self.deal)
        self._line(f"{call['type']}, priority {call['priority']}: {call['note']}", "Anna's activity")
        self._pass(timedelta(days=2))
        (mail,) = self._mails()
        self.view.mail(f"to {mail['To']}: {mail['Subject']}", text_of(mail), lines=8, style="green")
        (item,) = self.world.rows("sequence", "overview", name)
        self._line(f"{item['title']}: {item['status']}", "the sequence")
        return (call["type"], item["status"], EWA.partition("<")[2][:-1] in str(mail["To"])) == (
            "call",
            "completed",
            True,
        )

    def _workflow(self) -> bool:
        self.view.title("Two persons fill in a form: campaign 1, three days, has he bought? Then campaign 2 instead")
        for number, (subject, body) in LETTERS.items():
            self._apply("workflow", f"campaign-{number}", CAMPAIGN.format(number=number, subject=subject, body=body))
            self._do("workflow", "activate", f"Campaign {number}", "--yes")
            self._do("consent", "grant", "--flow", f"Campaign {number}", "--user", "anna")
        hanna, krzysztof = HANNA.partition("<")[2][:-1], KRZYSZTOF.partition("<")[2][:-1]
        self._do("field", "set", "region", "north", "--person", hanna)
        self._apply("workflow", "offer-1", OFFER)
        self._do("workflow", "activate", "Offer 1", "--yes")
        self._apply("workflow", "buyers", BUYERS)
        for person in (hanna, krzysztof):
            self._emit("form.submitted", person, form="offer-1")
        right = [self._letters() == {(hanna, LETTERS[1][0]), (krzysztof, LETTERS[1][0])}]
        self._pass(timedelta(days=1))
        self._emit("sale.made", krzysztof, product="offer-1", amount=1290.0, currency="PLN")
        self._pass(timedelta(days=2))
        right.append(self._letters() == {(krzysztof, LETTERS[2][0])})
        right += [self._why(hanna, "bought", "no"), self._why(krzysztof, "bought", "yes")]
        (place,) = self._run(hanna)["waiting"]
        self._line(f"{hanna} waits for {place['event']} until {place['due_at'][:10]}", "workflow")
        self._pass(timedelta(days=1))
        self._emit("link.clicked", hanna, message="guide@firma.example", url="https://firma.example/offer")
        right.append(self._why(hanna, "by-region", "case 1"))
        self._pass(timedelta(hours=2))
        (call,) = self.world.rows("activity", "list", "--person", hanna)
        self._line(f"{call['type']}: {call['note']}", "Anna's activity")
        return all([*right, call["type"] == "call", self._run(hanna)["status"] == "completed"])

    def _run(self, person: str) -> dict[str, Any]:
        (run,) = self.world.rows("workflow", "trace", "Offer 1", person)
        return run

    def _why(self, person: str, node: str, way: str) -> bool:
        """Show what a person was asked at a node; whether he went this way."""
        (asked,) = [step for step in self._run(person)["steps"] if step["node"] == node]
        self._line(f"{person}: {asked['expected']}? {asked['result']} ({asked['actual']})", "why")
        return bool(asked["result"] == way)

    def _apply(self, noun: str, name: str, text: str) -> None:
        file = self.world.program.folder / f"{name}.toml"
        file.write_text(text, encoding="utf-8")
        self._do(noun, "apply", str(file), "--yes")

    def _emit(self, kind: str, person: str, **data: Any) -> None:
        self._do("event", "emit", kind, "--person", person, "--data", json.dumps(data))
        self._line(f"{person} {kind} {', '.join(map(str, data.values()))}", "event")
        self._pass(timedelta())

    def _letters(self) -> set[tuple[str, str]]:
        """Recipient and subject of each mail that has left since the last look."""
        found = self._mails()
        for mail in found:
            self._line(f"to {mail['To']}: {mail['Subject']}", "mail")
        return {
            (str(mail["To"]).partition("<")[2].rstrip(">") or str(mail["To"]), str(mail["Subject"])) for mail in found
        }

    def _mails(self) -> list[EmailMessage]:
        mails = list(self.world.sink.mails)
        new, self._seen = mails[self._seen :], len(mails)
        return [mail.message for mail in new]

    def _pass(self, span: timedelta) -> None:
        """Let time pass, and everything that is due be done."""
        self.now += span
        if span:
            later = f"{span.days} days" if span.days > 1 else "a day" if span.days else f"{span.seconds // 3600} hours"
            self._line(f"{self.now:%A %H:%M}", f"{later} later")
        self._do("tick")

    def _do(self, *arguments: str) -> None:
        self.world.command("--as", "anna", "--now", self.now.isoformat(), *arguments)

    def _line(self, text: str, about: str) -> None:
        self.view.note(Text.assemble((f"{about:>16}  ", "bright_black"), text))
        time.sleep(self.pace)
