"""Settings: the environment, or a ``.env`` in the folder where one stands."""

from __future__ import annotations

import functools
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What may be set from outside; see the README for each."""

    model_config = SettingsConfigDict(
        env_prefix="LABELER_",  # without it a field's own name would count too, and HOME is everybody's
        env_file=".env",
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
    prices: Path | None = Field(None, alias="LABELER_PRICES")
    """A JSON file of prices by model, in US dollars per million tokens; they go before all others."""
    limits: str | None = Field(None, alias="LABELER_LIMITS")
    """What providers allow a minute, where they do not say it themselves: ``MODEL=requests/input/output``, with commas."""

    @property
    def shelf(self) -> str:
        """The folder or URL that holds a folder of evidence for each dictionary."""
        return self.dictionaries or str(self.home / "dictionaries")

    @property
    def database(self) -> str:
        """The database's URL as SQLAlchemy takes it (psycopg 3 for PostgreSQL); it may hold a password."""
        if self.database_url is None:
            return f"sqlite:///{(self.home / 'labeler.db').absolute()}"
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
    return Settings()
