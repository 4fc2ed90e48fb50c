#!/usr/bin/env bash
# Plans a merge request: writes a note, and sets a commit status on its head
# whose description is the plan's digest. apply.sh takes the digest from the
# status.
#
# The pipeline of a merge request plans the merge with the target branch. With
# MKHOOKS_MR and MKHOOKS_HEAD, on the default branch, it plans a merge request
# from a fork. Then the config and all other files are from the default branch.
# Only the files in MKHOOKS_RULES are from the head, as data.
# shellcheck source=examples/gitlab/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
unset SOPS_AGE_KEY

MKIO_TOKEN=${MKIO_TOKEN_READ:-}
token_variable MKIO_TOKEN_READ
unset MKIO_TOKEN_READ

merged() { git -c user.name=mkhooks -c user.email=mkhooks@localhost merge --quiet --no-ff --no-edit "$1" || refuse "$1 can't be merged: solve the conflict first"; }

others=0
if [[ -n ${MKHOOKS_MR:-} ]]; then
  number=$MKHOOKS_MR head=${MKHOOKS_HEAD:-}
  [[ $number =~ ^[1-9][0-9]{0,9}$ ]] || refuse "MKHOOKS_MR: expected the number of a merge request"
  [[ $head =~ ^[0-9a-f]{40}$ ]] || refuse "MKHOOKS_HEAD: expected the whole SHA (40 hex digits) of the commit that you looked at"
  answer=$(api GET "$project/merge_requests/$number")
  now=$(jq -r .sha <<<"$answer")
  [[ $now == "$head" ]] || refuse "merge request $number is at ${now:0:40} now, and you looked at $head: read what was pushed, then start again with that commit"
  [[ $(jq -r .target_branch <<<"$answer") == "$CI_COMMIT_BRANCH" ]] || refuse "merge request $number goes into another branch: start this pipeline on that one"
  git fetch --quiet origin "refs/merge-requests/$number/head"
  [[ $(git rev-parse FETCH_HEAD) == "$head" ]] || refuse "merge request $number moved on: read what was pushed, then start again"
  base=$(git rev-parse HEAD)
  # Only the objects of the merge are needed, not its files.
  tree=$(git merge-tree --write-tree "$base" "$head") || refuse "merge request $number can't be merged: it has a conflict"
  others=$(take_rules "$base" "$tree" "${MKHOOKS_RULES:-rules}")
else
  number=$CI_MERGE_REQUEST_IID head=${CI_MERGE_REQUEST_SOURCE_BRANCH_SHA:-$CI_COMMIT_SHA}
  git fetch --quiet origin "refs/heads/$CI_MERGE_REQUEST_TARGET_BRANCH_NAME"
  base=$(git rev-parse FETCH_HEAD)
  git checkout --quiet --detach "$base"
  merged "$head"
fi

# A merge request from a fork is planned with the guards of the default branch.
# A comparison with themselves would never report a loosened guard, so there is
# none.
against=()
if [[ -z ${MKHOOKS_MR:-} ]]; then against=(--base "$base"); fi
code=0
mkhooks plan --project "$PROJECT" "${against[@]}" --out "$temp/plan.json" --report "markdown=$temp/plan.md" || code=$?

state=failed digest='no plan'
if ((code == 0)); then
  state=success digest=$(jq -r .digest "$temp/plan.json")
fi
{
  if [[ -s $temp/plan.md ]]; then cat "$temp/plan.md"; else printf 'There is no plan: see [the job](%s).\n' "$CI_JOB_URL"; fi
  if ((others > 0)); then
    printf '\nPlanned with the config of %s: %d files of this merge request that are no rule files are not in it, and were not compared.\n' "$CI_COMMIT_BRANCH" "$others"
  fi
  printf '\nCommit %s, [job](%s).\n' "$head" "$CI_JOB_URL"
} >"$temp/shown.md"
jq -n --arg state "$state" --arg name "mkhooks plan ($PROJECT)" --arg digest "$digest" --arg url "$CI_JOB_URL" \
  '{state: $state, name: $name, description: $digest, target_url: $url}' >"$temp/status.json"
api POST "$project/statuses/$head" "$temp/status.json" >/dev/null
note plan "$number" "$temp/shown.md"
exit "$code"
