"""How a program uses its machine: memory, compiled programs, CPU devices, cores.

Only the programs do this, before JAX starts its threads: a library has no business to
change the process that it is called from. What the user has set in the environment of JAX
or of glibc is left as it is.
"""

import contextlib
import ctypes
import hashlib
import os
import platform
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from absl import flags
from PIL import Image

COMPILATION_CACHE = flags.DEFINE_boolean(
    "compilation_cache",
    True,
    "Keep compiled programs in $XDG_CACHE_HOME/rcsr_jax (~/.cache/rcsr_jax), so that the "
    "next start does not compile them again; JAX_COMPILATION_CACHE_DIR names another "
    "folder.",
)

_MOST_PIXELS = 250_000_000  # of a photo: phones take 200 million, Pillow stops at 89
_PAGE = 2 << 20  # bytes of a huge page
_MADV_HUGEPAGE = 14
# the parameters of mallopt
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_MMAP_MAX_DEFAULT, _TRIM_DEFAULT = 65536, 128 << 10


class StopRequest:
    """Whether SIGTERM, SIGINT or SIGHUP has come; a second one interrupts at once."""

    def __init__(self):
        self.came = False

    def listen(self) -> dict[signal.Signals, Any]:
        """Takes the signals from now on; returns who took each before."""
        kinds = (signal.SIGINT, *ends_from_outside())
        return {kind: signal.signal(kind, self._note) for kind in kinds}

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Takes the signals until the end of a block."""
        before = self.listen()
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)

    def __call__(self) -> bool:
        """Whether one has come."""
        return self.came

    def _note(self, *_: object) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True


def ends_from_outside() -> tuple[signal.Signals, ...]:
    """The signals that end a process: SIGTERM, and SIGHUP of a terminal that is closed.

    Under nohup the second one is ignored, and stays so.
    """
    closed = getattr(signal, "SIGHUP", None)  # unknown to Windows
    if closed is None or signal.getsignal(closed) == signal.SIG_IGN:
        return (signal.SIGTERM,)
    return signal.SIGTERM, closed


def set_up() -> None:
    """Prepares the process of a program; to be called once, before JAX computes."""
    Image.MAX_IMAGE_PIXELS = _MOST_PIXELS
    keep_freed_memory()
    if COMPILATION_CACHE.value:
        keep_compiled_programs()


def keep_freed_memory() -> bool:
    """Makes malloc keep freed memory for its next caller, in huge pages.

    Every update of a training frees and allocates hundreds of megabytes. By default glibc
    maps such blocks one by one and gives them back, so that the kernel clears the same
    small pages again and again: a fifth of the time of a CPU.

    Returns:
        Whether it does now: only with glibc on Linux, not where GLIBC_TUNABLES or a
        MALLOC_ variable is set, and not where another thread has brought malloc to make
        further heaps before; all of that is harmless.
    """
    chosen = any(name.startswith(("GLIBC_", "MALLOC_")) for name in os.environ)
    if chosen or sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.sbrk.argtypes = [ctypes.c_ssize_t]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, -1)
    # Advice holds for addresses, so the heap reaches at once as far as it may ever grow;
    # a page costs nothing until it is written to.
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    block = libc.malloc(size)
    if not block or not 0 <= libc.sbrk(0) - block - size < _PAGE:
        # a limit on addresses, or another malloc than glibc's
        libc.free(block)
        libc.mallopt(_MMAP_MAX, _MMAP_MAX_DEFAULT)
        libc.mallopt(_TRIM_THRESHOLD, _TRIM_DEFAULT)
        return False
    libc.mallopt(_ARENA_MAX, 1)  # this heap for all threads
    first = -(-block // _PAGE) * _PAGE
    length = (block + size - first) // _PAGE * _PAGE
    advised = libc.madvise(first, length, _MADV_HUGEPAGE)
    libc.free(block)
    return advised == 0


def keep_compiled_programs() -> Path | None:
    """Turns on JAX's persistent compilation cache.

    Returns:
        Its folder; None where it cannot be made or where JAX has one already.
    """
    if jax.config.values["jax_compilation_cache_dir"]:
        return None
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    # a home may be shared by machines whose processors run different programs
    folder = Path(root) / "rcsr_jax" / f"compiled-{_processor()[:12]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return folder


def split_cpu(batch_size: int, *, num_devices: int = 0) -> None:
    """Makes JAX see several devices in the CPU, which share a batch out evenly.

    Accelerators are not touched, nor is a backend that runs already.

    Args:
        batch_size: faces per update.
        num_devices: how many; 0: as many as there are cores, or the next smaller number
            that divides the batch.
    """
    forced = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if forced or "JAX_NUM_CPU_DEVICES" in os.environ:
        return
    if not num_devices:
        cores = range(1, num_cores() + 1)
        num_devices = max(count for count in cores if batch_size % count == 0)
    with contextlib.suppress(RuntimeError):  # a running backend keeps its devices
        jax.config.update("jax_num_cpu_devices", num_devices)


def num_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def one_core() -> Iterator[bool]:
    """Keeps this thread and the processes that it starts meanwhile on one core.

    Yields:
        Whether it can: the system must let a process choose.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield False
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield True
    finally:
        os.sched_setaffinity(0, cores)


def _processor() -> str:
    """A digest of what the processor can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = ("model name", "flags", "Features")
    known = {line for line in lines if line.startswith(names)}
    text = "\n".join([platform.machine(), platform.processor(), *sorted(known)])
    return hashlib.sha256(text.encode()).hexdigest()
