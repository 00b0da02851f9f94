"""What a backend's base class gives and asks for (contracts B1 to B7)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from caikit_nb.backends import BackendBase, LocalBackend
from caikit_nb.backends.base import Task
from caikit_nb.errors import BackendError
from caikit_nb.execution.call import Call, run_function
from caikit_nb.execution.process_reader import Silent


class Seed(BackendBase):
    """Defines the four that the seed asks for, and no more."""

    backend_type = "SEED"

    def register_config(self, config: Mapping[str, Any]) -> None:
        self.config.update(config)

    def start(self) -> None:
        self._started = True

    def stop(self) -> None:
        self._started = False


FOUR = ("backend_type", "register_config", "start", "stop")


@pytest.mark.parametrize("missing", FOUR)
def test_a_backend_without_one_of_the_four_can_not_be_made(missing: str) -> None:
    members = {name: vars(Seed)[name] for name in FOUR if name != missing}
    with pytest.raises(TypeError, match=missing):
        type("Partial", (BackendBase,), members)()


def test_a_backend_with_the_four_can_be_made() -> None:
    assert Seed().backend_type == "SEED"


def test_the_type_may_be_a_property() -> None:
    class WithProperty(Seed):
        @property
        def backend_type(self) -> str:  # type: ignore[override]
            return "PROPERTY"

    assert WithProperty().backend_type == "PROPERTY"


def test_without_settings_its_config_is_empty() -> None:
    assert Seed().config == {}
    assert Seed({"a": 1}).config == {"a": 1}


def test_registering_settings_again_merges_them() -> None:
    backend = Seed({"a": 1})
    backend.register_config({"b": 2})
    backend.register_config({"b": 3})
    assert backend.config == {"a": 1, "b": 3}


def test_its_config_is_its_own() -> None:
    given = {"a": 1}
    Seed(given).register_config({"b": 2})
    assert given == {"a": 1}


def test_settings_that_are_more_than_a_dict_are_kept_as_they_are() -> None:
    """D18.5: caikit's own can be asked by attributes."""
    given = OrderedDict(a=1)
    assert Seed(given).config is given


def test_it_is_not_started_when_it_is_made() -> None:
    backend = Seed()
    assert (backend._started, backend.is_started) == (False, False)


def test_start_and_stop_flip_what_is_started_says() -> None:
    backend = Seed()
    backend.start()
    assert backend.is_started
    backend.stop()
    assert not backend.is_started


def test_whether_it_is_started_can_not_be_set() -> None:
    with pytest.raises(AttributeError):
        Seed().is_started = True  # type: ignore[misc]


def test_the_start_lock_keeps_others_out() -> None:
    backend, entered = Seed(), threading.Event()

    def enter() -> None:
        with backend.start_lock():
            entered.set()

    with backend.start_lock():
        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.05)
    thread.join(120)
    assert entered.is_set()


def test_the_start_lock_is_let_go_after_an_error() -> None:
    backend = Seed()
    with pytest.raises(KeyError), backend.start_lock():
        raise KeyError
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(backend.ensure_started).result(120)


def test_the_start_lock_can_be_entered_twice_by_one_thread() -> None:
    backend = Seed()
    with backend.start_lock(), backend.start_lock():
        assert backend.ensure_started()


def test_a_start_that_fails_is_tried_again() -> None:
    class Late(Seed):
        ready = False

        def start(self) -> None:
            if not self.ready:
                raise OSError("not yet")
            super().start()

    backend = Late()
    with pytest.raises(OSError, match="not yet"):
        backend.ensure_started()
    assert not backend.is_started
    backend.ready = True
    assert backend.ensure_started()


def test_a_runtime_context_is_ignored_unless_the_backend_cares() -> None:
    heard: list[tuple[str, str]] = []

    class Caring(Seed):
        def handle_runtime_context(self, model_id: str, runtime_context: Any) -> None:
            heard.append((model_id, runtime_context))

    Seed().handle_runtime_context("model", "context")
    Caring().handle_runtime_context("model", "context")
    assert heard == [("model", "context")]


def test_a_backend_that_takes_no_jobs_says_so_in_one_line() -> None:
    task = Task("test", Call(run_function), "spawn")
    with pytest.raises(BackendError) as caught:
        Seed().submit(task, Silent())
    text = str(caught.value)
    assert "SEED" in text
    assert "submit(task, listener, like=None)" in text
    assert "\n" not in text


def test_the_local_backend_has_no_settings() -> None:
    with pytest.raises(AssertionError, match="does not support this operation"):
        LocalBackend().register_config({})


def test_starting_the_local_backend_only_says_so() -> None:
    before, backend = threading.active_count(), LocalBackend()
    backend.start()
    assert backend.is_started
    assert threading.active_count() == before
    backend.stop()
    assert not backend.is_started
