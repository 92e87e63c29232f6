"""How the processes of one program on several machines find each other, and part.

`jax.distributed` does the work: Slurm, Open MPI, Kubernetes and Cloud TPU tell it all that
it needs, elsewhere the flags do.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping

import jax
from absl import flags

_DISTRIBUTED = flags.DEFINE_boolean(
    "distributed",
    None,
    "Train together with the other processes of this Slurm step, MPI run, Kubernetes job "
    "or TPU pod, as jax.distributed.initialize finds them. By default where these flags or "
    "the environment of Slurm, MPI or a TPU tell of several.",
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator_address",
    None,
    "HOST:PORT of the first process, where the environment does not tell; with "
    "--num_processes and --process_id.",
)
_NUM_PROCESSES = flags.DEFINE_integer(
    "num_processes", None, "How many processes train together.", lower_bound=1
)
_PROCESS_ID = flags.DEFINE_integer(
    "process_id", None, "Which of them this is, from 0.", lower_bound=0
)
_FAILURE_SECONDS = flags.DEFINE_integer(
    "failure_seconds",
    60,
    "After how many seconds without a sign of life of one process all end.",
    lower_bound=10,
)


def join() -> bool:
    """Joins the other processes of this program, if there are any.

    Returns:
        Whether there are. To be called before JAX computes anything.

    Raises:
        ValueError: it is not known who they are, or they cannot be reached.
    """
    given = (_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
    wanted = _DISTRIBUTED.value
    if wanted is None:
        wanted = given != (None, None, None) or several_told(os.environ)
    if not wanted:
        return False
    # its handler of SIGTERM would swallow the signal until training listens
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            *given,
            heartbeat_timeout_seconds=_FAILURE_SECONDS.value,
            shutdown_timeout_seconds=_FAILURE_SECONDS.value,
        )
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"the processes do not come together: {error} Give --coordinator_address, "
            "--num_processes and --process_id, or --nodistributed to train alone."
        ) from error
    return True


def several_told(environment: Mapping[str, str]) -> bool:
    """Whether an environment is that of one of several processes.

    Args:
        environment: variables; the names are those that `jax.distributed` looks for.
    """

    def number(name: str) -> int:
        text = environment.get(name, "")
        return int(text) if text.isdecimal() else 1

    if "SLURM_STEP_NODELIST" in environment and "SLURM_PROCID" in environment:
        return number("SLURM_NTASKS") > 1
    if "OMPI_MCA_orte_hnp_uri" in environment:
        return number("OMPI_COMM_WORLD_SIZE") > 1
    return any(
        "," in environment.get(name, "")
        for name in ("TPU_PROCESS_ADDRESSES", "TPU_WORKER_HOSTNAMES")
    )


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Makes an error of the devices one that names the process.

    Raises:
        ValueError: a computation has failed; of several processes, most often because
            another one has ended.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        raise ValueError(
            f"process {jax.process_index()} cannot go on: {str(error)[:500]}. Start all "
            "processes again: they go on from the last checkpoint."
        ) from error
