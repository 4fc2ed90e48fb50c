# shellcheck shell=bash
# Shared by the scripts in this directory on GitHub. It is sourced. The reusable
# workflows run the scripts; nobody runs them by hand.
#
# Environment: PROJECT; GH_TOKEN for requests to GitHub; and the variables that
# every runner sets.
temp=$RUNNER_TEMP forge=GitHub
api_url=$GITHUB_API_URL
api_header='Authorization: Bearer '
api_token=${GH_TOKEN:-}

# complain MESSAGE also puts the message on the page of the run.
complain() {
  local text=${1//'%'/%25}
  text=${text//$'\r'/%0D}
  printf '::error title=mkhooks::%s\n' "${text//$'\n'/%0A}"
}

# shellcheck source=.github/actions/mkhooks/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# The clone is a directory of the workspace, and annotations name files relative
# to the repository.
export GITHUB_WORKSPACE=$PWD

# Only items made by GitHub Actions count as ours. Other people, other apps and
# runs for forks can't make them. Any workflow of this repository can.
# shellcheck disable=SC2034 # for the scripts
readonly actions_app=15368
readonly actions_login='github-actions[bot]'

# run_url prints the URL of this run.
run_url() { printf '%s/%s/actions/runs/%s' "$GITHUB_SERVER_URL" "$GITHUB_REPOSITORY" "$GITHUB_RUN_ID"; }

# comment KIND NUMBER FILE creates or updates our comment on an issue or pull
# request.
comment() {
  local kind=$1 number=$2 file=$3 id body
  body=$(mktemp "$temp/body.XXXXXX")
  jq -n --arg marker "$(marker "$kind")" --rawfile text "$file" '{body: ($marker + "\n" + $text)}' >"$body"
  id=$(
    pages "/repos/$GITHUB_REPOSITORY/issues/$number/comments" |
      jq -rs --arg marker "$(marker "$kind")" --arg login "$actions_login" '
        map(select(.user.login == $login and .user.type == "Bot" and ((.body // "") | split("\n")[0] | rtrimstr("\r")) == $marker))
        | (.[0].id // empty)'
  )
  if [[ -n $id ]]; then
    api PATCH "/repos/$GITHUB_REPOSITORY/issues/comments/$id" "$body" >/dev/null
  else
    api POST "/repos/$GITHUB_REPOSITORY/issues/$number/comments" "$body" >/dev/null
  fi
}
