"""What a notebook has set for its process, for a fresh interpreter, which has none of it.

Loggers, filters of warnings, options of the process and of libraries (`library_settings`), the
shell's magics and aliases: a forked job has them anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import locale
import logging
import os
import pickle
import resource
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from caikit_nb.execution.pickler import dumps
from caikit_nb.notebook import library_settings

Settings = Mapping[str, bytes]

_OF_OTHERS = ("IPKernelApp", "traitlets", "tornado", "caikit_nb")  # loggers that aren't the user's
_LOCALES = (
    *(locale.LC_COLLATE, locale.LC_CTYPE, locale.LC_MESSAGES),
    *(locale.LC_MONETARY, locale.LC_NUMERIC, locale.LC_TIME),
)

# Not all: one of data is how a job's memory is limited, and one of real time is its mark.
_LIMITS = (
    *(resource.RLIMIT_AS, resource.RLIMIT_CORE, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE),
    *(resource.RLIMIT_MEMLOCK, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC),
    resource.RLIMIT_STACK,
)


def collect(shell: InteractiveShell) -> tuple[Settings, list[str]]:
    """What is set here, by kinds, each pickled; and what can't be, named for people."""
    found: dict[str, bytes] = {}
    left: list[str] = []
    for name, (read, _) in _KINDS.items():
        try:
            value = read(shell, left)
            if value:
                found[name] = dumps(value)
        except Exception:  # noqa: BLE001 - another version of a library, the user's own code
            left.append(f"the {name}")
    return found, left


def take_over(shell: InteractiveShell, settings: Settings) -> None:
    """Set here what `collect` has found; for a library once it is imported."""
    for name, pickled in settings.items():
        with contextlib.suppress(Exception):
            _KINDS[name][1](shell, pickle.loads(pickled))  # noqa: S301 - from this user's kernel


def _recursion_limit(_shell: InteractiveShell, _left: list[str]) -> int:
    return sys.getrecursionlimit()


def _filters(_shell: InteractiveShell, _left: list[str]) -> list[Any]:
    return list(warnings.filters)


def _set_filters(_shell: InteractiveShell, filters: list[Any]) -> None:
    warnings.resetwarnings()
    warnings.filters[:] = filters  # type: ignore[index]


def _shell_options(shell: InteractiveShell, _left: list[str]) -> dict[str, Any]:
    return {
        "ast_node_interactivity": shell.ast_node_interactivity,
        "precision": _plain_text(shell).float_precision,
    }


def _set_shell_options(shell: InteractiveShell, options: dict[str, Any]) -> None:
    shell.ast_node_interactivity = options["ast_node_interactivity"]
    _plain_text(shell).float_precision = options["precision"]


def _plain_text(shell: Any) -> Any:
    return shell.display_formatter.formatters["text/plain"]


def _formatters(shell: Any, left: list[str]) -> list[bytes]:
    """How the notebook has its own functions show values of a type."""
    found = []
    for kind, formatter in shell.display_formatter.formatters.items():
        for shown, function in formatter.type_printers.items():
            if getattr(function, "__module__", None) == "__main__":
                try:
                    found.append(dumps((kind, shown, function)))
                except Exception:  # noqa: BLE001 - the user's own
                    left.append(f"the formatter of {shown.__name__} for {kind}")
    return found


def _set_formatters(shell: Any, formatters: list[bytes]) -> None:
    for pickled in formatters:
        kind, shown, function = pickle.loads(pickled)  # noqa: S301 - from this user's kernel
        shell.display_formatter.formatters[kind].for_type(shown, function)


def _apps(shell: InteractiveShell, _left: list[str]) -> dict[str, dict[str, Any]]:
    """How the kernel was started: some libraries ask for it to tell that they are in a notebook."""
    return {name: dict(each) for name, each in shell.config.items() if name.endswith("App")}


def _set_apps(shell: InteractiveShell, apps: dict[str, dict[str, Any]]) -> None:
    for name, config in apps.items():
        shell.config.setdefault(name, Config()).update(config)


def _magics(shell: InteractiveShell, left: list[str]) -> list[tuple[str, str, bytes]]:
    """Those that the notebook has defined."""
    found = []
    for kind, by_name in shell.magics_manager.magics.items():
        for name, function in by_name.items():
            if getattr(function, "__module__", None) == "__main__":
                try:
                    found.append((kind, name, dumps(function)))
                except Exception:  # noqa: BLE001 - of a class of magics, which has the shell
                    left.append(f"the magic {'%' if kind == 'line' else '%%'}{name}")
    return found


