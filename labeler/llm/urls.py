"""Base urls: what is accepted as one, which server it means, whether that server is this machine."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from labeler.errors import InputError

# Read by one strict pattern and not by a lenient parser: what decides where a key may go must not be able to disagree
# with the HTTP client about what the host is.
_PATTERN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>\d{1,5}))?(?:/[a-z0-9._~:!$&'()*+,;=%/-]*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Origin:
    """A server: lower-case scheme and host (an IPv6 address in its brackets), and the port, given or usual."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, base_url: str, what: str = "a base url") -> Origin:
        """Raises InputError for anything but ``http(s)://host[:port]/path``; the message does not repeat the url,
        for it may hold a password."""
        match = _PATTERN.fullmatch(base_url)
        if match is None:
            raise InputError(
                f"{what} must be http(s)://host[:port]/path, without user, password or query "
                "(keys of servers go in LABELER_API_KEYS)"
            )
        scheme = match["scheme"].lower()
        return cls(scheme, match["host"].lower(), int(match["port"] or {"http": 80, "https": 443}[scheme]))

    @property
    def loopback(self) -> bool:
        """Whether this is a server on this machine, where nobody is paid."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            address = ipaddress.ip_address(self.host.strip("[]"))
        except ValueError:
            return False
        return address.is_loopback or address.is_unspecified
