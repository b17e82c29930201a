"""What a serving node leaves for others on its machine, while it serves."""

from __future__ import annotations

import os

import pulsing as pul
from pulsing.admin.run_file import running_nodes, runtime_directory
from pulsing.admin.serving import login_link, serve_admin
from pulsing.testing import system


async def test_a_serving_node_can_be_found_until_it_stops(free_port: int) -> None:
    directory = runtime_directory(os.environ)
    async with system() as node:
        await serve_admin(node, f"127.0.0.1:{free_port}")
        found = [(one.url, one.name) for one in running_nodes(directory)]
    assert found == [(f"http://127.0.0.1:{free_port}", node.inner.node_name)]
    assert running_nodes(directory) == []


async def test_a_login_link_leads_to_the_dashboard_and_differs_each_time(free_port: int) -> None:
    async with system() as node:
        assert await login_link(node) is None
        await serve_admin(node, f"127.0.0.1:{free_port}")
        links = {await login_link(node), await login_link(node)}
    assert len(links) == 2
    assert all(link is not None and link.startswith(f"http://127.0.0.1:{free_port}/ui/#login=") for link in links)


async def test_a_node_without_an_address_serves_nothing() -> None:
    async with await pul.actor_system() as node:
        assert (node.admin_url, await login_link(node)) == (None, None)
