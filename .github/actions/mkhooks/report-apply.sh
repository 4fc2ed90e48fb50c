#!/usr/bin/env bash
# Says on the pull request how its apply went.
#
# Environment: GH_TOKEN (pull requests: write), PULL, APPLIED (the outcome of
# the apply's step).
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
