#!/usr/bin/env bash
# Plans the checked-out tree, in the directory of the config file, and leaves
# plan.json and plan.md in RUNNER_TEMP for the report.
#
# Environment: MKIO_TOKEN (webhooks.config.get is enough), TOKEN_ENV, HEAD_SHA;
# and BASE_SHA if fork.sh has put the head's rules over the base.
# shellcheck source=.github/actions/mkhooks/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rm -f "$RUNNER_TEMP/plan.md" # of the validation

# The plan is of the merge, the future state of the branch. The guards are
# compared with the other parent of the merge, the current state of the branch.
# For a fork the guards already are those from the base. A comparison with
# itself would report that nothing is loosened, so there is none, and the plan
# reports that.
against=()
if [[ -z ${BASE_SHA:-} ]]; then
  [[ $(git rev-parse --verify --quiet 'HEAD^2') == "${HEAD_SHA?}" ]] || refuse "the checked-out tree is not the merge of $HEAD_SHA"
  against=(--base "$(git rev-parse 'HEAD^1')")
fi

token_variable MKIO_TOKEN_READ
mkhooks plan --project "$PROJECT" "${against[@]}" --out "$RUNNER_TEMP/plan.json" --report "markdown=$RUNNER_TEMP/plan.md"
