"""Configuration: where values come from and what wins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine.config import Config, Retention
from engine.config_load import ConfigError, load_config
from engine.config_schema import ROOT, KeyPath, Leaf, NamedTables, Node, Table, children, dotted
from engine.secret import Secret
from transport.loopback import is_loopback

Write = Callable[[str], Path]


@pytest.fixture(name="write")
def _write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Path:
        path = tmp_path / "callboard.toml"
        path.write_text(text)
        return path

    return write


def test_defaults(write: Write) -> None:
    config = load_config(environ={})
    assert config == Config()
    assert (config.server.host, config.server.port, config.store.path) == ("127.0.0.1", 18080, Path("callboard.db"))
    assert config.limits.connections == 10_000


def test_the_later_source_wins(write: Write) -> None:
    path = write("[server]\nport = 1\nhost = 'localhost'\ndrain_seconds = 3\n")
    flags = {"--port": (("server", "port"), "4")}
    assert load_config(path, environ={}).server.port == 1
    assert load_config(path, environ={"PORT": "2"}).server.port == 2
    assert load_config(path, environ={"CALLBOARD_SERVER__PORT": "3", "PORT": "2"}).server.port == 3
    config = load_config(path, environ={"CALLBOARD_SERVER__PORT": "3", "PORT": "2", "HOST": ""}, flags=flags)
    assert (config.server.port, config.server.host, config.server.drain_seconds) == (4, "localhost", 3)


def test_the_plain_names_of_the_agent_dialect_yield_to_ours(write: Write) -> None:
    path = write("[agent]\nheartbeat_seconds = 10\n")
    plain = {"WS_HEARTBEAT_INTERVAL": "5", "WS_MAX_CONNECTIONS": "7"}
    agent = load_config(path, environ=plain).agent
    assert (agent.heartbeat_seconds, agent.max_connections) == (5.0, 7)
    assert load_config(path, environ={**plain, "CALLBOARD_AGENT__MAX_CONNECTIONS": "8"}).agent.max_connections == 8


def test_rooms_have_rules_by_name(write: Write) -> None:
    config = load_config(write("[rooms.staff]\njoin = ['alice', 'bob']\ntalk = ['alice']\n[other_rooms]\njoin = []\n"))
    assert (config.rooms["staff"].join, config.rooms["staff"].talk) == (("alice", "bob"), ("alice",))
    assert (config.other_rooms.join, config.other_rooms.talk) == ((), ("*",))
    assert load_config(environ={"CALLBOARD_ROOMS__STAFF__JOIN": "carol"}).rooms["staff"].join == ("carol",)


@pytest.mark.parametrize(
    ("text", "required"),
    [
        ("", False),
        ("[server]\nhost = '0.0.0.0'\n", True),
        ("[server]\nhost = '0.0.0.0'\n[wallet]\nrequire_signature = false\n", False),
        ("[wallet]\nrequire_signature = true\n", True),
    ],
)
def test_a_wallet_signs_where_credentials_are_required_unless_told_otherwise(
    write: Write, text: str, required: bool
) -> None:
    assert load_config(write(text), environ={}).wallet_signature_required is required


def test_a_flag_not_given_changes_nothing(write: Write) -> None:
    flags = {"--host": (("server", "host"), None), "--agent": (("engine", "agents"), ())}
    path = write("[engine]\nagents = ['tests.engine.agents:researcher']\n")
    assert load_config(path, environ={}, flags=flags).engine.agents == ("tests.engine.agents:researcher",)


def test_which_file_is_read(write: Write, tmp_path: Path) -> None:
    write("[server]\nport = 1\n")
    other = tmp_path / "other.toml"
    other.write_text("[server]\nport = 2\n")
    assert load_config(environ={}).server.port == 1
    assert load_config(environ={"CALLBOARD_CONFIG": "other.toml"}).server.port == 2
    assert load_config(tmp_path / "callboard.toml", environ={"CALLBOARD_CONFIG": "other.toml"}).server.port == 1


def test_part_of_a_table_keeps_that_tables_own_defaults(write: Write) -> None:
    config = load_config(write("[retention.session]\nevents = 5\n"), environ={})
    assert config.retention.session == msgspec.structs.replace(Config().retention.session, events=5)
    assert config.retention.session.seconds != Retention().seconds


def test_environment_types(write: Write) -> None:
    config = load_config(
        environ={
            "CALLBOARD_AUTH__REQUIRED": "true",
            "CALLBOARD_TIMEOUTS__CANCEL_SECONDS": "2.5",
            "CALLBOARD_ENGINE__AGENTS": "tests.engine.agents:researcher, ",
            "CALLBOARD_MODELS__DEFAULT__BASE_URL": "http://localhost/v1",
            "CALLBOARD_MODELS__DEFAULT__MODEL": "small",
            "CALLBOARD_MODELS__DEFAULT__API_KEY": "12345",
        }
    )
    assert config.auth.required is True
    assert config.timeouts.cancel_seconds == 2.5
    assert config.engine.agents == ("tests.engine.agents:researcher",)
    assert config.models["default"].api_key == Secret("12345")


def test_every_key_can_come_from_the_environment(write: Write) -> None:
    """A value of no type that any key has is refused by name: so each name is known."""

    def names(node: Node, path: KeyPath) -> list[KeyPath]:
        match node:
            case Leaf():
                return [path]
            case NamedTables(type=inner):
                return names(Table(inner), (*path, "default"))
            case Table():
                return [leaf for name, inner in children(node).items() for leaf in names(inner, (*path, name))]

    numbers = [path for path in names(ROOT, ()) if path[0] in ("limits", "retention", "timeouts")]
    assert len(numbers) > 40
    with pytest.raises(ConfigError) as caught:
        load_config(environ={f"CALLBOARD_{'__'.join(path).upper()}": "much" for path in numbers})
    assert sorted(p.message.split("`")[1] for p in caught.value.problems) == sorted(map(dotted, numbers))


def test_variables_of_others_are_left_alone(write: Write) -> None:
    environ = {"CALLBOARD_PORT": "tcp://10.0.0.1:80", "CALLBOARD_SERVICE_HOST": "10.0.0.1", "CALLBOARD_TOKEN": "ab_x"}
    assert load_config(environ=environ | {"CALLBOARD_SERVER_PORT": "tcp://10.0.0.1:80"}) == Config()


def test_paths_are_relative_to_the_file_that_names_them(write: Write, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc" / "c.toml"
    file.write_text("[store]\npath = 'keys.db'\n")
    assert load_config(file, environ={}).store.path == tmp_path / "etc" / "keys.db"
    assert load_config(file, environ={"CALLBOARD_STORE__PATH": "keys.db"}).store.path == Path("keys.db")


def test_secrets_show_in_no_repr(write: Write, tmp_path: Path) -> None:
    secret = "correct-horse-battery-staple-0123456789"
    (tmp_path / "jwt.secret").write_text(secret + "\n")
    text = (
        "[auth.jwt]\nalgorithm = 'HS256'\nsecret_file = 'jwt.secret'\n[models.m]\nbase_url = 'http://x'\nmodel = 'm'\n"
    )
    config = load_config(write(text + "api_key_env = 'M_KEY'\n"), environ={"M_KEY": secret})
    assert config.auth.jwt is not None
    assert config.auth.jwt.secret is not None
    assert config.auth.jwt.secret.reveal() == secret
    assert config.auth.jwt.secret == config.models["m"].api_key
    assert secret not in f"{config!r} {config} {config.auth.jwt.secret} {[config.models['m'].api_key]}"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LocalHost", "::ffff:127.0.0.1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example.org", "128.0.0.1", "example.org"])  # noqa: S104  # the point
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(("host", "required"), [("127.0.0.1", False), ("::1", False), ("::", True), ("10.0.0.1", True)])
def test_auth_is_required_where_others_can_reach_the_port(write: Write, host: str, required: bool) -> None:
    assert load_config(environ={"HOST": host}).auth_required is required
    assert load_config(environ={"HOST": host, "CALLBOARD_AUTH__REQUIRED": "true"}).auth_required


def test_origins_are_a_list_also_from_the_environment(write: Write) -> None:
    path = write("[server]\ncors_origins = ['https://page.example', 'http://localhost:3000']\n")
    assert load_config(path, environ={}).server.cors_origins == ("https://page.example", "http://localhost:3000")
    listed = load_config(path, environ={"CALLBOARD_SERVER__CORS_ORIGINS": "http://a, https://b:8443"})
    assert listed.server.cors_origins == ("http://a", "https://b:8443")
    for mistake in ("*", "page.example", "https://page.example/", "ftp://a"):
        with pytest.raises(ConfigError):
            load_config(path, environ={"CALLBOARD_SERVER__CORS_ORIGINS": mistake})


def test_pipelines_are_named_tables_with_a_uuid_each(write: Write) -> None:
    listed = "[pipelines.support]\nuuid = '550e8400-e29b'\nagent = 'offline'\nmembers = ['ann']\n"
    (support,) = load_config(write(listed), environ={}).pipelines.values()
    assert (support.uuid, support.agent, support.members, support.moderators) == (
        "550e8400-e29b",
        "offline",
        ("ann",),
        (),
    )
    twice = f"{listed}[pipelines.other]\nuuid = '550e8400-e29b'\n"
    for mistake in (twice, "[pipelines.a]\nuuid = 'a b'\n", "[pipelines.a]\nuuid = 'a'\nagent = 'nobody'\n"):
        with pytest.raises(ConfigError):
            load_config(write(mistake), environ={})
