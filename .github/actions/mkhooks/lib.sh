# shellcheck shell=bash
# What the scripts beside this file share: calls of GitHub's API, and how to
# stop. They are sourced or run by the reusable workflows, never by hand.
#
# What comes in through the environment: PROJECT; GH_TOKEN where GitHub is
# asked; and what every runner sets. Nothing secret is ever an argument: other
# processes can read those.
set -euo pipefail
shopt -s inherit_errexit
umask 077
# The clone is a folder of the workspace, and the files of annotations are named
# as the repository knows them.
export GITHUB_WORKSPACE=$PWD

# Only what GitHub Actions itself made counts as ours: a comment or a check of
# this name can be made by other people and other apps, too.
# shellcheck disable=SC2034 # for the scripts
readonly actions_app=15368
readonly actions_login='github-actions[bot]'

# escaped TEXT as one line of a workflow command.
escaped() {
  local text=$1
  text=${text//'%'/%25}
  text=${text//$'\r'/%0D}
  printf '%s' "${text//$'\n'/%0A}"
}

# refuse MESSAGE ends the job and puts the message on the page of its run. It
# goes to standard error, so that it is seen from inside "$(...)", too.
refuse() {
  printf '::error title=mkhooks::%s\n' "$(escaped "$1")" >&2
  exit 1
}

# A name of a project must fit into a marker and the name of a check.
[[ ${PROJECT:-} =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$ ]] || refuse "project: expected letters, digits, '.', '_' and '-'"

# api METHOD PATH [FILE] sends FILE, prints the answer, and stops on any other
# status than 2xx. Only a GET is tried again: a POST may have been done.
api() {
  local method=$1 path=$2 answer status said
  local -a more=()
  if [[ -n ${3:-} ]]; then more+=(--data-binary "@$3"); fi
  if [[ $method == GET ]]; then more+=(--retry 3); fi
  [[ ${GH_TOKEN:-} =~ ^[!-~]+$ && $GH_TOKEN != *[\"\\]* ]] || refuse "$method $path: GH_TOKEN holds no token"
  answer=$(mktemp "$RUNNER_TEMP/answer.XXXXXX")
  status=$(
    curl --silent --max-time 60 --request "$method" "${more[@]}" \
      --config <(printf 'header = "Authorization: Bearer %s"\n' "$GH_TOKEN") \
      --header 'Accept: application/vnd.github+json' --header 'Content-Type: application/json' \
      --header 'X-GitHub-Api-Version: 2022-11-28' \
      --output "$answer" --write-out '%{http_code}' "$GITHUB_API_URL$path"
  ) || refuse "GitHub: $method $path: no answer (curl's exit code $?)"
  if [[ $status != 2?? ]]; then
    said=$(jq -r '.message // empty' "$answer" 2>/dev/null | tr -cd ' -~' | head -c 200) || true
    refuse "GitHub: $method $path: status $status${said:+: $said}"
  fi
  cat "$answer"
  rm -f "$answer"
}

# pages PATH FILTER prints the items of all pages, one a line; FILTER is what
# jq takes them out of an answer with. A short page is not taken for the last:
# GitHub filters some lists after it has cut them.
pages() {
  local path=$1 filter=$2 page items join='?'
  if [[ $path == *\?* ]]; then join='&'; fi
  for ((page = 1; page <= 200; page++)); do
    items=$(api GET "$path${join}per_page=100&page=$page" | jq -c "$filter")
    if [[ -z $items ]]; then return; fi
    printf '%s\n' "$items"
  done
  refuse "GitHub: GET $path: more than 200 pages"
}

# encoded TEXT as a part of a URL; encoded_path leaves its slashes.
encoded() { jq -rn --arg text "$1" '$text | @uri'; }
encoded_path() { jq -rn --arg text "$1" '$text | split("/") | map(@uri) | join("/")'; }

# words TEXT one a line.
words() { tr -s "[:space:]" "\n" <<<"$1" | sed "/^$/d"; }

# run_url is the page of this run.
run_url() { printf '%s/%s/actions/runs/%s' "$GITHUB_SERVER_URL" "$GITHUB_REPOSITORY" "$GITHUB_RUN_ID"; }

# marker KIND is the first line of what we write, by which it is found again.
marker() { printf '<!-- mkhooks %s %s -->' "$1" "$PROJECT"; }

# comment KIND NUMBER FILE makes our comment on an issue or pull request, or
# updates it.
comment() {
  local kind=$1 number=$2 file=$3 id body
  body=$(mktemp "$RUNNER_TEMP/body.XXXXXX")
  jq -n --arg marker "$(marker "$kind")" --rawfile text "$file" '{body: ($marker + "\n" + $text)}' >"$body"
  id=$(
    pages "/repos/$GITHUB_REPOSITORY/issues/$number/comments" '.[]' |
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

# token_variable puts MKIO_TOKEN where the config file's tokenEnv looks for it.
token_variable() {
  [[ ${TOKEN_ENV:=MKIO_TOKEN} =~ ^MKIO_TOKEN[A-Z0-9_]*$ ]] || refuse "token-env: expected a name that begins with MKIO_TOKEN"
  [[ -n ${MKIO_TOKEN:-} ]] || refuse "no token of MK.IO: the secret ${TOKEN_SECRET:-MKIO_TOKEN} is empty or was not passed to this workflow"
  export "$TOKEN_ENV=$MKIO_TOKEN"
}
