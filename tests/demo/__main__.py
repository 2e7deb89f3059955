"""``python -m tests.demo [--once]``: mail is linked, questions are answered; flows walk; campaigns are launched."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import secrets
import signal
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

from rich.text import Text

from tests.demo import campaigns, flows, sequence
from tests.demo.desk import Desk
from tests.demo.letters import Post
from tests.demo.observe import Counts, Observer
from tests.demo.scenes import BEDS, SHELVES, after_the_answer, scenes
from tests.demo.story import ANNA, Scene
from tests.demo.view import View
from tests.demo.world import World, page_in, text_of
from tests.servers.process import wait_until

QUESTIONS = 2  # mails that ask a rep
EXPECTED = Counts(
    messages=42,  # 39 letters, but for the one among ourselves and the poison; then Anna's, and copies in her Sent
    threads=22,
    persons=13,  # 5 imported, 8 from mail
    linked=7,
    choices=2,
    answered=1,
    sent=QUESTIONS + sequence.SENT + flows.SENT + campaigns.SENT,
    quarantined=1,
    failed=1,  # consent was withdrawn
    campaigns=len(campaigns.CAMPAIGNS),
    documents=2,
)
_PACE = 0.35  # seconds between two letters while somebody looks on


def main() -> int:
    """Tell the story. Returns 0 if everything became of the letters what was to become of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the story, with a line of counts")
    once = parser.parse_args().once
    for number in (signal.SIGTERM, signal.SIGHUP):  # a closed window ends it as Ctrl-C does
        signal.signal(number, signal.default_int_handler)
    post = Post(datetime.now(UTC), secrets.token_hex(4))
    letters = [*scenes(post), after_the_answer(post)]
    view = View(len(letters))
    view.note("[bold]mailcrm[/] – three reps, their mailboxes, and what becomes of their mail")
    view.note("[bright_black]pymap as mail server, a sink as smarthost, SQLite; all of it on this machine[/]")
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.suppress(KeyboardInterrupt))
        with view.busy("starting the mail server, importing customers and deals, starting mailcrm…"):
            world = stack.enter_context(World())
        observer = Observer(world)
        stack.callback(observer.close)
        try:
            told = _Story(world, observer, view, post, pace=0 if once else _PACE)
            with view.shown():
                right = told.tell(letters)
            counts = observer.counts()
        except Exception:
            view.note(Text(world.program.log()[-4000:], style="red"))
            raise
        _farewell(world, view, told.page, once=once)
        if not once:
            told.stay()
            return 0
        print(json.dumps(asdict(counts)), flush=True)
        if counts != EXPECTED:
            print(f"expected: {json.dumps(asdict(EXPECTED))}", file=sys.stderr)
        return 0 if right and counts == EXPECTED else 1
    return 0


class _Story:
    """Delivers the letters one by one and shows what becomes of each."""

    def __init__(self, world: World, observer: Observer, view: View, post: Post, *, pace: float) -> None:
        self.world, self.observer, self.view, self.post, self.pace = world, observer, view, post, pace
        self.page = ""
        self._open = ""

    def tell(self, letters: list[Scene]) -> bool:
        """The whole story. True if everything came as it was to come."""
        *before, last = letters
        self.view.title("The mail of two days arrives")
        right = [self._letter(scene) for scene in before]
        self.view.title("Anna is asked, by mail, which of Marek's two deals it is about")
        right.append(self._question())
        right.append(self._letter(last))
        self.page = page_in(text_of(self.world.wait_for_question("ola")))
        self._open = self.post.id("beata-1")
        wait_until(lambda: self.observer.counts().sent == QUESTIONS, seconds=20, what="the dispatch of the questions")
        self.view.counts(self.observer.counts())
        self.world.program.stop()  # time is about to run ahead of its clock
        desk = Desk(self.world, self.view, pace=self.pace)
        right += [sequence.play(desk, SHELVES), flows.play(desk), campaigns.play(desk)]
        self.view.counts(self.observer.counts())
        return all(right)

    def stay(self) -> None:
        """Go on until Ctrl-C; say so when the open question is answered on its page."""
        self.world.program.start()
        answered = None
        while True:
            time.sleep(0.5)
            if answered is None and (answered := self.observer.deal_of(self._open)):
                self.view.note(f"[bold green]✓[/] Beata's thread is linked to [bold cyan]{answered}[/]")

    def _letter(self, scene: Scene) -> bool:
        places = self.world.deliver(scene, self.post.now)
        becomes = self.observer.wait_for(scene, self.post.id(scene.name), places)
        self.view.letter(scene, becomes, self.observer.counts())
        time.sleep(self.pace)
        return becomes == scene.becomes

    def _question(self) -> bool:
        """The question arrives in Anna's inbox; she answers with the number; her thread is linked."""
        question = self.world.wait_for_question("anna")
        self.view.mail(f"to {question['To']}: {question['Subject']}", text_of(question), lines=16)
        self.observer.read(self.world.append("anna", question.as_bytes()))
        time.sleep(self.pace * 10)
        answer = _answer(question, BEDS)
        shown = f"{answer['Subject']}\n\n{answer.get_content()}"
        self.view.mail("Anna's answer, which her mail program puts into Sent", shown, lines=5, style="blue")
        self.world.append("anna", answer.as_bytes(), "Sent")
        asked = self.post.id("marek-1")
        deal = wait_until(lambda: self.observer.deal_of(asked), seconds=20, what="the answer to be obeyed")
        self.view.note(f"[bold green]✓[/] Marek's thread is linked to [bold cyan]{deal}[/]\n")
        return deal == BEDS


def _answer(question: EmailMessage, title: str) -> EmailMessage:
    """A reply to the question with the number of the deal, as a mail program writes it."""
    text = text_of(question)
    number = re.search(rf"^\W*(\d+)\W+{re.escape(title)}", text, re.MULTILINE)
    if number is None:
        raise RuntimeError(f"the question does not offer {title}:\n{text}")
    answer = EmailMessage()
    answer["From"], answer["To"] = ANNA, question["Reply-To"] or question["From"]
    answer["Subject"] = f"Re: {question['Subject']}"
    answer["Message-ID"] = f"<answer.{secrets.token_hex(4)}@mail.example>"
    answer["In-Reply-To"] = answer["References"] = question["Message-ID"]
    answer["Date"] = datetime.now(UTC)
    answer.set_content(number[1] + "\n\n" + "\n".join(f"> {line}" for line in text.splitlines()) + "\n")
    return answer


def _farewell(world: World, view: View, page: str, *, once: bool) -> None:
    view.title("Still open: Ola's question about Beata's mail")
    view.note(f"  its page:  [link={page}]{page}[/link]")
    if once:
        return
    view.note("\nTry in another terminal, here in this folder:")
    view.note(f"  [bright_black]export MAILCRM_CONFIG={world.config}[/]")
    for arguments in ("thread list", "choice list", "sequence list", 'workflow trace "Offer 1" "Hanna Pawlak"'):
        view.note(f"  [bright_black]{Path(sys.executable).with_name('mailcrm')} {arguments}[/]")
    view.note("\nIt goes on running; [bold]Ctrl-C[/] ends it.")


if __name__ == "__main__":
    sys.exit(main())
