"""The settings: ``%config CaikitJobs`` and an IPython profile."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel

SETTINGS = (
    "max_workers", "start_method", "retention_duration", "cancel_grace_s", "exit_grace",
    "allow_unsafe_fork", "nested_loop", "preload",
)  # fmt: skip


@pytest.fixture
def settings(kernel: Kernel) -> Iterator[Kernel]:
    """The kernel, whose settings are put back at the end."""
    kernel.do(
        "from caikit_nb.notebook.extension import _extensions\n"
        "config = next(iter(_extensions.values())).settings\nbefore = dict(config._trait_values)"
    )
    yield kernel
    kernel.do("for name, value in before.items(): setattr(config, name, value)")


@pytest.mark.parametrize("name", SETTINGS)
def test_config_lists_every_setting_with_its_help(kernel: Kernel, name: str) -> None:
    text = kernel.do("%config CaikitJobs").text
    at = text.index(f"CaikitJobs.{name}=")
    described = text[at:].splitlines()[1:3]
    assert any(len(line.split()) > 3 for line in described)


def test_config_itself_lists_the_class(kernel: Kernel) -> None:
    assert "CaikitJobs" in kernel.do("%config").text


def test_no_more_jobs_than_max_workers_run_at_once(settings: Kernel, gate: Gate) -> None:
    settings.do("%config CaikitJobs.max_workers = 1")
    settings.do(f"%%caikit_job running\n{gate.wait}")
    settings.do("%%caikit_job waiting\n1")
    assert settings.value("[running.status.name, waiting.status.name]") == ["RUNNING", "QUEUED"]
    settings.card("waiting").wait_for("number 1 in the queue")
    gate.open()
    assert settings.value("waiting.result(120)") == 1


def test_more_workers_start_what_waits(settings: Kernel, gate: Gate) -> None:
    settings.do("%config CaikitJobs.max_workers = 1")
    settings.do(f"%%caikit_job running\n{gate.wait}")
    settings.do("%%caikit_job waiting\n1")
    settings.do("%config CaikitJobs.max_workers = 2")
    assert settings.value("waiting.result(120)") == 1
    assert settings.value("running.status.name") == "RUNNING"


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn", "thread"])
def test_the_start_method_of_the_settings_holds(settings: Kernel, method: str) -> None:
    settings.do(f"%config CaikitJobs.start_method = {method!r}")
    settings.do("%%caikit_job set_up\n1")
    assert settings.value("[set_up.start_method, set_up.result(120)]") == [method, 1]


def test_an_option_goes_before_the_setting(settings: Kernel) -> None:
    settings.do("%config CaikitJobs.start_method = 'spawn'")
    settings.do("%%caikit_job chosen -m thread --wait\n1")
    assert settings.value("chosen.start_method") == "thread"


def test_the_retention_of_the_settings_holds(settings: Kernel) -> None:
    settings.do("%config CaikitJobs.retention_duration = '0.2s'")
    settings.do("%%caikit_job brief -m thread --wait\n1")
    settings.until("brief._job.expired")
    assert "it was kept for 0.2 s" in settings.run("brief.result()").error


@pytest.mark.parametrize(
    "setting",
    ["max_workers = 0", "max_workers = 'many'", "start_method = 'frok'",
     "retention_duration = '1x'", "retention_duration = ''", "cancel_grace_s = -1",
     "exit_grace = 'soon'"],
)  # fmt: skip
def test_a_wrong_value_is_refused_and_the_old_one_stays(settings: Kernel, setting: str) -> None:
    name = setting.split()[0]
    before = settings.value(f"repr(config.{name})")
    cell = settings.run(f"%config CaikitJobs.{setting}")
    assert name in cell.error + cell.text
    assert settings.value(f"repr(config.{name})") == before


def test_a_cluster_in_the_settings_is_that_cluster_and_no_copy(settings: Kernel) -> None:
    settings.do("import threading\ncluster = threading.Lock()  # can't be copied either")
    line = "%config CaikitJobs.backend_config = {'dask': {'cluster': cluster}}"
    assert settings.do(line).text == ""
    assert settings.value("config.backend_config['dask']['cluster'] is cluster") is True
    # And further settings are taken.
    assert settings.do("%config CaikitJobs.max_workers = 3").text == ""
    assert settings.value("[config.max_workers, list(config.backend_config)]") == [3, ["dask"]]


def test_a_profile_sets_them(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    lines = [
        "c = get_config()",
        "c.CaikitJobs.max_workers = 7",
        "c.CaikitJobs.start_method = 'thread'",
    ]
    (profile / "ipython_kernel_config.py").write_text("\n".join(lines))
    kernel = start_kernel(IPYTHONDIR=str(tmp_path / "ipython"))
    kernel.do("%load_ext caikit_nb")
    assert "CaikitJobs.max_workers=7" in kernel.do("%config CaikitJobs").text.replace(" ", "") or (
        "Current: 7" in kernel.do("%config CaikitJobs").text
    )
    kernel.do("%%caikit_job profiled --wait\n1")
    assert kernel.value("profiled.start_method") == "thread"


TICKING = """
import asyncio
ticks = []
async def tick():
    while True:
        ticks.append(1)
        await asyncio.sleep(0.001)
ticker = asyncio.ensure_future(tick())
await asyncio.sleep(0)
"""
COUNT_WHILE_WAITING = """
before = len(ticks)
print('waits')
value = held.result(120)
print(json.dumps([value, len(ticks) - before]))
"""
OPEN_AFTER_TICKS = """
async def open_after(count):
    while len(ticks) < count:
        await asyncio.sleep(0.001)
    {opening}
opener = asyncio.ensure_future(open_after(len(ticks) + 6))
"""


@pytest.mark.parametrize("nested", [False, True])
def test_a_blocking_wait_keeps_the_loops_tasks_going_if_asked(
    start_kernel: Callable[..., Kernel], gate: Gate, nested: bool
) -> None:
    kernel = start_kernel()
    kernel.do(f"%load_ext caikit_nb\nimport json\n%config CaikitJobs.nested_loop = {nested}")
    kernel.do(TICKING)
    kernel.do(f"%%caikit_job held -m fork\n{gate.wait}\n7")
    code = COUNT_WHILE_WAITING
    if nested:  # the loop itself lets the job go on
        code = OPEN_AFTER_TICKS.format(opening=gate.opening) + code
    cell = kernel.execute(code)
    kernel.wait_for_text(cell, "waits")
    if not nested:
        gate.open()
    value, ticks = json.loads(kernel.finish(cell).text.removeprefix("waits"))
    assert value == 7
    assert ticks > 5 if nested else ticks == 0
    assert kernel.value("1 + 1") == 2
