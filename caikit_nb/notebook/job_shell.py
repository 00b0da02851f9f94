"""An IPython shell inside a job: whatever it would show goes to the job's card."""

from __future__ import annotations

import asyncio
import atexit
import builtins
import contextlib
import functools
import getpass
import importlib
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping
from typing import Any

from IPython.core import async_helpers, page
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import UsageError
from IPython.core.formatters import DisplayFormatter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from caikit_nb.execution.call import RESULT, Port
from caikit_nb.execution.ending import finish_first
from caikit_nb.execution.places import IN_TEXT
from caikit_nb.jobs.inside import here
from caikit_nb.notebook import job_comms
from caikit_nb.notebook.job_loop import JobLoop

NOTEBOOK_SHELL = "ipykernel.zmqshell"
# What ipykernel has no event loop for, either.
_WITHOUT_WINDOWS = (None, "inline", "ipympl", "nbagg", "notebook", "webagg", "widget")


class JobDisplayPublisher(DisplayPublisher):
    """Sends what is displayed to the job's card."""

    port: Any = None

    def publish(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        source: str | None = None,
        *,
        transient: dict[str, Any] | None = None,
        update: bool = False,
        **_: Any,
    ) -> None:
        """Send a display."""
        self.port.send(
            {
                "kind": "display",
                IN_TEXT: True,
                "data": data,
                "metadata": metadata or {},
                "display_id": (transient or {}).get("display_id"),
                "update": update,
            }
        )

    def clear_output(self, wait: bool = False) -> None:
        """Send the wish to clear what was shown."""
        self.port.send({"kind": "clear_output", IN_TEXT: True, "wait": wait})


class JobDisplayHook(DisplayHook):
    """Sends the value of the last expression to the job's card."""

    port: Any = None
    source: str = ""

    def quiet(self) -> bool:
        """Whether the job's cell ends with a semicolon."""
        return is_hushed(self.source)

    def write_output_prompt(self) -> None:
        """A card has no prompts."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        """Send the value's forms."""
        self.port.send(
            {
                "kind": "display",
                IN_TEXT: True,
                "data": dict(format_dict),
                "metadata": dict(md_dict or {}),
                "result": True,
            }
        )

    def log_output(self, format_dict: Any) -> None:
        """Jobs keep no history."""


class _Fresh:
    """What a fresh interpreter's shell has of its own."""

    def ask_exit(self) -> None:
        """End the job: `exit` and `quit` call it."""
        raise SystemExit

    def enable_gui(self, gui: str | None = None) -> None:
        """See IPython; ``%matplotlib inline`` calls it, and needs none.

        Raises:
            UsageError: it is the event loop of a library of windows.
        """
        if gui not in _WITHOUT_WINDOWS:
            raise UsageError("a background job has no windows: use %matplotlib inline")


def shell_in_process(port: Port, *, in_notebook: bool) -> InteractiveShell:
    """The shell of a job's own process: the kernel's, if it was forked, else a fresh one.

    Args:
        port: To the kernel.
        in_notebook: See `make_fresh_shell`.
    """
    if InteractiveShell.initialized():
        shell = InteractiveShell.instance()  # the kernel's, or the fork server's
        if shell.user_module is not sys.modules["__main__"]:
            _move_to_main(shell)
    else:
        shell = make_fresh_shell(in_notebook=in_notebook)
    shell.call_pdb = False  # nobody could type into it
    _show_in_card(shell, port)
    _use_fresh_loop(shell)
    _refuse_input()
    return shell


def make_fresh_shell(*, in_notebook: bool) -> InteractiveShell:
    """A shell on this process's ``__main__``, without history, with all the rich formats.

    Args:
        in_notebook: Whether it is of a notebook's class, without a kernel. Libraries ask for it
            and for its module, and then show themselves as they do in the notebook.
    """
    base: Any = InteractiveShell
    if in_notebook:
        base = importlib.import_module(NOTEBOOK_SHELL).ZMQInteractiveShell
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.banner1 = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind: Any = type(base.__name__, (_Fresh, base), {"__module__": base.__module__})
        shell: InteractiveShell = kind.instance(config=config, user_module=sys.modules["__main__"])
    # It empties the namespace, which finalizers may still need: a job's end does that in its turn.
    atexit.unregister(shell.atexit_operations)
    shell.display_formatter.active_types = DisplayFormatter().format_types  # type: ignore[union-attr]
    return shell


def _move_to_main(shell: InteractiveShell) -> None:
    """Put a shell that was made before on the ``__main__`` of now."""
    main = sys.modules["__main__"]
    hidden = {name: shell.user_ns[name] for name in shell.user_ns_hidden if name in shell.user_ns}
    for name, value in hidden.items():
        main.__dict__.setdefault(name, value)
    shell.user_module = main
    shell.user_ns = main.__dict__


