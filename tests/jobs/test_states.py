"""The states of a job."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caikit_nb.jobs.states import JobStatus, StateMachine

TERMINAL = {JobStatus.COMPLETED, JobStatus.CANCELED, JobStatus.ERRORED, JobStatus.PRUNED}
statuses = st.sampled_from(JobStatus)


def test_the_numbers_are_those_of_caikit() -> None:
    numbers = {status.name: status.value for status in JobStatus}
    assert numbers == {
        "QUEUED": 1, "RUNNING": 2, "COMPLETED": 3, "CANCELED": 4, "ERRORED": 5, "PRUNED": 6
    }  # fmt: skip


@pytest.mark.parametrize("status", JobStatus)
def test_four_states_are_terminal(status: JobStatus) -> None:
    assert status.is_terminal == (status in TERMINAL)


def test_a_job_is_queued_first() -> None:
    assert StateMachine().status is JobStatus.QUEUED


@given(st.lists(statuses))
def test_a_terminal_state_is_final(moves: list[JobStatus]) -> None:
    machine = StateMachine()
    for to in moves:
        before = machine.status
        moved = machine.move(to)
        assert moved == (machine.status is not before)
        assert not (before.is_terminal and moved)


@given(st.lists(statuses))
def test_a_job_completes_only_after_it_has_run(moves: list[JobStatus]) -> None:
    machine = StateMachine()
    seen = [to for to in moves if machine.move(to)]
    if JobStatus.COMPLETED in seen or JobStatus.PRUNED in seen:
        assert seen[0] is JobStatus.RUNNING


def test_of_several_moves_at_once_exactly_one_wins() -> None:
    ends = [JobStatus.COMPLETED, JobStatus.CANCELED, JobStatus.ERRORED, JobStatus.PRUNED] * 2
    with ThreadPoolExecutor(len(ends)) as pool:
        for _ in range(200):
            machine, barrier = StateMachine(), threading.Barrier(len(ends))
            machine.move(JobStatus.RUNNING)

            def end(to: JobStatus, machine=machine, barrier=barrier) -> bool:  # type: ignore[no-untyped-def]
                barrier.wait(120)
                return bool(machine.move(to))

            won = [to for to, wins in zip(ends, pool.map(end, ends), strict=True) if wins]
            assert won == [machine.status]
