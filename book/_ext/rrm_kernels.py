"""Kernels for a build of the book, forked from one process that has imported what pages import.

A kernel started afresh imports the same packages for every page, which takes longer than the code
of most. Where a process cannot safely be forked (macOS, Windows), Jupyter starts kernels itself.
"""

import atexit
import contextlib
import functools
import importlib
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
from importlib.metadata import EntryPoint

from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner
from rrm_companion.chapters import QUIET

IMPORTED = ["altair", "IPython.core.pylabtools", "ipykernel.kernelapp", "scipy.stats", "torch"]
IMPORTED += ["rrm_companion.charts", "rrm_companion.show", "rrm_core.runs.measure"]
LAUNCHER = [sys.executable, "-m", "ipykernel_launcher"]
AFRESH = 2  # kernels that Jupyter starts before: a build of one page or two imports no more


class Forked:
    """A forked kernel with what Jupyter asks of a ``subprocess.Popen``."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        """None while it runs; how it ended is not known."""
        with contextlib.suppress(ProcessLookupError):
            return os.kill(self.pid, 0)
        return 0

    wait = poll  # called when it has ended

    def send_signal(self, number: int) -> None:
        """Raises ``ProcessLookupError`` when it has ended."""
        os.kill(self.pid, number)


class Provisioner(LocalProvisioner):
    """Forks this environment's own kernels, from the third on; starts others as Jupyter does.

    Its own are quiet: what goes wrong in a cell is told by the build.
    """

    started = itertools.count()

    async def launch_kernel(self, cmd: list[str], **options):
        own = cmd[:3] == LAUNCHER
        cmd = [*cmd, *QUIET] if own else cmd
        if not own or next(self.started) < AFRESH:
            return await super().launch_kernel(cmd, **options)
        cwd = options.get("cwd") or os.getcwd()
        asked = {"arguments": cmd[3:], "env": dict(options["env"]), "cwd": str(cwd)}
        print(json.dumps(asked), file=server().stdin, flush=True)
        self.process = Forked(int(server().stdout.readline()))
        self.pid = self.pgid = self.process.pid
        self.cwd = pathlib.Path(cwd)
        return self.connection_info


@functools.cache
def server() -> subprocess.Popen:
    """The process that forks; it ends when its standard input does, so with this one at last."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, __file__, *IMPORTED]
    process = subprocess.Popen(command, start_new_session=True, **pipes)
    atexit.register(process.communicate)
    return process


def prepare() -> None:
    """Kernels that this process starts from now on are forked, on Linux."""
    if sys.platform == "linux":
        factory, name = KernelProvisionerFactory.instance(), "rrm-forked"
        factory.provisioners[name] = EntryPoint(name, f"{__name__}:Provisioner", factory.GROUP_NAME)
        factory.default_provisioner_name = name


# --- in the process that forks -------------------------------------------------------------------


def serve() -> None:
    """A kernel for every line of standard input, and its number on standard output."""
    sys.path.pop(0)  # the folder of this file
    for name in sys.argv[1:]:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, reap)
    for line in sys.stdin:
        if number := os.fork():
            print(number, flush=True)
        else:
            become(**json.loads(line))


def reap(*_: object) -> None:
    """Forget the kernels that have ended."""
    with contextlib.suppress(ChildProcessError):  # none is left
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def become(arguments: list[str], env: dict[str, str], cwd: str) -> None:
    """Go on as a kernel, until the build asks it to end or has itself ended."""
    from ipykernel import kernelapp

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what the code prints by itself is no answer to the build
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    parent = f"--IPKernelApp.parent_handle={os.getppid()}"
    kernelapp.launch_new_instance(argv=[*arguments, parent])
    os._exit(0)


if __name__ == "__main__":
    serve()
