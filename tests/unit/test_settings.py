"""Where settings come from: the environment, and a ``.env`` that may be somebody else's."""

import os

import pytest

from labeler.errors import InputError
from labeler.settings import LONGEST, Settings, read_settings
from tests.fakes.environment import clean


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    clean(monkeypatch)
    for variable in [one for one in os.environ if one.startswith("PG")]:
        monkeypatch.delenv(variable)
    return monkeypatch


def read(tmp_path, *lines):
    file = tmp_path / ".env"
    file.write_text("\n".join(lines), encoding="utf-8")
    return read_settings(file)


def test_the_environment_goes_before_the_file(tmp_path, environment):
    environment.setenv("LABELER_HOME", "/of/the/environment")
    environment.setenv("LABELER_LIMITS", "")  # as good as unset
    found = read(
        tmp_path, "LABELER_HOME=/of/the/file", "export LABELER_LIMITS='m=1/2/3'", "labeler_prices=p.json", "X=1"
    )
    assert (str(found.home), found.limits, str(found.prices)) == ("/of/the/environment", "m=1/2/3", "p.json")


def test_without_a_file_the_environment_is_all(tmp_path, environment):
    environment.setenv("OPENAI_API_KEY", "sk-mine")
    for file in (tmp_path / ".env", tmp_path, tmp_path / "none" / ".env"):
        assert read_settings(file).model_dump() == Settings().model_dump()


def test_a_file_further_up_is_not_read(tmp_path, environment):
    (tmp_path / ".env").write_text("LABELER_LIMITS=m=1/2/3")
    (tmp_path / "below").mkdir()
    assert read_settings(tmp_path / "below" / ".env").limits is None


def test_a_link_is_the_file_that_it_leads_to(tmp_path, environment):
    (tmp_path / "mine").write_text("OPENAI_API_KEY=sk-mine")
    (tmp_path / ".env").symlink_to(tmp_path / "mine")
    assert read_settings(tmp_path / ".env").openai_api_key.get_secret_value() == "sk-mine"


@pytest.mark.parametrize(
    "line",
    [
        "OPENAI_API_KEY=${OPENAI_API_KEY}",
        "OPENAI_BASE_URL=http://evil.example/${OPENAI_API_KEY}",
        'LABELER_API_KEYS="evil.example=${ANTHROPIC_API_KEY:-none}"',
        "LABELER_API_KEYS='evil.example=${ANTHROPIC_API_KEY}'",
        "LABELER_DATABASE_URL=postgresql://u:${OPENAI_API_KEY}@evil.example/d",
        "LABELER_BROKER_URL=redis://:${OPENAI_API_KEY}@evil.example",
        "LABELER_DICTIONARIES=http://evil.example/${OPENAI_API_KEY}",
        "openai_base_url=http://evil.example/${OPENAI_API_KEY}",
    ],
)
def test_a_file_takes_nothing_out_of_the_environment(tmp_path, environment, line):
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        environment.setenv(variable, "sk-mine")
    environment.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(InputError, match="refers to a variable") as caught:
        read(tmp_path, "A=1", line)
    assert "sk-mine" not in str(caught.value)


def test_nor_by_way_of_another_line(tmp_path, environment):
    environment.setenv("OPENAI_API_KEY", "sk-mine")
    with pytest.raises(InputError, match="refers to a variable"):
        read(tmp_path, "K=${OPENAI_API_KEY}", "OPENAI_BASE_URL=http://evil.example/${K}")
    assert read(tmp_path, "K=${OPENAI_API_KEY}", "OPENAI_BASE_URL=http://evil.example/$K").openai_base_url.endswith(
        "/$K"
    )


KEYS = ("OPENAI_API_KEY=sk-file", "OPENAI_BASE_URL=http://gateway.example/v1")


@pytest.mark.parametrize(
    ("set_outside", "in_file", "key", "withheld"),
    [
        ({}, KEYS, "sk-file", False),
        ({"OPENAI_API_KEY": "sk-mine"}, KEYS, "sk-file", False),  # each server its own
        ({"OPENAI_API_KEY": "sk-mine"}, KEYS[1:], None, True),
        ({"OPENAI_API_KEY": "sk-mine"}, ("labeler_openai_api_key=x", *KEYS[1:]), None, True),
        ({"OPENAI_BASE_URL": "http://gateway.example/v1"}, KEYS[:1], None, True),
        ({"OPENAI_BASE_URL": "http://gateway.example/v1"}, KEYS, None, True),
        ({"OPENAI_BASE_URL": "http://gateway.example/v1", "OPENAI_API_KEY": "sk-mine"}, KEYS, "sk-mine", False),
        ({"OPENAI_BASE_URL": "http://gateway.example/v1"}, (), None, False),
        ({"ANTHROPIC_API_KEY": "sk-mine"}, KEYS[1:], None, False),
    ],
)
def test_a_gateway_has_the_key_that_stands_beside_it(tmp_path, environment, set_outside, in_file, key, withheld):
    for variable, value in set_outside.items():
        environment.setenv(variable, value)
    gateway = read(tmp_path, *in_file).openai_gateway
    assert gateway.url == "http://gateway.example/v1"
    assert (gateway.key.get_secret_value() if gateway.key else None) == key
    assert gateway.withheld is withheld
    assert gateway.in_environment is ("OPENAI_BASE_URL" in set_outside)
    assert "sk-" not in repr(gateway)


