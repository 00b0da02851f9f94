"""What has threads and locks begins anew in a forked process, when it is next used."""

import os
import threading
from collections.abc import Callable

from caikit_nb.execution.forks import NewInFork
from caikit_nb.execution.serial_thread import SerialThread
from caikit_nb.execution.watcher import Watcher


class Counter(NewInFork):
    """Counts how often it began."""

    beginnings = 0

    def _reset(self) -> None:
        self.beginnings += 1

    def use(self) -> int:
        self._know_fork()
        return self.beginnings


def in_child(ask: Callable[[], object]) -> str:
    """What a forked child answers."""
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            os.write(write, str(ask()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as pipe:
        answer = pipe.read()
    os.wait()
    return answer


def test_it_begins_anew_once_in_each_copy() -> None:
    counter = Counter()
    assert in_child(lambda: [counter.use(), counter.use()]) == "[2, 2]"
    assert in_child(lambda: in_child(counter.use)) == "2"
    assert counter.use() == 1


def heard(take: Callable[[Callable[[], object]], object]) -> bool:
    done = threading.Event()
    take(done.set)
    return done.wait(120)


def test_a_copy_has_threads_of_its_own() -> None:
    thread, watcher = SerialThread("caikit_nb test"), Watcher()
    for take in (thread.put, watcher.call_soon):
        assert heard(take)
        assert in_child(lambda take=take: heard(take)) == "True"
        assert heard(take)


def test_a_lock_that_was_held_at_the_fork_is_free_in_the_copy() -> None:
    thread = SerialThread("caikit_nb test")
    assert heard(thread.put)
    with thread._lock:
        assert in_child(lambda: heard(thread.put)) == "True"
