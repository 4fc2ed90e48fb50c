#!/usr/bin/env bash
# Checks for drift. It keeps one open issue while there is drift, and closes it
# afterwards. A run that can't read the service fails, and leaves the issue
# unchanged.
# shellcheck source=examples/gitlab/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
unset SOPS_AGE_KEY

MKIO_TOKEN=${MKIO_TOKEN_READ:-}
token_variable MKIO_TOKEN_READ
unset MKIO_TOKEN_READ

code=0
mkhooks drift --project "$PROJECT" --report "markdown=$temp/drift.md" || code=$?
((code == 0 || code == 2)) || exit "$code"

me=$(me)
number=$(
  pages "$project/issues?state=opened&labels=mkhooks-drift&author_id=$me&order_by=created_at&sort=asc" |
    jq -rs --arg marker "$(marker drift)" --argjson me "$me" '
      map(select(.author.id == $me and ((.description // "") | split("\n")[0] | rtrimstr("\r")) == $marker))
      | min_by(.iid) | .iid // empty'
)
body=$temp/issue.json
if ((code == 2)); then
  {
    cat "$temp/drift.md"
    printf '\nCommit %s, [job](%s). This issue is kept up to date, and closed when nothing differs any more.\n' "$CI_COMMIT_SHA" "$CI_JOB_URL"
  } >"$temp/shown.md"
  jq -n --arg marker "$(marker drift)" --arg title "mkhooks: live rules of $PROJECT differ from the files" --rawfile text "$temp/shown.md" \
    '{title: $title, labels: "mkhooks-drift", description: ($marker + "\n" + $text)}' >"$body"
  if [[ -n $number ]]; then
    # People may have changed the title and labels: keep them.
    jq '{description}' "$body" >"$body.update"
    api PUT "$project/issues/$number" "$body.update" >/dev/null
  else
    api POST "$project/issues" "$body" >/dev/null
  fi
elif [[ -n $number ]]; then
  jq -n --arg body "Nothing differs any more, says [this job]($CI_JOB_URL)." '{body: $body}' >"$body"
  api POST "$project/issues/$number/notes" "$body" >/dev/null
  jq -n '{state_event: "close"}' >"$body"
  api PUT "$project/issues/$number" "$body" >/dev/null
fi