def test_other_names_of_a_setting_are_none(tmp_path, environment):
    environment.setenv("OPENAI_API_KEY", "sk-mine")
    assert read(tmp_path, "LABELER_OPENAI_BASE_URL=http://evil.example", "BASE_URL=http://e").openai_gateway is None


URL = "postgresql://evil.example/d"


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "postgres://user@evil.example/d",
        "postgresql+psycopg://u@evil.example/d",
        "postgresql://u@evil.example/d?sslpassword=x",
        "postgresql://u@evil.example/d?application_name=password=",
        "postgresql://u@evil.example/d?password=",
        "postgresql://u:@evil.example/d",
        "postgresql://u[@evil.example/d",
        "postgresql:///d?host=evil.example",
        "postgresql://localhost/d?host=evil.example",
        "postgresql://localhost/d?hostaddr=6.6.6.6",
        "postgresql:///d?host=localhost&host=evil.example",
        "postgresql:///d?host=127.0.0.1,evil.example",
        "postgresql:///d?host=localhost.evil.example",
        "postgresql://u%00:p@evil.example/d",
        "postgresql://127.evil.example/d",
        "postgresql://[2001:db8::1]/d",
    ],
)
def test_a_database_elsewhere_brings_its_own_password(tmp_path, environment, url):
    environment.setenv("PGPASSWORD", "hunter2")
    with pytest.raises(InputError, match="LABELER_DATABASE_URL in") as caught:
        read(tmp_path, f"LABELER_DATABASE_URL={url}")
    assert "hunter2" not in str(caught.value)
    assert "evil.example" not in str(caught.value)
    environment.setenv("LABELER_DATABASE_URL", url)  # one's own
    assert read(tmp_path).database_url.get_secret_value() == url


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:p@h/d",
        "postgresql+psycopg2://u:p@h/d",
        "postgresql://u:p@h:port/d",
        "POSTGRESQL://u:p@h/d",
        "nonsense",
        f"{URL}?password=p&service=prod",
        f"{URL}?password=p&passfile=/home/me/.pgpass",
        f"{URL}?password=p&sslkey=/home/me/.ssh/id_rsa",
        f"{URL}?password=p&gssdelegation=1",
        f"{URL}?password=p&plugin=x",
        "postgresql:///d?service=prod",
        "postgresql:///d?conninfo=host%3Devil.example",
    ],
)
def test_a_database_that_a_file_may_not_name_at_all(tmp_path, url):
    with pytest.raises(InputError, match="LABELER_DATABASE_URL in"):
        read(tmp_path, f"LABELER_DATABASE_URL={url}")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@h/d",
        "postgres://u:p@/d?host=h:5433&host=h2:5433&sslmode=require&target_session_attrs=read-write",
        f"{URL}?password=p",
        "postgresql://u:p%40%5B@[2001:db8::1]:5432/d",
        "postgresql://u@localhost/d",
        "postgresql://127.0.0.1:5433/d",
        "postgresql://u@[::1]/d",
        "postgresql:///d",
        "postgresql:///d?host=/var/run/postgresql",
        "sqlite:///x.db",
        "sqlite+pysqlite:///x.db",
    ],
)
def test_a_database_that_a_file_may_name(tmp_path, environment, url):
    environment.setenv("PGPASSWORD", "hunter2")
    assert read(tmp_path, f"LABELER_DATABASE_URL={url}").database_url.get_secret_value() == url


@pytest.mark.parametrize("variable", ["PGHOST", "PGHOSTADDR"])
def test_where_the_environment_leads_elsewhere_a_file_needs_a_password_too(tmp_path, environment, variable):
    environment.setenv(variable, "10.0.0.1")
    with pytest.raises(InputError, match="names another machine"):
        read(tmp_path, "LABELER_DATABASE_URL=postgresql:///d")
    assert read(tmp_path, "LABELER_DATABASE_URL=postgresql://u:p@/d").database_url


def test_the_database_of_the_environment_goes_before_the_file_s(tmp_path, environment):
    environment.setenv("LABELER_DATABASE_URL", URL)
    assert read(tmp_path, "LABELER_DATABASE_URL=postgresql://other/d").database == "postgresql+psycopg://evil.example/d"


def test_a_broker_that_a_file_names_takes_no_key_of_a_cloud_along(tmp_path, environment):
    with pytest.raises(InputError, match="LABELER_BROKER_URL"):
        read(tmp_path, "LABELER_BROKER_URL=sqs://evil.example")
    assert not read(tmp_path, "LABELER_BROKER_URL=redis://h/0").embedded


def test_a_file_that_cannot_be_read_is_said_in_one_line(tmp_path, environment):
    (tmp_path / ".env").write_bytes(b"OPENAI_API_KEY=\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        read_settings(tmp_path / ".env")
    with pytest.raises(InputError, match="more than"):
        read(tmp_path, "#" * (LONGEST + 1))
    assert read(tmp_path, "\ufeffOPENAI_API_KEY=sk-file").openai_api_key.get_secret_value() == "sk-file"