def _set_magics(shell: InteractiveShell, magics: list[tuple[str, str, bytes]]) -> None:
    for kind, name, pickled in magics:
        function = pickle.loads(pickled)  # noqa: S301 - from this user's kernel
        shell.register_magic_function(function, kind, name)


def _extensions(shell: InteractiveShell, _left: list[str]) -> dict[str, str]:
    """By the magic, the extension that has brought it; caikit_nb's own are for kernels."""
    loaded = getattr(shell.extension_manager, "loaded", ())
    found = {}
    for by_name in shell.magics_manager.magics.values():
        for name, function in by_name.items():
            made_in = str(getattr(function, "__module__", ""))
            for extension in loaded:
                is_its = f"{made_in}.".startswith(f"{extension}.")
                if is_its and not extension.startswith(("caikit_nb", "IPython.")):
                    found[name] = extension
    return found


def _set_extensions(shell: InteractiveShell, extensions: dict[str, str]) -> None:
    """Load each when one of its magics is called: that may take long."""
    manager: Any = shell.magics_manager
    known = set().union(*manager.magics.values())
    for name, extension in extensions.items():
        if name not in known:
            manager.lazy_magics[name] = extension


def _aliases(shell: InteractiveShell, _left: list[str]) -> list[tuple[str, str]]:
    manager: Any = shell.alias_manager
    standard = dict(manager.default_aliases)
    return [(name, command) for name, command in manager.aliases if standard.get(name) != command]


def _set_aliases(shell: InteractiveShell, aliases: list[tuple[str, str]]) -> None:
    for name, command in aliases:
        shell.alias_manager.define_alias(name, command)  # type: ignore[union-attr]


def _loggers(_shell: InteractiveShell, left: list[str]) -> list[dict[str, Any]]:
    named = logging.Logger.manager.loggerDict
    told = []
    for each in (logging.root, *filter(_is_the_users, named.values())):
        handlers = [(handler, _handler(handler)) for handler in each.handlers]
        told.append(
            {
                "name": each.name,
                "level": each.level,
                "propagate": each.propagate,
                "disabled": each.disabled,
                "filters": _log_filters(each),
                "handlers": [known for _, known in handlers if known is not None],
            }
        )
        if not _is_of_library(each):  # which makes its handlers anew where it is imported
            left.extend(
                f"the {type(handler).__name__} of the logger {each.name}"
                for handler, known in handlers
                if known is None and not isinstance(handler, logging.NullHandler)
            )
    said = ("level", "handlers", "filters", "disabled")
    return [each for each in told if any(each[name] for name in said) or not each["propagate"]]


def _is_the_users(logger: Any) -> TypeGuard[logging.Logger]:
    return isinstance(logger, logging.Logger) and logger.name.partition(".")[0] not in _OF_OTHERS


def _is_of_library(logger: logging.Logger) -> bool:
    module = logger.name.partition(".")[0]
    return module != "__main__" and module in sys.modules


def _handler(handler: logging.Handler) -> dict[str, Any] | None:
    """What makes such a handler; None for one of a kind that we can't make."""
    told: dict[str, Any] = {"level": handler.level, "formatter": None}
    with contextlib.suppress(Exception):
        told["formatter"] = dumps(handler.formatter)
    told["filters"] = _log_filters(handler)
    if type(handler) is logging.FileHandler:
        return {**told, "file": (handler.baseFilename, handler.encoding, handler.delay)}
    elif type(handler) is logging.StreamHandler:
        stream = getattr(handler.stream, "name", "")
        if str(stream).strip("<>") in ("stdout", "stderr"):
            return {**told, "stream": str(stream).strip("<>")}
    return None


def _log_filters(filtered: logging.Filterer) -> list[bytes]:
    """Those that can be sent; the formats of records may need what they add."""
    found = []
    for each in filtered.filters:
        with contextlib.suppress(Exception):
            found.append(dumps(each))
    return found


def _add_log_filters(filtered: logging.Filterer, filters: list[bytes]) -> None:
    for pickled in filters:
        filtered.addFilter(pickle.loads(pickled))  # noqa: S301 - from this user's kernel


