"""From a campaign's members to its recipients: nobody twice, nobody forgotten, in whose name, with which subject."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.campaigns import NO_ADDRESS, Group, Member, Recipient, Senders, Side, expanded, keys
from mailcrm.core.definitions import CampaignDefinition, CampaignType, SenderPolicy, Strategy

ANNA, JAN, OLA, LEFT = 1, 2, 3, 9
SENDERS = Senders(adder=OLA, owner=ANNA, active=frozenset({ANNA, JAN, OLA}))
EWA = Side(3, ("ewa@klient.example",), JAN)
KLIENT = Side(7, ("biuro@klient.example",), OLA)
MAILING = CampaignDefinition("C", CampaignType.MAILING)
CALLS = CampaignDefinition("C", CampaignType.CALLS)


def one(campaign: CampaignDefinition, strategy: Strategy, *members: Member) -> list[Recipient]:
    return list(expanded(replace(campaign, strategy=strategy), members, SENDERS))


def told(found: list[Recipient]) -> list[tuple[str, str]]:
    return [(each.part, each.reason or each.address or "") for each in found]


BOTH = Member(1, "person", EWA, KLIENT)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Strategy.CONTACT, [("contact", "ewa@klient.example")]),
        (Strategy.COMPANY, [("company", "biuro@klient.example")]),
        (Strategy.BOTH, [("contact", "ewa@klient.example"), ("company", "biuro@klient.example")]),
    ],
)
@pytest.mark.parametrize("group", ["person", "organization", "lead"])
def test_the_strategy_says_whose_data_are_used_whatever_the_group(
    group: str, strategy: Strategy, expected: list[tuple[str, str]]
) -> None:  # CAMP-8, CAMP-19
    members = {
        "person": BOTH,
        "organization": Member(1, "organization", EWA, KLIENT),
        "lead": Member(1, "lead", EWA, KLIENT, lead=5),
    }
    found = one(MAILING, strategy, members[group])
    assert told(found) == expected
    assert {each.lead for each in found} == {5 if group == "lead" else None}


def test_both_with_one_address_is_one_mail() -> None:  # A15
    same = Member(1, "person", EWA, Side(7, EWA.addresses))
    assert told(one(MAILING, Strategy.BOTH, same)) == [("contact", "ewa@klient.example")]


@pytest.mark.parametrize("group", ["person", "lead"])
@pytest.mark.parametrize("campaign", [MAILING, CALLS])
def test_a_contact_without_company_is_left_out_where_the_company_is_meant(
    group: str, campaign: CampaignDefinition
) -> None:  # A15, CAMP-19
    member = Member(1, "lead", EWA, lead=5) if group == "lead" else Member(1, "person", EWA)
    noun = "lead" if group == "lead" else "contact"
    found = one(campaign, Strategy.COMPANY, member)
    assert told(found) == [("company", f"{NO_ADDRESS}: the {noun} has no company")]


def test_who_has_nothing_to_go_by_is_left_out_with_the_reason() -> None:  # A15
    alone = Member(1, "organization", None, KLIENT)
    assert told(one(MAILING, Strategy.CONTACT, alone)) == [
        ("contact", f"{NO_ADDRESS}: the company has no contact, or several; choose the person")
    ]
    nobody = Member(1, "lead", lead=5)
    assert told(one(CALLS, Strategy.CONTACT, nobody)) == [("contact", f"{NO_ADDRESS}: the lead has no contact")]
    assert told(one(CALLS, Strategy.BOTH, nobody)) == [
        ("contact", f"{NO_ADDRESS}: the lead has no contact and no company")
    ]
    assert told(one(MAILING, Strategy.CONTACT, Member(1, "person", Side(3)))) == [("contact", NO_ADDRESS)]


def test_the_first_address_that_every_server_takes_is_used() -> None:
    odd = Side(3, ("żółw@klient.example", "ewa@klient.example"))
    assert told(one(MAILING, Strategy.CONTACT, Member(1, "person", odd))) == [("contact", "ewa@klient.example")]
    odder = Side(3, ("żółw@klient.example",))
    assert told(one(MAILING, Strategy.CONTACT, Member(1, "person", odder))) == [
        ("contact", "no address that every server takes: żółw@klient.example")
    ]


def test_a_record_is_made_for_person_and_company_as_the_strategy_says() -> None:
    of = {each: one(CALLS, each, BOTH) for each in Strategy}
    assert {
        strategy: [(each.part, each.person, each.organization, each.address) for each in found]
        for strategy, found in of.items()
    } == {
        Strategy.CONTACT: [("contact", 3, None, None)],
        Strategy.COMPANY: [("company", None, 7, None)],
        Strategy.BOTH: [("contact", 3, 7, None)],
    }
    # Whichever of two mails is first, the record is the same.
    assert {(each.person, each.organization) for each in one(MAILING, Strategy.BOTH, BOTH)} == {(3, 7)}


def test_whoever_was_chosen_twice_gets_it_once() -> None:
    lead = Member(2, "lead", EWA, KLIENT, lead=5)
    assert told(one(MAILING, Strategy.CONTACT, BOTH, lead)) == [
        ("contact", "ewa@klient.example"),
        ("contact", "no mail twice: another recipient gets it at ewa@klient.example"),
    ]
    assert [each.reason for each in one(CALLS, Strategy.CONTACT, BOTH, lead)] == [
        "",
        "not twice: person 3 is a recipient already",
    ]
    colleague = Member(2, "person", Side(4, ("jan@klient.example",)), KLIENT)
    assert [each.reason for each in one(CALLS, Strategy.COMPANY, BOTH, colleague)] == [
        "",
        "not twice: organization 7 is a recipient already",
    ]
    assert told(one(MAILING, Strategy.BOTH, BOTH, colleague))[2:] == [
        ("contact", "jan@klient.example"),
        ("company", "no mail twice: another recipient gets it at biuro@klient.example"),
    ]


PERSON, ORGANIZATION = Member(1, "person", EWA, KLIENT), Member(1, "organization", EWA, KLIENT)
LEAD = Member(1, "lead", EWA, KLIENT, 5, lead_owner=ANNA)


@pytest.mark.parametrize(
    ("policy", "member", "user", "stand_in"),
    [
        (SenderPolicy.OWNER, PERSON, ANNA, False),
        (SenderPolicy.ADDER, PERSON, OLA, False),
        (SenderPolicy.CONTACT_OWNER, PERSON, JAN, False),
        (SenderPolicy.CONTACT_OWNER, ORGANIZATION, OLA, False),
        (SenderPolicy.CONTACT_OWNER, LEAD, ANNA, False),
        (SenderPolicy.CONTACT_OWNER, Member(1, "lead", EWA, KLIENT, 5), JAN, False),
        (SenderPolicy.CONTACT_OWNER, Member(1, "person", Side(3, EWA.addresses, LEFT), KLIENT), OLA, False),
        (SenderPolicy.CONTACT_OWNER, Member(1, "person", Side(3, EWA.addresses)), ANNA, True),
    ],
)
def test_the_policy_says_in_whose_name(policy: SenderPolicy, member: Member, user: int, stand_in: bool) -> None:
    # CAMP-6
    (found,) = expanded(replace(MAILING, sender=policy), [member], SENDERS)
    assert (found.user, found.stand_in, found.reason) == (user, stand_in, "")


def test_without_anybody_to_do_it_nobody_gets_it() -> None:  # CAMP-6
    nobody = Senders(None, LEFT, frozenset({JAN}))
    for policy in (SenderPolicy.OWNER, SenderPolicy.ADDER):
        (found,) = expanded(replace(MAILING, sender=policy), [PERSON], nobody)
        assert (found.user, found.reason) == (None, "no sender: the campaign has no owner who could do it")


def test_a_program_that_added_it_is_nobody_so_the_owner_stands_in() -> None:  # CAMP-6
    by_program = Senders(None, ANNA, SENDERS.active)
    (found,) = expanded(replace(MAILING, sender=SenderPolicy.ADDER), [PERSON], by_program)
    assert (found.user, found.stand_in) == (ANNA, True)


def test_each_subject_goes_to_the_same_number() -> None:
    split = replace(MAILING, subjects=("A", "B", "C"))
    members = [Member(number, "person", Side(number, (f"p{number}@klient.example",))) for number in range(1, 10)]
    members.insert(4, Member(99, "person", Side(99)))  # who is left out takes no turn
    found = list(expanded(split, members, SENDERS))
    assert [each.variant for each in found] == [0, 1, 2, 0, None, 1, 2, 0, 1, 2]
    assert {each.variant for each in expanded(MAILING, members, SENDERS)} == {None}
    alone = replace(MAILING, subjects=("A",))
    assert {each.variant for each in expanded(alone, members, SENDERS)} == {None}


# -- whatever the members are

ADDRESSES = st.lists(
    st.sampled_from(["a@x.example", "b@x.example", "c@x.example", "d@y.example", "żółw@y.example"]), max_size=2
).map(tuple)
SIDES = st.none() | st.builds(Side, st.integers(1, 6), ADDRESSES, st.sampled_from([None, ANNA, JAN, LEFT]))
GROUPS: list[Group] = ["person", "organization", "lead"]
CAMPAIGNS = st.builds(
    CampaignDefinition,
    st.just("C"),
    st.sampled_from(CampaignType),
    sender=st.sampled_from(SenderPolicy),
    strategy=st.sampled_from(Strategy),
    subjects=st.sampled_from([(), ("A",), ("A", "B"), ("A", "B", "C")]),
    send_mails=st.booleans(),
)
CHOSEN = st.lists(st.tuples(st.sampled_from(GROUPS), SIDES, SIDES), max_size=12).map(
    lambda rows: [
        Member(number, group, contact, company, number if group == "lead" else None)
        for number, (group, contact, company) in enumerate(rows, 1)
    ]
)
WHO = st.builds(
    Senders, st.sampled_from([None, OLA, LEFT]), st.sampled_from([None, ANNA, LEFT]), st.just(SENDERS.active)
)


def planned(campaign: CampaignDefinition, members: list[Member], senders: Senders, sizes: list[int]) -> list[Recipient]:
    """In batches, as the store does: it knows who is a recipient already, and the last one's subject."""
    found: list[Recipient] = []
    rest = list(members)
    while rest:
        size = sizes.pop() if sizes else len(rest)
        batch, rest = rest[:size], rest[size:]
        going = [each for each in found if not each.reason]
        taken = {each.key for each in going} & keys(campaign, batch)
        last = going[-1].variant if going else None
        found += expanded(campaign, batch, senders, taken, last)
    return found


