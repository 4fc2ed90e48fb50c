#!/usr/bin/env bash
# Validates the rule files of the checked-out tree; flags are passed on. What is
# wrong is left in plan.md, too: it stands in for the plan that there can't be.
# shellcheck source=.github/actions/mkhooks/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mkhooks validate --report "markdown=$RUNNER_TEMP/plan.md" "$@"
