"""Rules that no type expresses: between keys, and between a key and the files and variables that it names."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec

from engine.agent_reference import AgentReferenceError, load_agent
from engine.config import BUILT_IN_AGENTS, Config, Jwt, ModelEndpoint, agent_name
from engine.config_schema import KeyPath
from engine.jwt_tokens import load_key
from engine.secret import Secret
from engine.verify_client import load_verify_client
from transport.loopback import is_loopback

_URL = re.compile(r"https?://[^/\s]+", re.IGNORECASE)
_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class Broken(msgspec.Struct, frozen=True):
    """A rule that does not hold. `keys` are those concerned, the one most likely at fault first."""

    keys: tuple[KeyPath, ...]
    message: str


Rules: TypeAlias = Iterator[Broken]


def broken_rules(config: Config, environ: Mapping[str, str]) -> Rules:
    yield from _open_door(config)
    yield from _ports(config)
    yield from _tls(config)
    yield from _jwt(config.auth.jwt)
    yield from _agents(config)
    yield from _verify_client(config)
    yield from _pipelines(config)
    yield from _store(config)
    for name, endpoint in config.models.items():
        yield from _model(("models", name), endpoint, environ)


def resolved(config: Config, environ: Mapping[str, str]) -> Config:
    """The configuration with the secrets that it names by file or variable read into it. Its rules hold."""
    auth = config.auth
    if auth.jwt is not None:
        auth = msgspec.structs.replace(auth, jwt=_with_key(auth.jwt))
    models = {name: _with_api_key(endpoint, environ) for name, endpoint in config.models.items()}
    return msgspec.structs.replace(config, auth=auth, models=models)


def _open_door(config: Config) -> Rules:
    server = config.server
    if config.auth.required is False and not is_loopback(server.host) and not server.public_without_auth:
        yield Broken(
            (("auth", "required"), ("server", "host")),
            f"`auth.required = false` lets in anyone who reaches {server.host}; if that is meant, "
            "say `server.public_without_auth = true`",
        )


def _ports(config: Config) -> Rules:
    taken: dict[int, KeyPath] = {config.server.port: ("server", "port")}
    for name, port in msgspec.structs.asdict(config.listeners).items():
        if port in taken:
            yield Broken((("listeners", name), taken[port]), f"port {port} is given twice")
        elif port is not None:
            taken[port] = ("listeners", name)


def _tls(config: Config) -> Rules:
    cert, key = config.server.tls_cert, config.server.tls_key
    cert_key, key_key = ("server", "tls_cert"), ("server", "tls_key")
    if cert is None and key is None:
        return
    if cert is None or key is None:
        given, other = ("tls_cert", "tls_key") if key is None else ("tls_key", "tls_cert")
        yield Broken((("server", given), ("server", other)), f"`server.{given}` needs `server.{other}` too")
        return
    unreadable = [*_unreadable(cert, cert_key), *_unreadable(key, key_key)]
    yield from unreadable
    if unreadable:
        return
    try:
        # The empty password keeps an encrypted key from asking for one on the terminal.
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key, password="")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        yield Broken((cert_key, key_key), f"{cert} and {key} are no certificate with its unencrypted key: {reason}")


def _jwt(jwt: Jwt | None) -> Rules:
    if jwt is None:
        return
    wanted = ("secret", "secret_file") if jwt.algorithm == "HS256" else ("public_key", "public_key_file")
    unwanted = {"secret", "secret_file", "public_key", "public_key_file"}.difference(wanted)
    for name in sorted(unwanted):
        if getattr(jwt, name) is not None:
            yield Broken((_jwt_key(name), _jwt_key("algorithm")), f"`auth.jwt.{name}` is not for {jwt.algorithm}")
    given = [name for name in wanted if getattr(jwt, name) is not None]
    keys = (*map(_jwt_key, given), _jwt_key("algorithm"))
    file = jwt.secret_file or jwt.public_key_file
    if len(given) == 2:
        yield Broken(keys, f"give `auth.jwt.{wanted[0]}` or `auth.jwt.{wanted[1]}`, not both")
    elif not given:
        yield Broken((*map(_jwt_key, wanted), *keys), f"{jwt.algorithm} needs `auth.jwt.{wanted[0]}`, or as a file")
    elif given[0] in ("secret_file", "public_key_file") and file is not None and (bad := [*_unreadable(file, keys[0])]):
        yield from bad
    else:
        try:
            load_key(_with_key(jwt))
        except ValueError as error:
            yield Broken(keys, f"`auth.jwt.{given[0]}`: {error}")


def _jwt_key(name: str) -> KeyPath:
    return ("auth", "jwt", name)


def _agents(config: Config) -> Rules:
    key = ("engine", "agents")
    names = list(BUILT_IN_AGENTS)
    for reference in config.engine.agents:
        name = agent_name(reference)
        if not _REFERENCE.fullmatch(reference):
            yield Broken((key,), f"`engine.agents`: {reference!r} is not written `module:function`")
        elif name in names:
            yield Broken((key,), f"`engine.agents`: {reference!r} is a second agent of the name {name!r}")
        else:
            try:
                load_agent(reference)
            except AgentReferenceError as error:
                yield Broken((key,), f"`engine.agents`: {error}")
        names.append(name)
    if config.engine.default_agent not in config.agent_names:
        known = ", ".join(config.agent_names)
        message = f"`engine.default_agent`: there is no agent {config.engine.default_agent!r}; there are {known}"
        if config.engine.default_agent in BUILT_IN_AGENTS:
            message += " (this one needs a model: `[models.default]`)"
        yield Broken((("engine", "default_agent"), key), message)


def _verify_client(config: Config) -> Rules:
    key, reference = ("steps", "verify_client"), config.steps.verify_client
    if reference is None:
        return
    if not _REFERENCE.fullmatch(reference):
        yield Broken((key,), f"`steps.verify_client`: {reference!r} is not written `module:function`")
        return
    try:
        load_verify_client(reference)
    except AgentReferenceError as error:
        yield Broken((key,), f"`steps.verify_client`: {error}")


def _store(config: Config) -> Rules:
    path = config.store.path
    if config.store.in_memory:
        return
    if path.is_dir():
        yield Broken((("store", "path"),), f"`store.path`: {path} is a directory")
    elif not path.absolute().parent.is_dir():
        yield Broken((("store", "path"),), f"`store.path`: the directory of {path} does not exist")
    elif path.exists() and not os.access(path, os.R_OK | os.W_OK):
        yield Broken((("store", "path"),), f"`store.path`: {path} cannot be read and written")


def _pipelines(config: Config) -> Rules:
    taken: dict[str, KeyPath] = {}
    for name, pipeline in config.pipelines.items():
        key = ("pipelines", name, "uuid")
        if pipeline.uuid in taken:
            yield Broken((key, taken[pipeline.uuid]), f"the uuid {pipeline.uuid} is given twice")
        taken[pipeline.uuid] = key
        if pipeline.agent and pipeline.agent not in config.agent_names:
            agents = ", ".join(config.agent_names)
            message = f"`pipelines.{name}.agent`: there is no agent {pipeline.agent!r}; there are {agents}"
            yield Broken((("pipelines", name, "agent"),), message)


def _model(path: KeyPath, endpoint: ModelEndpoint, environ: Mapping[str, str]) -> Rules:
    variable, name = endpoint.api_key_env, ".".join(path)
    if not _URL.match(endpoint.base_url):
        yield Broken(((*path, "base_url"),), f"`{name}.base_url`: {endpoint.base_url!r} is no http:// or https:// URL")
    if variable is None:
        return
    keys = ((*path, "api_key_env"), (*path, "api_key"))
    if endpoint.api_key is not None:
        yield Broken(keys, f"give `{name}.api_key` or `{name}.api_key_env`, not both")
    elif not environ.get(variable):
        yield Broken(keys, f"`{name}.api_key_env`: the environment variable {variable} is not set")


def _unreadable(path: Path, key: KeyPath) -> Rules:
    try:
        path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        yield Broken((key,), f"`{'.'.join(key)}`: {path} cannot be read: {reason}")


def _with_key(jwt: Jwt) -> Jwt:
    if jwt.secret_file is not None:
        return msgspec.structs.replace(jwt, secret=Secret(jwt.secret_file.read_text().strip()))
    if jwt.public_key_file is not None:
        return msgspec.structs.replace(jwt, public_key=jwt.public_key_file.read_text())
    return jwt


def _with_api_key(endpoint: ModelEndpoint, environ: Mapping[str, str]) -> ModelEndpoint:
    if endpoint.api_key_env is None:
        return endpoint
    return msgspec.structs.replace(endpoint, api_key=Secret(environ[endpoint.api_key_env]))
