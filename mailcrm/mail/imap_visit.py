"""Looking after one mailbox over its connection: arriving, visiting when something is up, making the first pass."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mailcrm.config import Mailbox
from mailcrm.core import spans
from mailcrm.core.model import Cursor, FolderRole
from mailcrm.mail.imap_account import Account, Why
from mailcrm.mail.imap_changes import told
from mailcrm.mail.imap_desk import Counts
from mailcrm.mail.imap_faults import Declined
from mailcrm.mail.imap_fetch import newest
from mailcrm.mail.imap_folders import Folder, chosen, list_folders, quoted, sifted
from mailcrm.mail.imap_intake import Intake
from mailcrm.mail.imap_listing import Group
from mailcrm.mail.imap_pacing import Budget, daily_megabytes
from mailcrm.mail.imap_pass import CHECK_ABOVE, catch_up, first_pass
from mailcrm.mail.imap_session import Dialer
from mailcrm.mail.imap_talk import Talk

INBOX = Folder("INBOX", b'"INBOX"', FolderRole.INBOX)
_STATUS = b"MESSAGES UIDNEXT UIDVALIDITY"
_NOTIFY = (
    b"NOTIFY SET (selected (MessageNew MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge FlagChange))"
)
_NOTIFY_LESS = b"NOTIFY SET (selected (MessageNew MessageExpunge)) (personal (MessageNew MessageExpunge))"


@dataclass(frozen=True, slots=True)
class Shop:
    """What every visit needs. ``may_read`` is asked before a mailbox is read for the first time."""

    dialer: Dialer
    intake: Intake
    may_read: Callable[[str], bool]
    shared: dict[object, object] = field(default_factory=dict)

    def share(self, folders: list[Folder]) -> tuple[Folder, ...]:
        """Most mailboxes of a server have the same folders: keep them once."""
        same = tuple(self.shared.setdefault(folder, folder) for folder in folders)
        return self.shared.setdefault(same, same)  # type: ignore[return-value]


def since(mailbox: Mailbox, now: datetime | None = None) -> datetime:
    """The INTERNALDATE down to which a first pass goes."""
    return spans.before(now or datetime.now(UTC), mailbox.backfill_since)


def arrive(account: Account, shop: Shop) -> None:
    """Connect, bring the mailbox up to date but for its first pass, and fall asleep in IDLE.

    Raises:
        Temporary, LoginFailed, Untrusted, ConfigError: as ``Dialer.connect``; or the store is away.
    """
    account.talk = talk = shop.dialer.connect(account.key, account.mailbox)
    account.since = time.monotonic()
    account.refusals = account.endings = 0
    account.notify = "NOTIFY" in talk.capabilities and _notify(talk)
    _sweep(account, shop, talk)
    _watch(account, talk)
    _settled(account, shop, talk, alive=True)


def visit(account: Account, shop: Shop, why: Why) -> None:
    """Wake the connection, do what is to be done, and let it sleep again. Raises as ``arrive``."""
    talk = account.talk
    if talk is None or account.watched is None:
        return
    talk.wire.sock.settimeout(talk.wire.timeout)
    talk.leave_idle()
    if not account.reading and not why & Why.POLL:
        talk.fresh = talk.gone = talk.flagged = False
        talk.news.clear()
        _settled(account, shop, talk, alive=False)
        return
    heard = talk.fresh
    before = sum(cursor.last_uid for cursor in account.desk.cursors().values())
    if why & (Why.WAKE | Why.POLL):
        talk.do(b"NOOP")
    new, changed = talk.fresh, False
    if account.reading:
        _fresh(account, talk, account.watched)
        if talk.vanished and (cursor := account.desk.cursor(account.watched)) is not None:
            told(talk, account.desk, account.watched, cursor)
        if why & (Why.FLAGS | Why.POLL):
            catch_up(talk, account.desk, account.watched, Counts())
    strange = any(quoted(name) not in account.skipped and not _mine(account, name) for name in talk.news)
    if why & Why.POLL or (why & Why.WAKE and not new) or strange:
        changed = _sweep(account, shop, talk)
    elif why & Why.NEWS:
        _others(account, talk)
    if talk.folder != account.watched.wire:
        _watch(account, talk)
    if why & Why.POLL and account.reading and ((new and not heard) or (changed and account.notify)):
        account.misses += 1  # found by asking what should have been told: rely less on being told
    elif why & (Why.NEW | Why.NEWS):
        account.misses = 0
        fruit = sum(cursor.last_uid for cursor in account.desk.cursors().values()) > before or bool(why & Why.GONE)
        account.fruitless = 0 if fruit else account.fruitless + 1
    _settled(account, shop, talk, alive=bool(why & Why.POLL))


def first(account: Account, shop: Shop, stopping: Callable[[], bool]) -> float:
    """Make, or go on with, the first pass over the second connection, which it gives up when others wait for it.

    Args:
        stopping: asked after each batch whether to leave off.

    Returns:
        Seconds to wait until it may go on; 0 when it is done.

    Raises:
        Temporary, LoginFailed, Untrusted, ConfigError: as ``arrive``.
    """
    account.desk.readers.start()
    seats = shop.dialer.seats
    with _first_talk(account, shop) as talk:
        if stopping():
            return 1.0
        megabytes = daily_megabytes(account.mailbox, talk)
        budget = account.budget = account.budget or Budget()
        gauge = budget.gauge(megabytes)
        wait = budget.wait(megabytes)
        if wait:
            return wait
        for folder in chosen(list_folders(talk), account.mailbox):
            cursor = account.desk.cursor(folder)
            if cursor is not None and cursor.backfill_uid <= 1:
                continue
            counts = Counts()
            with contextlib.suppress(Declined):
                enough = lambda taken: gauge(taken) or stopping() or seats.is_wanted(account.key)  # noqa: E731
                first_pass(talk, account.desk, folder, counts, since=since(account.mailbox), enough=enough)
            if counts.paced:
                return max(1.0, budget.wait(megabytes))
        return 0.0


@contextlib.contextmanager
def _first_talk(account: Account, shop: Shop) -> Iterator[Talk]:
    """The second connection, where others can close it."""
    with shop.dialer.second(account.key, account.mailbox) as talk:
        account.first_talk = talk
        try:
            yield talk
        finally:
            account.first_talk = None


def _notify(talk: Talk) -> bool:
    """Ask to be told of all personal folders over this one connection (RFC 5465)."""
    for command in (_NOTIFY, _NOTIFY_LESS):
        try:
            talk.do(command)
        except Declined:
            continue
        return True
    return False


def _settled(account: Account, shop: Shop, talk: Talk, *, alive: bool) -> None:
    """All that was up is done: say so, and listen again."""
    cursors = account.desk.cursors()
    whole = (folder for folder in account.folders if not folder.answers_only)
    unread = (f.name not in cursors or cursors[f.name].backfill_uid > 1 for f in whole)
    account.unfinished = account.reading and any(unread)
    if alive and account.reading:
        shop.intake.alive(account.key)
    talk.gone = talk.flagged = False
    if "IDLE" in talk.capabilities:
        talk.idle()


def _mine(account: Account, name: bytes) -> bool:
    return any(folder.wire == quoted(name) for folder in account.folders)


def _fresh(account: Account, talk: Talk, folder: Folder) -> None:
    """Fetch what has just come into the open folder: by one command if it is little."""
    desk = account.desk
    while talk.fresh:
        talk.fresh = False
        cursor = desk.cursor(folder)
        found = None
        few = not folder.without  # else what is not to be read has to be found out first
        if few and cursor is not None and talk.exists - desk.sizes.get(folder.name, 0) <= CHECK_ABOVE:
            found = newest(talk, cursor.last_uid)
        if cursor is None or found is None:
            catch_up(talk, desk, folder, Counts())
        elif found:
            high = found[-1].uid
            group = Group(cursor.last_uid + 1, high, found={one.uid: one for one in found})
            desk.hand_in(folder, cursor.uidvalidity, desk.arrivals(group), last_uid=high)
            desk.sizes[folder.name] = desk.sizes.get(folder.name, 0) + len(found)


def _watch(account: Account, talk: Talk) -> None:
    """Open the folder whose pushes are listened to, and bring it up to date."""
    folder = account.watched
    if folder is None:
        return
    if account.reading:
        catch_up(talk, account.desk, folder, Counts())
        _fresh(account, talk, folder)
    else:
        talk.examine(folder.wire)


def _sweep(account: Account, shop: Shop, talk: Talk) -> bool:
    """Look at all folders and bring up to date those that changed. Returns whether any had."""
    status = _STATUS + (b" HIGHESTMODSEQ" if "CONDSTORE" in talk.capabilities else b"")
    talk.news.clear()
    listed = list_folders(talk)
    folders = chosen(listed, account.mailbox)
    expecting = bool(folders) and shop.intake.expecting()
    account.folders = shop.share([*folders, *(sifted(listed, account.mailbox) if expecting else ())])
    names = frozenset(folder.wire for folder in listed) - {folder.wire for folder in account.folders}
    account.skipped = shop.shared.setdefault(names, names)  # type: ignore[assignment]
    read = [folder for folder in account.folders if not folder.answers_only]
    account.watched = next((f for f in read if f.role is FolderRole.INBOX), read[0] if read else INBOX)
    may_read = account.reading or bool(account.desk.cursors()) or shop.may_read(account.key)
    account.reading = bool(folders) and may_read  # where no folder is to be read, the INBOX is not either
    if not account.reading:
        return False
    # not LIST-STATUS (RFC 5819): it would have the server open the folders that are not read, too
    others = (f.wire for f in account.folders if f.wire != account.watched.wire)
    talk.ask([b"STATUS " + wire + b" (" + status + b")" for wire in others])
    return _others(account, talk)


def _others(account: Account, talk: Talk) -> bool:
    """Bring up to date the folders that STATUS tells of, other than the watched one."""
    news = {quoted(name): values for name, values in talk.news.items()}
    talk.news.clear()
    changed = False
    for folder in account.folders:
        values = news.get(folder.wire)
        if values is None or (account.watched is not None and folder.wire == account.watched.wire):
            continue
        cursor = account.desk.cursor(folder)
        same = cursor is None or values.get(b"UIDVALIDITY", cursor.uidvalidity) == cursor.uidvalidity
        now = hash(tuple(values.get(name) for name in (b"MESSAGES", b"UIDNEXT", b"HIGHESTMODSEQ")))
        if same and (account.seen.get(folder.name) == now or _unchanged(cursor, values)):
            account.seen[folder.name] = now
            continue
        changed = True
        with contextlib.suppress(Declined):
            catch_up(talk, account.desk, folder, Counts())
        account.seen[folder.name] = now
    return changed


def _unchanged(cursor: Cursor | None, values: dict[bytes, int]) -> bool:
    """Whether STATUS and cursor say that nothing happened since the last run."""
    return bool(
        cursor
        and cursor.modseq
        and cursor.modseq == values.get(b"HIGHESTMODSEQ")
        and cursor.last_uid == values.get(b"UIDNEXT", 0) - 1
    )
