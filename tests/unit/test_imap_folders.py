"""Which folders are read: roles in many languages, namespaces, patterns, Gmail."""

from __future__ import annotations

import socket
import threading

import pytest

from mailcrm.core.model import FolderRole
from mailcrm.mail.imap_folders import Folder, chosen, list_folders, role_of
from mailcrm.mail.imap_talk import Talk
from mailcrm.mail.imap_wire import Wire
from tests.imap_kit import mailbox


def listed(capabilities: str, *answers: bytes, namespace: bytes = b"") -> list[Folder]:
    """What ``list_folders`` makes of LIST answers."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with theirs.makefile("rb") as lines:
            for line in lines:
                tag, _, command = line.partition(b" ")
                body = namespace if command.startswith(b"NAMESPACE") else b"".join(answers)
                theirs.sendall(body + tag + b" OK done\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    talk = Talk(Wire(ours, "here", 5.0), frozenset(capabilities.split()))
    try:
        return list_folders(talk)
    finally:
        talk.wire.close()
        thread.join()
        theirs.close()


def folder(name: str, *attributes: str) -> Folder:
    return Folder(name, b'"' + name.encode() + b'"', role_of(name, attributes, "/"))


@pytest.mark.parametrize(
    ("name", "attributes", "role"),
    [
        ("INBOX", (), FolderRole.INBOX),
        ("inbox", (), FolderRole.INBOX),
        ("Whatever", ("\\Sent",), FolderRole.SENT),
        ("Sent Items", (), FolderRole.SENT),
        ("INBOX/Sent", (), FolderRole.SENT),
        ("Elementy wysłane", (), FolderRole.SENT),
        ("Gesendete Objekte", (), FolderRole.SENT),
        ("[Gmail]/Wysłane", (), FolderRole.SENT),
        ("Kosz", (), FolderRole.TRASH),
        ("Corbeille", (), FolderRole.TRASH),
        ("Kopie robocze", (), FolderRole.DRAFTS),
        ("Wiadomości-śmieci", (), FolderRole.JUNK),
        ("Archiwum", (), FolderRole.ARCHIVE),
        ("Projects/Sent", (), FolderRole.OTHER),
        ("Klienci", ("\\HasNoChildren",), FolderRole.OTHER),
        ("x", ("\\All",), FolderRole.ALL),
    ],
)
def test_roles(name: str, attributes: tuple[str, ...], role: FolderRole) -> None:
    assert role_of(name, attributes, "/") is role


def test_names_of_all_spellings_are_read() -> None:
    folders = listed(
        "IMAP4rev1",
        b'* LIST (\\HasNoChildren) "/" INBOX\r\n',
        b'* LIST () "/" "Wys&AUI-ane"\r\n',
        b'* LIST () "/" {8}\r\nA "b" \\c\r\n',
        b'* LIST (\\Noselect) "/" Tree\r\n',
        '* LIST () NIL "Bł\u0119dny"\r\n'.encode(),
        b"* LIST nonsense\r\n",
    )
    assert [(f.name, f.wire, f.selectable) for f in folders] == [
        ("INBOX", b'"INBOX"', True),
        ('A "b" \\c', b'"A \\"b\\" \\\\c"', True),
        ("Błędny", '"Błędny"'.encode(), True),
        ("Tree", b'"Tree"', False),
        ("Wysłane", b'"Wys&AUI-ane"', True),
    ]


def test_folders_of_others_are_left_out() -> None:
    """DATA-15: shared and other users' namespaces are not personal folders."""
    folders = listed(
        "IMAP4rev1 NAMESPACE",
        b'* LIST () "." INBOX\r\n* LIST () "." INBOX.Sent\r\n'
        b'* LIST () "." user.jan.INBOX\r\n* LIST () "." shared.all\r\n',
        namespace=b'* NAMESPACE (("INBOX." ".")("" ".")) (("user." ".")) (("shared." "."))\r\n',
    )
    assert [f.name for f in folders] == ["INBOX", "INBOX.Sent"]


def test_a_personal_prefix_inside_a_shared_root_is_kept() -> None:
    folders = listed(
        "IMAP4rev1 NAMESPACE",
        b'* LIST () "/" INBOX\r\n* LIST () "/" all/me/x\r\n* LIST () "/" all/you\r\n',
        namespace=b'* NAMESPACE (("all/me/" "/")) NIL (("all/" "/"))\r\n',
    )
    assert [f.name for f in folders] == ["INBOX", "all/me/x"]


def test_trash_drafts_and_junk_are_not_read_and_sent_comes_first() -> None:
    """DATA-15: what the rep threw away or did not send is not kept."""
    folders = [folder(n) for n in ("INBOX", "Klienci", "Trash", "Trash/Old", "Drafts", "Spam", "Sent", "Archive")]
    assert [f.name for f in chosen(folders, mailbox(1))] == ["Sent", "INBOX", "Archive", "Klienci"]


def test_include_and_exclude() -> None:
    """DATA-15: the user decides which folders are kept."""
    folders = [folder(n) for n in ("INBOX", "Sent", "Klienci", "Klienci/Nowi", "Prywatne", "Trash")]
    assert [f.name for f in chosen(folders, mailbox(1, exclude=("prywatne", "Klienci/*")))] == [
        "Sent",
        "INBOX",
        "Klienci",
    ]
    assert [f.name for f in chosen(folders, mailbox(1, include=("INBOX", "klienci*")))] == [
        "INBOX", "Klienci", "Klienci/Nowi",
    ]  # fmt: skip
    dotted = [Folder("INBOX.Klienci.Nowi", b'"x"', FolderRole.OTHER, delimiter=".")]
    assert not chosen(dotted, mailbox(1, exclude=("INBOX/Klienci/*",)))


