"""A forked job keeps none of its kernel's ports, or a restart would find them taken."""

from tests.notebook.kernel import Kernel

PORTS = """
import os, socket
def ports():
    found = set()
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            own = socket.socket(fileno=fd)
        except OSError:
            continue
        if own.family == socket.AF_INET:
            found.add(own.getsockname()[1])
        own.detach()
    return sorted(found)
"""


def test_a_forked_job_holds_none_of_its_kernels_ports(kernel: Kernel) -> None:
    connection = kernel.manager.get_connection_info()
    taken = {connection[f"{name}_port"] for name in ("shell", "iopub", "stdin", "control", "hb")}
    kernel.do(PORTS)
    assert taken <= set(kernel.value("ports()"))
    kernel.do("%%caikit_job held -m fork\nports()")
    assert not taken & set(kernel.value("held.result(120)", 180))


def test_a_socket_of_the_users_own_stays_open_in_a_job(kernel: Kernel) -> None:
    kernel.do(PORTS + "\nserver = socket.create_server(('127.0.0.1', 0))")
    kernel.do("%%caikit_job shared -m fork\nports()")
    own = kernel.value("server.getsockname()[1]")
    assert own in kernel.value("shared.result(120)", 180)
    kernel.do("server.close()")