@given(CAMPAIGNS, CHOSEN, WHO, st.lists(st.integers(1, 4), max_size=12))
def test_batches_give_what_one_piece_gives(
    campaign: CampaignDefinition, members: list[Member], senders: Senders, sizes: list[int]
) -> None:  # CAMP-22
    assert planned(campaign, members, senders, sizes) == list(expanded(campaign, members, senders))


@given(CAMPAIGNS, CHOSEN.flatmap(st.permutations), WHO, st.lists(st.integers(1, 4), max_size=12))
def test_nobody_gets_it_twice_and_nobody_is_forgotten(
    campaign: CampaignDefinition, members: list[Member], senders: Senders, sizes: list[int]
) -> None:  # CAMP-2, CAMP-8
    found = planned(campaign, members, senders, sizes)
    going = [each for each in found if not each.reason]
    addresses = [each.address for each in going if each.address]
    assert len(addresses) == len(set(addresses))
    assert len({each.key for each in going}) == len(going)
    of = Counter(each.member for each in found)
    assert of.keys() == {member.id for member in members}
    assert max(of.values(), default=1) <= (2 if campaign.mails and campaign.strategy is Strategy.BOTH else 1)
    assert len({(each.member, each.part) for each in found}) == len(found)
    for each in going:
        assert (each.address is not None) is campaign.mails
        assert each.user in SENDERS.active
        assert each.person is not None if each.part == "contact" else each.organization is not None
    assert all(each.variant is None for each in found if each.reason)
    if len(campaign.subjects) > 1:
        turns = Counter(each.variant for each in going)
        assert max(turns.values(), default=0) - min(turns[each] for each in range(len(campaign.subjects))) <= 1


@given(CAMPAIGNS, CHOSEN, WHO)
def test_whoever_can_be_written_to_is_written_to(
    campaign: CampaignDefinition, members: list[Member], senders: Senders
) -> None:  # CAMP-2
    found = list(expanded(campaign, members, senders))
    going = {each.key for each in found if not each.reason}
    if senders.owner == ANNA:
        assert going == keys(campaign, members)
