"""Actors elsewhere: links to other nodes, and the order of what goes over them."""

from pulsing.node.node import Node

__all__ = ["Node"]
