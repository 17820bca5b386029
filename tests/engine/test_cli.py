"""The commands that talk to no server: serve's options, check-config, token."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from engine.cli import callboard
from engine.config import Config
from engine.database import MIGRATIONS


@pytest.fixture(autouse=True)
def _in_its_own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner(env=environ).invoke(callboard, arguments)


@pytest.fixture(name="served")
def _served(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """The configurations with which a server was started that ends at once with status 3."""
    configs: list[Config] = []

    def run_server(config: Config) -> int:
        configs.append(config)
        return 3

    module = ModuleType("engine.server")
    module.__dict__["run"] = run_server
    monkeypatch.setitem(sys.modules, "engine.server", module)
    return configs


def test_serve_hands_on_the_configuration_and_the_status(served: list[Config]) -> None:
    Path("my.toml").write_text("[server]\nport = 1\ndrain_seconds = 2\n")
    agents = ("--agent", "tests.engine.agents:researcher", "--agent", "asyncio:sleep")
    result = run("serve", "--config", "my.toml", "--host", "::1", "--port", "0", *agents, "--log-format", "json")
    assert (result.exit_code, result.stderr) == (3, "")
    (config,) = served
    assert (config.server.host, config.server.port, config.server.drain_seconds) == ("::1", 0, 2)
    assert config.engine.agents == ("tests.engine.agents:researcher", "asyncio:sleep")
    assert config.logging.format == "json"


def test_serve_with_mistakes_serves_nothing(served: list[Config]) -> None:
    result = run("serve", "--port", "many", "--agent", "nonsense", CALLBOARD_LIMITS__MAILBOX="0")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "CALLBOARD_LIMITS__MAILBOX: `limits.mailbox`: expected `int` >= 1, got '0'",
        "--port: `server.port`: expected `int`, got 'many'",
        "--agent: `engine.agents`: 'nonsense' is not written `module:function`",
    ]
    assert not served


def test_serve_says_that_its_log_cannot_be_opened(served: list[Config], tmp_path: Path) -> None:
    result = run("serve", CALLBOARD_LOGGING__FILE=str(tmp_path))
    assert result.exit_code == 1
    assert "cannot be opened: Is a directory" in result.stderr
    assert not served


def test_check_config() -> None:
    Path("callboard.toml").write_text("[serve]\n[logging]\nlevel = 'loud'\n")
    result = run("check-config")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "callboard.toml:1: unknown key `serve`; did you mean `server`?",
        "callboard.toml:3: `logging.level`: expected one of debug, info, warning, error, got 'loud'",
    ]
    secret = "hunter2" * 6
    Path("callboard.toml").write_text(f"[auth.jwt]\nalgorithm = 'HS256'\nsecret = '{secret}'\n")
    result = run("check-config", HOST="::")
    assert result.exit_code == 0
    assert "http://[::]:18080" in result.stdout
    assert "auth     required; API keys and JWT (HS256)" in result.stdout
    assert "hunter2" not in result.output


def test_check_config_names_further_ports_and_who_must_sign() -> None:
    Path("callboard.toml").write_text("[listeners]\nagent = 8003\n[wallet]\nrequire_signature = true\n")
    lines = run("check-config").output.splitlines()
    assert "address  http://127.0.0.1:18080, and port 8003" in lines
    assert "wallets  must sign" in lines


def test_token_create_prints_the_key_alone() -> None:
    result = run("token", "create", "--user", "ada", "--scope", "publish", "--scope", "agent", "--expires", "30d")
    assert result.exit_code == 0
    assert result.stdout.startswith("ab_")
    assert result.stdout.count("\n") == 1
    assert "ada  agent,publish  created" in result.stderr
    assert result.stdout.strip() not in result.stderr
    with sqlite3.connect("callboard.db") as db:
        ((created, expires),) = db.execute("SELECT created, expires FROM api_key")
    db.close()
    assert 30 * 86_400 - 60 < expires - created < 30 * 86_400 + 60


def test_token_list_and_revoke() -> None:
    first = run("token", "create", "--user", "ada").stdout.strip()
    run("token", "create", "--user", "bob", "--expires", "1h")
    ada, bob = run("token", "list").stdout.splitlines()
    assert ada.endswith("good")
    assert "  bob  -  created " in bob
    assert "  expires " in bob
    assert run("token", "revoke", first).exit_code == 0
    assert run("token", "revoke", bob.split()[0]).exit_code == 0
    assert all("  revoked " in line for line in run("token", "list").stdout.splitlines())
    result = run("token", "revoke", "kunknown")
    assert (result.exit_code, result.stderr) == (1, "Error: there is no such key\n")


@pytest.mark.parametrize(
    "arguments",
    [("--user", ""), ("--user", "a\nb"), ("--user", "a", "--expires", "soon"), ("--user", "a", "--scope", "root"), ()],
)
def test_token_create_refuses(arguments: tuple[str, ...]) -> None:
    result = run("token", "create", *arguments)
    assert result.exit_code == 2
    assert not result.stdout
    assert not Path("callboard.db").exists()


def test_a_database_that_cannot_be_used_is_said_plainly() -> None:
    with sqlite3.connect("callboard.db") as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    result = run("token", "list")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "is newer than this Callboard's" in result.stderr
    result = run("token", "list", CALLBOARD_STORE__PATH="no/such/dir.db")
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: no/such/dir.db cannot be opened: No such file or directory\n",
    )


def test_no_key_is_made_where_nobody_would_ever_know_it() -> None:
    result = run("token", "create", "--user", "a", CALLBOARD_STORE__PATH=":memory:")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing is kept" in result.stderr


def test_the_module_is_the_same_command_line_and_finds_agents_beside_it() -> None:
    Path("mine.py").write_text("async def helper(task):\n    return None\n")
    root = str(Path(__file__).parents[2])
    result = subprocess.run(
        [sys.executable, "-m", "engine", "check-config"],
        env={"CALLBOARD_ENGINE__AGENTS": "mine:helper", "PYTHONPATH": root, "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""
    assert "agents   offline, helper; offline unless named" in result.stdout
