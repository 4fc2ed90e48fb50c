#!/usr/bin/env bash
# Prepares the checked-out merge of a pull request, so that a maintainer may
# plan it with a token. The tool, config and all other files are from the base,
# and only the rule files are from the head, as data.
#
# The maintainer names the head commit that they read: a push in between is
# refused.
#
# Environment: PULL, HEAD_SHA, RULES (directories), and GH_TOKEN that can read
# pull requests. The working directory is the clone, at refs/pull/PULL/merge.
# Output: base, the base commit of the plan; others, the number of files of the
# pull request that were left out.
# shellcheck source=.github/actions/mkhooks/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

: "${PULL?}" "${HEAD_SHA?}" "${RULES?}"
[[ $GITHUB_EVENT_NAME == workflow_dispatch ]] || refuse "event $GITHUB_EVENT_NAME: a maintainer starts the plan of a fork by hand"
[[ $PULL =~ ^[1-9][0-9]{0,9}$ ]] || refuse "pull-request: expected its number"
[[ $HEAD_SHA =~ ^[0-9a-f]{40}$ ]] || refuse "head: expected the whole SHA (40 hex digits) of the commit that you looked at"

answer=$(api GET "/repos/$GITHUB_REPOSITORY/pulls/$PULL")
head=$(jq -r .head.sha <<<"$answer")
[[ $head == "$HEAD_SHA" ]] ||
  refuse "pull request $PULL is at ${head:0:40} now, and you looked at $HEAD_SHA: read what was pushed, then start again with that commit"
# The config of another branch does not guard this branch.
[[ refs/heads/$(jq -r .base.ref <<<"$answer") == "$GITHUB_REF" ]] ||
  refuse "pull request $PULL goes into another branch: start this workflow on the branch that it goes into"

merge=$(git rev-parse HEAD)
[[ $(git rev-parse --verify --quiet 'HEAD^2') == "$HEAD_SHA" ]] ||
  refuse "GitHub's merge of pull request $PULL is not of $HEAD_SHA (yet, or there is a conflict): try again in a minute"

# From here on the tree is the base.
base=$(git rev-parse "$merge^1")
others=$(take_rules "$base" "$merge" "$RULES")
{
  echo "base=$base"
  echo "others=$((others))"
} >>"$GITHUB_OUTPUT"
