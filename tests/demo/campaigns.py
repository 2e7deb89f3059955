"""Six campaigns, one of each kind: a mailing, calls, visits, deals, offers, invoices; each launched once, for all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.demo.desk import Desk
from tests.demo.story import MAREK, PRIYA

SENT = 4
"""Mails that the campaigns send: two of the mailing, an offer, an invoice."""

TEMPLATES = {
    "spring": ("email", "Katalog na wiosnę", "Dzień dobry {{ person.first_name }}, oto nowy katalog."),
    "offer letter": ("offer", "Oferta {{ document.name }}", "Dzień dobry, w załączeniu oferta."),
    "invoice letter": ("invoice", "Faktura {{ document.name }}", "Dzień dobry, w załączeniu faktura."),
}
TEMPLATE = 'kind = "template"\nname = "{name}"\nfor = "{purpose}"\nsubject = "{subject}"\nbody = "{body}"\n'
CAMPAIGN = """
kind = "campaign"
type = "{kind}"
name = "{name}"
owner = "anna@firma.example"
sender = "contact-owner"
state = "ready"
{own}
"""
FOR_VIPS = '[recipients]\npersons = ["tag:vip"]'
FOR_HOTEL = '\n[recipients]\npersons = ["marek@hotel-tatry.example"]'
LINE = '[[line]]\ndescription = "Krzesło dębowe"\nquantity = 40\nunit = "szt."\nprice = "320.00"\n'
CAMPAIGNS = {
    "mailing": ("Spring catalogue", f'template = "spring"\n{FOR_VIPS}'),
    "calls": ("Ask for the budget", f'note = "Budget for next year?"\npriority = "high"\n{FOR_VIPS}'),
    "activities": ("Showroom visits", f'activity = "visit"\nnote = "Bring samples"\n{FOR_VIPS}'),
    "deals": ("Spring collection", f'title = "Kolekcja: {{{{ organization.name }}}}"\nvalue = "18000.00"\n{FOR_VIPS}'),
    "offers": ("Chairs for the terrace", f'series = "OF"\ntemplate = "offer letter"\n{LINE}{FOR_HOTEL}'),
    "invoices": (
        "Advance payment",
        f'series = "FV"\nsend_mails = true\ntemplate = "invoice letter"\n{LINE}{FOR_HOTEL}',
    ),
}
MAILED = ("mailing", "offers", "invoices")


def play(desk: Desk) -> bool:
    """True if everything came as it was to come."""
    desk.view.title("Campaigns: one of each of the six kinds, each done once for everybody who was chosen")
    marek, priya = (each.partition("<")[2][:-1] for each in (MAREK, PRIYA))
    for name, (purpose, subject, body) in TEMPLATES.items():
        text = TEMPLATE.format(name=name, purpose=purpose, subject=subject, body=body)
        desk.apply("template", name.replace(" ", "-"), text)
    for name, value in (("address", "ul. Krupówki 1"), ("postcode", "34-500"), ("city", "Zakopane")):
        desk.do("field", "set", name, value, "--org", "Hotel Tatry S.A.")
    desk.do("field", "set", "tax_id", "7361712345", "--org", "Hotel Tatry S.A.")
    for kind, (name, own) in CAMPAIGNS.items():
        desk.apply("campaign", kind, CAMPAIGN.format(kind=kind, name=name, own=own))
        if kind in MAILED:
            desk.do("consent", "grant", "--flow", name, "--user", "anna")
    desk.world.command("consent", "grant", "--flow", CAMPAIGNS["mailing"][0], "--user", "jan")
    for name, _ in CAMPAIGNS.values():
        desk.do("campaign", "launch", name, "--yes")
    desk.do("campaign", "launch", CAMPAIGNS["mailing"][0], "--yes")  # pressed twice, done once
    desk.let_pass(timedelta())
    right = [_shown(desk, kind, name) for kind, (name, _) in CAMPAIGNS.items()]
    mails = desk.mails()
    for mail in mails:
        with_it = "".join(f", with {part.get_filename()}" for part in mail.iter_attachments())
        desk.line(f"from {mail['From']} to {mail['To']}: {mail['Subject']}{with_it}", "mail")
    pairs = sorted((str(mail["From"]).partition(" ")[0], str(mail["To"]).partition("<")[2][:-1]) for mail in mails)
    return all(right) and pairs == [*[("Anna", marek)] * 3, ("Jan", priya)]


def _shown(desk: Desk, kind: str, name: str) -> bool:
    """Show what came of a campaign; whether all of it was done."""
    *rows, sums = desk.world.rows("campaign", "results", name)
    told = [f"{row['name']} ({_what(row)})" for row in rows]
    desk.line(f"{name}: {sums['done']} of {sums['total']} done: {', '.join(told)}", kind)
    return bool(sums["done"] == sums["total"] > 0)


def _what(row: dict[str, Any]) -> str:
    by = f"by {row['sender']}"
    if row["state"] != "done":
        return f"{row['state']}: {row['reason']}"
    return ", ".join(filter(None, [row["made"], f"mailed {by}" if row["sent"] else by]))
