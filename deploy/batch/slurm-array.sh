#!/usr/bin/env bash
# Answers all files below a folder on 16 tasks of a Slurm array; each takes the shards of its own number, and the last one
# that ends completes the output. A task that is requeued continues; shards that are done are not done again.
#
#   sbatch slurm-array.sh
#   mtl predict --status /shared/answers
#
#SBATCH --job-name=mtl-predict
#SBATCH --array=0-15
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

bundle=${BUNDLE:-/shared/bundle}
inputs=${INPUTS:-/shared/reviews}
output=${OUTPUT:-/shared/answers}

exec mtl predict "$bundle" "$inputs" --output "$output" --on index --threads "${SLURM_CPUS_PER_TASK:-1}" --on-bad-row skip
