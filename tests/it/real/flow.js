// imapflow walks a mailbox, changes it, and listens while somebody else does. What comes of it goes to the standard output.
"use strict";

const { once } = require("node:events");
const { readFileSync } = require("node:fs");
const { ImapFlow } = require("imapflow");

const { env } = process;

function connection(port, ca) {
  return new ImapFlow({
    host: "localhost",
    port: Number(port),
    secure: true,
    tls: { ca: readFileSync(ca) },
    auth: { user: env.USER, pass: env.PASSWORD },
    logger: false,
  });
}

const show = (...what) => console.log(JSON.stringify(what, (_, value) => plain(value)));

function plain(value) {
  if (value instanceof Map) return [...value];
  if (value instanceof Set) return [...value].sort();
  return typeof value === "bigint" ? String(value) : value;
}

/** All that is in the open mailbox. Who was the first to see a message is not told. */
async function messages(client, range, options) {
  const wanted = { uid: true, flags: true, envelope: true, size: true, internalDate: true, bodyStructure: true, source: true };
  const found = [];
  for await (const message of client.fetch(range, wanted, options)) {
    message.flags.delete("\\Recent");
    found.push({ ...message, source: message.source.toString(), modseq: undefined, emailId: undefined, id: undefined });
  }
  return found;
}

async function walk(client) {
  for (const folder of await client.list({ statusQuery: { messages: true, unseen: true, uidNext: true } })) {
    const lock = await client.getMailboxLock(folder.path);
    try {
      const { exists, uidNext, flags, permanentFlags } = client.mailbox;
      show(folder.path, folder.specialUse, folder.status, exists, uidNext, flags, permanentFlags);
      if (exists === 0) continue;
      show(await messages(client, "1:*"));
      show(await client.fetchOne("*", { uid: true, flags: true }));
      for (const query of [{ all: true }, { seen: false }, { subject: "e" }, { larger: 400 }, { not: { deleted: true } }]) {
        show(query, await client.search(query), await client.search(query, { uid: true }));
      }
      const { content } = await client.download("1", "1");
      let octets = 0;
      for await (const chunk of content) octets += chunk.length;
      show(octets);
    } finally {
      lock.release();
    }
  }
}

async function change(client) {
  await client.append("INBOX", "Subject: by imapflow\r\n\r\nx\r\n", ["\\Seen", "$Label1"]);
  const lock = await client.getMailboxLock("INBOX");
  try {
    await client.messageFlagsAdd("2:3", ["\\Flagged"]);
    await client.messageFlagsRemove({ seen: true }, ["\\Seen"]);
    await client.messageCopy("1:*", "Archive");
    await client.messageMove("2", "Trash");
    await client.messageDelete("*");
    show(client.mailbox.exists, await messages(client, "1:*"));
  } finally {
    lock.release();
  }
}

/** Somebody else is at the server itself, and brings and changes what is hidden, too. */
async function listen(client) {
  const other = connection(env.UPSTREAM_PORT, env.UPSTREAM_CA);
  await other.connect();
  await other.mailboxOpen("INBOX");
  await client.mailboxOpen("INBOX");
  const heard = [];
  client.on("exists", (event) => heard.push(["exists", event.count, event.prevCount]));
  client.on("expunge", (event) => heard.push(["expunge", event.seq]));
  client.on("flags", (event) => heard.push(["flags", event.seq, [...event.flags].filter((flag) => flag !== "\\Recent").sort()]));
  const until = async (what, change) => {
    client.idle();
    await change();
    while (!heard.some(([name]) => name === what)) await once(client, what);
    show(heard.splice(0));
  };
  // Where there is nothing to hide, it goes before anybody looks, so that UIDs are the same.
  const secret = await other.append("INBOX", env.SECRET, []);
  const hides = env.HIDES === "yes";
  if (!hides) await other.messageDelete(secret.uid, { uid: true });
  const flagSecret = async (flag) => hides && other.messageFlagsAdd(secret.uid, [flag], { uid: true });
  let come;
  await until("exists", async () => {
    come = await other.append("INBOX", "Subject: seen\r\n\r\nx\r\n", []);
  });
  await until("flags", async () => {
    await flagSecret("\\Flagged");
    await other.messageFlagsAdd(come.uid, ["\\Flagged"], { uid: true });
  });
  await until("expunge", async () => {
    await flagSecret("\\Answered");
    await other.messageMove("1", "Archive");
  });
  await until("expunge", async () => {
    if (hides) await other.messageDelete(secret.uid, { uid: true });
    await other.messageDelete(come.uid, { uid: true });
  });
  show(client.mailbox.exists, await client.search({ all: true }, { uid: true }));
  await other.logout();
}

async function main() {
  const client = connection(env.IMAPS_PORT, env.CA);
  await client.connect();
  await { walk, change, listen }[process.argv[2]](client);
  await client.logout();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
