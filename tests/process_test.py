import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from rcsr_jax.experiments import process

import rcsr_jax

linux = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="needs glibc"
)


def run(program: str, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """A fresh process: these settings are those of a whole process."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JAX_", "XLA_", "GLIBC_", "MALLOC_"))
    }
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        env={**kept, "JAX_PLATFORMS": "cpu", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def told(program: str, **environment: str) -> list[str]:
    done = run(program, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


FAULTS = """
import ctypes, resource, numpy as np
from rcsr_jax.experiments import process

import rcsr_jax
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(process.keep_freed_memory())
np.ones(30_000_000, np.uint8)
before = faults()
for _ in range(10):
    np.ones(30_000_000, np.uint8)
print(faults() - before)
"""


@linux
def test_freed_memory_is_not_faulted_in_again():
    kept, faults = told(FAULTS)
    assert kept == "True"
    assert int(faults) < 1000  # 73,000 small pages otherwise


@linux
@pytest.mark.parametrize("name", ["GLIBC_TUNABLES", "MALLOC_ARENA_MAX"])
def test_what_the_user_set_for_malloc_is_left_alone(name):
    value = "1" if name.startswith("MALLOC") else "glibc.malloc.check=0"
    assert told(FAULTS, **{name: value})[0] == "False"


@linux
def test_a_limit_on_addresses_is_no_obstacle():
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (8 << 30,) * 2)\n"
    wanted = 'sysconf = lambda name: {"SC_PHYS_PAGES": 1 << 23}.get(name, 4096)\n'
    program = limit + "import os\nos." + wanted + FAULTS
    assert told(program)[0] == "False"


COMPILE = """
import jax
from rcsr_jax.experiments import process

import rcsr_jax
print(process.keep_compiled_programs())
jax.jit(lambda x: x + 1)(1.0)
"""


def test_compiled_programs_are_kept_in_the_users_cache(tmp_path):
    (folder,) = told(COMPILE, XDG_CACHE_HOME=str(tmp_path))
    assert folder.startswith(str(tmp_path / "rcsr_jax" / "compiled-"))
    names = {path.name for path in Path(folder).glob("*-cache")}
    assert any("lambda" in name for name in names)
    assert told(COMPILE, XDG_CACHE_HOME=str(tmp_path)) == [folder]
    assert {path.name for path in Path(folder).glob("*-cache")} == names


def test_a_cache_that_is_chosen_or_impossible_is_no_matter(tmp_path):
    chosen = str(tmp_path / "chosen")
    own = {"XDG_CACHE_HOME": str(tmp_path / "own")}
    assert told(COMPILE, JAX_COMPILATION_CACHE_DIR=chosen, **own) == ["None"]
    assert not (tmp_path / "own").exists()
    (tmp_path / "file").write_text("")
    assert told(COMPILE, XDG_CACHE_HOME=str(tmp_path / "file")) == ["None"]


SPLIT = """
import rcsr_jax, jax
from rcsr_jax.experiments import process

import rcsr_jax
process.num_cores = lambda: 4
process.split_cpu({batch}, num_devices={devices})
print(jax.local_device_count())
process.split_cpu(1)  # too late: nothing changes
print(jax.local_device_count())
"""


@pytest.mark.parametrize(
    ("batch", "devices", "expected"), [(32, 0, 4), (6, 0, 3), (7, 0, 1), (32, 2, 2)]
)
def test_the_cores_become_devices_that_divide_the_batch(batch, devices, expected):
    program = SPLIT.format(batch=batch, devices=devices)
    assert told(program) == [str(expected)] * 2


def test_a_number_of_devices_that_is_set_is_left_alone():
    program = SPLIT.format(batch=32, devices=0)
    assert told(program, JAX_NUM_CPU_DEVICES="3") == ["3", "3"]
    flag = "--xla_force_host_platform_device_count=2"
    assert told(program, XLA_FLAGS=flag) == ["2", "2"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_one_core_holds_for_children_and_ends():
    before = os.sched_getaffinity(0)
    program = "import os; print(len(os.sched_getaffinity(0)))"
    with process.one_core() as pinned:
        assert pinned and process.num_cores() == 1
        assert told(program) == ["1"]
    assert os.sched_getaffinity(0) == before


PROGRAM = """
import sys
from rcsr_jax.experiments import process, program
def main(arguments):
    '''Fails as its word says.'''
    print(process.COMPILATION_CACHE.value, *arguments[1:])
    mistake = ValueError("bad value,\\n   and so on")
    raise mistake if arguments[1] == "mistake" else KeyboardInterrupt()
sys.argv[0] = "program"
program.run(main)
"""


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [("mistake", 1, "error: bad value, and so on"), ("stop", 130, "interrupted")],
)
def test_a_program_keeps_its_arguments_and_exit_code(word, code, said, tmp_path):
    options = [word, "--nocompilation_cache"]
    done = run(PROGRAM, *options, XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == code
    assert done.stdout == f"False {word}\n"
    assert said in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_shared_flag_is_in_the_help_of_every_program():
    done = subprocess.run(
        [sys.executable, "-m", "rcsr_jax.experiments.export", "--help"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0
    assert "--out:" in done.stdout and "compilation_cache" in done.stdout


@pytest.mark.parametrize(
    ("program", "arguments", "message"),
    [
        ("export", [], "error: --out is missing: New folder, or new file: .npz, "),
        (
            "predict",
            ["a.jpg"],
            "error: --out is missing: Folder for the results; --help",
        ),
        ("train", ["--data=drawn"], "error: --workdir is missing: Folder for crops, "),
    ],
)
def test_a_flag_that_is_missing_is_named(program, arguments, message):
    words = [sys.executable, "-m", f"rcsr_jax.experiments.{program}", *arguments]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(message)
    assert done.stderr.endswith("; --help lists the flags.\n")
    assert "None" not in done.stderr and len(done.stderr.splitlines()) == 1


def test_the_version_is_told_by_every_program():
    words = [sys.executable, "-m", "rcsr_jax.experiments.draw", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, f"rcsr_jax {rcsr_jax.__version__}\n")


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_who_has_read_enough_of_the_help_sees_no_error(word):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "rcsr_jax.experiments.draw", word],
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=120,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
