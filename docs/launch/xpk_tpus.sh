#!/bin/bash
# Mirasol 3B on a TPU slice on GKE, by XPK: bash docs/launch/xpk_tpus.sh
# Never run: see docs/launch.md. XPK starts the command on every host of the slice, and they find one
# another. WORKDIR is a folder that outlives the job and that all hosts see, and in which a folder can be
# renamed at once, as on Filestore: so a save becomes complete. /data is a mount that you give the pods.
# BATCH_SIZE is of all chips: 4 for each of the 32 of a v5p-64, on eight hosts.
set -euo pipefail

CLUSTER=${CLUSTER:?name of the GKE cluster}
PROJECT=${PROJECT:?Google Cloud project}
ZONE=${ZONE:?zone of the cluster}
IMAGE=${IMAGE:?container image with mirasol[xla] and libtpu}
WORKDIR=${WORKDIR:?folder that outlives the job}
TPU_TYPE=${TPU_TYPE:-v5p-64}
BATCH_SIZE=${BATCH_SIZE:-128}

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
  --command="python -m mirasol train --gin_file=runs/pretraining.gin --gin_file=models/mirasol_3b.gin --gin_file=data/frames_128.gin --gin_file=overlays/fsdp.gin --gin.BATCH_SIZE=$BATCH_SIZE --runtime=xla --workdir=$WORKDIR"
