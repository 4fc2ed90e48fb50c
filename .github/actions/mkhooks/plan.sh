#!/usr/bin/env bash
# Plans the checked-out tree, in the folder of the config file, and leaves
# plan.json and plan.md in RUNNER_TEMP for the report.
#
# Environment: MKIO_TOKEN (webhooks.config.get is enough), TOKEN_ENV, HEAD_SHA;
# BASE_SHA where fork.sh has laid the head's rules over it.
# shellcheck source=.github/actions/mkhooks/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rm -f "$RUNNER_TEMP/plan.md" # of the validation

# What is planned is the merge: what the branch would be. What guards the rules is
# compared with the merge's other side, the branch as it is. For a fork it is the
# base's already: a comparison with itself would say that nothing is loosened, so
# none is made, and the plan says that.
against=()
if [[ -z ${BASE_SHA:-} ]]; then
  [[ $(git rev-parse --verify --quiet 'HEAD^2') == "${HEAD_SHA?}" ]] || refuse "the checked-out tree is not the merge of $HEAD_SHA"
  against=(--base "$(git rev-parse 'HEAD^1')")
fi

token_variable MKIO_TOKEN_READ
mkhooks plan --project "$PROJECT" "${against[@]}" --out "$RUNNER_TEMP/plan.json" --report "markdown=$RUNNER_TEMP/plan.md"
