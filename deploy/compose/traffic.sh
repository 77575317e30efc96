#!/bin/sh
# Somebody who reads mail: SERVER=imap://HOST:PORT [PAUSE=5] [ROUNDS=0, for ever]
set -u
round=0
imap() { curl --silent --show-error --max-time 20 --user demo:demo "$@"; }

while :; do
    round=$((round + 1))
    printf 'From: Ann <ann@example.org>\r\nTo: demo@example.org\r\nSubject: message %s\r\n\r\nHello.\r\n' "$round" >/tmp/message.$$
    imap "$SERVER/INBOX" --upload-file /tmp/message.$$
    imap "$SERVER/Archive" --upload-file /tmp/message.$$ # refused: the archive is read-only
    imap "$SERVER/"                                      # names: Finance is not among them
    imap "$SERVER/INBOX;MAILINDEX=1"                     # a message is read
    imap "$SERVER/Finance" --request NOOP                # does not exist
    imap "$SERVER/INBOX" --request 'COPY 1 Archive'      # refused
    imap "$SERVER/INBOX" --request 'SEARCH ALL'
    rm -f /tmp/message.$$
    [ "$round" != "${ROUNDS:-0}" ] || exit 0
    sleep "${PAUSE:-5}"
done
