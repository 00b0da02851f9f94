"""``%caikit_jobs``: the table of the jobs, and what can be done with them."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable
from typing import Any

from IPython.core.error import UsageError

from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.notebook.cards import Cards
from caikit_nb.notebook.job_table import usage_table
from caikit_nb.notebook.live_tables import LiveTables
from caikit_nb.session import Session

_OUTPUT = "--output"


class JobsCommand:
    """Reads a line and acts.

    Args:
        session: Whose jobs.
        cards: Where they are shown.
        tables: Where all of them are.
    """

    def __init__(self, session: Session, cards: Cards, tables: LiveTables) -> None:
        self._session, self._cards, self._tables = session, cards, tables
        self._actions: dict[str, Callable[[list[JobFuture]], Any]] = {
            "cancel": self._cancel,
            "interrupt": self._interrupt,
            "logs": self._logs,
            "show": self._show,
            "wait": self._wait,
            "pin": self._pin,
            "unpin": self._unpin,
            "purge": self._purge,
            "du": usage_table,
        }

    def run(self, line: str) -> Any:
        """Do what the line says.

        Raises:
            UsageError: an unknown action or job; names those that exist.
        """
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise UsageError(f"%caikit_jobs: {error} in the line {line.strip()!r}") from None
        if not words or words == ["list"]:
            return self._tables.value()
        action, *names = words
        if action not in self._actions:
            known = ", ".join(["list", *self._actions])
            raise UsageError(f"%caikit_jobs: unknown action {action!r}; the actions are {known}")
        act = self._actions[action]
        if action == "purge" and _OUTPUT in names:
            act = functools.partial(self._purge, output=True)
            names = [name for name in names if name != _OUTPUT]
        return act(self._named(action, names))

    def _named(self, action: str, names: list[str]) -> list[JobFuture]:
        everyone = self._session.executor.registry.all()
        if names == ["all"] or (not names and action in ("wait", "purge", "du")):
            # Who means all means those that it can be done to.
            can_be = {"cancel": _runs, "interrupt": _runs, "purge": _is_gone}.get(action)
            return [future for future in everyone if can_be is None or can_be(future)]
        if not names:
            raise UsageError(f"%caikit_jobs {action}: name the jobs, or write all")
        try:
            return [self._session.registry[name] for name in names]
        except KeyError as error:
            raise UsageError(f"%caikit_jobs {action}: {error.args[0]}") from None

    def _cancel(self, futures: list[JobFuture]) -> None:
        for future in futures:
            if not future.cancel():
                print(f"{future.name} had already ended: {future.status.word}")

    def _interrupt(self, futures: list[JobFuture]) -> None:
        for future in futures:
            if not future.interrupt():
                print(f"{future.name} is not running: {future.status.word}")

    def _logs(self, futures: list[JobFuture]) -> None:
        for future in futures:
            if len(futures) > 1:
                print(f"--- {future.name}")
            text = future.logs()
            print(text, end="" if not text or text.endswith("\n") else "\n")

    def _show(self, futures: list[JobFuture]) -> None:
        for future in futures:
            self._cards.show(future)

    def _wait(self, futures: list[JobFuture]) -> None:
        for future in futures:
            future.wait()

    def _pin(self, futures: list[JobFuture]) -> None:
        for future in futures:
            if (expired := future._job.expired) is not None:
                print(f"the result of {future.name} is gone: {expired.why}")
            else:
                future.pin()

    def _unpin(self, futures: list[JobFuture]) -> None:
        for future in futures:
            future.unpin()

    def _purge(self, futures: list[JobFuture], *, output: bool = False) -> None:
        for future in futures:
            if _is_gone(future):
                future.purge(output=output)
            else:
                print(f"{future.name} has not ended: cancel it first")


def _runs(future: JobFuture) -> bool:
    return not future.status.is_terminal


def _is_gone(future: JobFuture) -> bool:
    return future._job.ended.is_set()
