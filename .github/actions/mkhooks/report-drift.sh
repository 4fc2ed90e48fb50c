#!/usr/bin/env bash
# Keeps one open issue while there is drift, and closes it afterwards.
#
# Environment: GH_TOKEN (issues: write), DRIFT (true or false).
# shellcheck source=.github/actions/mkhooks/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

repo=/repos/$GITHUB_REPOSITORY label=mkhooks-drift
body=$RUNNER_TEMP/issue.json

# The oldest of our issues, if two runs ever created two.
number=$(
  pages "$repo/issues?state=open&labels=$label&sort=created&direction=asc" |
    jq -rs --arg marker "$(marker drift)" --arg login "$actions_login" '
      map(select(.pull_request == null and .user.login == $login and .user.type == "Bot"
        and ((.body // "") | split("\n")[0] | rtrimstr("\r")) == $marker))
      | min_by(.number) | .number // empty'
)

if [[ $DRIFT == true ]]; then
  {
    cat "$RUNNER_TEMP/drift.md"
    printf '\nCommit %s, [run](%s). This issue is kept up to date, and closed when nothing differs any more.\n' "$GITHUB_SHA" "$(run_url)"
  } >"$RUNNER_TEMP/shown.md"
  jq -n --arg marker "$(marker drift)" --arg title "mkhooks: live rules of $PROJECT differ from the files" --arg tag "$label" \
    --rawfile text "$RUNNER_TEMP/shown.md" '{title: $title, labels: [$tag], body: ($marker + "\n" + $text)}' >"$body"
  if [[ -n $number ]]; then
    # People may have changed the title and labels: keep them.
    jq "{body}" "$body" >"$body.update"
    api PATCH "$repo/issues/$number" "$body.update" >/dev/null
  else
    api POST "$repo/issues" "$body" >/dev/null
  fi
elif [[ -n $number ]]; then
  jq -n --arg body "Nothing differs any more, says [this run]($(run_url))." '{body: $body}' >"$body"
  api POST "$repo/issues/$number/comments" "$body" >/dev/null
  jq -n '{state: "closed", state_reason: "completed"}' >"$body"
  api PATCH "$repo/issues/$number" "$body" >/dev/null
fi
