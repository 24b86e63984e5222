#!/bin/bash
# One run over several machines without a scheduler. On each of them, FIRST being one of their names:
#   NODES=2 FIRST=host-a bash docs/launch/torchrun_nodes.sh
# Never run on two machines, nor on GPUs; as two nodes on one CPU it has (docs/launch.md). The
# checkout and WORKDIR lie on a disk that all machines see.
set -euo pipefail

NODES=${NODES:?number of machines}
FIRST=${FIRST:?name or address of one machine, which all others reach}
PORT=${PORT:-29500}
RUN=${RUN:-runs/pretraining.gin}
RUNTIME=${RUNTIME:-cuda}
PROCESSES=${PROCESSES:-8}
WORKDIR=${WORKDIR:-workdirs/several_machines}

# Copies of the model on each machine, pieces within.
exec torchrun \
  --nnodes="$NODES" \
  --nproc_per_node="$PROCESSES" \
  --rdzv_id="$(basename "$WORKDIR")" \
  --rdzv_backend=c10d \
  --rdzv_endpoint="$FIRST:$PORT" \
  -m mirasol train \
  --gin_file="$RUN" \
  --gin_file=overlays/data_parallel.gin \
  --gin_file=overlays/fsdp.gin \
  --gin.FSDP_DEVICES="$PROCESSES" \
  --runtime="$RUNTIME" \
  --workdir="$WORKDIR"
