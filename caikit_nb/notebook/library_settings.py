"""What a notebook has set in libraries, and put onto their classes, for a fresh interpreter.

A library's part is set once the job imports it, and isn't read before: a job that doesn't need the
library doesn't wait for it.
"""

from __future__ import annotations

import contextlib
import functools
import pickle
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from caikit_nb.execution.pickler import dumps
from caikit_nb.execution.user_code import module_of
from caikit_nb.jobs.import_hooks import when_imported

_NO_DIFFERENCE = ("backend", "backend_fallback", "interactive")  # of matplotlib, in a job
_CLASSES = {
    "pandas": ("DataFrame", "Series", "Index"),
    "polars": ("DataFrame", "LazyFrame", "Series", "Expr"),
}


def _numpy(numpy: Any) -> dict[str, Any]:
    return {"print": numpy.get_printoptions(), "errors": numpy.geterr()}


def _set_numpy(numpy: Any, options: dict[str, Any]) -> None:
    numpy.set_printoptions(**{k: v for k, v in options["print"].items() if k != "override_repr"})
    numpy.seterr(**options["errors"])


def _pandas(pandas: Any) -> dict[str, Any]:
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


def _polars(polars: Any) -> str:
    return str(polars.Config.save())


def _set_polars(polars: Any, options: str) -> None:
    polars.Config.load(options)


def _matplotlib(matplotlib: Any) -> dict[str, Any]:
    standard = matplotlib.rcParamsDefault
    return {
        name: value
        for name, value in matplotlib.rcParams.items()
        if name not in _NO_DIFFERENCE and standard.get(name) != value
    }


def _set_matplotlib(matplotlib: Any, options: dict[str, Any]) -> None:
    matplotlib.rcParams.update(options)


def _sklearn(sklearn: Any) -> Any:
    return sklearn.get_config()


def _set_sklearn(sklearn: Any, options: dict[str, Any]) -> None:
    sklearn.set_config(**options)


def _dask(config: Any) -> Any:
    return config.config


def _set_dask(config: Any, options: dict[str, Any]) -> None:
    config.update(config.config, options)


