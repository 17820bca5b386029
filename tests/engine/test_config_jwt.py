"""The key of the tokens in the configuration: which, from where, and only one."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import Jwt
from engine.config_load import ConfigError, load_config
from engine.secret import Secret
from tests.engine.test_jwt_tokens import ED25519, RSA, SECRET, public_pem


@pytest.fixture(name="directory", autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "rsa.pem").write_text(public_pem(RSA))
    (tmp_path / "ed.pem").write_text(public_pem(ED25519))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str) -> Jwt | None:
    Path("c").write_text("[auth.jwt]\n" + text)
    return load_config(Path("c"), environ={}).auth.jwt


def test_keys_from_files() -> None:
    for algorithm, file, key in (("RS256", "rsa.pem", RSA), ("EdDSA", "ed.pem", ED25519)):
        jwt = load(f"algorithm = '{algorithm}'\npublic_key_file = '{file}'\n")
        assert jwt is not None
        assert jwt.public_key == public_pem(key)
    jwt = load(f"algorithm = 'HS256'\nsecret = '{SECRET}'\n")
    assert jwt is not None
    assert jwt.secret == Secret(SECRET)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("issuer = 'x'", "c:1: `auth.jwt.algorithm` is missing"),
        ("algorithm = 'none'", "c:2: `auth.jwt.algorithm`: expected one of HS256, RS256, EdDSA, got 'none'"),
        ("algorithm = 'HS256'", "c:2: HS256 needs `auth.jwt.secret`, or as a file"),
        ("algorithm = 'EdDSA'", "c:2: EdDSA needs `auth.jwt.public_key`, or as a file"),
        (f"algorithm = 'HS256'\nsecret = '{SECRET}'\nsecret_file = 'x'",
         "c:3: give `auth.jwt.secret` or `auth.jwt.secret_file`, not both"),
        ("algorithm = 'RS256'\npublic_key = 'x'\npublic_key_file = 'x'",
         "c:3: give `auth.jwt.public_key` or `auth.jwt.public_key_file`, not both"),
        (f"algorithm = 'RS256'\npublic_key_file = 'rsa.pem'\nsecret = '{SECRET}'",
         "c:4: `auth.jwt.secret` is not for RS256"),
        ("algorithm = 'RS256'\npublic_key_file = 'gone.pem'",
         "c:3: `auth.jwt.public_key_file`: {here}/gone.pem cannot be read: No such file or directory"),
        ("algorithm = 'RS256'\npublic_key_file = 'binary'",
         "c:3: `auth.jwt.public_key_file`: {here}/binary cannot be read: it is not text"),
        ("algorithm = 'RS256'\npublic_key_file = 'ed.pem'",
         "c:3: `auth.jwt.public_key_file`: is not an RSA key, which RS256 needs"),
        ("algorithm = 'HS256'\nsecret = 'hunter2'", "c:3: `auth.jwt.secret`: a secret for HS256 has at least 32 bytes"),
    ],
)  # fmt: skip
def test_mistakes(directory: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert str(caught.value) == expected.format(here=directory)
    assert "hunter2" not in str(caught.value)
