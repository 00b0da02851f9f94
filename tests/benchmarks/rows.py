"""The rows of the table."""

from tests.benchmarks.row import BEST_PEER, Contender, Goal, Kind, Row

OURS = "ours"
_OURS, _LIMIT = Kind.OURS, Kind.LIMIT

EMPTY = Row(
    "empty",
    "an empty job, forked, submit to result",
    (
        Contender(OURS, "jobs:ours", _OURS),
        Contender("our DestroyableProcess", "jobs:our_process", _OURS),
        Contender("ours in a notebook, with its card", "jobs:ours_with_card", _OURS),
        Contender("fork+wait", "jobs:fork_and_wait", _LIMIT),
        Contender("multiprocessing fork and Pipe", "jobs:plain_fork"),
        Contender("caikit's DestroyableProcess", "jobs:caikit_process", requires="caikit"),
        Contender("pebble", "jobs:pebble", requires="pebble"),
        Contender("submitit", "jobs:submitit", requires="submitit"),
    ),
    (
        Goal(1.0, "multiprocessing fork and Pipe"),
        Goal(1.0, "caikit's DestroyableProcess"),
    ),
    rounds=10,
    remark="Each call has a process of its own. Ours is `JobExecutor.submit(f).result()` with the "
    "guard, the log and the retention of every job, without limits and a card. Their code touches "
    "a thousand pages in parent and child, each of which the fork has write-protected.",
)

STANDING = Row(
    "standing",
    "the same, of pools whose processes stay",
    (
        Contender(OURS, "jobs:ours", _OURS),
        Contender("concurrent.futures", "jobs:executors"),
        Contender("loky", "jobs:loky", requires="loky"),
        Contender("mpire", "jobs:mpire", requires="mpire"),
        Contender("ipyparallel", "jobs:ipyparallel", requires="ipyparallel"),
        Contender("Dask", "jobs:dask", requires="distributed"),
        Contender("Ray", "jobs:ray", requires="ray"),
    ),
    remark="No goal: their processes have not the kernel's namespace, and what one call leaves "
    "behind or breaks the next one meets.",
)

MANY = Row(
    "many",
    "300 empty jobs at once, 2 workers",
    (
        Contender(OURS, "jobs:many_ours", _OURS),
        Contender("multiprocessing fork and Pipe, 2 at a time", "jobs:many_plain_forks"),
    ),
    (Goal(1.0, "multiprocessing fork and Pipe, 2 at a time"),),
    calls=1,
    remark="All of ours are forked when they are submitted, as each has the namespace of then.",
)

FORKSERVER = Row(
    "forkserver",
    "an empty job, warm forkserver",
    (
        Contender(OURS, "jobs:ours_forkserver", _OURS),
        Contender("multiprocessing forkserver", "jobs:plain_forkserver"),
        Contender("multiprocessing fork and Pipe", "jobs:plain_fork"),
        Contender("a new interpreter with NumPy", "jobs:new_interpreter", _LIMIT),
    ),
    (Goal(10.0), Goal(3.2, "multiprocessing fork and Pipe")),
    remark="The second goal is the first one where a plain fork takes the 3.1 ms that the goals "
    "were set with.",
)

ARRAY_IN = Row(
    "array_in",
    "a job over 1 GiB that is in the kernel",
    (
        Contender(OURS, "arrays:in_ours", _OURS),
        Contender("fork+wait", "arrays:in_fork_and_wait", _LIMIT),
        Contender("concurrent.futures", "arrays:in_executor"),
        Contender("loky", "arrays:in_loky", requires="loky"),
        Contender("Dask", "arrays:in_dask", requires="distributed"),
        Contender("Ray", "arrays:in_ray", requires="ray"),
    ),
    (Goal(0.1, BEST_PEER), Goal(3.0, "fork+wait")),
    calls=3,
    rounds=3,
    apart=True,
)

ARRAY_OUT = Row(
    "array_out",
    "1 GiB as a result, writable",
    (
        Contender(OURS, "arrays:out_ours", _OURS),
        Contender("filling 1 GiB of fresh memory", "arrays:out_fill", _LIMIT),
        Contender("one copy in memory", "arrays:out_copy", _LIMIT),
        Contender("concurrent.futures", "arrays:out_executor"),
        Contender("Ray, read-only", "arrays:out_ray", requires="ray"),
    ),
    (Goal(1.0, "Ray, read-only"), Goal(2.0, "filling 1 GiB of fresh memory")),
    calls=3,
    rounds=3,
    apart=True,
    remark="The array is there where the job runs; until the kernel has it and has written to it. "
    "It is copied once, into shared memory, which has small pages where the system doesn't give "
    "it large ones.",
)

