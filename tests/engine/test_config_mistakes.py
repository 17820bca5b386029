"""Every mistake in a configuration is told, once, with its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from engine.config_load import ConfigError, load_config

Mistakes = Callable[..., list[str]]


@pytest.fixture(name="mistakes")
def _mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mistakes:
    """The problems of a text, its file's name shortened to `c`."""
    monkeypatch.chdir(tmp_path)

    def mistakes(text: str | bytes = "", **environ: str) -> list[str]:
        Path("c").write_bytes(text if isinstance(text, bytes) else text.encode())
        try:
            load_config(Path("c"), environ=environ)
        except ConfigError as error:
            return str(error).split("\n")
        return []

    return mistakes


def test_all_are_told_at_once(mistakes: Mistakes) -> None:
    text = """
[server]
prot = 1
port = 99999
[sever]
port = 1
host = ""
[limits]
mailbox = true
idempotency_seconds = nan
[models.default]
base_url = "ftp://x"
[engine]
agents = ["json:loads", 3]
[logging]
format = "xml"
"""
    assert mistakes(text, CALLBOARD_TIMEOUTS__CANCEL_SECONDS="soon", CALLBOARD_AUTH__REQUIRED="maybe") == [
        "c:3: unknown key `server.prot`; did you mean `server.port`?",
        "c:4: `server.port`: expected `int` <= 65535, got 99999",
        "c:5: unknown key `sever`; did you mean `server`?",
        "c:9: `limits.mailbox`: expected `int`, got True",
        "c:10: `limits.idempotency_seconds`: expected `float` > 0.0, got nan",
        "c:14: `engine.agents`: expected `str` at `$[1]`, got ['json:loads', 3]",
        "c:16: `logging.format`: expected one of auto, console, json, got 'xml'",
        "CALLBOARD_AUTH__REQUIRED: `auth.required`: expected `bool | null`, got 'maybe'",
        "CALLBOARD_TIMEOUTS__CANCEL_SECONDS: `timeouts.cancel_seconds`: expected `float`, got 'soon'",
        "c:11: `models.default.model` is missing",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("port = 1", "c:1: unknown key `port`; did you mean `server.port`?"),
        ("[server]\ntls-cert = 'x'", "c:2: unknown key `server.tls-cert`; did you mean `server.tls_cert`?"),
        ("[limits]\nauth_seconds = 1", "c:2: unknown key `limits.auth_seconds`; did you mean `timeouts.auth_seconds`?"),
        ("zebra = 1", "c:1: unknown key `zebra`"),
        ("server = 1", "c:1: `server` is a table: give its keys"),
        ("[models.'My Model']\nmodel='x'", "c:1: `models.My Model`: a name is made of a-z 0-9 _ -"),
        ("[server]\nport = 1\nport = 2", "c:3: is not TOML: Cannot overwrite a value"),
        ("a = ", "c:1: is not TOML: Invalid value"),
        (b"a = 1\nb = '\xff'", "c:2: is not UTF-8"),
        ("[auth.jwt]\nsecret = 5", "c:2: `auth.jwt.secret`: expected a non-empty `str`"),
        ("[store]\npath = 'no/such/x.db'", "c:2: `store.path`: the directory of "),
        ("[engine]\ndefault_agent = 'nobody'", "c:2: `engine.default_agent`: there is no agent 'nobody'"),
        ("[engine]\ndefault_agent = 'openai'", "c:2: `engine.default_agent`: there is no agent 'openai'"),
        ("[engine]\nagents = ['a.b']", "c:2: `engine.agents`: 'a.b' is not written `module:function`"),
        ("[engine]\nagents = ['no_such:f']", "c:2: `engine.agents`: the module of 'no_such:f' cannot be imported"),
        ("[engine]\nagents = ['json:nope']", "c:2: `engine.agents`: 'json:nope': the module json has no 'nope'"),
        ("[engine]\nagents = ['tests.engine.agents:plain']", "c:2: `engine.agents`: 'tests.engine.agents:plain'"),
        ("[steps]\nverify_client = 'a.b'", "c:2: `steps.verify_client`: 'a.b' is not written `module:function`"),
        ("[steps]\nverify_client = 'json:nope'", "c:2: `steps.verify_client`: 'json:nope': the module json has no"),
        ("[steps]\nverify_client = 'sys:path'", "c:2: `steps.verify_client`: 'sys:path' is no function"),
        ("[engine]\nagents = ['tests.engine.agents:offline']", "c:2: `engine.agents`: 'tests.engine.agents:offline'"),
        ("[server]\ntls_cert = 'x'", "c:2: `server.tls_cert` needs `server.tls_key` too"),
        ("[server]\ntls_key = 'x'", "c:2: `server.tls_key` needs `server.tls_cert` too"),
    ],
)  # fmt: skip
def test_one_mistake_is_told_once(mistakes: Mistakes, text: str | bytes, expected: str) -> None:
    (told, *others) = [line for line in mistakes(text) if "algorithm" not in line]
    assert told.startswith(expected)
    assert not others


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read: No such file"):
        load_config(tmp_path / "gone.toml", environ={})


