# shellcheck shell=bash
# Shared by the scripts of every forge: calls of its API, the rule files of a
# fork, and errors. It is sourced.
#
# The sourcing script first sets: temp, a directory outside the clone; forge,
# its name; api_url; api_header, which carries api_token; and complain MESSAGE,
# which shows why a job ends. No secret is ever an argument: other processes can
# read arguments.
# shellcheck disable=SC2154 # those
set -euo pipefail
shopt -s inherit_errexit
umask 077

# refuse MESSAGE ends the job. It writes to standard error, so that the message
# also appears from inside "$(...)".
refuse() {
  complain "$1" >&2
  exit 1
}

# words TEXT prints the words, one per line.
words() { tr -s '[:space:]' '\n' <<<"$1" | sed '/^$/d'; }

# encoded TEXT prints the text as a part of a URL; encoded_path keeps its
# slashes.
encoded() { jq -rn --arg text "$1" '$text | @uri'; }
encoded_path() { jq -rn --arg text "$1" '$text | split("/") | map(@uri) | join("/")'; }

# api METHOD PATH [FILE] sends FILE, prints the response, and stops on any
# status except 2xx. It retries only GET requests: a POST may already have taken
# effect.
api() {
  local method=$1 path=$2 answer status said
  local -a more=()
  if [[ -n ${3:-} ]]; then more+=(--data-binary "@$3"); fi
  if [[ $method == GET ]]; then more+=(--retry 3); fi
  [[ ${api_token:-} =~ ^[!-~]+$ && $api_token != *[\"\\]* ]] || refuse "$forge: $method $path: there is no token for it"
  answer=$(mktemp "$temp/answer.XXXXXX")
  status=$(
    curl --silent --max-time 60 --request "$method" "${more[@]}" \
      --config <(printf 'header = "%s%s"\n' "$api_header" "$api_token") \
      --header 'Accept: application/json' --header 'Content-Type: application/json' \
      --output "$answer" --write-out '%{http_code}' "$api_url$path"
  ) || refuse "$forge: $method $path: no answer (curl's exit code $?)"
  if [[ $status != 2?? ]]; then
    said=$(jq -r '.message // .error | strings' "$answer" 2>/dev/null | tr -cd ' -~' | head -c 200) || true
    refuse "$forge: $method $path: status $status${said:+: $said}"
  fi
  cat "$answer"
  rm -f "$answer"
}

# pages PATH [FILTER] prints the items of all pages, one per line. FILTER is the
# jq filter that extracts them from a response. A short page does not end the
# list: some lists are filtered after they are split into pages.
pages() {
  local path=$1 filter=${2:-.[]} page items join='?'
  if [[ $path == *\?* ]]; then join='&'; fi
  for ((page = 1; page <= 200; page++)); do
    items=$(api GET "$path${join}per_page=100&page=$page" | jq -c "$filter")
    if [[ -z $items ]]; then return; fi
    printf '%s\n' "$items"
  done
  refuse "$forge: GET $path: more than 200 pages"
}

# marker KIND prints the first line of our comments, which identifies them.
marker() { printf '<!-- mkhooks %s %s -->' "$1" "$PROJECT"; }

# The project name must fit into the marker, and into the name of a check.
[[ ${PROJECT:-} =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$ ]] || refuse "project: expected letters, digits, '.', '_' and '-'"

# token_variable NAME copies MKIO_TOKEN to the variable that tokenEnv in the
# config file names. NAME is the secret that contains the token.
token_variable() {
  [[ ${TOKEN_ENV:=MKIO_TOKEN} =~ ^MKIO_TOKEN[A-Z0-9_]*$ ]] || refuse "token-env: expected a name that begins with MKIO_TOKEN"
  [[ -n ${MKIO_TOKEN:-} ]] || refuse "no token of MK.IO: the secret $1 is empty or does not reach this job"
  export "$TOKEN_ENV=$MKIO_TOKEN"
}

# guard_flags TEXT fills flags. Only flags that lift guards are allowed.
# --base-url or --allow-destination would send the token and the secrets
# elsewhere, and --report would write files.
guard_flags() {
  local flag
  mapfile -t flags < <(words "$1")
  for flag in "${flags[@]}"; do
    [[ $flag =~ ^--(adopt|take-over|drop-auth|only|max-deletes)=.+$ || $flag =~ ^--(drop-unknown|delete-active|allow-empty|resend-auth)$ ]] ||
      refuse "flags: $(printf '%q' "$flag"): expected --adopt=RULE, --take-over=RULE, --drop-auth=RULE, --only=RULE, --max-deletes=N, --drop-unknown, --delete-active, --allow-empty or --resend-auth"
  done
}

# take_rules BASE MERGE FOLDERS checks out BASE with the rule files of MERGE:
# they are added, changed and deleted as in MERGE. The config, .sops.yaml and
# other hidden files are always from BASE. It prints the number of different
# files that were left out.
take_rules() {
  local base=$1 merge=$2 file path
  local -a folders
  mapfile -t folders < <(words "$3")
  ((${#folders[@]} > 0)) || refuse "rules: expected at least one folder"
  git ls-tree -r -z --format='%(objectmode) %(path)' "$merge" -- "${folders[@]}" >"$temp/head-files"
  git ls-tree -r -z --format='%(objectmode) %(path)' "$base" -- "${folders[@]}" >"$temp/base-files"

  # A link or a submodule among the rules could lead anywhere.
  while IFS= read -r -d '' file; do
    [[ ${file%% *} == 100644 || ${file%% *} == 100755 ]] ||
      refuse "something else than a regular file is among the rules: $(printf '%q' "${file#* }")"
  done <"$temp/head-files"

  while IFS= read -r -d '' file; do
    path=${file#* }
    case /$path in
      */.* | */mkhooks.yaml) ;;
      *.yaml | *.yml) printf '%s\0' "$path" ;;
    esac
  done < <(cat "$temp/head-files" "$temp/base-files") | sort -zu >"$temp/taken"
  git checkout --quiet --detach --force "$base"
  if [[ -s $temp/taken ]]; then
    git --literal-pathspecs restore --source="$merge" --staged --worktree --pathspec-from-file="$temp/taken" --pathspec-file-nul
  fi
  git diff --cached --name-only -z "$merge" | tr -cd '\0' | wc -c
}
