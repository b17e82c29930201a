"""Agents: actors that say who they are, and what they need to talk to a language model."""

from pulsing.agent.base import AgentMeta, agent, clear_agent_registry, get_agent_meta, list_agents
from pulsing.agent.runtime import runtime
from pulsing.agent.utils import extract_field, parse_json

__all__ = [
    "AgentMeta",
    "agent",
    "cleanup",
    "clear_agent_registry",
    "extract_field",
    "get_agent_meta",
    "list_agents",
    "parse_json",
    "runtime",
]


def cleanup() -> None:
    """Forget what this process keeps about agents: the names of those that were spawned."""
    clear_agent_registry()
