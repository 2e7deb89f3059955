"""A private Dovecot 2.3: IMAP, IMAPS and LMTP on loopback, any user name, one password."""

from __future__ import annotations

import getpass
import grp
import itertools
import os
import pwd
import shutil
import smtplib
import subprocess
from collections.abc import Iterable
from datetime import datetime

from imapclient import IMAPClient

from tests.servers import certificate
from tests.servers.process import HOST, Server, free_port, listening, program

SPECIAL_USE = ("Sent", "Drafts", "Junk", "Trash")


class Dovecot(Server):
    """Any name logs in with ``PASSWORD``; ``name*MASTER`` with ``MASTER_PASSWORD`` (a master user).

    Args:
        hook_url: where LMTP deliveries are announced by HTTP (Dovecot's push notification driver), for users
            that ``enable_hook`` was called for.
        oauth_url: an RFC 7662 introspection endpoint that access tokens are checked with.
        settings: further lines for dovecot.conf.
    """

    name = "dovecot"
    PASSWORD = "pw"
    MASTER = "master"
    MASTER_PASSWORD = "master-pw"

    def __init__(self, *, hook_url: str | None = None, oauth_url: str | None = None, settings: str = "") -> None:
        self._dovecot = program("dovecot", package="dovecot-imapd dovecot-lmtpd")
        self._doveadm = program("doveadm", package="dovecot-core")
        super().__init__()
        self.host = HOST
        self.port, self.tls_port, self.lmtp_port = free_port(), free_port(), free_port()
        self.certificate = self.folder / "certificate.pem"
        self._users = itertools.count(1)
        self._owner = pwd.getpwnam("mail" if os.geteuid() == 0 else getpass.getuser())
        certificate.write(self.certificate, self.folder / "key.pem")
        (self.folder / "masters").write_text(f"{self.MASTER}:{{PLAIN}}{self.MASTER_PASSWORD}\n")
        (self.folder / "store").mkdir()
        os.chown(self.folder / "store", self._owner.pw_uid, self._owner.pw_gid)
        self._config = self.folder / "dovecot.conf"
        self._config.write_text(self._text(hook_url, oauth_url) + settings)

    def start(self) -> None:
        ports = (self.port, self.tls_port, self.lmtp_port)
        self.spawn([self._dovecot, "-F", "-c", str(self._config)], ready=lambda: all(map(listening, ports)))

    def new_user(self, stem: str = "user") -> str:
        """A user name that no other test has, with an empty mailbox."""
        return f"{stem}{next(self._users)}"

    def client(self, user: str) -> IMAPClient:
        """A logged-in connection, as the rep's own mail program would open."""
        client = IMAPClient(self.host, self.port, ssl=False)
        client._imap.debug = 0
        client.login(user, self.PASSWORD)
        return client

    def append(self, user: str, raw: bytes, folder: str = "INBOX", *, at: datetime | None = None) -> None:
        """Put a message into a folder, as the rep's mail program does with sent mail. ``at`` is its INTERNALDATE."""
        with self.client(user) as client:
            client.append(folder, raw, msg_time=at)

    def deliver(self, user: str, raw: bytes, *, sender: str = "sender@klient.example") -> None:
        """Hand a message in by LMTP, as the MTA does; returns after the server's acknowledgement."""
        with smtplib.LMTP(self.host, self.lmtp_port) as lmtp:
            lmtp.sendmail(sender, [user], raw)

    def fill(self, user: str, mails: Iterable[tuple[datetime, bytes]], folder: str = "INBOX") -> int:
        """Write many messages straight into a folder nobody has opened yet; far faster than ``append``.

        Args:
            mails: INTERNALDATE and bytes of each, in UID order.

        Returns:
            How many.
        """
        maildir = self.folder / "store" / user / "Maildir" / ("" if folder == "INBOX" else f".{folder}")
        for part in ("cur", "new", "tmp"):
            (maildir / part).mkdir(parents=True, exist_ok=True)
        count = 0
        for count, (at, raw) in enumerate(mails, 1):
            seconds = at.timestamp()
            file = maildir / "cur" / f"{int(seconds)}.M{count:07d}P1.test,S={len(raw)},W={len(raw)}:2,S"
            file.write_bytes(raw)
            os.utime(file, (seconds, seconds))
        if os.geteuid() == 0:
            home = self.folder / "store" / user
            for path in (home, *home.rglob("*")):
                os.chown(path, self._owner.pw_uid, self._owner.pw_gid)
        return count

    def enable_hook(self, user: str) -> None:
        """Have deliveries to this user announced at ``hook_url``."""
        key = "/private/vendor/vendor.dovecot/http-notify"
        self.doveadm("mailbox", "metadata", "set", "-u", user, "-s", "", key, f"user={user}")

    def doveadm(self, *arguments: str) -> str:
        """Run doveadm against this instance and return what it printed."""
        command = [self._doveadm, "-c", str(self._config), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def forget(self, user: str) -> None:
        """Remove a user's mailbox from disk."""
        shutil.rmtree(self.folder / "store" / user, ignore_errors=True)

    def _text(self, hook_url: str | None, oauth_url: str | None) -> str:
        folder = self.folder
        group = grp.getgrgid(self._owner.pw_gid).gr_name
        parts = [_BASE.format(folder=folder, user=self._owner.pw_name, group=group, host=HOST, server=self)]
        if os.geteuid() != 0:
            parts.append(_ROOTLESS.format(user=self._owner.pw_name, group=group))
        parts.append("namespace inbox {\n  inbox = yes\n  separator = /\n")
        parts.extend(
            f"  mailbox {name} {{\n    auto = create\n    special_use = \\{name}\n  }}\n" for name in SPECIAL_USE
        )
        parts.append("}\n")
        if hook_url:
            parts.append(_HOOK.format(folder=folder, url=hook_url))
        if oauth_url:
            (folder / "oauth2.conf").write_text(
                f"introspection_mode = post\nintrospection_url = {oauth_url}\n"
                "username_attribute = username\nactive_attribute = active\nactive_value = true\n"
            )
            parts.append(
                f"passdb {{\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {folder}/oauth2.conf\n}}\n"
            )
            parts.append("auth_mechanisms = plain login xoauth2 oauthbearer\n")
        return "".join(parts)


_BASE = """\
base_dir = {folder}/run
state_dir = {folder}/run/state
log_path = {folder}/log
instance_name = mailcrm-test-{server.port}
protocols = imap lmtp
listen = {host}
ssl = yes
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_master_user_separator = *
auth_username_chars =
auth_failure_delay = 0
mail_home = {folder}/store/%u
mail_location = maildir:~/Maildir
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
mail_max_userip_connections = 3000
default_client_limit = 5000
default_process_limit = 3000
default_vsz_limit = 2G
lda_mailbox_autocreate = yes
postmaster_address = postmaster@localhost
mailbox_list_index = yes
passdb {{
  driver = passwd-file
  args = {folder}/masters
  master = yes
}}
passdb {{
  driver = static
  args = password=pw
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/store/%u
}}
service imap-login {{
  chroot =
  client_limit = 2000
  process_min_avail = 1
  service_count = 0
  process_limit = 4
  inet_listener imap {{
    port = {server.port}
  }}
  inet_listener imaps {{
    port = {server.tls_port}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 3000
}}
service anvil {{
  chroot =
  client_limit = 8000
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  client_limit = 8000
}}
service auth {{
  client_limit = 8000
}}
service lmtp {{
  inet_listener lmtp {{
    port = {server.lmtp_port}
  }}
}}
"""

_ROOTLESS = """\
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
service stats {{
  chroot =
}}
service ipc {{
  chroot =
}}
"""

_HOOK = """\
mail_attribute_dict = file:{folder}/store/%u.attributes
protocol imap {{
  imap_metadata = yes
}}
mail_plugins = notify push_notification
plugin {{
  push_notification_driver = ox:url={url}
}}
"""