ROUND_TRIP = Row(
    "round_trip",
    "a trivial cell's round trip beside 32 busy jobs, p99",
    (
        Contender(OURS, "kernels:busy_with_jobs", _OURS),
        Contender("an idle kernel", "kernels:idle", _LIMIT),
        Contender("beside 32 processes that write to files", "kernels:beside_processes", _LIMIT),
    ),
    (Goal(2.0, "an idle kernel"), Goal(2.0, "beside 32 processes that write to files")),
    calls=200,
    rounds=2,
    apart=True,
    outside=True,
    quantile=0.99,
    remark="Each job prints 1,000 lines and logs 100 metrics a second, and has a card. The last "
    "one is what the same work costs the machine without us.",
)

LINES = Row(
    "lines",
    "1,000,000 printed lines",
    (
        Contender(OURS, "kernels:printed_by_job", _OURS),
        Contender("the same job to a file", "kernels:written_by_job", _LIMIT),
        Contender("to a file, line by line", "kernels:each_written_by_job", _LIMIT),
        Contender("a subprocess's pipe", "kernels:printed_to_pipe"),
    ),
    (Goal(1.5, "the same job to a file"), Goal(1.5, "to a file, line by line")),
    unit="s",
    scale=1.0,
    calls=1,
    rounds=3,
    remark="A job writes each line at once, so that what it has printed is in its log also if it "
    "crashes the next moment; a file gets blocks, the last of which a crash loses.",
)

LINES_MEMORY = Row(
    "lines_memory",
    "1,000,000 printed lines: the kernel's growth at its peak",
    (Contender(OURS, "kernels:growth_by_lines", _OURS),),
    (Goal(20.0),),
    unit="MB",
    scale=1e-6,
    calls=1,
    rounds=2,
)

KEPT = Row(
    "kept",
    "a submission with 10,000 finished jobs kept",
    (
        Contender(OURS, "kernels:submit_with_many_kept", _OURS),
        Contender("the first ones", "kernels:submit_first", _OURS),
    ),
    (Goal(1.1, "the first ones"),),
    rounds=8,
    remark="Their records, about 5 kB each, are more page tables for a fork to copy.",
)

LOAD = Row(
    "load",
    "%load_ext caikit_nb",
    (Contender(OURS, "kernels:load_extension", _OURS),),
    (Goal(100.0),),
    calls=1,
    rounds=5,
    apart=True,
    remark="In a kernel that has IPython, ipywidgets and NumPy.",
)

DRAWS = tuple(
    Row(
        f"draws_{database}",
        f"`next_job` with 8 workers, {name}",
        (
            Contender(OURS, f"draws:{database}_ours", _OURS, "sqlalchemy"),
            Contender("Optuna's ask", f"draws:{database}_optuna", requires="optuna"),
        ),
        (Goal(1.0, "Optuna's ask"),),
        calls=1,
        rounds=4,
        remark="Seconds a draw of all workers together; random search, one hyperparameter.",
    )
    for database, name in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL"))
)

INFER = Row(
    "infer",
    "`ModelInfer` of a 4 kB tensor",
    (
        Contender(OURS, "serving:infer_ours", _OURS, "grpc"),
        Contender("a bare grpc.aio echo", "serving:infer_bare_aio", requires="grpc"),
        Contender("a bare grpc echo, threads", "serving:infer_bare_threads", requires="grpc"),
    ),
    (Goal(1.3, BEST_PEER),),
    rounds=10,
    calls=5,
    remark="A function that returns what it is given; the bare servers return the message's "
    "bytes. One client, in a process of its own, asks over the loopback device, one request after "
    "another: 200 a measure, of which the median counts.",
)

ROWS = (
    EMPTY,
    STANDING,
    MANY,
    FORKSERVER,
    ARRAY_IN,
    ARRAY_OUT,
    ROUND_TRIP,
    LINES,
    LINES_MEMORY,
    KEPT,
    LOAD,
    *DRAWS,
    INFER,
)