def _show_in_card(shell: InteractiveShell, port: Port) -> None:
    publisher = JobDisplayPublisher(parent=shell, shell=shell)
    publisher.port = port
    hook = _display_hook(shell)
    hook.port = port
    shell.display_pub = publisher
    shell.displayhook = hook
    # The trap was set before the fork, so its hook and what it has put in place both change.
    shell.display_trap.hook = hook
    sys.displayhook = hook
    shell.history_manager.enabled = False  # type: ignore[union-attr]
    _keep_no_copies(shell)
    job_comms.connect(port)
    _forget_kernel(shell)


def _display_hook(shell: InteractiveShell) -> JobDisplayHook:
    """A new hook, which would empty the notebook's `_`, `__` and `___`."""
    before: Any = shell.displayhook
    namespace, names = shell.user_ns, ("_", "__", "___")
    kept = {name: namespace[name] for name in names if name in namespace}
    hook: Any = JobDisplayHook(shell=shell, parent=shell)
    for name in names:
        namespace.pop(name, None)
        setattr(hook, name, getattr(before, name, ""))
    namespace.update(kept)
    return hook  # type: ignore[no-any-return]


def _keep_no_copies(shell: Any) -> None:
    """Newer IPython keeps all that a cell prints in memory; a job's log has it already."""
    if hasattr(shell, "_tee"):
        shell._tee = lambda channel: contextlib.nullcontext()


def _forget_kernel(shell: InteractiveShell) -> None:
    """Close the ways to a kernel's own sockets, and into its replies."""
    # What IPython shows in its pager (%prun, a name and ?) would go into a reply.
    shell.set_hook("show_in_pager", page.as_hook(page.display_page), 0)
    kernel = getattr(shell, "kernel", None)
    if kernel is not None:  # it is a copy
        # The notebook may have names of its own for these: `from getpass import getpass`.
        kernel.raw_input = kernel.getpass = kernel._input_request = _no_input


def _use_fresh_loop(shell: Any) -> None:
    """Never touch an inherited loop: its epoll is shared with the kernel's."""
    asyncio._set_running_loop(None)
    runner = JobLoop()
    asyncio.set_event_loop(runner.loop)
    async_helpers._asyncio_event_loop = runner.loop
    finish_first("a task of asyncio", runner.finish)
    if str(shell.loop_runner) == "asyncio" or isinstance(shell.loop_runner, JobLoop):
        shell.loop_runner = runner  # and not where the user has taken trio


def _refuse_input() -> None:
    builtins.input = getpass.getpass = _no_input


def rendered(shell: InteractiveShell, error: BaseException) -> tuple[str, ...]:
    """The traceback as the notebook shows it, from the user's own first line on."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").startswith(
        "caikit_nb."
    ):
        frames = frames.tb_next
    try:
        lines = shell.InteractiveTB.structured_traceback(type(error), error, frames, tb_offset=0)
        return tuple(lines)
    except Exception:  # noqa: BLE001 - a traceback that can't be drawn must not hide the error
        return tuple(traceback.format_exception(error))


def cell_values(
    namespace: Mapping[str, Any], result: object, options: Mapping[str, Any], port: Port
) -> dict[str, object]:
    """What a cell gives back: its result and the variables named by ``--out``."""
    outs = options["outs"]
    missing = [name for name in outs if name not in namespace and name not in options["doubted"]]
    if missing:
        port.send({"kind": "note", "text": f"--out: the cell did not define {', '.join(missing)}"})
    return {RESULT: result, **{name: namespace[name] for name in outs if name in namespace}}


def is_hushed(source: str) -> bool:
    """Whether a cell ends with a semicolon, so that its value isn't shown."""
    return bool(DisplayHook.semicolon_at_end_of_expression(source))


def refuse_input_in_threads(kernel: Any) -> None:
    """A job in a thread of the kernel must not ask, either: it would wait for ever.

    One in the main thread is an inline one: the cell that submitted it is still there to ask.
    """
    for name in ("raw_input", "getpass"):
        setattr(kernel, name, _refusing_in_jobs(getattr(kernel, name)))


def _refusing_in_jobs(ask: Any) -> Any:
    @functools.wraps(ask)
    def ask_unless_in_job(*args: Any, **kwargs: Any) -> Any:
        may_ask = here() is None or threading.current_thread() is threading.main_thread()
        return (ask if may_ask else _no_input)(*args, **kwargs)

    return ask_unless_in_job


def _no_input(*_: Any, **__: Any) -> str:
    raise RuntimeError("a background job can't ask for input: pass the value with -p NAME=VALUE")
