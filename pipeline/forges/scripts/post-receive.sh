#!/bin/sh
# Tells Écluse of every push, by a signed POST. Made by `ecluse hook install`; needs sh, curl and openssl.
# It never keeps a push waiting for more than a few seconds: what cannot be told at once is tried again behind it.
hook_url=@URL@
secret_file=@SECRET@

say() { printf 'ecluse: %s\n' "$*" >&2; }

work=$(mktemp -d "${TMPDIR:-/tmp}/ecluse-hook.XXXXXX") || { say "no temporary folder: nobody was told of this push"; exit 0; }
trap 'rm -rf "$work"' EXIT
umask 077

secret=$(cat "$secret_file" 2>/dev/null)
if [ -z "$secret" ]; then
    say "$secret_file cannot be read by $(id -un): nobody was told of this push"
    exit 0
fi

# HMAC by hand (RFC 2104), so that the secret is on no command line: all of this is done by the shell itself.
if [ ${#secret} -gt 64 ]; then
    say "the secret is longer than 64 characters: make one with \`ecluse repository set NAME --new-secret\`"
    exit 0
fi
inner='' outer='' count=0 rest=$secret
while [ $count -lt 64 ]; do
    code=0
    if [ -n "$rest" ]; then
        tail=${rest#?}
        code=$(printf '%d' "'${rest%"$tail"}")
        rest=$tail
    fi
    inner="$inner\\0$(((code ^ 54) / 64))$(((code ^ 54) / 8 % 8))$(((code ^ 54) % 8))"
    outer="$outer\\0$(((code ^ 92) / 64))$(((code ^ 92) / 8 % 8))$(((code ^ 92) % 8))"
    count=$((count + 1))
done

quoted() { printf '%s' "$1" | tr -d '\000-\037' | sed 's/[\\"]/\\&/g'; }

# send BODY DELIVERY SECONDS: 0 = taken, 1 = worth another try, 2 = refused
send() {
    stamp=$(date +%s)
    mac=$({
        printf '%b' "$outer"
        { printf '%b' "$inner"; printf '%s.%s.' "$stamp" "$2"; cat "$1"; } | openssl dgst -sha256 -binary
    } | openssl dgst -sha256 | sed 's/.*= *//')
    code=$(curl --silent --proto =http,https --max-time "$3" --output "$work/answer" --write-out '%{http_code}' \
        --header 'Content-Type: application/json' --header 'X-Ecluse-Event: push' \
        --header "X-Ecluse-Delivery: $2" --header "X-Ecluse-Timestamp: $stamp" \
        --header "X-Ecluse-Signature-256: sha256=$mac" --data-binary "@$1" "$hook_url" 2>/dev/null) || code=000
    case $code in
        202 | 200) told="told the server (delivery $2)"; return 0 ;;
        204) told="told the server; it does nothing with this push"; return 0 ;;
        000) told="the server does not answer"; return 1 ;;
        429 | 5??) told="the server answers $code"; return 1 ;;
        401) told="the server does not accept the signature: compare $secret_file, the repository's name and the clocks"; return 2 ;;
        *) told="the server refuses this push with $code"; return 2 ;;
    esac
}

# deliver BODY: twice within seconds, then behind the push for some minutes
away=''
deliver() {
    delivery=$(openssl rand -hex 16)
    for seconds in 3 2; do
        [ -z "$away" ] || break
        send "$1" "$delivery" $seconds
        case $? in 0 | 2) say "$told"; return ;; esac
    done
    away=$told
    if ! kept=$(mktemp -d "${TMPDIR:-/tmp}/ecluse-later.XXXXXX") || ! cp "$1" "$kept/body"; then
        say "$told: nobody was told of this push"
        return
    fi
    say "$told; it is told again behind this push, for ten minutes (delivery $delivery)"
    (
        trap 'rm -rf "$kept"' EXIT
        trap '' HUP
        work=$kept
        for pause in @PAUSES@; do
            sleep "$pause"
            send "$kept/body" "$delivery" 10
            [ $? -eq 1 ] || break
        done
    ) </dev/null >/dev/null 2>&1 &
}

actor=$(quoted "${GL_USERNAME:-${REMOTE_USER:-${LOGNAME:-$(id -un)}}}")
place=$(quoted "$(pwd -P)")
body=$work/body count=0
end() {
    printf ']}' >>"$body"
    deliver "$body"
    count=0
}
while read -r before after ref; do
    if [ $count -eq 0 ]; then
        printf '{"actor":"%s","clone_url":"%s","changes":[' "$actor" "$place" >"$body"
    else
        printf ',' >>"$body"
    fi
    printf '{"ref":"%s","before":"%s","after":"%s"}' "$(quoted "$ref")" "$before" "$after" >>"$body"
    count=$((count + 1))
    [ $count -lt 500 ] || end
done
[ $count -eq 0 ] || end
exit 0
