"""One stream of events, each listener at its own pace."""

from __future__ import annotations

import gc
import itertools
import threading
import time
import weakref
from typing import Any

import pytest

from caikit_nb.jobs.events import Events, Subscription
from tests.waiting import until


class Heard:
    """A listener that keeps what it hears, and when by the clock of its subscription."""

    def __init__(self, wanted: int = 1) -> None:
        self.calls: list[object] = []
        self.times: list[float] = []
        self.subscription: Subscription | None = None
        self.enough = threading.Event()
        self._wanted = wanted

    def __call__(self, source: object) -> None:
        self.calls.append(source)
        if self.subscription is not None:
            # How long a busy machine takes from there to here is no matter of the pace.
            self.times.append(self.subscription.heard_at[source])
            assert self.times[-1] <= time.monotonic()
        if len(self.calls) >= self._wanted:
            self.enough.set()


def test_a_listener_hears_of_a_change() -> None:
    events, heard = Events(), Heard()
    events.subscribe(heard)
    events.publish("job")
    assert heard.enough.wait(120)
    assert heard.calls == ["job"]


def test_changes_coalesce_while_a_listener_is_busy() -> None:
    events, release, entered, last = Events(), threading.Event(), threading.Event(), Heard(2)

    def slow(source: object) -> None:
        entered.set()
        release.wait(120)
        last(source)

    events.subscribe(slow)
    events.publish("job")
    entered.wait(120)
    for _ in range(1000):
        events.publish("job")
    release.set()
    assert last.enough.wait(120)
    assert len(last.calls) == 2


def test_what_is_to_be_told_already_wakes_nobody() -> None:
    class Counted(Events):
        wakings = 0

        def _take_due(self) -> list[tuple[Subscription, Any]]:
            self.wakings += 1
            return super()._take_due()

    events, heard = Counted(), Heard(2)
    heard.subscription = events.subscribe(heard, min_interval_s=0.5)
    while not heard.enough.is_set():
        events.publish("job")
    assert events.wakings < 10
    assert 0.5 <= heard.times[1] - heard.times[0] < 60


def test_a_shorter_pace_is_kept_at_once() -> None:
    events, heard = Events(), Heard(2)
    subscription = events.subscribe(heard, min_interval_s=60.0)
    events.publish("job")
    until(lambda: len(heard.calls) == 1)
    events.publish("job")
    subscription.min_interval_s = 0.0
    events.remind(subscription)
    assert heard.enough.wait(120)


def test_a_listener_keeps_its_pace() -> None:
    events, heard, other = Events(), Heard(4), Heard(1)
    heard.subscription = events.subscribe(heard, min_interval_s=0.02)
    while not heard.enough.is_set():
        events.publish("job")
    assert all(b - a >= 0.02 for a, b in itertools.pairwise(heard.times))
    events.subscribe(other)
    events.publish("other")
    assert other.enough.wait(120)


def test_the_last_change_is_always_told() -> None:
    events, state, last = Events(), [0], threading.Event()
    events.subscribe(lambda _: last.set() if state == [3] else None, min_interval_s=0.02)
    for number in (1, 2, 3):
        state[0] = number
        events.publish("job")
    assert last.wait(120)


def test_sources_do_not_wait_for_each_other() -> None:
    events, heard = Events(), Heard(3)
    events.subscribe(heard, min_interval_s=60)
    for source in "abc":
        events.publish(source)
    assert heard.enough.wait(120)


def test_a_listener_that_raises_is_logged_and_hurts_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    events, heard = Events(), Heard(2)

    def broken(source: object) -> None:
        raise RuntimeError("broken listener")

    events.subscribe(broken)
    events.subscribe(heard)
    events.publish("a")
    events.publish("b")
    assert heard.enough.wait(120)
    assert "broken listener" in caplog.text


def test_one_that_has_unsubscribed_hears_nothing() -> None:
    events, gone, heard = Events(), Heard(), Heard()
    events.unsubscribe(events.subscribe(gone))
    events.subscribe(heard)
    events.publish("job")
    assert heard.enough.wait(120)
    assert gone.calls == []


def test_old_sources_are_let_go() -> None:
    class Source:
        pass

    events, heard = Events(), Heard(1000)
    events.subscribe(heard)
    sources = [Source() for _ in range(1000)]
    references = [weakref.ref(source) for source in sources]
    for source in sources:
        events.publish(source)
    assert heard.enough.wait(120)
    heard.calls.clear()
    del source, sources
    gc.collect()
    assert sum(reference() is not None for reference in references) <= 300


def test_a_stream_nobody_uses_is_let_go() -> None:
    events = Events()
    reference = weakref.ref(events)
    del events
    gc.collect()
    assert reference() is None


def test_a_listener_can_hear_of_all_sources_as_one() -> None:
    events, as_one, each = Events(), Heard(), Heard(100)
    events.subscribe(as_one, min_interval_s=60, as_one=True)
    events.subscribe(each, min_interval_s=60)
    for number in range(100):
        events.publish(number)
    assert each.enough.wait(120)
    assert as_one.calls == [None]


def test_a_reminder_reaches_one_listener_only() -> None:
    events, reminded, other = Events(), Heard(), Heard()
    subscription = events.subscribe(reminded, as_one=True)
    events.subscribe(other)
    events.remind(subscription)
    assert reminded.enough.wait(120)
    assert other.calls == []


def test_a_pace_can_be_changed_at_any_time() -> None:
    events, heard = Events(), Heard(2)
    subscription = events.subscribe(heard, min_interval_s=60, as_one=True)
    events.remind(subscription)
    while not heard.calls:
        heard.enough.wait(0.01)
    subscription.min_interval_s = 0.0
    events.remind(subscription)
    assert heard.enough.wait(120)


def test_a_reminder_reaches_its_own_listener_alone() -> None:
    events, heard, others = Events(), threading.Event(), []
    reminded = events.subscribe(lambda source: source is None and heard.set())
    events.subscribe(others.append)
    events.remind(reminded)
    assert heard.wait(120)
    assert others == []
