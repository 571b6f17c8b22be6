"""A folder with a ``.env`` of somebody else's: where it sends us, no key of ours arrives."""

import contextlib
from pathlib import Path

import pytest

from labeler import settings as module
from labeler.catalogue.database import open_engine
from labeler.errors import InputError
from labeler.llm.errors import AccessError
from labeler.llm.names import open_backend
from labeler.llm.protocol import Request
from tests.fakes.command import run
from tests.fakes.environment import clean
from tests.fakes.postgres import FakePostgres
from tests.fakes.provider import FakeProvider, ProviderThread, answer, fail

PLAIN = Request(prompt="Which words?", system="You name features.")
MINE = "sk-of-the-shell"
SECRETS = {
    "OPENAI_API_KEY": MINE,
    "ANTHROPIC_API_KEY": MINE,
    "ANTHROPIC_AUTH_TOKEN": MINE,
    "OPENAI_ORG_ID": MINE,
    "OPENAI_PROJECT_ID": MINE,
    "OPENAI_CUSTOM_HEADERS": f"X-Other: {MINE}",
    "LABELER_API_KEYS": f"api.example={MINE},127.0.0.1:1={MINE}",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where one stands, with all keys set outside."""
    clean(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for variable, value in SECRETS.items():
        monkeypatch.setenv(variable, value)
    module.settings.cache_clear()
    yield tmp_path
    module.settings.cache_clear()


async def asked(provider, name="openai:m"):
    backend = open_backend(name, module.settings())
    try:
        await backend.ask(PLAIN)
    finally:
        await backend.close()
    return provider.asked[-1]


async def test_where_the_file_sends_us_no_key_of_the_environment_arrives(folder):
    async with FakeProvider() as provider:
        (folder / ".env").write_text(f"OPENAI_BASE_URL={provider.url}/v1\nANTHROPIC_BASE_URL={provider.url}\n")
        found = await asked(provider)
    assert found.key == "no-key-is-used"
    assert MINE not in repr(provider.asked)


@pytest.mark.parametrize("line", ["OPENAI_API_KEY=${ANTHROPIC_API_KEY}", "LABELER_PRICES=${OPENAI_API_KEY}"])
async def test_nor_one_that_the_file_refers_to(folder, line):
    async with FakeProvider() as provider:
        (folder / ".env").write_text(f"OPENAI_BASE_URL={provider.url}/v1\n{line}\n")
        with pytest.raises(InputError, match="refers to a variable"):
            await asked(provider)
    assert provider.asked == []


async def test_a_file_of_one_s_own_with_url_and_key_works(folder):
    async with FakeProvider() as provider:
        (folder / ".env").write_text(f"OPENAI_BASE_URL={provider.url}/v1\nOPENAI_API_KEY=sk-of-the-file\n")
        assert (await asked(provider)).key == "sk-of-the-file"
    assert MINE not in repr(provider.asked)


async def test_an_environment_of_one_s_own_with_url_and_key_works(folder, monkeypatch):
    async with FakeProvider() as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        (folder / ".env").write_text("OPENAI_BASE_URL=http://127.0.0.1:9/v1\nOPENAI_API_KEY=sk-of-the-file\n")
        assert (await asked(provider)).key == MINE


async def test_a_key_named_for_the_host_goes_there_whoever_sends_us(folder, monkeypatch):
    async with FakeProvider() as provider:
        monkeypatch.setenv("LABELER_API_KEYS", f"{provider.url.removeprefix('http://')}=key-of-this-very-host")
        (folder / ".env").write_text(f"OPENAI_BASE_URL={provider.url}/v1\n")
        assert (await asked(provider)).key == "key-of-this-very-host"
    assert MINE not in repr(provider.asked)


async def test_a_file_of_keys_sends_each_to_its_host(folder, monkeypatch):
    monkeypatch.delenv("LABELER_API_KEYS")
    async with FakeProvider() as provider:
        (folder / ".env").write_text("LABELER_API_KEYS=127.0.0.1=sk-of-the-file\n")
        for name in (f"openai:m@{provider.url}/v1", f"anthropic:m@{provider.url}"):
            assert (await asked(provider, name)).key == "sk-of-the-file"
    assert MINE not in repr(provider.asked)


async def test_who_is_turned_away_for_it_is_told_why(folder):
    async with FakeProvider(fail(401)) as provider:
        (folder / ".env").write_text(f"OPENAI_BASE_URL={provider.url}/v1\n")
        with pytest.raises(
            AccessError, match=r"OPENAI_BASE_URL stands in \.env and the key in the environment"
        ) as caught:
            await asked(provider)
    assert MINE not in str(caught.value)


async def test_the_same_server_named_in_full_gets_what_the_file_s_gateway_gets(folder):
    async with FakeProvider() as provider:
        (folder / ".env").write_text(f"OPENAI_BASE_URL={provider.url}/v1\n")
        assert (await asked(provider, f"openai:m@{provider.url}/v1")).key == "no-key-is-used"
    assert MINE not in repr(provider.asked)


def test_the_command_itself_sends_none(tmp_path: Path):
    from tests.fakes.evidence import make_store

    make_store(tmp_path / ".labeler", n=300)
    with ProviderThread(lambda request: answer('{"label": "x", "description": "y", "confidence": 1}')) as thread:
        (tmp_path / ".env").write_text(f"OPENAI_BASE_URL={thread.url}/v1\n")
        run(tmp_path, "label", "toy", "--features", "0", "--explainer", "openai:m", "--simulator", "lexical", **SECRETS)
        assert thread.provider.asked
        assert MINE not in repr(thread.provider.asked)


HERE = "127.1"  # another name of this machine, which nobody need know for one
WAYS = [
    "u@{host}/d",
    "u:@{host}/d",
    "u[@{host}/d",
    "u%00:p@{host}/d",
    "{host}/d?sslpassword=x",
    "u@{host}/d?application_name=password=",
    "u@{host}/d?password=",
    "u@{host}/d?password=&password=%00",
    "/d?host={host}",
    "localhost:{port}/d?hostaddr={address}",
    "u@{host}/d?passfile={file}",
    "u:p@{host}/d?service=mine&servicefile={file}",
    "/d?service=mine",
    "u@{host}/d?service=mine",
    "u@{host}/d?conninfo=password%3D",
]


@pytest.fixture
def passwords(folder, monkeypatch):
    """All places out of which PostgreSQL's driver takes a password."""
    for name, text in {"pass": "*:*:*:*:of-a-passfile\n", "service": "[mine]\npassword=of-a-service\n"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    for variable in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE"):
        monkeypatch.delenv(variable, raising=False)
    return {
        "hunter2": lambda: monkeypatch.setenv("PGPASSWORD", "hunter2"),
        "of-a-passfile": lambda: monkeypatch.setenv("PGPASSFILE", str(folder / "pass")),
        "of-a-service": lambda: (
            monkeypatch.setenv("PGSERVICEFILE", str(folder / "service")),
            monkeypatch.setenv("PGSERVICE", "mine"),
        ),
    }


def connect():
    module.settings.cache_clear()
    with contextlib.suppress(InputError):
        open_engine(module.settings().database).dispose()


@pytest.mark.parametrize("place", ["hunter2", "of-a-passfile", "of-a-service"])
def test_a_database_elsewhere_is_sent_no_password_but_the_file_s(folder, monkeypatch, passwords, place):
    passwords[place]()
    with FakePostgres() as server:
        host = f"{HERE}:{server.port}"
        for way in WAYS:
            url = way.format(host=host, port=server.port, address="0.0.0.0", file=folder / "pass")
            (folder / ".env").write_text(f"LABELER_DATABASE_URL='postgresql://{url}'\n")
            connect()
            assert server.sent == b"", url
        (folder / ".env").write_text(f"LABELER_DATABASE_URL=postgresql://u:of-the-file@{host}/d\n")
        connect()
        assert b"of-the-file\0" in server.sent
        assert place.encode() not in server.sent
        # The same url of one's own is one's own affair.
        monkeypatch.setenv("LABELER_DATABASE_URL", f"postgresql://u@{host}/d")
        connect()
        assert place.encode() in server.sent
