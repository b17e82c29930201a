"""Agents: actors that say who they are, and what they need to talk to a language model."""

from pulsing.agent.base import AgentMeta, agent, clear_agent_registry, get_agent_meta, list_agents
from pulsing.agent.llm import llm, reset_llm
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
    "llm",
    "parse_json",
    "reset_llm",
    "runtime",
]


def cleanup() -> None:
    """Forget what this process keeps about agents: the names of those that it spawned, and the models that are open."""
    clear_agent_registry()
    reset_llm()
