#!/usr/bin/env bash
# The service's story on the command line: two people leave My Page, and come back in each way there is.
#
#     bash docs/story.sh          from a checkout, after `make install`
#
# It runs in a deployment of its own, in a temporary directory that is removed at the end. Nobody waits for years:
# where days or years pass, the script sets back a date of its two made-up accounts by SQL.
set -euo pipefail
CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

# No other database can be touched: no URL leads to one, and the embedded servers know this directory alone.
unset RETENTION_DATABASE_URL RETENTION_BROKER_URL
RETENTION_VAR_DIRECTORY=$(mktemp -d "${TMPDIR:-/tmp}/retention-story.XXXXXX")
export RETENTION_VAR_DIRECTORY RETENTION_TIMEZONE=Asia/Tokyo RETENTION_WEB_PORT=0
unset FORCE_COLOR TTY_COMPATIBLE # answers are read as plain text, not as for a terminal
exec </dev/null # a password that is not given is an error, never a prompt
up='' step='' answer=''

clean_up() {
    trap '' INT TERM HUP
    if [[ -n $up ]]; then
        kill -TERM "$up" 2>/dev/null || true # it may have ended by itself
        wait "$up" || true                   # until worker, beat and both servers have ended
    fi
    rm -rf -- "$RETENTION_VAR_DIRECTORY"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP # once the command under way has ended: it uses the servers, too

chapter() { printf '\n\n== %s\n' "$1"; }
step() { step=$1 && printf '\n%s\n' "$step"; }
show() { sed 's/[[:space:]]*$//; /./,$!d; s/^./    &/' <<<"$answer"; }
match() { [[ $answer =~ $1 ]] || fail "it does not say: $1"; }
fail() { printf 'story: this step did not answer as it must: %s (%s)\n' "$step" "$1" >&2 && exit 1; }

# told CODE PATTERN ARGUMENTS…: show and run `retention ARGUMENTS`, which must end with CODE and answer by PATTERN.
told() {
    local expected=$1 pattern=$2 code=0 each shown='$ retention' && shift 2
    for each; do
        [[ $each == *' '* ]] && shown+=" \"$each\"" || shown+=" $each"
    done
    printf '%s\n' "$shown"
    answer=$(.venv/bin/retention "$@" 2>&1) || code=$?
    [[ $code == 0 ]] || answer+=$'\n'"(exit code $code)"
    show
    [[ $code == "$expected" ]] || fail "exit code $code instead of $expected"
    match "$pattern"
}

# sql PATTERN STATEMENT: show and run one statement, which must answer by PATTERN. A newcomer's machine has no psql.
sql() {
    printf 'sql> %s\n' "$2"
    answer=$(.venv/bin/python - "$2" 2>&1 <<'PYTHON'
import sys
from sqlalchemy import text
from worker.deployment import deployment
with deployment().engine.begin() as connection:
    done = connection.execute(text(sys.argv[1]))
    print(done.scalar() if done.returns_rows else f"rows changed: {done.rowcount}")
PYTHON
    ) || fail "${answer##*$'\n'}"
    show
    match "$1"
}

# is ACCOUNT KEY VALUE: `retention explain`, asked as a program asks, must answer VALUE.
is() {
    local found
    found=$({ .venv/bin/retention explain "$1" --json | .venv/bin/python -c 'import json, sys
print(json.load(sys.stdin)[sys.argv[1]])' "$2"; } 2>&1) || fail "${found%%$'\n'*}"
    [[ $found == "$3" ]] || fail "$2 of account $1 is $found instead of $3"
}

# withdrawn ACCOUNT DAYS: make the withdrawal one of so many days ago, in the last second of that day.
withdrawn() {
    [[ $(TZ=JST-9 date +%H%M) != 2359 ]] || sleep 60 # a midnight between this and the next step would be a day more
    sql 'changed: 1' "UPDATE accounts SET withdrawn_at = ((now() AT TIME ZONE 'Asia/Tokyo')::date - $2 \
+ time '23:59:59') AT TIME ZONE 'Asia/Tokyo' WHERE id = $1"
}

echo 'The story of two accounts on My Page (求職者マイページ), told by the command line.'
echo 'Each password is given by standard input: it is neither shown here nor in the list of processes.'
step 'PostgreSQL, Redis, a worker and beat are started, for this story alone.'
[[ -x .venv/bin/retention ]] || fail 'there is no .venv/bin/retention; run make install first'
echo '$ retention up &'
set -m # a process group of its own: Ctrl-C is for the script, which then ends the rest in good order
.venv/bin/retention up >"$RETENTION_VAR_DIRECTORY/up.log" 2>&1 &
up=$!
set +m
until grep -qs 'ready\.' "$RETENTION_VAR_DIRECTORY/worker.log"; do
    kill -0 "$up" 2>/dev/null || fail "$(tail -n 1 "$RETENTION_VAR_DIRECTORY/up.log")"
    ((SECONDS < 120)) || fail 'the worker is not ready after two minutes'
    sleep 0.1
done

chapter '1. Two people open My Page'
step 'Hanako (account A) and Taro (account B) register online (オンライン登録者).'
told 0 'account id +([0-9]+).*online' account register --email hanako@example.jp <<<'first password of Hanako'
a=${BASH_REMATCH[1]}
told 0 'account id +([0-9]+).*online' account register --email taro@example.jp <<<'first password of Taro'
b=${BASH_REMATCH[1]}
step 'Taro says what work he looks for (求職情報).'
sql 'changed: 1' "UPDATE job_seekings SET desired_occupation = 'carpenter' WHERE account_id = $b"

chapter '2. Leaving My Page (退会)'
step 'Withdrawal is refused while an application that Hanako made herself (自主応募) is pending.'
sql 'changed: 1' "INSERT INTO applications (account_id, kind, status) VALUES ($a, 'self', 'pending')"
told 3 'self-made application pending' account withdraw "$a"
step 'Once the employer has decided, it works.'
sql 'changed: 1' "UPDATE applications SET status = 'rejected' WHERE account_id = $a"
told 0 'state +withdrawn' account withdraw "$a"

chapter '3. Coming back alone within 30 days (アカウント再登録)'
step 'Nobody can log in to a withdrawn account, not even by the right password.'
told 3 'nobody can log in' account login --email hanako@example.jp <<<'first password of Hanako'
step 'On day 30, the last one, the old address and password reopen the account.'
withdrawn "$a" 30
told 0 'state +active' account reactivate --email hanako@example.jp <<<'first password of Hanako'

chapter '4. From day 31 on: too late to come back alone'
step 'Hanako withdraws again; on day 31 the right password does not help any more.'
told 0 'state +withdrawn' account withdraw "$a"
withdrawn "$a" 31
# What is said depends on whether the worker has erased the password already.
told 3 'office counter' account reactivate --email hanako@example.jp <<<'first password of Hanako'
step 'Time decides, not the worker: even while the row still says withdrawn, the account behaves as counter_only.'
told 0 'state +(withdrawn|counter_only).*behaves as +counter_only' explain "$a"
is "$a" effective_state counter_only
step 'Who does not come to an office registers anew, by the same address: that was freed, and the log says so.'
told 0 'state +active' account register --email hanako@example.jp <<<'second password of Hanako'
told 0 'counter_only' log list --account "$a"

chapter '5. Coming back at an office counter (窓口)'
step 'Taro withdraws, 31 days pass, and the worker erases his address and password.'
told 0 'state +withdrawn' account withdraw "$b"
withdrawn "$b" 31
told 0 'done' run counter_only --wait --actor story --reason 'not waiting for the night'
is "$b" state counter_only
step 'At the counter he gets his account back, job-seeking information (求職情報) and all, with a new address.'
told 0 'state +active.*hellowork' account recover "$b" --staff 0815 --office 13010 --email taro.new@example.jp \
    <<<'second password of Taro'
sql 'carpenter' "SELECT desired_occupation FROM job_seekings WHERE account_id = $b"
told 0 "account id +$b" account login --email taro.new@example.jp <<<'second password of Taro'

chapter '6. Five years after the registration became invalid (無効)'
step 'His registration becomes invalid. There is a complaint, so a hold is placed on the account.'
told 0 'deleted from +2' account invalidate "$b"
told 0 'Hold ([0-9]+) keeps' hold place "$b" --actor legal --reason 'complaint 2026-118'
hold=${BASH_REMATCH[1]}
step 'Five years pass, so that deletion is due today; the hold keeps the worker away.'
# Only now, under the hold, so that beat cannot be faster than the story. At midnight exactly, that day counts.
sql 'changed: 1' "UPDATE job_seekings SET invalidated_at = ((now() AT TIME ZONE 'Asia/Tokyo')::date \
- interval '5 years') AT TIME ZONE 'Asia/Tokyo' WHERE account_id = $b"
told 0 'done' run purge --wait --actor story --reason 'not waiting for the night'
told 0 "state +active.*purge: not now: hold $hold" explain "$b"
sql 'carpenter' "SELECT desired_occupation FROM job_seekings WHERE account_id = $b"
step 'The hold is released, and the next sweep deletes the account with all that is its.'
told 0 'is released' hold release "$hold" --actor legal --reason 'complaint settled'
told 0 'done' run purge --wait --actor story --reason 'not waiting for the night'
step 'What remains is in the log, by which the account is still explained.'
told 0 'state +gone.*In the log.*[0-9] +purge +' explain "$b"
is "$b" state gone
step 'Whatever is asked of it now is refused: only opening a new My Page helps.'
told 3 'was deleted for ever' account withdraw "$b"
told 3 'was deleted for ever' account recover "$b" --staff 0815 --office 13010 --email taro.new@example.jp \
    <<<'third password of Taro'
told 3 'was deleted for ever' hold place "$b" --actor legal --reason 'too late'

printf '\n\nThat is the whole story. Its servers stop now, and its data are removed.\n'
