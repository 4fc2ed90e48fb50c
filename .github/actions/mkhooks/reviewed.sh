#!/usr/bin/env bash
# Finds the digest of the reviewed plan for the commit to apply. The commit must
# be the merge of a pull request. The digest is in the check on the merged head
# of that pull request.
#
# Environment: GH_TOKEN (contents, checks, pull requests: read), BRANCH, and
# DIGEST if a person gave it by hand. Output: digest, pull; or unreviewed=true
# if there is no digest, so that the job can show its plan.
# shellcheck source=.github/actions/mkhooks/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

repo=/repos/$GITHUB_REPOSITORY

# A later commit has its own run, which also applies the changes of this commit.
# A rerun of an earlier commit would undo the later changes.
[[ $GITHUB_REF == "refs/heads/$BRANCH" ]] || refuse "this run is of $GITHUB_REF, and only $BRANCH is applied"
tip=$(api GET "$repo/git/ref/heads/$(encoded_path "$BRANCH")" | jq -r .object.sha)
[[ $tip == "$GITHUB_SHA" ]] || refuse "$GITHUB_SHA is no longer the tip of $BRANCH, ${tip:0:40} is: the run of that commit applies it"

if [[ -n ${DIGEST:-} ]]; then
  [[ $DIGEST =~ ^[0-9a-f]{32}$ ]] || refuse "digest: expected the 32 hex digits that stand at the end of a plan"
  echo "digest=$DIGEST" >>"$GITHUB_OUTPUT"
  exit
fi

# unreviewed WHY stops, and names the next step.
unreviewed() {
  echo "unreviewed=true" >>"$GITHUB_OUTPUT"
  refuse "$1. To go on, read the plan on the page of this run, then start this workflow on $BRANCH with its digest"
}

pull=$(
  pages "$repo/commits/$GITHUB_SHA/pulls" |
    jq -cs --arg sha "$GITHUB_SHA" --arg branch "$BRANCH" --arg repo "$GITHUB_REPOSITORY" '
      map(select(.merged_at != null and .merge_commit_sha == $sha and .base.ref == $branch and .base.repo.full_name == $repo))
      | if length == 1 then .[0] | {number, head: .head.sha} else empty end'
)
[[ -n $pull ]] || unreviewed "$GITHUB_SHA is not the merge of one pull request"
number=$(jq -r .number <<<"$pull")
echo "pull=$number" >>"$GITHUB_OUTPUT"

check="mkhooks plan ($PROJECT)"
head=$(jq -r .head <<<"$pull")
digest=$(
  pages "$repo/commits/$head/check-runs?check_name=$(encoded "$check")&app_id=$actions_app&status=completed&filter=all" '.check_runs[]' |
    jq -rs --arg name "$check" --argjson app "$actions_app" '
      map(select(.name == $name and .app.id == $app and .status == "completed"))
      | max_by(.id) | if .conclusion == "success" then .external_id else empty end'
)
[[ $digest =~ ^[0-9a-f]{32}$ ]] || unreviewed "pull request $number has no successful check \"$check\" on its last commit"
echo "digest=$digest" >>"$GITHUB_OUTPUT"
