#!/usr/bin/env bash
# Shows a plan to its reviewers: a comment on the pull request, and a check on
# its head that contains the plan's digest. Apply takes the digest from the
# check, never from the comment, which other people may edit.
#
# Environment: GH_TOKEN (checks and pull requests: write), PULL, HEAD_SHA,
# PLANNED (the outcome of the plan step), OTHERS (the number of a fork's files
# that were left out).
# shellcheck source=.github/actions/mkhooks/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

plan=$RUNNER_TEMP/plan.json text=$RUNNER_TEMP/plan.md shown=$RUNNER_TEMP/shown.md
digest=failed title='No plan' conclusion=failure
if [[ $PLANNED == success ]]; then
  digest=$(jq -r .digest "$plan")
  [[ $digest =~ ^[0-9a-f]{32}$ ]] || refuse "plan.json holds no digest"
  title=$(jq -r '.summary | "\(.create) to create, \(.update) to update, \(.delete) to delete, \(.blocked) blocked"' "$plan")
  conclusion=success
fi
{
  if [[ -s $text ]]; then cat "$text"; else printf 'There is no plan: see [the run](%s).\n' "$(run_url)"; fi
  if ((${OTHERS:-0} > 0)); then
    printf '\nPlanned with the config of the base: %d files of this pull request that are no rule files are not in it, and were not compared.\n' "$OTHERS"
  fi
  printf '\nCommit %s, [run](%s).\n' "$HEAD_SHA" "$(run_url)"
} >"$shown"

# A summary is limited to 65,535 characters and a comment to 65,536; mkhooks
# keeps its Markdown below 60,000 bytes.
body=$RUNNER_TEMP/check.json
jq -n --arg name "mkhooks plan ($PROJECT)" --arg sha "$HEAD_SHA" --arg digest "$digest" --arg conclusion "$conclusion" \
  --arg title "$title" --arg url "$(run_url)" --rawfile text "$shown" '
  {name: $name, head_sha: $sha, external_id: $digest, details_url: $url, status: "completed", conclusion: $conclusion,
   output: {title: $title, summary: $text}}' >"$body"
api POST "/repos/$GITHUB_REPOSITORY/check-runs" "$body" >/dev/null
comment plan "$PULL" "$shown"
