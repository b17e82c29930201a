"""One blocking call in a thread of its own, which ends with it; the loop's pool would keep the thread for later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


async def in_own_thread(name: str, function: Callable[[], T]) -> T:
    """Run `function` beside the loop and return what it returns. Cancelling does not stop it, but leaves it behind."""
    executor = ThreadPoolExecutor(1, thread_name_prefix=name)
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, function)
    finally:
        executor.shutdown(wait=False)
