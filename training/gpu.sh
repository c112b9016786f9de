#!/bin/sh
# Trains the cross-encoder on a machine with a GPU, PyTorch and transformers, and without a network, in at most 8 minutes:
#   sh training/gpu.sh [PACKED] [OUT]
# PACKED is the folder that `python -m training.cross_encoder prepare` wrote (one file of 34 MB); OUT gets the weights in
# files of at most 16 MB. At home, `python -m training.cross_encoder export --weights OUT` makes the file of the package, and
# `python -m benchmarks.reading DATA --out ragbot/models/bundled/answerability/calibration.json` fits the numbers that go with it.
set -eu
packed=${1:-.training/packed}
out=${2:-${OUT:-.training/weights}}
cd "$(dirname "$0")/.."
exec python3 -m training.cross_encoder train --packed "$packed" --weights "$out" --work "${TMPDIR:-/tmp}/cross-encoder" \
    --epochs 6 --rate 2e-4 --tokens 32768 --minutes "${MINUTES:-7}"
