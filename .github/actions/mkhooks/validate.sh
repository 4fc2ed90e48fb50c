#!/usr/bin/env bash
# Validates the rule files of the checked-out tree and passes on its flags. It
# also writes the problems to plan.md, because there can be no plan.
# shellcheck source=.github/actions/mkhooks/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mkhooks validate --report "markdown=$RUNNER_TEMP/plan.md" "$@"
