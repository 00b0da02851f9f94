"""The options of ``%%caikit_job``: one table, one parser, one-line errors."""

from __future__ import annotations

import argparse
import ast
import builtins
import keyword
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from IPython.core.error import UsageError

from caikit_nb.backends import backend_types
from caikit_nb.errors import BackendError
from caikit_nb.jobs.durations import parse_duration
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import check_resources, check_retries
from caikit_nb.jobs.save_paths import check_save_path
from caikit_nb.jobs.seeds import seed_of
from caikit_nb.jobs.sizes import parse_size
from caikit_nb.jobs.start_method import START_METHODS
from caikit_nb.notebook.cell_options import NOT_GIVEN, CellOptions

_TOKEN = re.compile(r"""(?:"[^"]*"|'[^']*'|[^\s"'])+""")
_COMMENT = re.compile(r"""(\s*(?:(?:"[^"]*"|'[^']*'|[^\s"'])+\s+)*?)\#""")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # "argument -o/--out: …" reads better with the magic in front.
        message = message.removeprefix("argument ")
        if message.startswith("unrecognized arguments: "):
            unknown = message.removeprefix("unrecognized arguments: ")
            message = f"unknown option {unknown}; the options are {', '.join(_LONG_OPTIONS)}"
        raise UsageError(f"{self.prog}: {message}")


def _make_parser() -> _Parser:
    parser = _Parser(prog="%%caikit_job", add_help=False, allow_abbrev=False)
    parser.add_argument("name", nargs="?", metavar="NAME")
    parser.add_argument("-o", "--out", type=_names, action="append")
    parser.add_argument("-i", "--in", dest="names_in", type=_names, action="append")
    parser.add_argument("-m", "--start-method", type=_start_method)
    parser.add_argument("-b", "--backend", type=_backend)
    parser.add_argument("--resources", type=_resource, action="append", default=[])
    parser.add_argument("--on", metavar="WORKER")
    parser.add_argument("-p", "--param", type=_param, action="append", default=[])
    parser.add_argument("-e", "--experiment", metavar="NAME")
    parser.add_argument("--next", dest="takes_next", action="store_true")
    parser.add_argument("--retain", type=_duration, default=NOT_GIVEN)
    parser.add_argument("--timeout", type=_duration)
    parser.add_argument("--memory-limit", type=_size)
    parser.add_argument("--after", type=_job_names, action="append", default=[])
    parser.add_argument("--retries", type=_retries, default=0)
    parser.add_argument("--seed", type=_seed)
    parser.add_argument("--save-path", type=_save_path)
    parser.add_argument("--save-with-id", action="store_true")
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    return parser


def parse_cell_line(
    line: str, namespace: Mapping[str, Any], jobs: Mapping[str, JobFuture]
) -> CellOptions:
    """Read the line of a cell magic.

    Args:
        line: What stands behind the magic.
        namespace: The kernel's variables.
        jobs: The session's jobs.

    Raises:
        UsageError: something in it isn't accepted; one line that names it and says what is.
    """
    commented = _COMMENT.match(line)
    return _options(_split(line if commented is None else commented[1]), namespace, jobs)


def whole_line(line: str, cell: str) -> tuple[str, str]:
    """A cell magic's line with those that it goes on in after a backslash, and the other lines."""
    while line.rstrip().endswith("\\"):
        rest, _, cell = cell.partition("\n")
        line = f"{line.rstrip()[:-1]}\n{rest}"
    return line, cell


def parse_expression_line(
    line: str, namespace: Mapping[str, Any], jobs: Mapping[str, JobFuture]
) -> tuple[CellOptions, str]:
    """Read the line of a line magic: options, then an expression to the end of the line.

    Takes what `parse_cell_line` takes.

    Raises:
        UsageError: as `parse_cell_line`, or there is no expression.
    """
    at, tokens = 0, []
    actions = _PARSER._option_string_actions
    while (match := _TOKEN.match(line, at + _blanks(line, at))) and match[0].startswith("-"):
        tokens.append(match[0])
        at = match.end()
        action = actions.get(match[0])
        if action is not None and action.nargs != 0:
            value = _TOKEN.match(line, at + _blanks(line, at))
            if value:
                tokens.append(value[0])
                at = value.end()
    expression = line[at:].strip()
    options = _options([part for token in tokens for part in _split(token)], namespace, jobs)
    if not expression:
        raise UsageError("%caikit_job: an expression is needed, e.g. %caikit_job train(data)")
    return options, expression