def _set_loggers(_shell: InteractiveShell, loggers: list[dict[str, Any]]) -> None:
    for told in loggers:
        logger = logging.getLogger(None if told["name"] == "root" else told["name"])
        logger.setLevel(told["level"])
        logger.propagate, logger.disabled = told["propagate"], told["disabled"]
        _add_log_filters(logger, told["filters"])
        for each in told["handlers"]:
            logger.addHandler(_made_handler(each))


def _made_handler(told: dict[str, Any]) -> logging.Handler:
    handler: logging.Handler
    if "file" in told:
        name, encoding, delay = told["file"]
        handler = logging.FileHandler(name, "a", encoding, delay)
    else:
        handler = logging.StreamHandler(getattr(sys, told["stream"]))
    handler.setLevel(told["level"])
    if told["formatter"] is not None:
        handler.setFormatter(pickle.loads(told["formatter"]))  # noqa: S301
    _add_log_filters(handler, told["filters"])
    return handler


def _logging(_shell: InteractiveShell, _left: list[str]) -> dict[str, Any]:
    return {"disabled": logging.root.manager.disable, "levels": logging.getLevelNamesMapping()}


def _set_logging(_shell: InteractiveShell, told: dict[str, Any]) -> None:
    logging.disable(told["disabled"])
    for name, level in told["levels"].items():
        if logging.getLevelNamesMapping().get(name) != level:
            logging.addLevelName(level, name)


def _nested_loops(_shell: InteractiveShell, _left: list[str]) -> str:
    """The module that lets loops run within loops, for the whole process; empty if none does."""
    module = asyncio.run.__module__
    return module if module.startswith("nest_asyncio") else ""


def _set_nested_loops(_shell: InteractiveShell, module: str) -> None:
    importlib.import_module(module).apply()


def _process(_shell: InteractiveShell, _left: list[str]) -> dict[str, Any]:
    status = Path("/proc/self/status").read_text()  # to ask the system for it is to change it
    return {
        "umask": int(status.partition("\nUmask:")[2].split(maxsplit=1)[0], 8),
        "locale": {number: locale.setlocale(number) for number in _LOCALES},
        "timeout": socket.getdefaulttimeout(),
        "digits": sys.get_int_max_str_digits(),
        "temporary": tempfile.tempdir,
        "warnings are logged": logging._warnings_showwarning is not None,  # type: ignore[attr-defined]
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "processors": os.sched_getaffinity(0),
        "limits": {number: resource.getrlimit(number)[0] for number in _LIMITS},
    }


def _set_process(_shell: InteractiveShell, told: dict[str, Any]) -> None:
    os.umask(told["umask"])
    for number, name in told["locale"].items():
        with contextlib.suppress(locale.Error):
            locale.setlocale(number, name)
    socket.setdefaulttimeout(told["timeout"])
    sys.set_int_max_str_digits(told["digits"])
    tempfile.tempdir = told["temporary"]
    logging.captureWarnings(told["warnings are logged"])
    with contextlib.suppress(OSError):  # it may only become nicer
        os.setpriority(os.PRIO_PROCESS, 0, told["niceness"])
    if told["processors"] != os.sched_getaffinity(0):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, told["processors"])
    for number, soft in told["limits"].items():
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(number, (soft, resource.getrlimit(number)[1]))


_Reader = Callable[[InteractiveShell, list[str]], Any]
_KINDS: dict[str, tuple[_Reader, Callable[[InteractiveShell, Any], None]]]
_KINDS = {
    "recursion limit": (_recursion_limit, lambda _, limit: sys.setrecursionlimit(limit)),
    "filters of warnings": (_filters, _set_filters),
    "apps": (_apps, _set_apps),
    "options of the shell": (_shell_options, _set_shell_options),
    "magics": (_magics, _set_magics),
    "extensions": (_extensions, _set_extensions),
    "formatters": (_formatters, _set_formatters),
    "aliases": (_aliases, _set_aliases),
    "loggers": (_loggers, _set_loggers),
    "options of logging": (_logging, _set_logging),
    "options of the process": (_process, _set_process),
    "nest_asyncio": (_nested_loops, _set_nested_loops),
    **dict(library_settings.parts()),
}
