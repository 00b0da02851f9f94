"""Runs a cell, or a function, inside a job, as IPython runs it in a notebook."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import linecache
import re
import sys
import types
import warnings
from collections.abc import Mapping
from typing import Any

from IPython import version_info
from IPython.core import async_helpers
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from traitlets import TraitError

from caikit_nb.execution import call as calls
from caikit_nb.execution.call import Call, FormattedError, Port
from caikit_nb.execution.ending import finish_first, when_code_has_ended
from caikit_nb.jobs import bar_libraries, kept_values
from caikit_nb.jobs.inside import entered
from caikit_nb.jobs.start_method import Choice
from caikit_nb.notebook import open_files, process_settings
from caikit_nb.notebook.capture import Capture
from caikit_nb.notebook.job_loop import JobLoop
from caikit_nb.notebook.job_shell import cell_values, rendered, shell_in_process
from caikit_nb.notebook.thread_cell import run_cell_in_thread, run_function_in_thread

# In a notebook each cell runs on a loop. In a job only those do that need it, as else what starts
# a loop of its own may do so, such as `asyncio.run`.
_ON_LOOP = re.compile(r"\b(create_task|ensure_future|get_running_loop|current_task)\b")


def run_cell(call: Call, port: Port) -> Mapping[str, object]:
    """The runner of cells.

    Its options are ``source``, ``outs``, ``doubted``, ``params``, ``seen_sources``, and ``job``.
    """
    if not call.options["own_process"]:
        return run_cell_in_thread(call, port)
    shell = _prepared(call, port)
    with entered(call.options["job"], port, own_process=True, seeded=call.options["seeded"]):
        result, lines = _run(shell, call.options["source"])
        error = result.error_before_exec or result.error_in_exec
        if error is not None and not _is_clean_exit(error):
            raise FormattedError(error, tuple(lines))
        _keep_made(call, shell, port)
        return cell_values(shell.user_ns, result.result, call.options, port)


def _keep_made(call: Call, shell: InteractiveShell, port: Port) -> None:
    """Keep what the cell has stored and no ``--out`` names, once its outcome is told."""
    namespace, outs = shell.user_ns, call.options["outs"]
    made = {
        name: namespace[name]
        for name in call.options["writes"]
        if name in namespace and name not in outs and _is_made_here(namespace[name])
    }

    def keep() -> None:
        kept_values.keep_made(call.options["keeping"], made, port)
        made.clear()  # they end with the namespace

    if made:
        finish_first("its variables to be kept", keep)


def _is_made_here(value: object) -> bool:
    """No module, and no function or class that was imported."""
    if issubclass(type(value), types.ModuleType):
        return False
    is_definition = issubclass(type(value), types.FunctionType | types.BuiltinFunctionType | type)
    return not is_definition or getattr(value, "__module__", None) == "__main__"


def run_function(call: Call, port: Port) -> Mapping[str, object]:
    """The runner of functions submitted in a notebook, with its displays and tracebacks."""
    if not call.options["own_process"]:
        return run_function_in_thread(call, port)
    shell = _prepared(call, port)
    with entered(call.options["job"], port, own_process=True, seeded=call.options["seeded"]):
        try:
            return calls.run_function(call, port)
        except SystemExit:
            raise
        except BaseException as error:
            raise FormattedError(error, rendered(shell, error)) from error
        finally:
            shell.events.trigger("post_execute")  # matplotlib shows its figures now


_NEEDED_LAST = (types.FunctionType, types.ModuleType, type)


def _prepared(call: Call, port: Port) -> InteractiveShell:
    shell = shell_in_process(port, in_notebook=call.options.get("in_notebook", False))
    inherited = dict(shell.user_ns)
    when_code_has_ended(lambda: _let_go(shell, inherited))
    bar_libraries.install()
    _know_sources(shell, call.options.get("seen_sources"))
    process_settings.take_over(shell, call.options.get("settings", {}))
    for name in call.options.get("imports", ()):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if "source" in call.options:
        shell.user_ns.update(call.inputs)
        shell.user_ns.update(call.options["params"])
    if call.options["keeps_inputs"]:
        kept_values.keep_inputs(call.options["keeping"], lambda: _inputs(call, shell), port)
    return shell


def _let_go(shell: InteractiveShell, inherited: Mapping[str, Any]) -> None:
    """Drop what the code has put into the namespace, as a program's end does."""
    loop: Any = async_helpers._asyncio_event_loop
    with contextlib.suppress(Exception):
        loop.run_until_complete(loop.shutdown_asyncgens())
    open_files.flush(inherited.values())
    own = [name for name, value in shell.user_ns.items() if inherited.get(name, shell) is not value]
    # Finalizers and suspended generators call functions, and need classes and modules.
    own.sort(key=lambda name: issubclass(type(shell.user_ns[name]), _NEEDED_LAST))
    for name in own:
        shell.user_ns.pop(name, None)
    shell.displayhook.flush()
    for name in ("_last_traceback", "tb"):
        vars(shell).pop(name, None)


