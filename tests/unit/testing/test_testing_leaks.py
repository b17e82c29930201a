"""The account of what a block leaves behind."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading

import pytest

from pulsing.testing import assert_no_leaks


async def test_a_task_left_pending_is_named() -> None:
    forever = asyncio.Event()
    with pytest.raises(AssertionError, match="task forgotten"):
        async with assert_no_leaks(grace=0.0):
            task = asyncio.create_task(forever.wait(), name="forgotten")
    task.cancel()


async def test_a_task_on_its_way_out_is_given_the_turns_it_needs() -> None:
    async with assert_no_leaks():
        task = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        task.cancel()


async def test_a_plain_block_on_a_loop_names_tasks_too_but_for_cancelled_ones() -> None:
    with pytest.raises(AssertionError, match="task forgotten"), assert_no_leaks(grace=0.0):
        forgotten = asyncio.create_task(asyncio.sleep(60), name="forgotten")
    with assert_no_leaks(grace=0.0):
        waiting, fresh = asyncio.create_task(asyncio.sleep(60)), asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        waiting.cancel()
        asyncio.create_task(asyncio.sleep(60)).cancel()
        fresh.cancel()
    forgotten.cancel()


async def test_the_pool_of_the_loop_is_no_leak_of_the_block() -> None:
    async with assert_no_leaks(grace=0.0):
        with assert_no_leaks(grace=0.0):
            await asyncio.to_thread(int)


def test_a_thread_left_running_is_named() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait, name="straggler")
    with pytest.raises(AssertionError, match="thread straggler"), assert_no_leaks(grace=0.0):
        thread.start()
    done.set()
    thread.join()


def test_a_socket_left_open_is_named() -> None:
    with pytest.raises(AssertionError, match=r"file descriptor \d+ -> socket"), assert_no_leaks(grace=0.0):
        left = socket.socket()
    left.close()


def test_a_process_left_running_is_named_with_its_command() -> None:
    with pytest.raises(AssertionError, match=r"process \d+: .*input\(\)"), assert_no_leaks(grace=0.0):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    child.communicate()


def test_what_was_closed_in_the_block_is_no_leak() -> None:
    with assert_no_leaks(grace=0.0):
        socket.socket().close()


def test_the_error_of_the_block_comes_first() -> None:
    with pytest.raises(LookupError), assert_no_leaks(grace=0.0):
        left = socket.socket()
        raise LookupError
    left.close()
