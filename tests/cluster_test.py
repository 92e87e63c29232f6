"""Processes of one program: which environments tell of others."""

import jax
import pytest
from rcsr_jax.experiments import cluster

SLURM = {"SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "n[1-2]", "SLURM_PROCID": "0"}
MPI = {"OMPI_MCA_orte_hnp_uri": "1.0;tcp://10.0.0.1:5"}


@pytest.mark.parametrize(
    ("environment", "several"),
    [
        ({}, False),
        ({**SLURM, "SLURM_NTASKS": "8"}, True),
        ({**SLURM, "SLURM_NTASKS": "1"}, False),  # srun -n1
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8"}, False),  # salloc's own shell
        ({**MPI, "OMPI_COMM_WORLD_SIZE": "2"}, True),
        ({**MPI, "OMPI_COMM_WORLD_SIZE": "1"}, False),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, True),
        ({"TPU_PROCESS_ADDRESSES": "a:1,b:1"}, True),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, False),
    ],
)
def test_an_environment_tells_of_several_processes(environment, several):
    assert cluster.several_told(environment) == several


def test_a_failed_computation_names_the_process():
    told = pytest.raises(ValueError, match=r"process 0 cannot .*: Gloo.* all processes")
    with told, cluster.together():
        raise jax.errors.JaxRuntimeError("Gloo: closed by peer")
