"""Which server a hosted model is asked at, which key may go there, and which names mean one model.

What is asked and kept goes by the name that was written, for a name without a date may mean another snapshot tomorrow.
What is known of a model (prices, limits, its usual answers) holds under either.

A provider's own key goes to the provider's own host, or to the server that its ``…_BASE_URL`` setting names in the same
place (both in the environment, or both in one file); every other server gets the key that ``LABELER_API_KEYS`` lists for
it, or none. A host that is listed without a port gets its key where nobody on the way can read it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import SecretStr

from labeler.errors import InputError
from labeler.llm.names import LLMName, Origin
from labeler.llm.protocol import Address
from labeler.settings import Gateway

T = TypeVar("T")

_DATE = re.compile(r"[-@](?:20\d{6}|20\d{2}-\d{2}-\d{2}|latest)$", re.ASCII)


def undated(model: str) -> str:
    """A model's name without the date of its snapshot: ``claude-haiku-4-5`` of ``claude-haiku-4-5-20251001``."""
    return _DATE.sub("", model.lower())


def same_model(one: str, other: str) -> bool:
    """Whether two full names (``provider:model@url``) mean one model at one server.

    Two snapshots with different dates are two models, and so is one whose price is known to be its own. Names that are
    none mean only themselves.
    """
    if one == other:
        return True
    try:
        a, b = LLMName.parse(one), LLMName.parse(other)
    except InputError:
        return False
    if (a.provider, _server(a)) != (b.provider, _server(b)) or undated(a.model) != undated(b.model):
        return False
    names = {a.model.lower().removesuffix("-latest"), b.model.lower().removesuffix("-latest")}
    return len(names) == 1 or (undated(a.model) in names and not _priced_apart(a, b))


def known_of(names: Iterable[str], known: Mapping[str, T]) -> T | None:
    """What is known under one of some names, in their order, or under another name of the same model; None where nothing.

    Of several snapshots the newest is taken.
    """
    names = list(names)
    exact = next((name for name in names if name in known), None)
    if exact is not None:
        return known[exact]
    alike = (other for name in names for other in sorted(known, reverse=True) if same_model(name, other))
    return next((known[other] for other in alike), None)


def _server(name: LLMName) -> str | None:
    return name.base_url and name.base_url.rstrip("/")


def _priced_apart(a: LLMName, b: LLMName) -> bool:
    """Whether both are in the table of prices, each in a line of its own."""
    # Imported here: it takes most of a second, and few names have a date.
    from genai_prices.data_snapshot import get_snapshot

    try:
        lines = [get_snapshot().find_provider_model(one.model, None, one.provider, None)[1].id for one in (a, b)]
    except LookupError:
        return False
    return lines[0] != lines[1]


NO_KEY = "no-key-is-used"
"""What the SDKs send where no key is needed; they refuse to send nothing."""


PROVIDER_URLS = {"anthropic": "https://api.anthropic.com", "openai": "https://api.openai.com/v1"}
"""Where each provider itself is asked."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A server, and the key that may go there."""

    base_url: str
    key: str | None = field(repr=False)
    """None where the server needs none."""
    official: bool
    """Whether this is the provider's own host."""
    trusted: bool
    """Whether what else the provider's SDK finds in the environment may go there: the provider's own host, or the
    server that the provider's own setting names in the environment."""
    hint: str = ""
    """What to say where the server turns us away: where the key is from, or why there is none."""

    @property
    def origin(self) -> Origin:
        """The server."""
        return Origin.of(self.base_url)

    @property
    def priced_at(self) -> str | None:
        """The base url as prices go by it: None for the provider's own host."""
        return None if self.official else self.base_url


def address(name: LLMName, base_url: str | None = None, extra: str = "") -> Address:
    """Where a name's model is asked: at ``base_url``, else where the name says, else at its provider's own host.

    Nowhere, where the provider has none. ``extra`` are the fields that the user adds to its bodies.
    """
    url = base_url or name.base_url or PROVIDER_URLS.get(name.provider)
    return Address(name.provider, name.model, url and url.rstrip("/"), extra)


