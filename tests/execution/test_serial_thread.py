"""Work that is handed to a thread of its own."""

import subprocess
import sys
import textwrap


def test_what_is_put_at_the_end_of_a_process_is_done() -> None:
    """From Python 3.12 on no thread can be started then."""
    program = """
        import atexit
        from caikit_nb.execution.serial_thread import SerialThread
        late = SerialThread("late")
        def at_end():
            late.put(lambda: print("first"))
            late.put(lambda: print("second", flush=True))
            late.finish(60)
        atexit.register(at_end)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == "first\nsecond\n"
