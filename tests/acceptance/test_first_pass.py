"""Mail that lay in the mailbox before the program first looked into it."""

from __future__ import annotations

from tests.program import Program, letter, mailbox
from tests.servers import Sink, wait_until
from tests.servers.pymap import Pymap


def test_mail_from_before_the_first_look_is_taken_in(pymap: Pymap, sink: Sink) -> None:  # DATA-16
    """pymap counts UIDs from 101 and reads sequence numbers in UID SEARCH as UIDs: no reason to find nothing."""
    account = pymap.new_user()
    pymap.deliver(account, letter(1, "Dzień dobry."))
    with Program(smarthost=sink.port, mailboxes={"anna": mailbox("anna", pymap, account)}) as program:
        found = wait_until(lambda: program.rows("message", "list"), seconds=20, what="the mail to be stored")
    assert [row["message_id"] for row in found] == ["1@test.example"]