def _torch(torch: Any) -> dict[str, Any]:
    return {
        "default_dtype": torch.get_default_dtype(),
        "default_device": getattr(torch, "get_default_device", lambda: None)(),
        "is_grad_enabled": torch.is_grad_enabled(),
        "deterministic": (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        "precision": torch.get_float32_matmul_precision(),
        "anomalies": torch.is_anomaly_enabled(),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "threads": torch.get_num_threads(),
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
    torch.set_float32_matmul_precision(options["precision"])
    torch.autograd.set_detect_anomaly(options["anomalies"])
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = options["cudnn"]
    torch.set_num_threads(options["threads"])
    torch.set_printoptions(**options["print"])


def _decimal(decimal: Any) -> Any:
    return decimal.getcontext()


def _set_decimal(decimal: Any, context: Any) -> None:
    decimal.setcontext(context)


def _sqlite(sqlite: Any) -> dict[str, Any]:
    """How the user's own types are stored and read."""
    return {
        "adapters": [
            (kind, adapter)
            for (kind, _), adapter in sqlite.adapters.items()
            if not _is_of(adapter, "sqlite3")
        ],
        "converters": [
            (name, converter)
            for name, converter in sqlite.converters.items()
            if not _is_of(converter, "sqlite3")
        ],
    }


def _set_sqlite(sqlite: Any, told: dict[str, Any]) -> None:
    for kind, adapter in told["adapters"]:
        sqlite.register_adapter(kind, adapter)
    for name, converter in told["converters"]:
        sqlite.register_converter(name, converter)


def _is_of(function: Any, package: str) -> bool:
    return str(getattr(function, "__module__", "")).partition(".")[0] == package


def _additions(library: Any) -> list[tuple[str, str, str, Any]]:
    """What the notebook has put onto the library's classes: accessors, and functions."""
    found: list[tuple[str, str, str, Any]] = []
    for class_name in _CLASSES[library.__name__]:
        for name, value in vars(getattr(library, class_name)).items():
            if type(value) is types.FunctionType:
                if value.__module__ == "__main__":
                    found.append((class_name, name, "function", value))
            elif (accessor := _registered(value, library.__name__)) is not None:
                found.append((class_name, name, "accessor", accessor))
    return found


def _registered(value: Any, package: str) -> type | None:
    """The notebook's class that stands in one of the library's descriptors, of any other None."""
    if str(module_of(type(value))).partition(".")[0] != package:
        return None  # it may be the user's own, which isn't asked
    held: Any = getattr(value, "_accessor", None)  # of pandas; of polars, the name
    if not issubclass(type(held), type):
        held = getattr(value, "_ns", None)
    return held if issubclass(type(held), type) and module_of(held) == "__main__" else None


def _add(library: Any, additions: list[tuple[str, str, str, Any]]) -> None:
    for class_name, name, kind, value in additions:
        if kind == "function":
            setattr(getattr(library, class_name), name, value)
        elif library.__name__ == "pandas":
            register = f"register_{class_name.lower()}_accessor"
            getattr(library.api.extensions, register)(name)(value)
        else:
            getattr(library.api, f"register_{class_name.lower()}_namespace")(name)(value)


def _progress_apply(pandas: Any) -> tuple[Any, dict[str, Any]] | None:
    """With what `tqdm.pandas` was called: its function has that in its closure."""
    function = getattr(pandas.DataFrame, "progress_apply", None)
    if not isinstance(function, types.FunctionType) or function.__closure__ is None:
        return None
    cells = dict(zip(function.__code__.co_freevars, function.__closure__, strict=True))
    return cells["cls"].cell_contents, cells["tqdm_kwargs"].cell_contents


def _set_progress_apply(_pandas: Any, told: tuple[Any, dict[str, Any]]) -> None:
    bar, options = told
    bar.pandas(**options)


def _inline_figures(inline: Any) -> dict[str, Any]:
    """``%config InlineBackend`` as it differs from what is usual."""
    kind = inline.InlineBackend
    if not kind.initialized():
        return {}
    backend = kind.instance()
    names = ("figure_formats", "print_figure_kwargs", "close_figures", "rc")
    standard = {name: kind.class_traits()[name].default() for name in names}
    return {
        name: getattr(backend, name) for name in names if getattr(backend, name) != standard[name]
    }


def _set_inline_figures(inline: Any, options: dict[str, Any]) -> None:
    backend = inline.InlineBackend.instance(parent=InteractiveShell.instance())
    for name, value in options.items():
        setattr(backend, name, value)


# By what people call it: the module, what reads it there, and what sets it here.
_PARTS: dict[str, tuple[str, Callable[[Any], Any], Callable[[Any, Any], None]]] = {
    "options of numpy": ("numpy", _numpy, _set_numpy),
    "options of pandas": ("pandas", _pandas, _set_pandas),
    "additions to pandas": ("pandas", _additions, _add),
    "progress_apply of pandas": ("pandas", _progress_apply, _set_progress_apply),
    "options of polars": ("polars", _polars, _set_polars),
    "additions to polars": ("polars", _additions, _add),
    "options of scikit-learn": ("sklearn", _sklearn, _set_sklearn),
    "options of torch": ("torch", _torch, _set_torch),
    "options of dask": ("dask.config", _dask, _set_dask),
    "context of decimal": ("decimal", _decimal, _set_decimal),
    "adapters of sqlite3": ("sqlite3", _sqlite, _set_sqlite),
    "rcParams": ("matplotlib", _matplotlib, _set_matplotlib),
    "%config InlineBackend": ("matplotlib_inline.config", _inline_figures, _set_inline_figures),
}

_Reader = Callable[[InteractiveShell, list[str]], Any]
_Setter = Callable[[InteractiveShell, Any], None]


def parts() -> Iterator[tuple[str, tuple[_Reader, _Setter]]]:
    """Each part by its name: what reads it in the kernel, and what sets it in the job."""
    for name, (module_name, read, set_up) in _PARTS.items():
        yield (
            name,
            (
                functools.partial(_read, module_name, read),
                functools.partial(_set_once_imported, module_name, set_up),
            ),
        )


def _read(
    module_name: str, read: Callable[[Any], Any], _shell: InteractiveShell, _left: list[str]
) -> bytes | None:
    module = sys.modules.get(module_name)
    value = None if module is None else read(module)
    # By itself: to rebuild it may take the library.
    return dumps(value) if value else None


def _set_once_imported(
    module_name: str, set_up: Callable[[Any, Any], None], _shell: InteractiveShell, pickled: bytes
) -> None:
    def take(module: Any) -> None:
        set_up(module, pickle.loads(pickled))  # noqa: S301 - from this user's kernel

    when_imported(module_name, take)