def find_endpoint(
    name: LLMName,
    *,
    key: SecretStr | None,
    variable: str,
    gateway: Gateway | None = None,
    gateway_variable: str = "",
    listed: SecretStr | None,
    listed_variable: str = "LABELER_API_KEYS",
) -> Endpoint:
    """The endpoint of a name: its own base url, else the ``gateway`` that a setting names, else the provider's.

    ``key`` is the provider's own, from ``variable``; ``listed`` is ``host=key,host:port=key``. The variables are as messages
    name them.
    Raises InputError, never with a key in it, where a needed key is missing or a setting is malformed.
    """
    if gateway is not None:
        Origin.of(gateway.url, gateway_variable)
    provider_url = PROVIDER_URLS[name.provider]
    base_url = name.base_url or (gateway.url if gateway else provider_url)
    origin = Origin.of(base_url)
    if _official(origin, Origin.of(provider_url)):
        own = _clean(key, variable)
        if own is None:
            raise InputError(f"{name} needs a key; set {variable}")
        return Endpoint(base_url=base_url, key=own, official=True, trusted=True, hint=f"the key is that of {variable}")
    found, hint = _listed_key(listed, origin, listed_variable)
    trusted = False
    if gateway is not None and origin == Origin.of(gateway.url):
        trusted = gateway.in_environment
        if found is None and (found := _clean(gateway.key, variable)):
            hint = f"the key is that of {variable}"
        if found is None and gateway.withheld:
            places = ("the environment", ".env") if trusted else (".env", "the environment")
            names = [one.split()[0] for one in (variable, gateway_variable)]
            hint = (
                f"{names[0]} was not sent, for {names[1]} stands in {places[0]} and the key in {places[1]}; set both "
                f"in one place, or LABELER_API_KEYS={_listing(origin)}=key"
            )
    return Endpoint(base_url=base_url, key=found, official=False, trusted=trusted, hint=hint)


def _official(origin: Origin, provider: Origin) -> bool:
    # Subdomains are the provider's regional hosts (eu.api.…). Never in plain text.
    same_host = origin.host == provider.host or origin.host.endswith("." + provider.host)
    return origin.scheme == "https" and same_host


def keys_by_host(listed: SecretStr | None, variable: str = "LABELER_API_KEYS") -> dict[str, str]:
    """The keys in ``LABELER_API_KEYS`` by ``host`` or ``host:port``; InputError, without the entry, for a malformed one."""
    keys: dict[str, str] = {}
    for number, entry in enumerate((listed.get_secret_value() if listed else "").split(","), start=1):
        if not entry.strip():
            continue
        host, _, key = (part.strip() for part in entry.partition("="))
        if not host or not key or "/" in host:
            raise InputError(f"entry {number} of {variable} is not host=key or host:port=key")
        keys[host.lower()] = key
    return keys


def _listed_key(listed: SecretStr | None, origin: Origin, variable: str) -> tuple[str | None, str]:
    """The key that is listed for a server, and where it is from, or why it was not sent there."""
    keys = keys_by_host(listed, variable)
    exposed = _is_exposed(origin)
    found = None if exposed else keys.get(origin.host)
    if not (exposed and origin.port == 443):  # who names the port of https means no plain text
        found = keys.get(f"{origin.host}:{origin.port}", found)
    hint = ""
    if found is None and exposed and origin.host in keys:
        hint = f"the key of {origin.host} was not sent in plain text; use https, or set LABELER_API_KEYS={_listing(origin)}=key"
    if found is None:
        return None, hint
    return _clean(SecretStr(found), variable), f"the key is that of {origin.host} in {variable}"


def _listing(origin: Origin) -> str:
    """How a server is listed to get a key: on its port alone where others could read it on the way."""
    return f"{origin.host}:{origin.port}" if _is_exposed(origin) else origin.host


def _is_exposed(origin: Origin) -> bool:
    """Whether it is asked in plain text over more than the own network, where hosts have bare names."""
    if origin.scheme == "https" or origin.loopback:
        return False
    try:
        return not ipaddress.ip_address(origin.host.strip("[]")).is_private
    except ValueError:
        return "." in origin.host


def _clean(key: SecretStr | None, variable: str) -> str | None:
    text = key.get_secret_value().strip() if key else ""
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise InputError(f"the key in {variable} holds a character that no key has")  # nor any HTTP header
    return text or None
