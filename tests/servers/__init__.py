"""Private servers on loopback for tests and benchmarks; none touches the system's own instances."""

from tests.servers.dovecot import Dovecot
from tests.servers.postfix import Postfix
from tests.servers.process import Missing, free_port, wait_until
from tests.servers.sink import Sink, Sunk

__all__ = ["Dovecot", "Missing", "Postfix", "Sink", "Sunk", "free_port", "wait_until"]
