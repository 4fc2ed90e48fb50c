#!/usr/bin/env bash
# Applies the default branch, if its plan is the reviewed plan. The commit must
# be the tip of the branch and the merge of a merge request. The digest is in
# the commit status that plan.sh set on the head of that request.
# MKHOOKS_DIGEST, given by hand, replaces it.
# shellcheck source=examples/gitlab/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
unset MKIO_TOKEN_READ

guard_flags "${MKHOOKS_FLAGS:-}"
token_variable MKIO_TOKEN
# Only the commands that decrypt secrets get the key.
key=${SOPS_AGE_KEY:-}
unset SOPS_AGE_KEY

branch=$CI_DEFAULT_BRANCH
[[ ${CI_COMMIT_BRANCH:-} == "$branch" ]] || refuse "this pipeline is not of $branch, and only that is applied"
tip=$(api GET "$project/repository/branches/$(encoded "$branch")" | jq -r .commit.id)
[[ $tip == "$CI_COMMIT_SHA" ]] || refuse "$CI_COMMIT_SHA is no longer the tip of $branch, ${tip:0:40} is: the pipeline of that commit applies it"

# unreviewed WHY stops, shows the plan, and names the next step.
unreviewed() {
  mkhooks plan --project "$PROJECT" "${flags[@]}" || true
  refuse "$1. To go on, read the plan above, then run a pipeline on $branch with MKHOOKS_DIGEST"
}

number='' digest=${MKHOOKS_DIGEST:-}
if [[ -n $digest ]]; then
  [[ $digest =~ ^[0-9a-f]{32}$ ]] || refuse "MKHOOKS_DIGEST: expected the 32 hex digits that stand at the end of a plan"
else
  request=$(
    pages "$project/repository/commits/$CI_COMMIT_SHA/merge_requests" |
      jq -cs --arg sha "$CI_COMMIT_SHA" --arg branch "$branch" --argjson project "$CI_PROJECT_ID" '
        map(select(.state == "merged" and .target_branch == $branch and .target_project_id == $project
          and (.merge_commit_sha == $sha or .squash_commit_sha == $sha or .sha == $sha)))
        | if length == 1 then .[0] | {number: .iid, head: .sha} else empty end'
  )
  [[ -n $request ]] || unreviewed "$CI_COMMIT_SHA is not the merge of one merge request"
  number=$(jq -r .number <<<"$request")
  head=$(jq -r .head <<<"$request")
  me=$(me)
  digest=$(
    pages "$project/repository/commits/$head/statuses?all=true&name=$(encoded "mkhooks plan ($PROJECT)")" |
      jq -rs --arg name "mkhooks plan ($PROJECT)" --arg head "$head" --argjson me "$me" '
        map(select(.name == $name and .sha == $head and .author.id == $me))
        | max_by(.id) | if .status == "success" then .description else empty end'
  )
  [[ $digest =~ ^[0-9a-f]{32}$ ]] || unreviewed "merge request $number has no successful status \"mkhooks plan ($PROJECT)\" of ours on its last commit"
fi

# report writes the outcome to the merge request.
report() {
  [[ -n $number ]] || return 0
  {
    if [[ -s $temp/result.md ]]; then cat "$temp/result.md"; else printf 'Nothing was applied: see [the job](%s).\n' "$CI_JOB_URL"; fi
    printf '\nCommit %s, [job](%s).\n' "$CI_COMMIT_SHA" "$CI_JOB_URL"
  } >"$temp/shown.md"
  note apply "$number" "$temp/shown.md"
}

code=0
SOPS_AGE_KEY=$key mkhooks validate --decrypt --project "$PROJECT" || code=$?
if ((code == 0)); then
  SOPS_AGE_KEY=$key mkhooks apply --project "$PROJECT" --yes --expect "$digest" "${flags[@]}" --report "markdown=$temp/result.md" || code=$?
fi
report
if ((code == 4)); then
  echo "mkhooks: hint: to apply what is shown above, run a pipeline on $branch with its digest as MKHOOKS_DIGEST (and with MKHOOKS_FLAGS that lift a guard)" >&2
fi
exit "$code"