@pytest.mark.parametrize(
    ("include", "read"),
    [
        (("*",), ["Sent", "INBOX", "Klienci"]),
        (("INBOX", "spam"), ["INBOX", "Spam"]),
        (("*", "Spam"), ["Sent", "INBOX", "Klienci", "Spam"]),
        (("*", "Spam*"), ["Sent", "INBOX", "Klienci", "Spam", "Spam/2025"]),
        (("Spam/*",), ["Spam/2025"]),
        (("*/2025", "?pam", "S*"), ["Sent"]),
        (("INBOX", "Trash"), ["INBOX", "Trash"]),
    ],
)
def test_junk_is_read_only_where_include_says_so_by_name(include: tuple[str, ...], read: list[str]) -> None:
    """DATA-15: the user decides, but not by accident."""
    folders = [folder(n) for n in ("INBOX", "Sent", "Klienci", "Spam", "Spam/2025", "Trash", "Trash/Old", "Drafts")]
    assert [f.name for f in chosen(folders, mailbox(1, include=include))] == read
    assert "Spam" not in [f.name for f in chosen(folders, mailbox(1, include=include, exclude=("Spam",)))]


def test_junk_by_whatever_name_can_be_named() -> None:
    """DATA-15, with other delimiters, names and brackets."""
    gmail = [folder("INBOX"), folder("[Gmail]/All Mail", "\\All"), folder("[Gmail]/Spam", "\\Junk")]
    both = ("[Gmail]/All Mail", "[Gmail]/Spam")
    assert [f.name for f in chosen(gmail, mailbox(1, include=both))] == list(both)
    dotted = [
        Folder("INBOX", b'"INBOX"', FolderRole.INBOX, delimiter="."),
        Folder("INBOX.Śmieci", b'"x"', FolderRole.JUNK, delimiter="."),
    ]
    for name in ("INBOX.śmieci", "inbox/Śmieci"):
        assert [f.role for f in chosen(dotted, mailbox(1, include=(name,)))] == [FolderRole.JUNK], name
    assert [f.name for f in chosen(dotted, mailbox(1, include=("INBOX*",)))] == ["INBOX"]


def test_where_one_folder_holds_all_mail_it_is_read_once() -> None:
    folders = [
        folder("INBOX"),
        folder("[Gmail]/All Mail", "\\All"),
        folder("[Gmail]/Sent Mail", "\\Sent"),
        folder("Label"),
    ]
    assert [f.name for f in chosen(folders, mailbox(1))] == ["[Gmail]/All Mail"]
    assert [f.name for f in chosen(folders, mailbox(1, include=("Label",)))] == ["Label"]


def gmail(*names: str) -> list[Folder]:
    fixed = b'* LIST (\\HasNoChildren) "/" INBOX\r\n* LIST (\\All) "/" "[Gmail]/All Mail"\r\n'
    fixed += b'* LIST (\\Sent) "/" "[Gmail]/Sent Mail"\r\n* LIST (\\Important) "/" "[Gmail]/Important"\r\n'
    return listed("IMAP4rev1 X-GM-EXT-1", fixed, *(b'* LIST () "/" "%s"\r\n' % name.encode() for name in names))


def test_an_excluded_label_is_excluded_wherever_its_messages_lie() -> None:
    """DATA-15: at Gmail, where one folder holds all mail."""
    folders = gmail("Klienci", "Prywatne", "Prywatne/Dom")
    (whole,) = chosen(folders, mailbox(1, exclude=("prywatne*", "[Gmail]/Sent Mail")))
    assert (whole.name, whole.without) == ("[Gmail]/All Mail", {b"prywatne", b"prywatne/dom", b"\\sent"})
    (named,) = chosen(folders, mailbox(1, include=("Klienci",), exclude=("INBOX",)))
    assert (named.name, named.without) == ("Klienci", {b"\\inbox"})
    assert [f.without for f in chosen(folders, mailbox(1))] == [frozenset()]


def test_a_view_that_is_excluded_hides_no_mail_that_lies_elsewhere_too() -> None:
    (whole,) = chosen(gmail("Klienci"), mailbox(1, exclude=("[Gmail]/Important",)))
    assert whole.without.isdisjoint({b"\\important", b"\\inbox", b"klienci"})
    rest = chosen(gmail("Klienci"), mailbox(1, exclude=("[Gmail]/All Mail",)))
    assert [f.name for f in rest] == ["[Gmail]/Sent Mail", "INBOX", "[Gmail]/Important", "Klienci"]


def test_without_labels_exclude_is_obeyed_folder_by_folder() -> None:
    """DATA-15: a folder with all mail does not tell where else its messages lie."""
    folders = [folder("INBOX"), folder("All", "\\All"), folder("Klienci"), folder("Prywatne")]
    assert [f.name for f in chosen(folders, mailbox(1))] == ["All"]
    assert [f.name for f in chosen(folders, mailbox(1, exclude=("Prywatne",)))] == ["INBOX", "Klienci"]
