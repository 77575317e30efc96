"""Waits in IDLE while a second session brings, flags and removes a message."""

import account


def until(client, number, what):
    """Hears until this was said of that message."""
    heard = []
    while not any(said[0] == number and said[1] == what for said in heard):
        more = client.idle_check(timeout=30)
        assert more, (number, what, heard)
        heard += more
    return heard


with account.login() as client, account.login() as other:
    client.select_folder("INBOX")
    other.select_folder("INBOX")
    client.idle()
    other.append("INBOX", b"Subject: new\r\n\r\ncanary\r\n")
    until(client, 7, b"EXISTS")
    client.idle_done()
    uid = client.search("ALL")[-1]
    print(client.fetch([uid], ["BODY.PEEK[HEADER]"])[uid][b"BODY[HEADER]"])

    client.idle()
    other.add_flags([uid], [b"\\Flagged"])
    assert b"\\Flagged" in until(client, 7, b"FETCH")[-1][2][1]
    other.delete_messages([uid])
    other.expunge()
    until(client, 7, b"EXPUNGE")
    text, _ = client.idle_done()
    print(text.decode().split(" (")[0])
    print(client.search("ALL"))
