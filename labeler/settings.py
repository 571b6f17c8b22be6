"""Settings: the environment, or a ``.env`` in the folder where one stands.

Such a folder may be somebody else's. Its file may say where to ask and may bring keys, but no key of the environment goes
where the file says.
"""

from __future__ import annotations

import functools
import io
import ipaddress
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values
from pydantic import Field, PrivateAttr, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from labeler.errors import InputError

LONGEST = 1_000_000
"""Characters that a ``.env`` may have."""

_REFERENCE = re.compile(r"\$\{[^}]*\}")
_BROKERS = ("redis", "rediss", "amqp", "amqps", "memory")
"""Those that take no key of the environment along, as those of a cloud do."""
_DATABASE = frozenset(
    "host hostaddr port dbname user password sslmode sslrootcert channel_binding connect_timeout application_name "
    "options client_encoding target_session_attrs".split()
)
"""What a file may tell PostgreSQL's driver; the rest names services, files of keys and tickets of whoever sits here."""


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """A server that a setting names in the place of a provider's own host."""

    url: str
    key: SecretStr | None
    """The provider's key, where it stands in the same place as the url: both in the environment, or both in the file."""
    withheld: bool
    """Whether there is a key that does not, and therefore is not for this server."""
    in_environment: bool
    """Whether the environment names the server, so that what else it holds for the provider may go there too."""


