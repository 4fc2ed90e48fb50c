#!/usr/bin/env bash
# Applies the checked-out tree, if its plan is the reviewed plan. Without DIGEST
# it only shows the plan.
#
# Environment: MKIO_TOKEN (can write), SOPS_AGE_KEY, TOKEN_ENV, DIGEST, FLAGS.
# shellcheck source=.github/actions/mkhooks/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

guard_flags "${FLAGS:-}"
token_variable MKIO_TOKEN
if [[ -z ${DIGEST:-} ]]; then
  exec mkhooks plan --project "$PROJECT" "${flags[@]}"
fi
code=0
mkhooks apply --project "$PROJECT" --yes --expect "$DIGEST" "${flags[@]}" \
  --report "json=$RUNNER_TEMP/result.json" --report "markdown=$RUNNER_TEMP/result.md" || code=$?
if ((code == 4)); then
  echo '::notice title=mkhooks::To apply what is shown on the page of this run, start this workflow with its digest (and with the flags that lift a guard).'
fi
exit "$code"
