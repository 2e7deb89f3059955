"""The example of a campaign that others rely on, word for word."""

SPRING = """\
kind = "campaign"
type = "mailing"                  # mailing | calls | activities | invoices | deals | offers
name = "Spring"
goal = "20 demos"
owner = "anna@firma.example"
sender = "contact-owner"          # adder | owner | contact-owner
strategy = "both"                 # contact | company | both
state = "preparing"               # proposed | preparing | ready
template = "spring"
description = "…"
[recipients]
persons = ["tag:vip", "jan@klient.example"]
organizations = []
leads = []
"""