def _blanks(line: str, at: int) -> int:
    return len(line[at:]) - len(line[at:].lstrip())


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"%%caikit_job: {error} in the line {line.strip()!r}") from None


def _options(
    tokens: list[str], namespace: Mapping[str, Any], jobs: Mapping[str, JobFuture]
) -> CellOptions:
    given = _PARSER.parse_args(tokens)
    names_in = None if given.names_in is None else _flat(given.names_in)
    for name in names_in or ():
        if name not in namespace:
            raise UsageError(f"%%caikit_job: -i/--in: there is no variable {name!r}")
    if given.save_with_id and given.save_path is None:
        raise UsageError("%%caikit_job: --save-with-id needs --save-path PATH")
    if given.takes_next and given.experiment is None:
        raise UsageError("%%caikit_job: --next needs -e/--experiment NAME")
    return CellOptions(
        name=_check_name(given.name, namespace),
        out=_flat(given.out or []),
        names_in=names_in,
        start_method=given.start_method,
        params=dict(given.param),
        experiment=given.experiment,
        takes_next=given.takes_next,
        retain=given.retain,
        timeout=given.timeout,
        memory_limit=given.memory_limit,
        after=tuple(_job(name, jobs) for name in _flat(given.after)),
        retries=given.retries,
        seed=given.seed,
        backend=given.backend,
        resources=dict(given.resources),
        on=given.on,
        save_path=given.save_path,
        save_with_id=given.save_with_id,
        wait=given.wait,
        quiet=given.quiet,
    )


def _check_name(name: str | None, namespace: Mapping[str, Any]) -> str | None:
    if name is None:
        return None
    if not name.isidentifier() or keyword.iskeyword(name):
        raise UsageError(f"%%caikit_job: NAME must be an identifier such as train, not {name!r}")
    bound = namespace.get(name, getattr(builtins, name, None))
    if bound is not None and not isinstance(bound, JobFuture):
        kind = type(bound).__name__
        raise UsageError(
            f"%%caikit_job: {name!r} is bound to a {kind}, which would be lost: "
            "choose a NAME that is free or a job's"
        )
    return name


def _job(name: str, jobs: Mapping[str, JobFuture]) -> JobFuture:
    try:
        return jobs[name]
    except KeyError as error:
        raise UsageError(f"%%caikit_job: --after: {error.args[0]}") from None


def _flat(groups: list[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in groups for name in group))


def _job_names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _retries(text: str) -> Any:
    return _parsed(text, lambda given: check_retries(_whole(given)))


def _seed(text: str) -> Any:
    return _parsed(text, lambda given: seed_of(_whole(given), 0))


def _save_path(text: str) -> Any:
    checked = _parsed(text, check_save_path)
    return None if checked is None else str(Path(checked).expanduser())


def _whole(text: object) -> object:
    """The whole number that a text stands for, else the text."""
    digits = str(text)
    return int(digits) if digits.isascii() and digits.isdigit() else text


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    for name in names:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise argparse.ArgumentTypeError(
                f"{name!r} is not a variable's name: use e.g. model,history"
            )
    return names


def _param(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE: use e.g. -p lr=0.1")
    if keyword.iskeyword(name):
        raise argparse.ArgumentTypeError(
            f"{name} is a keyword of Python, and no variable can have that name: "
            f"use e.g. -p {name}_={value}"
        )
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return name, value


def _start_method(text: str) -> str:
    if text not in START_METHODS:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(START_METHODS)}")
    return text


def _backend(text: str) -> str:
    try:
        backend_types.backend_class(text)
    except (ValueError, BackendError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _resource(text: str) -> tuple[str, float]:
    name, _, amount = text.partition("=")
    try:
        ((name, number),) = check_resources({name: float(amount)}).items()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=AMOUNT: use e.g. GPU=1") from None
    return name, number


def _duration(text: str) -> Any:
    return _parsed(text, parse_duration)


def _size(text: str) -> Any:
    return _parsed(text, parse_size)


def _parsed(text: str, parse: Callable[[object], Any]) -> Any:
    try:
        return None if text == "None" else parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


_PARSER = _make_parser()
_LONG_OPTIONS = [action.option_strings[-1] for action in _PARSER._actions if action.option_strings]