def test_environment_slips(mistakes: Mistakes) -> None:
    assert mistakes(CALLBOARD_SERVER__PROT="1", CALLBOARD_SERVER_PORT="1", CALLBOARD_SERVER__PORT="") == [
        "CALLBOARD_SERVER_PORT: is not read; did you mean `CALLBOARD_SERVER__PORT`?",
        "CALLBOARD_SERVER__PROT: unknown key `server.prot`; did you mean `server.port`?",
    ]


def test_retention_that_will_not_do(mistakes: Mistakes) -> None:
    text = """
[retention.task]
events = "many"
bytes = -1
seconds = 0
[retention.wallet]
events = 5
[retention.sesion]
events = 5
[retention.app]
evnts = 5
events = 1.5
[store]
max_bytes = 5
compact_seconds = "soon"
"""
    assert mistakes(text, CALLBOARD_RETENTION__ROOM__EVENTS="-4") == [
        "c:3: `retention.task.events`: expected `int`, got 'many'",
        "c:4: `retention.task.bytes`: expected `int` >= 1, got -1",
        "c:5: `retention.task.seconds`: expected `float` > 0.0, got 0",
        "c:6: unknown key `retention.wallet`; there are task, session, system, agent, app, room",
        "c:8: unknown key `retention.sesion`; did you mean `retention.session`?",
        "c:11: unknown key `retention.app.evnts`; did you mean `retention.app.events`?",
        "c:12: `retention.app.events`: expected `int`, got 1.5",
        "c:14: `store.max_bytes`: expected `int` >= 1048576, got 5",
        "c:15: `store.compact_seconds`: expected `float`, got 'soon'",
        "CALLBOARD_RETENTION__ROOM__EVENTS: `retention.room.events`: expected `int` >= 1, got '-4'",
    ]
    assert mistakes("[retention]\nsession = 7\n") == ["c:2: `retention.session` is a table: give its keys"]


@pytest.mark.parametrize(("name", "flag"), [("PORT", None), (None, "--port")])
def test_variable_and_flag_are_named(name: str | None, flag: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(environ={name: "x"} if name else {}, flags={flag: (("server", "port"), "x")} if flag else {})
    assert [problem.where for problem in caught.value.problems] == [name or flag]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "example.org"])  # noqa: S104  # the point
def test_no_auth_beyond_loopback_must_be_said_explicitly(mistakes: Mistakes, host: str) -> None:
    (told,) = mistakes("[auth]\nrequired = false\n", HOST=host)
    assert told.startswith(f"c:2: `auth.required = false` lets in anyone who reaches {host}")
    assert not mistakes("[auth]\nrequired = false\n[server]\npublic_without_auth = true\n", HOST=host)
    assert not mistakes("[auth]\nrequired = true\n", HOST=host)
    assert not mistakes("[auth]\nrequired = false\n", HOST="127.0.0.2")


def test_certificate_and_key_must_fit(mistakes: Mistakes, tmp_path: Path) -> None:
    authority = trustme.CA()
    for name in ("one", "two"):
        certificate = authority.issue_cert("localhost")
        certificate.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.crt")
        certificate.private_key_pem.write_to_path(tmp_path / f"{name}.key")
    assert not mistakes("[server]\ntls_cert = 'one.crt'\ntls_key = 'one.key'\n")
    (told,) = mistakes("[server]\ntls_cert = 'one.crt'\ntls_key = 'two.key'\n")
    assert "are no certificate with its unencrypted key" in told
    (told,) = mistakes("[server]\ntls_cert = 'one.crt'\ntls_key = 'gone.key'\n")
    assert told.startswith("c:3: `server.tls_key`: ")
    assert told.endswith("cannot be read: No such file or directory")


def test_model_keys(mistakes: Mistakes) -> None:
    model = "[models.m]\nbase_url = 'https://x'\nmodel = 'y'\napi_key_env = 'KEY'\n"
    (told,) = mistakes(model)
    assert told == "c:4: `models.m.api_key_env`: the environment variable KEY is not set"
    (told,) = mistakes(model + "api_key = 'z'\n", KEY="q")
    assert told == "c:4: give `models.m.api_key` or `models.m.api_key_env`, not both"
    assert not mistakes(model, KEY="q")


def test_commands_that_need_only_a_part_do_not_look_around(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[server]\ntls_cert = 'gone'\ntls_key = 'gone'\n[engine]\nagents = ['no_such_module:f']\n")
    assert load_config(file, environ={}, surroundings=False).server.tls_cert == tmp_path / "gone"
    with pytest.raises(ConfigError):
        load_config(file, environ={})