def _inputs(call: Call, shell: InteractiveShell) -> Mapping[str, Any]:
    """What the call reads: of a forked cell, which shares all, as if it were shipped."""
    options = call.options
    if call.inputs or "source" not in options:
        return call.inputs
    given = tuple(options["params"])
    capture = Capture(shell, options["source"], options["names_in"], given, try_out=False)
    return capture.inputs(Choice("forkserver", ""))


def _know_sources(shell: InteractiveShell, seen: Any) -> None:
    """Let tracebacks in a fresh interpreter show the lines of the notebook's cells."""
    if seen is not None:
        lines, names, shell.execution_count, colors, flags = seen
        shell.compile.flags |= flags  # by a `from __future__ import`
        with contextlib.suppress(TraitError):
            shell.colors = colors
            if version_info < (9,):  # from then on the shell tells its tracebacks itself
                shell.InteractiveTB.set_colors(colors)
        linecache.cache.update(lines)
        getattr(shell.compile, "_filename_map", {}).update(names)


def _run(shell: InteractiveShell, source: str) -> tuple[ExecutionResult, list[str]]:
    lines: list[str] = []

    def keep_traceback(etype: Any, evalue: Any, stb: list[str]) -> None:
        lines[:] = stb

    hook: Any = shell.displayhook
    hook.source = source
    shell._showtraceback = keep_traceback  # type: ignore[method-assign]
    if _ON_LOOP.search(source):
        shell.should_run_async = lambda *_, **__: True  # type: ignore[method-assign]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="To exit: use")
        result = shell.run_cell(source, store_history=False)
    if isinstance(shell.loop_runner, JobLoop):
        _tell_interrupt(result, lines, shell)
        if isinstance(result.error_in_exec, (KeyboardInterrupt, SystemExit)):
            shell.loop_runner.cancel()
    return result, lines


def _tell_interrupt(result: ExecutionResult, lines: list[str], shell: InteractiveShell) -> None:
    """What ended by an interrupt that cancelled it has KeyboardInterrupt for its error."""
    error = result.error_in_exec
    if isinstance(error, asyncio.CancelledError) and shell.loop_runner.was_interrupted:
        frames = error.__traceback__ and error.__traceback__.tb_next  # from the cell on
        result.error_in_exec = interrupt = KeyboardInterrupt().with_traceback(frames)
        lines[:] = rendered(shell, interrupt)


def _is_clean_exit(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and error.code in (None, 0)


def seen_sources(shell: InteractiveShell) -> Any:
    """What `_know_sources` needs: the cells that tracebacks may point to, and their numbers."""
    # IPython's own entries have no time of change: they are in no file.
    lines = {
        name: entry
        for name, entry in linecache.cache.items()
        if len(entry) == 4 and entry[1] is None and name not in sys.modules
    }
    names = dict(getattr(shell.compile, "_filename_map", {}))
    return lines, names, _number_of_running_cell(shell), shell.colors, shell.compile.flags


def _number_of_running_cell(shell: InteractiveShell) -> int:
    """As it stands beside the cell; the shell's own counter may be one ahead already."""
    history: Any = shell.history_manager
    return max(1, len(history.input_hist_parsed) - 1)
