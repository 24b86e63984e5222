#!/bin/bash
# One run on the TPUs of one host on GKE, by XPK: bash docs/launch/xpk_tpus.sh
# Never run: see docs/launch.md. XPK starts the command on every host of a slice, and several are
# refused: TPU_TYPE must have one. WORKDIR is a folder that outlives the job, such as a bucket
# mounted by GCS FUSE.
set -euo pipefail

CLUSTER=${CLUSTER:?name of the GKE cluster}
PROJECT=${PROJECT:?Google Cloud project}
ZONE=${ZONE:?zone of the cluster}
IMAGE=${IMAGE:?container image with mirasol[xla] and libtpu}
WORKDIR=${WORKDIR:?folder that outlives the job}
TPU_TYPE=${TPU_TYPE:-v5litepod-8}

xpk workload create \
  --cluster="$CLUSTER" \
  --project="$PROJECT" \
  --zone="$ZONE" \
  --workload="mirasol-$(date +%m%d-%H%M)" \
  --tpu-type="$TPU_TYPE" \
  --num-slices=1 \
  --docker-image="$IMAGE" \
  --env="PJRT_DEVICE=TPU" \
  --env="MIRASOL_DATA=/data" \
  --command="python -m mirasol train --gin_file=runs/pretraining.gin --gin_file=overlays/fsdp.gin --runtime=xla --workdir=$WORKDIR"
