#!/usr/bin/env bash
# spin_model.sh MODEL.pml: verifies the model, then once for each `MUTANT_...`
# that it names, with that macro defined: the model must be correct and every
# mutant must be found wrong. Prints the states and "mutants caught n/n".
set -euo pipefail

model=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# verify [SPIN-OPTION]...: sets errors, states, what.
verify() {
  spin -a "$@" "$model" >spin.log 2>&1 || { cat spin.log >&2; exit 1; }
  # Safety only: assertions and invalid end states, which a lost wake-up is.
  gcc -O1 -w -DSAFETY -DVECTORSZ=2048 -DCOLLAPSE -o pan pan.c
  ./pan -m1000000 >pan.log 2>&1 || true
  if grep -q 'max search depth too small\|out of memory\|VECTORSZ' pan.log; then
    echo "$1: the search was cut short:" >&2
    cat pan.log >&2
    exit 1
  fi
  errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log)
  states=$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log)
  what=$(sed -n 's/^pan:[0-9]*: \(.*\) (at depth.*/\1/p' pan.log | head -1)
  [[ -n $errors && -n $states ]] || { cat pan.log >&2; exit 1; }
}

name=$(basename "$model" .pml)
verify
if [[ $errors -ne 0 ]]; then
  echo "$name: $what"
  spin -t -p "$model" | tail -80
  exit 1
fi
echo "$name: correct, $states states"

mutants=0 caught=0
for mutant in $(grep -o 'MUTANT_[A-Z_]*' "$model" | sort -u); do
  verify "-D$mutant"
  mutants=$((mutants + 1))
  if [[ $errors -ne 0 ]]; then
    caught=$((caught + 1))
  else
    what='NOT CAUGHT'
  fi
  printf '  %-40s %s\n' "$mutant" "$what"
done
echo "mutants caught $caught/$mutants"
[[ $mutants -gt 0 && $caught -eq $mutants ]]
