#!/usr/bin/env bash
# Reports the outcome of an apply on its pull request.
#
# Environment: GH_TOKEN (pull requests: write), PULL, APPLIED (the outcome of
# the apply step).
# shellcheck source=.github/actions/mkhooks/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

text=$RUNNER_TEMP/result.md shown=$RUNNER_TEMP/shown.md
{
  if [[ -s $text ]]; then
    cat "$text"
  elif [[ $APPLIED == skipped ]]; then
    printf 'Nothing was applied: a step before it failed.\n'
  else
    printf 'The apply left no report.\n'
  fi
  printf '\nCommit %s, [run](%s).\n' "$GITHUB_SHA" "$(run_url)"
} >"$shown"
comment apply "$PULL" "$shown"
