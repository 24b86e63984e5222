#!/bin/bash
# One run over the devices of this machine, a process each: bash docs/launch/one_machine.sh
# On GPUs never run, on the CPU it has: RUNTIME=cpu PROCESSES=2 (docs/launch.md).
set -euo pipefail

RUN=${RUN:-runs/pretraining.gin}
RUNTIME=${RUNTIME:-cuda}
PROCESSES=${PROCESSES:-8}
WORKDIR=${WORKDIR:-workdirs/one_machine}

exec torchrun --standalone --nproc_per_node="$PROCESSES" \
  -m mirasol train \
  --gin_file="$RUN" \
  --gin_file=overlays/fsdp.gin \
  --runtime="$RUNTIME" \
  --workdir="$WORKDIR"
