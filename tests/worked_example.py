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