class Settings(BaseSettings):
    """What may be set from outside; see the README for each. Made directly, it is read from the environment alone."""

    model_config = SettingsConfigDict(
        env_prefix="LABELER_",  # without it a field's own name would count too, and HOME is everybody's
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
    )

    home: Path = Field(Path(".labeler"), alias="LABELER_HOME")
    """Where dictionaries, evidence and the default database rest."""
    dictionaries: str | None = Field(None, alias="LABELER_DICTIONARIES")
    """Where dictionaries are read from: the home's by default, or another folder or any fsspec URL (``s3://…``)."""
    database_url: SecretStr | None = Field(None, alias="LABELER_DATABASE_URL")
    """The catalogue: SQLite in the home by default, or ``postgresql://…``."""
    broker_url: SecretStr | None = Field(None, alias="LABELER_BROKER_URL")
    """Where doorbells ring: inside this process by default, or ``redis://…``."""
    anthropic_api_key: SecretStr | None = Field(None, alias="ANTHROPIC_API_KEY")
    openai_api_key: SecretStr | None = Field(None, alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, alias="OPENAI_BASE_URL")
    api_keys: SecretStr | None = Field(None, alias="LABELER_API_KEYS")
    """Keys of other servers: ``host=key,host:port=key``."""
    models: Path | None = Field(None, alias="LABELER_MODELS")
    """A JSON file of what is to be known of models: fields for the bodies of their calls, limits, prices, contexts."""
    prices: Path | None = Field(None, alias="LABELER_PRICES")
    """A JSON file of prices by model, in US dollars per million tokens; they go before all others."""
    limits: str | None = Field(None, alias="LABELER_LIMITS")
    """What providers allow a minute, where they do not say it themselves: ``MODEL=requests/input/output``, with commas."""

    @field_validator("home", "models", "prices")
    @classmethod
    def _at_home(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        return None if path is None else expanded(path, str(cls.model_fields[str(info.field_name)].alias))

    @field_validator("dictionaries")
    @classmethod
    def _folder_at_home(cls, place: str | None) -> str | None:
        return str(expanded(Path(place), "LABELER_DICTIONARIES")) if place and place.startswith("~") else place

    _file: dict[str, str] = PrivateAttr(default_factory=dict)
    """What the ``.env`` holds, by the field's name; the environment may say otherwise."""
    _by_file: frozenset[str] = PrivateAttr(default=frozenset())
    """The fields that the ``.env`` decides, for the environment says nothing of them."""
    _by_environment: frozenset[str] = PrivateAttr(default=frozenset())
    """Those that the environment decides."""

    def named(self, field: str) -> str:
        """What a message calls a setting: its variable, and where that was read from."""
        variable = str(type(self).model_fields[field].alias)
        if field in self._by_file:
            return f"{variable} (from .env)"
        return f"{variable} (from the environment)" if field in self._by_environment else variable

    def at(self, home: Path) -> Settings:
        """The same settings with another home, of which no variable says anything."""
        found = self.model_copy(update={"home": expanded(home, "home")})
        found._by_file, found._by_environment = (names - {"home"} for names in (self._by_file, self._by_environment))
        return found

    @contextmanager
    def blaming(self, field: str) -> Iterator[None]:
        """Have errors of what is done meanwhile name a setting, where somebody set it, and where that was read from."""
        try:
            yield
        except InputError as error:
            said, name = str(error), self.named(field)
            variable = name.split()[0]
            if field in self.model_fields_set and name not in said:
                error.args = (said.replace(variable, name, 1) if variable in said else f"{name}: {said}",)
            raise

    @property
    def openai_gateway(self) -> Gateway | None:
        """Where ``openai:`` goes by default, if not to OpenAI."""
        if not self.openai_base_url:
            return None
        if "openai_base_url" in self._by_file:
            key = SecretStr(self._file["openai_api_key"]) if "openai_api_key" in self._file else None
        else:
            key = None if "openai_api_key" in self._by_file else self.openai_api_key
        return Gateway(
            url=self.openai_base_url,
            key=key,
            withheld=key is None and self.openai_api_key is not None,
            in_environment="openai_base_url" not in self._by_file,
        )

    @property
    def shelf(self) -> str:
        """The folder or URL that holds a folder of evidence for each dictionary."""
        return self.dictionaries or str(self.home / "dictionaries")

    @property
    def database(self) -> str | Path:
        """The database: SQLite's file in the home, or the URL that is set, as SQLAlchemy takes it (psycopg 3 for PostgreSQL).

        A URL may hold a password; a file may have any name, which no URL has.
        """
        if self.database_url is None:
            return (self.home / "labeler.db").absolute()
        url = self.database_url.get_secret_value()
        for prefix in ("postgresql://", "postgres://"):
            if url.startswith(prefix):
                return "postgresql+psycopg://" + url.removeprefix(prefix)
        return url

    @property
    def embedded(self) -> bool:
        """Whether the worker lives in this process, because no broker was named."""
        return self.broker_url is None


@functools.lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once (``settings.cache_clear()`` reads them again)."""
    return read_settings(Path(".env"))


def read_settings(file: Path) -> Settings:
    """The environment's settings, and of a file what the environment leaves unset.

    Raises InputError, never with a value in it, where the file cannot be read, refers to variables (it could take keys
    out of the environment so), or names a server that would be sent a password of the environment.
    """
    held = _held(file)
    environment = Settings()
    by_file = held.keys() - environment.model_fields_set
    found = Settings(**{name: held[name] for name in by_file})  # type: ignore[arg-type]
    found._file, found._by_file = held, frozenset(by_file)
    found._by_environment = frozenset(environment.model_fields_set)
    if "database_url" in by_file:
        _check_database(str(found.database), file)
    if "broker_url" in by_file and held["broker_url"].partition(":")[0] not in _BROKERS:
        raise InputError(f"LABELER_BROKER_URL in {file} must be redis://…; set others in the environment")
    return found


def expanded(path: Path, variable: str) -> Path:
    """A path with the home directory in the place of a leading ``~``; InputError, naming the setting, where there is none."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise InputError(f"{variable}: there is no home directory for '{path}'; write the whole path") from None


def _held(file: Path) -> dict[str, str]:
    """What a file says of the settings, by the field's name; empty where there is no such file."""
    try:
        with file.open(encoding="utf-8-sig") as stream:
            text = stream.read(LONGEST + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return {}
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} cannot be read: it is not UTF-8") from None
    if len(text) > LONGEST:
        raise InputError(f"{file} cannot be read: it has more than {LONGEST:,} characters")
    names = {field.alias: name for name, field in Settings.model_fields.items()}
    found = {}
    # Taken as it stands: a file that is filled in from the environment could send any of its keys anywhere.
    for variable, value in dotenv_values(stream=io.StringIO(text), interpolate=False).items():
        name = names.get(variable.upper())
        if name is None or not value:
            continue
        if _REFERENCE.search(value):
            raise InputError(
                f"{variable} in {file} refers to a variable, which is not filled in; write the value itself"
            )
        found[name] = value
    return found


def _check_database(url: str, file: Path) -> None:
    """Refuse a database to which the driver would bring what the file does not: to another machine, its own password.

    What is left out the driver takes from variables, services and ``.pgpass``.
    """
    if url.startswith(("sqlite:", "sqlite+pysqlite:")):
        return
    told = _connection(url)
    if told is None:
        raise InputError(
            f"LABELER_DATABASE_URL in {file} must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"
        )
    given, usual = told
    if refused := given.keys() - _DATABASE:
        raise InputError(
            f"LABELER_DATABASE_URL in {file} may not set {', '.join(sorted(refused))}; set the url in the environment"
        )
    meant = {**usual, **given}
    hosts = [host for name in ("host", "hostaddr") for host in meant.get(name, "").split(",")]
    if not given.get("password") and not all(map(_is_here, hosts)):
        raise InputError(
            f"LABELER_DATABASE_URL in {file} names another machine, which would be sent a password of yours; "
            "write its own into the url, or set the url in the environment"
        )


def _connection(url: str) -> tuple[dict[str, str], dict[str, str]] | None:
    """What PostgreSQL's driver is told by a url, and what it takes beside that; None where it cannot be told it.

    Both are as the driver itself reads them: whoever parses a url anew parses it otherwise.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
        if parsed.drivername != "postgresql+psycopg":
            return None
        arguments, named = parsed.get_dialect()().create_connect_args(parsed)
    except (ArgumentError, ValueError):
        return None
    try:
        import psycopg
        from psycopg import pq
        from psycopg.conninfo import make_conninfo
    except ImportError:
        return {}, {}  # nothing is sent anywhere; whoever opens it says so
    try:
        said = pq.Conninfo.parse(make_conninfo(*arguments, **named).encode())
    except (psycopg.Error, ValueError, TypeError):
        return None
    given, usual = (
        {one.keyword.decode(): one.val.decode(errors="replace") for one in options if one.val is not None}
        for options in (said, pq.Conninfo.get_defaults())
    )
    return given, usual


def _is_here(host: str) -> bool:
    """Whether a host is this machine: by a socket in a folder, or by an address that leads nowhere else."""
    if not host or host.startswith(("/", "@")) or host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
