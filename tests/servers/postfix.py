"""A private Postfix with its own configuration, queue and data folders, on loopback without DNS."""

from __future__ import annotations

import os
import shutil
import smtplib
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.servers.process import HOST, Missing, Server, free_port, listening, program, wait_until


class Postfix(Server):
    """Takes mail on ``port`` and passes it on by ``routes``, else to ``relay``. Needs root, or sudo without a password.

    Args:
        routes: a domain or address, and where its mail goes by LMTP: a port of this machine.
        relay: the SMTP port of this machine that takes everything else.
        settings: further lines of main.cf.
        services: further lines of master.cf.
    """

    name = "postfix"

    def __init__(
        self, *, routes: Mapping[str, int], relay: int, settings: Mapping[str, str] | None = None, services: str = ""
    ) -> None:
        self._postfix = program("postfix", package="postfix")
        super().__init__()
        self.host = HOST
        self.port = free_port()
        self._sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
        if self._sudo and shutil.which("sudo") is None:
            raise Missing("Postfix can only be started by root; run this as root, or install sudo")
        config = self.folder / "etc"
        config.mkdir()
        (config / "transport").write_text(
            "".join(f"{name} lmtp:inet:[{HOST}]:{port}\n" for name, port in routes.items())
        )
        lines = _MAIN.format(folder=self.folder, host=HOST, relay=relay, daemons=_daemon_directory())
        lines += "".join(f"{key} = {value}\n" for key, value in (settings or {}).items())
        (config / "main.cf").write_text(lines)
        (config / "master.cf").write_text(_MASTER.format(host=HOST, port=self.port) + services)

    def start(self) -> None:
        subprocess.run([*self._sudo, "install", "-d", str(self.folder / "queue")], check=True)
        subprocess.run([*self._sudo, "install", "-d", "-o", "postfix", str(self.folder / "data")], check=True)
        self._run("start")
        wait_until(lambda: listening(self.port), seconds=20, what=f"the start of Postfix\n{self.log()}\n")

    def stop(self) -> None:
        if (self.folder / "queue" / "pid" / "master.pid").exists():
            self._run("stop", check=False)

    def kill(self) -> None:
        self.stop()

    def close(self) -> None:
        super().close()
        if self._sudo and self.folder.exists():
            subprocess.run([*self._sudo, "rm", "-rf", str(self.folder)], check=False)

    def send(self, sender: str, recipients: list[str], raw: bytes) -> None:
        """Hand in a message as the outside world does; it is delivered a moment later."""
        with smtplib.SMTP(self.host, self.port) as smtp:
            smtp.sendmail(sender, recipients, raw)

    def _run(self, verb: str, *, check: bool = True) -> None:
        command = [*self._sudo, self._postfix, "-c", str(self.folder / "etc"), verb]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(f"postfix {verb} failed:\n{done.stderr}\n{self.log()}")


def _daemon_directory() -> str:
    for folder in ("/usr/lib/postfix/sbin", "/usr/libexec/postfix", "/usr/lib/postfix"):
        if (Path(folder) / "master").exists():
            return folder
    raise Missing("Postfix's daemons are not installed; run: apt-get install postfix")


_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.test
mydestination =
inet_interfaces = {host}
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relayhost = [{host}]:{relay}
transport_maps = texthash:{folder}/etc/transport
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_peername_lookup = no
smtp_host_lookup = native
smtp_dns_support_level = disabled
smtpd_tls_security_level = none
smtp_tls_security_level = none
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
alias_maps =
alias_database =
maximal_queue_lifetime = 1h
minimal_backoff_time = 2s
maximal_backoff_time = 4s
queue_run_delay = 2s
"""

_MASTER = """\
{host}:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
