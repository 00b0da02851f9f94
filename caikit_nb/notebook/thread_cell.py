"""Runs a cell in a thread of the kernel, on a copy of the namespace."""

from __future__ import annotations

import ast
import contextlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.execution import call as calls
from caikit_nb.execution.awaiting import awaited
from caikit_nb.execution.call import Call, FormattedError, Port
from caikit_nb.execution.destroyable_thread import ThreadDestroyedException
from caikit_nb.jobs import bar_libraries
from caikit_nb.jobs.inside import entered
from caikit_nb.notebook.job_shell import cell_values, is_hushed, rendered


def run_cell_in_thread(call: Call, port: Port) -> Mapping[str, object]:
    """Run a cell's code; new and rebound names stay in the job, objects are shared."""
    shell = InteractiveShell.instance()
    namespace = {**shell.user_ns, **call.inputs, **call.options["params"]}
    with _in_job(call, port, shell):
        source, number = call.options["source"], call.options["seen_sources"][2]
        value = _execute(shell, source, number, namespace)
        if value is not None and not is_hushed(source):
            data, metadata = shell.display_formatter.format(value)  # type: ignore[union-attr]
            port.send({"kind": "display", "data": data, "metadata": metadata, "result": True})
    return cell_values(namespace, value, call.options, port)


def run_function_in_thread(call: Call, port: Port) -> Mapping[str, object]:
    """Run a function in a thread of the kernel."""
    with _in_job(call, port, InteractiveShell.instance()):
        return calls.run_function(call, port)


@contextlib.contextmanager
def _in_job(call: Call, port: Port, shell: InteractiveShell) -> Iterator[None]:
    bar_libraries.install()
    hooks = getattr(shell.display_pub, "_hooks", None)  # ipykernel's, one list per thread

    def to_card(message: Mapping[str, Any]) -> None:
        content = message["content"]
        if message["header"]["msg_type"] == "clear_output":
            port.send({"kind": "clear_output", "wait": content["wait"]})
            return
        port.send(
            {
                "kind": "display",
                "data": content["data"],
                "metadata": content["metadata"],
                "display_id": content["transient"].get("display_id"),
                "update": message["header"]["msg_type"] == "update_display_data",
            }
        )

    if hooks is not None:
        hooks.append(to_card)
    try:
        with entered(call.options["job"], port, own_process=False):
            yield
    except (SystemExit, ThreadDestroyedException):
        raise
    except BaseException as error:
        raise FormattedError(error, rendered(shell, error)) from error
    finally:
        if hooks is not None:
            hooks.remove(to_card)


def _execute(
    shell: InteractiveShell, source: str, number: int, namespace: dict[str, Any]
) -> object:
    """Run the statements; the value of a last expression."""
    code = shell.transform_cell(source)
    name = shell.compile.cache(code, number, raw_code=source)  # where tracebacks find its lines
    tree = ast.parse(code, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    _evaluate(tree, name, "exec", namespace)
    if last is None:
        return None
    return _evaluate(ast.Expression(last.value), name, "eval", namespace)


def _evaluate(tree: Any, name: str, mode: str, namespace: dict[str, Any]) -> object:
    code = compile(tree, name, mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    value = eval(code, namespace)  # noqa: S307 - the user's own cell
    if code.co_flags & inspect.CO_COROUTINE:
        return awaited(value)
    return value
