#!/bin/bash
# One run over the GPUs of several machines under Slurm: sbatch docs/launch/slurm_gpus.sh
# Never run: see docs/launch.md. The checkout and WORKDIR lie on a disk that all machines see.
#SBATCH --job-name=mirasol
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=96
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
set -euo pipefail

GPUS_PER_NODE=8
WORKDIR=${WORKDIR:-workdirs/pretraining}
MIRASOL_DATA=${MIRASOL_DATA:?the folder that holds the data sets}
export MIRASOL_DATA

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

# In the background, so that this shell hears the signal that comes before the time is over and hands
# it on: all processes stop at one step and save. Begun again, the job goes on from there.
srun torchrun \
  --nnodes="$SLURM_NNODES" \
  --nproc_per_node="$GPUS_PER_NODE" \
  --rdzv_id="$SLURM_JOB_ID" \
  --rdzv_backend=c10d \
  --rdzv_endpoint="$first:29500" \
  -m mirasol train \
  --gin_file=runs/pretraining.gin \
  --gin_file=overlays/data_parallel.gin \
  --gin_file=overlays/fsdp.gin \
  --gin.FSDP_DEVICES="$GPUS_PER_NODE" \
  --runtime=cuda \
  --workdir="$WORKDIR" &
trap 'scancel --signal=TERM "$SLURM_JOB_ID.0"' TERM
wait
