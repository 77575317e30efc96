"""Looks at everything: each folder, each message, each part of it."""

import hashlib

import account

with account.login() as client:
    print(client.namespace() if client.has_capability("NAMESPACE") else "no NAMESPACE")
    for flags, delimiter, name in sorted(client.list_folders(), key=lambda folder: folder[2]):
        status = client.folder_status(name, ["MESSAGES", "UIDNEXT", "UNSEEN"])
        opened = client.select_folder(name, readonly=True)
        assert opened[b"EXISTS"] == status[b"MESSAGES"], (name, opened, status)
        print(name, sorted(flags), delimiter, sorted(status.items()), opened[b"FLAGS"])
        uids = client.search("ALL")
        assert len(uids) == status[b"MESSAGES"], (name, uids)
        wanted = ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "BODY.PEEK[]", "BODY.PEEK[HEADER]"]
        for uid, message in sorted(client.fetch(uids, wanted).items()):
            whole = message[b"BODY[]"]
            assert len(whole) == message[b"RFC822.SIZE"], (name, uid)
            assert whole.startswith(message[b"BODY[HEADER]"]), (name, uid)
            digest = hashlib.sha256(whole).hexdigest()
            print(" ", uid, sorted(message[b"FLAGS"]), message[b"INTERNALDATE"], digest)
            print("   ", message[b"ENVELOPE"], message[b"BODYSTRUCTURE"])
        if uids:
            part = client.fetch(uids[0], ["BODY.PEEK[TEXT]<3.5>", "BODY.PEEK[1]"])
            print("   ", sorted(part[uids[0]].items(), key=lambda item: str(item[0])))
