#!/usr/bin/env bash
# Tests a detector on several GPUs of one or more machines.
#   dist_test.sh CONFIG CHECKPOINT GPUS [options of test.py]
# On each of several machines: NNODES, NODE_RANK, MASTER_ADDR and PORT.
set -eu
if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [options of test.py]" >&2
    exit 2
fi
config=$1
checkpoint=$2
gpus=$3
shift 3

exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node-rank="${NODE_RANK:-0}" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" \
    --master-port="${PORT:-29500}" \
    --nproc-per-node="$gpus" \
    -- "$(dirname "$0")/test.py" "$config" "$checkpoint" \
    --launcher pytorch "$@"
