# shellcheck shell=bash
# Shared by the scripts in this directory on GitLab. It is sourced. The jobs of
# .gitlab-ci.yml run the scripts; nobody runs them by hand.
#
# A GitLab job has all its variables in one environment, so each script removes
# those that its commands do not need.
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
forge=GitLab api_url=$CI_API_V4_URL api_header='PRIVATE-TOKEN: ' api_token=${MKHOOKS_GITLAB_TOKEN:-}
unset MKHOOKS_GITLAB_TOKEN CI_JOB_TOKEN

# complain MESSAGE writes to the log of the job.
complain() { printf 'mkhooks: error: %s\n' "$1"; }

# shellcheck source=.github/actions/mkhooks/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../.github/actions/mkhooks/common.sh"

readonly project=/projects/$CI_PROJECT_ID

# me is the user of the token: only items by this user are ours.
me() { api GET /user | jq -r .id; }

# note KIND NUMBER FILE creates or updates our note on a merge request.
note() {
  local kind=$1 number=$2 file=$3 id body=$temp/note.json me
  me=$(me)
  jq -n --arg marker "$(marker "$kind")" --rawfile text "$file" '{body: ($marker + "\n" + $text)}' >"$body"
  id=$(
    pages "$project/merge_requests/$number/notes?sort=asc&order_by=created_at" |
      jq -rs --arg marker "$(marker "$kind")" --argjson me "$me" '
        map(select(.author.id == $me and (.system | not) and ((.body // "") | split("\n")[0] | rtrimstr("\r")) == $marker))
        | (.[0].id // empty)'
  )
  if [[ -n $id ]]; then
    api PUT "$project/merge_requests/$number/notes/$id" "$body" >/dev/null
  else
    api POST "$project/merge_requests/$number/notes" "$body" >/dev/null
  fi
}
