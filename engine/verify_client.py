"""`module:function`: the operator's own check of who the clients of the steps dialect are."""

from __future__ import annotations

from typing import cast

from engine.agent_reference import load_function
from transport.steps_identity import VerifyClient


def load_verify_client(reference: str) -> VerifyClient:
    """Imports it. Raises AgentReferenceError as `load_agent` does."""
    return cast(VerifyClient, load_function(reference))
