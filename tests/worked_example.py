"""The worked example of workflows (WF-18), told by several tests."""

OFFER = """
kind = "workflow"
name = "Offer 1"
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
no = "end"
[nodes.leave-1]
do = "workflow.leave"
with = { workflow = "Campaign 1" }
next = "join-2"
[nodes.join-2]
do = "workflow.join"
with = { workflow = "Campaign 2" }
next = "end"
[nodes.end]
end = "all"
"""
CLICKED = """
[nodes.clicked]
on = "link.clicked"
entry = false
within = "5d"
next = "by-region"
otherwise = "end"
[nodes.by-region]
switch = {{ field = "region" }}
cases = {{ north = "call", "!south" = "{elsewhere}" }}
other = "end"
[nodes.call]
do = "activity.create"
with = {{ activity = "call", note = "Clicked in campaign 1" }}
after = "2h"
next = "end"
"""


def with_clicks(elsewhere: str = "call", nodes: str = "") -> str:
    """The same, where Anna calls who has clicked instead of buying.

    Args:
        elsewhere: the node for regions beside north and south.
        nodes: the TOML of more nodes.
    """
    owned = OFFER.replace("[nodes.signed-up]", 'owner = "anna@firma.example"\n[nodes.signed-up]')
    return owned.replace('no = "end"', 'no = "clicked"') + CLICKED.format(elsewhere=elsewhere) + nodes
