#!/usr/bin/env bash
# Checks and measures the torch backend and vLLM on a machine with NVIDIA GPUs, in less than 10 minutes and without a network:
#   bench/gpu/run.sh [FOLDER]          writes the parts' logs into FOLDER, and prints JSON and a Markdown table for docs/gpu.md
#   bench/gpu/run.sh --tiny [FOLDER]   on the CPU with a small model, to check this script
# Parts: pytest on the device; steps of a model of Llama-3.2-1B's shape (measure.py); a round of selm whose worker starts and stops vLLM.
# The Python is SELM_PYTHON (default: python3), with the packages of python/requirements-cuda.lock and pytest. The last part needs Node
# with the packages of this checkout, Temporal's CLI and vLLM, and is skipped otherwise. A part that fails does not stop the others.
set -uo pipefail
cd "$(dirname "$0")/../.."
tiny= device=cuda
[ "${1:-}" = --tiny ] && { tiny=--tiny device=cpu; shift; }
folder=${1:-$(mktemp -d)} python=${SELM_PYTHON:-python3}
mkdir -p "$folder"
: > "$folder/parts"
export SELM_PYTHON=$python SELM_DEVICE=$device PYTHONPATH=$PWD/python${PYTHONPATH:+:$PYTHONPATH} HF_HUB_OFFLINE=1

# part NAME SECONDS COMMAND...: runs a part with a time limit and records its result.
part() {
  local name=$1 limit=$2 started=$SECONDS code
  shift 2
  timeout -k 10 "$limit" "$@" > "$folder/$name.log" 2>&1
  code=$?
  local result=passed
  [ $code -eq 124 ] && result="no end in $limit s"
  [ $code -ne 0 ] && [ $code -ne 124 ] && result="failed ($code)"
  echo "$name $result, $((SECONDS - started)) s" | tee -a "$folder/parts" >&2
  [ $code -eq 0 ] || tail -n 15 "$folder/$name.log" >&2
}

part measure 240 "$python" bench/gpu/measure.py --device $device $tiny --out "$folder/measure.json"
if [ -n "$tiny" ]; then
  part pytest 180 "$python" -m pytest -q -x python/tests/test_units.py
else
  part pytest 180 "$python" -m pytest -q python/tests
fi
if [ -d node_modules ] && command -v temporal node > /dev/null && "$python" -c 'import vllm' 2> /dev/null; then
  part vllm 170 node --import tsx bench/gpu/round.ts "$device" "$folder/round"
else
  echo 'vllm skipped: it needs Node with node_modules, the temporal command and vLLM' >> "$folder/parts"
fi
"$python" bench/gpu/table.py "$folder"
