"""What multiprocessing gives to a process that it starts, a job in a fresh interpreter is given."""

from __future__ import annotations

import gc
import multiprocessing
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from caikit_nb.errors import UnpicklableError
from caikit_nb.execution.call import Call, run_function, seal
from caikit_nb.execution.destroyable_process import DestroyableProcess
from caikit_nb.execution.exit_fd import open_fds
from caikit_nb.execution.inheritance import Inheritance
from caikit_nb.execution.transfer import open_memory_file
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.options import JobOptions
from tests.waiting import until

METHODS = ["spawn", "forkserver"]
pytestmark = pytest.mark.parametrize("method", METHODS)


@pytest.fixture
def executor() -> Iterator[JobExecutor]:
    made = JobExecutor(max_workers=1)
    yield made
    made.close()


def submit(executor: JobExecutor, method: str, function: Any, *args: Any, **more: Any) -> Any:
    options = JobOptions(start_method=method, **more)
    return executor.submit_function(options, function, args, {})


def use_all(event: Any, locks: list[Any], queues: list[Any], value: Any, array: Any) -> None:
    for lock in locks:
        with lock:
            value.value += 1
    array[1] = 2.5
    for queue in queues:
        queue.put("put")
    event.set()


def test_primitives(executor: JobExecutor, method: str) -> None:
    context = multiprocessing.get_context(method)
    event, value, array = context.Event(), context.Value("i", 3), context.Array("d", 2)
    locks = [context.Lock(), context.RLock(), context.Semaphore(2), context.Condition()]
    queues = [context.Queue(), context.SimpleQueue(), context.JoinableQueue()]
    submit(executor, method, use_all, event, locks, queues, value, array).result(120)
    assert event.is_set()
    assert (value.value, array[:]) == (7, [0.0, 2.5])
    assert [queue.get() for queue in queues] == ["put"] * 3


def send_through(pipe: Any, own_socket: Any) -> None:
    pipe.send("sent")
    pipe.close()
    own_socket.sendall(b"sent")


def test_pipes_and_sockets_and_their_ends(executor: JobExecutor, method: str) -> None:
    ours, theirs = multiprocessing.get_context(method).Pipe()
    near, far = socket.socketpair()
    with near, far:
        future = submit(executor, method, send_through, theirs, far)
        theirs.close()
        assert ours.recv() == "sent"
        with pytest.raises(EOFError):
            ours.recv()
        assert near.recv(10) == b"sent"
        future.result(120)


def is_set(event: Any) -> bool:
    return bool(event.wait(120))


def test_one_that_nobody_else_holds_lives_until_the_job_has_it(
    executor: JobExecutor, method: str
) -> None:
    event = multiprocessing.get_context(method).Event()
    event.set()
    blocking = multiprocessing.get_context(method).Event()
    blocker = submit(executor, method, is_set, blocking)
    future = submit(executor, method, is_set, event)
    del event
    gc.collect()
    blocking.set()
    assert blocker.result(120)
    assert future.result(120) is True


def fail_first(queue: Any) -> str:
    if queue.get():
        raise ValueError("the first attempt")
    return "done"


def test_each_attempt_has_them(executor: JobExecutor, method: str) -> None:
    queue = multiprocessing.get_context(method).Queue()
    queue.put(True)
    queue.put(False)
    assert submit(executor, method, fail_first, queue, retries=1).result(120) == "done"


def test_no_descriptor_stays_open(executor: JobExecutor, method: str) -> None:
    context = multiprocessing.get_context(method)
    queue, blocking = context.Queue(), context.Event()
    submit(executor, method, queue.put, 1).result(120)
    assert queue.get() == 1
    before = len(open_fds())
    blocker = submit(executor, method, is_set, blocking)
    submit(executor, method, queue.put, 1, retries=2).cancel()
    blocking.set()
    assert blocker.result(120)
    assert blocker.wait(120)
    until(lambda: len(open_fds()) <= before)


def test_a_process_of_its_own_has_them(method: str) -> None:
    event = multiprocessing.get_context(method).Event()
    process = DestroyableProcess(method, is_set, args=(event,), return_result=True)
    process.start()
    event.set()
    process.join(120)
    assert process.get_or_throw() is True


def test_one_made_for_forks_is_refused_with_the_reason(executor: JobExecutor, method: str) -> None:
    with pytest.raises(UnpicklableError, match="created in a fork context"):
        submit(executor, method, is_set, multiprocessing.get_context("fork").Event())


def test_what_can_not_cross_leaves_no_descriptor(method: str) -> None:
    queue, generator = multiprocessing.get_context(method).Queue(), (i for i in "a")
    fd = open_memory_file()
    before = len(open_fds())
    with pytest.raises(UnpicklableError):
        seal(Call(run_function, {"queue": queue, "wrong": generator}), fd, Inheritance())
    assert len(open_fds()) == before
    os.close(fd)
