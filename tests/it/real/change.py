"""Changes whatever can be changed, and looks at what came of it."""

import account


def steady(answer):
    """Without the time that Dovecot took, and the UIDVALIDITY of a mailbox that was just made."""
    import re

    text = answer.decode() if isinstance(answer, bytes) else str(answer)
    text = re.sub(r" \([0-9.]+ \+ .* secs\)", "", text)
    return re.sub(r"(APPENDUID|COPYUID) \d+", r"\1 *", text)


with account.login() as client:
    print(client.select_folder("INBOX")[b"PERMANENTFLAGS"])

    # Append, with flags, a date and text that is not ASCII.
    letter = "From: a@example.org\r\nSubject: =?utf-8?B?R3LDvMOfZSBhdXMgS8O2bG4=?=\r\n\r\nGrüße aus Köln, canary\r\n"
    print(steady(client.append("INBOX", letter.encode(), flags=(b"\\Seen", b"$Label1"))))
    print(client.search(["SUBJECT", "Grüße"], "UTF-8"), client.search(["TEXT", "Köln"], "UTF-8"))
    print(client.search(["OR", "FLAGGED", ["KEYWORD", "$Label1"]]), client.search("UNSEEN"))
    print(client.search(["SINCE", "15-Nov-2023", "NOT", "SEEN"]))

    # Flags.
    print(client.add_flags([1, 2], [b"\\Flagged", b"mine"]))
    print(client.remove_flags([2], [b"\\Seen"]))
    print(client.set_flags([3], [b"\\Answered"]))

    # Folders in scripts of the world, made, renamed, subscribed, removed.
    for name in ["Grüße/日本語", "A & B", 'with "quotes"', "[brackets] {3}"]:
        print(name, steady(client.create_folder(name)), client.folder_exists(name))
        client.append(name, b"Subject: inside\r\n\r\ncanary\r\n")
        print(client.folder_status(name, ["MESSAGES"]))
        client.subscribe_folder(name)
    client.rename_folder("A & B", "B & Ä")
    print(sorted(name for _, _, name in client.list_sub_folders()))
    client.unsubscribe_folder("A & B")
    client.delete_folder("B & Ä")
    print(sorted(name for _, _, name in client.list_folders()))

    # Copy, move, remove.
    print(steady(client.copy([1, 2], "Grüße/日本語")))
    print(steady(client.move([4], "Archive")))
    client.delete_messages([5])
    print(client.expunge([5]) if client.has_capability("UIDPLUS") else steady(client.expunge()))
    print(sorted(client.fetch(client.search("ALL"), ["FLAGS"]).items()))
    print(client.select_folder("Archive", readonly=True)[b"EXISTS"], client.select_folder("Grüße/日本語")[b"EXISTS"])
    client.delete_messages(client.search("ALL"))
    client.close_folder()
    print(client.folder_status("Grüße/日本語", ["MESSAGES"]))

    # What is not there is not there.
    for wrong in [lambda: client.select_folder("Nowhere"), lambda: client.copy([1], "Nowhere")]:
        try:
            wrong()
        except Exception as error:  # whatever the library makes of a NO
            print(type(error).__name__)
