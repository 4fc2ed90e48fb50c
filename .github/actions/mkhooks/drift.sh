#!/usr/bin/env bash
# Checks for drift. A difference is a result, not a failure: it becomes an
# issue.
#
# Environment: MKIO_TOKEN (webhooks.config.get is enough), TOKEN_ENV. Output:
# drift=true or false.
# shellcheck source=.github/actions/mkhooks/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

token_variable MKIO_TOKEN_READ
code=0
mkhooks drift --project "$PROJECT" --report "markdown=$RUNNER_TEMP/drift.md" || code=$?
case $code in
  0) echo drift=false >>"$GITHUB_OUTPUT" ;;
  2) echo drift=true >>"$GITHUB_OUTPUT" ;;
  *) exit "$code" ;;
esac
