"""What a notebook has set for its process, for a fresh interpreter, which has none of it.

Loggers, filters of warnings, options of libraries and of the process, the shell's magics and
aliases: a forked job has them anyway.
"""

from __future__ import annotations

import contextlib
import locale
import logging
import os
import pickle
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
from caikit_nb.jobs.import_hooks import when_imported

Settings = Mapping[str, bytes]

_OF_OTHERS = ("IPKernelApp", "traitlets", "tornado", "caikit_nb")  # loggers that aren't the user's
_LOCALES = (
    *(locale.LC_COLLATE, locale.LC_CTYPE, locale.LC_MESSAGES),
    *(locale.LC_MONETARY, locale.LC_NUMERIC, locale.LC_TIME),
)
_NO_DIFFERENCE = ("backend", "backend_fallback", "interactive")  # of matplotlib, in a job


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
    return {"ast_node_interactivity": shell.ast_node_interactivity}


def _set_shell_options(shell: InteractiveShell, options: dict[str, Any]) -> None:
    for name, value in options.items():
        setattr(shell, name, value)


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
                "handlers": [known for _, known in handlers if known is not None],
            }
        )
        if not _is_of_library(each):  # which makes its handlers anew where it is imported
            left.extend(
                f"the {type(handler).__name__} of the logger {each.name}"
                for handler, known in handlers
                if known is None and not isinstance(handler, logging.NullHandler)
            )
    return [each for each in told if each["level"] or each["handlers"] or not each["propagate"]]


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
    if type(handler) is logging.FileHandler:
        return {**told, "file": (handler.baseFilename, handler.encoding, handler.delay)}
    elif type(handler) is logging.StreamHandler:
        stream = getattr(handler.stream, "name", "")
        if str(stream).strip("<>") in ("stdout", "stderr"):
            return {**told, "stream": str(stream).strip("<>")}
    return None


def _set_loggers(_shell: InteractiveShell, loggers: list[dict[str, Any]]) -> None:
    for told in loggers:
        logger = logging.getLogger(None if told["name"] == "root" else told["name"])
        logger.setLevel(told["level"])
        logger.propagate, logger.disabled = told["propagate"], told["disabled"]
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
    return handler


def _numpy(_shell: InteractiveShell, _left: list[str]) -> dict[str, Any] | None:
    numpy: Any = sys.modules.get("numpy")
    return None if numpy is None else {"print": numpy.get_printoptions(), "errors": numpy.geterr()}


def _set_numpy(numpy: Any, options: dict[str, Any]) -> None:
    numpy.set_printoptions(**{k: v for k, v in options["print"].items() if k != "override_repr"})
    numpy.seterr(**options["errors"])


def _pandas(_shell: InteractiveShell, _left: list[str]) -> dict[str, Any] | None:
    pandas: Any = sys.modules.get("pandas")
    if pandas is None:
        return None
    from pandas._config import config

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = {name: pandas.get_option(name) for name in config._registered_options}
    known: Any = config._registered_options
    return {name: value for name, value in values.items() if value != known[name].defval}


def _set_pandas(pandas: Any, options: dict[str, Any]) -> None:
    for name, value in options.items():
        with contextlib.suppress(Exception):
            pandas.set_option(name, value)


def _matplotlib(_shell: InteractiveShell, _left: list[str]) -> dict[str, Any] | None:
    matplotlib: Any = sys.modules.get("matplotlib")
    if matplotlib is None:
        return None
    standard = matplotlib.rcParamsDefault
    return {
        name: value
        for name, value in matplotlib.rcParams.items()
        if name not in _NO_DIFFERENCE and standard.get(name) != value
    }


def _set_matplotlib(matplotlib: Any, options: dict[str, Any]) -> None:
    matplotlib.rcParams.update(options)


def _sklearn(_shell: InteractiveShell, _left: list[str]) -> dict[str, Any] | None:
    sklearn: Any = sys.modules.get("sklearn")
    return None if sklearn is None else sklearn.get_config()


def _set_sklearn(sklearn: Any, options: dict[str, Any]) -> None:
    sklearn.set_config(**options)


def _torch(_shell: InteractiveShell, _left: list[str]) -> dict[str, Any] | None:
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return None
    return {
        "default_dtype": torch.get_default_dtype(),
        "default_device": torch.get_default_device()
        if hasattr(torch, "get_default_device")
        else None,
        "is_grad_enabled": torch.is_grad_enabled(),
        "deterministic": (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        "print": vars(torch._tensor_str.PRINT_OPTS),
    }


def _set_torch(torch: Any, options: dict[str, Any]) -> None:
    torch.set_default_dtype(options["default_dtype"])
    device = options["default_device"]
    if device is not None and device.type != "cpu":  # where one is set, each call takes longer
        torch.set_default_device(device)
    torch.set_grad_enabled(options["is_grad_enabled"])
    is_deterministic, warns_only = options["deterministic"]
    torch.use_deterministic_algorithms(is_deterministic, warn_only=warns_only)
    torch.set_printoptions(**options["print"])


def _decimal(_shell: InteractiveShell, _left: list[str]) -> Any:
    decimal: Any = sys.modules.get("decimal")
    return None if decimal is None else decimal.getcontext()


def _set_decimal(decimal: Any, context: Any) -> None:
    decimal.setcontext(context)


def _process(_shell: InteractiveShell, _left: list[str]) -> dict[str, Any]:
    status = Path("/proc/self/status").read_text()  # to ask the system for it is to change it
    return {
        "umask": int(status.partition("\nUmask:")[2].split(maxsplit=1)[0], 8),
        "locale": {number: locale.setlocale(number) for number in _LOCALES},
        "timeout": socket.getdefaulttimeout(),
        "digits": sys.get_int_max_str_digits(),
        "temporary": tempfile.tempdir,
        "warnings are logged": logging._warnings_showwarning is not None,  # type: ignore[attr-defined]
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


def _once_imported(
    module_name: str, set_options: Callable[[Any, dict[str, Any]], None]
) -> Callable[[InteractiveShell, Any], None]:
    def take(_shell: InteractiveShell, options: dict[str, Any]) -> None:
        when_imported(module_name, lambda module: set_options(module, options))

    return take


_Reader = Callable[[InteractiveShell, list[str]], Any]
_KINDS: dict[str, tuple[_Reader, Callable[[InteractiveShell, Any], None]]]
_KINDS = {
    "recursion limit": (_recursion_limit, lambda _, limit: sys.setrecursionlimit(limit)),
    "filters of warnings": (_filters, _set_filters),
    "apps": (_apps, _set_apps),
    "options of the shell": (_shell_options, _set_shell_options),
    "magics": (_magics, _set_magics),
    "aliases": (_aliases, _set_aliases),
    "loggers": (_loggers, _set_loggers),
    "options of numpy": (_numpy, _once_imported("numpy", _set_numpy)),
    "options of pandas": (_pandas, _once_imported("pandas", _set_pandas)),
    "options of scikit-learn": (_sklearn, _once_imported("sklearn", _set_sklearn)),
    "options of torch": (_torch, _once_imported("torch", _set_torch)),
    "context of decimal": (_decimal, _once_imported("decimal", _set_decimal)),
    "options of the process": (_process, _set_process),
    "rcParams": (_matplotlib, _once_imported("matplotlib", _set_matplotlib)),
}
