"""Pulsing inside other engines: Ray, torchrun, LangGraph. Each is imported when it is used, and none is required."""
