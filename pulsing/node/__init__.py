"""Actors elsewhere: links to other nodes, the order of what goes over them, and the node's part in the cluster."""

from pulsing.node.joining import join_network
from pulsing.node.node import Node

__all__ = ["Node", "join_network"]
