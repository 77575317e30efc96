// What is done in Thunderbird: through the interfaces that its own windows use. Everything ends when it is done.
//
//     mail.holds("INBOX", [[1, ["\\seen"]]])     waits until the folder holds these messages with these flags, and no others
//
// A folder is named as in IMAP, in modified UTF-7.

const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");

const PATIENCE = 30_000;
const FLAGS = { "\\seen": 0x1, "\\answered": 0x2, "\\flagged": 0x4, "\\deleted": 0x200000, $forwarded: 0x1000 };
const OFFLINE = 0x80;
// What makes a folder special: Trash, Sent, Drafts, Inbox, Archive, Junk, Templates.
const SPECIAL = { Trash: 0x100, Sent: 0x200, Drafts: 0x400, Inbox: 0x1000, Archive: 0x4000, Templates: 0x400000, Junk: 0x40000000 };

/** What a user would have been told, and asked. */
const faults = [];
/** What is to be looked at when something has happened. */
const looks = new Set();
let server;

function listen() {
  const happened = () => [...looks].forEach((look) => look());
  const listener = { QueryInterface: ChromeUtils.generateQI(["nsIFolderListener"]) };
  for (const name of [
    "onFolderAdded", "onMessageAdded", "onFolderRemoved", "onMessageRemoved", "onFolderPropertyChanged", "onFolderIntPropertyChanged",
    "onFolderBoolPropertyChanged", "onFolderPropertyFlagChanged", "onFolderEvent",
  ]) {
    listener[name] = happened;
  }
  MailServices.mailSession.AddFolderListener(listener, Ci.nsIFolderListener.all);
  MailServices.mailSession.addUserFeedbackListener({
    onAlert(message) {
      faults.push(message);
      return true; // no dialog
    },
    onCertError(_, uri) {
      faults.push(`certificate of ${uri?.spec}`);
      return true;
    },
    QueryInterface: ChromeUtils.generateQI(["nsIMsgUserFeedbackListener"]),
  });
  const window = (opened) => opened.addEventListener("load", () => faults.push(`window ${opened.location} ${opened.document.title}`), { once: true });
  Services.obs.addObserver(window, "domwindowopened");
}

/** What `test` finds, as soon as it does. What is not heard of is looked for four times a second. */
function until(what, test, tells = () => undefined) {
  return new Promise((resolve, reject) => {
    const end = Date.now() + PATIENCE;
    const done = (settle, value) => {
      looks.delete(look);
      clearInterval(clock);
      settle(value);
    };
    const look = () => {
      try {
        const found = test();
        if (found) {
          done(resolve, found);
        } else if (Date.now() > end) {
          done(reject, new Error(`not within ${PATIENCE} ms: ${what}; ${JSON.stringify(tells())}; told: ${JSON.stringify(faults)}`));
        }
      } catch (error) {
        done(reject, error);
      }
    };
    const clock = setInterval(look, 250);
    looks.add(look);
    look();
  });
}

/** As `until`, asking for it again and again: where something else is under way, Thunderbird forgets what it was asked. */
function asked(what, ask, test, tells) {
  let next = 0;
  let failed;
  const told = () => [tells(), failed && `${failed}`];
  return until(
    what,
    () => {
      const found = test();
      if (!found && Date.now() >= next) {
        next = Date.now() + 2000;
        try {
          ask();
        } catch (error) {
          failed = error;
        }
      }
      return found;
    },
    told,
  );
}

const listeners = {
  url: ["nsIUrlListener", "OnStartRunningUrl", "OnStopRunningUrl"],
  copy: ["nsIMsgCopyServiceListener", "onStartCopy", "onStopCopy"],
};

/** Begins something that tells a listener of its end, and waits for that. */
function ended(kind, begin) {
  const [type, starts, stops] = listeners[kind];
  return new Promise((resolve, reject) => {
    const stopped = (...told) => (told.at(-1) === 0 ? resolve() : reject(new Error(`it ended with ${told.at(-1).toString(16)}`)));
    begin({ [starts]() {}, [stops]: stopped, onProgress() {}, setMessageKey() {}, QueryInterface: ChromeUtils.generateQI([type]) });
  });
}

const window3 = () => Services.wm.getMostRecentWindow("mail:3pane");
const about3 = () => window3().document.getElementById("tabmail").currentAbout3Pane;
const msgWindow = () => window3().msgWindow;
const all = () => server.rootFolder.descendants.map((folder) => folder.QueryInterface(Ci.nsIMsgImapMailFolder));
const found = (name) => all().find((folder) => folder.onlineName === name);

function folder(name) {
  const it = found(name);
  if (!it) throw new Error(`there is no folder ${name}`);
  return it;
}

const messages = (name) => [...folder(name).messages].sort((one, other) => one.messageKey - other.messageKey);
const message = (name, uid) => folder(name).GetMessageHeader(uid);

function flags(header) {
  const known = Object.keys(FLAGS).filter((flag) => header.flags & FLAGS[flag]);
  return [...known, ...header.getStringProperty("keywords").toLowerCase().split(" ").filter(Boolean)].sort();
}

const mail = {
  /** An account as its assistant makes it, and the authority that the server is certified by. */
  async account({ user, password, port, ca }) {
    const der = ca.replace(/-----[^-]*-----|\s/g, "");
    Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64(der, "C,,");
    const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
    login.init("imap://localhost", null, "imap://localhost", user, password, "", "");
    await Services.logins.addLoginAsync(login);
    server = MailServices.accounts.createIncomingServer(user, "localhost", "imap");
    Object.assign(server, { port, socketType: Ci.nsMsgSocketType.SSL, authMethod: Ci.nsMsgAuthMethod.passwordCleartext, valid: true });
    Object.assign(server, { loginAtStartUp: false, doBiff: false });
    const account = MailServices.accounts.createAccount();
    account.incomingServer = server;
    const identity = MailServices.accounts.createIdentity();
    identity.email = `${user}@example.org`;
    account.addIdentity(identity);
    MailServices.accounts.defaultAccount = account;
    server.QueryInterface(Ci.nsIImapIncomingServer);
  },

  /** The account that an earlier visit made. */
  async again() {
    server = MailServices.accounts.defaultAccount.incomingServer.QueryInterface(Ci.nsIImapIncomingServer);
  },

  /** Asks which folders there are. */
  async discover() {
    await ended("url", (listener) => MailServices.imap.discoverAllFolders(server.rootFolder, listener, msgWindow()));
    return mail.folders();
  },

  /** All folders, by which name each is shown, and what it is for. */
  async folders() {
    const special = (it) => Object.keys(SPECIAL).filter((name) => it.flags & SPECIAL[name]);
    return all().map((it) => [it.onlineName, it.prettyName ?? it.localizedName, special(it)]).sort();
  },

  /** Asks for new mail, and waits until the counts beside the names are these. */
  async counts(expected) {
    const are = () => all().map((it) => [it.onlineName, it.getTotalMessages(false), it.getNumUnread(false)]).sort();
    const look = () => server.getNewMessages(server.rootFolder, msgWindow(), null);
    await asked(`counts ${JSON.stringify(expected)}`, look, () => JSON.stringify(are()) === JSON.stringify(expected), are);
  },

  /** Selects a folder in the window, as a click on its name does. */
  async click(name) {
    about3().displayFolder(folder(name).URI);
    await until(`${name} is shown`, () => about3().gFolder?.onlineName === name);
  },

  /** Waits until a folder holds just this; what more it holds of each message. Asked to, it looks for new messages, else it listens. */
  async holds(name, expected, looks) {
    const wanted = JSON.stringify(expected);
    const held = () => messages(name).map((header) => [header.messageKey, flags(header)]);
    const look = () => looks && folder(name).updateFolder(msgWindow());
    await asked(`${name} holds ${wanted}`, look, () => JSON.stringify(held()) === wanted, held);
    return messages(name).map((it) => [it.mime2DecodedSubject, it.mime2DecodedAuthor, it.messageId, it.messageSize, flags(it)]);
  },

  /** Copies all messages of a folder to this machine, and reads what was copied. */
  async copies(name) {
    const left = () => messages(name).filter((header) => !(header.flags & OFFLINE)).map((header) => header.messageKey);
    const copy = () => folder(name).downloadAllForOffline(null, msgWindow());
    await asked(`${name} is copied`, copy, () => left().length === 0, left);
    const text = (header) => {
      const stream = Cc["@mozilla.org/binaryinputstream;1"].createInstance(Ci.nsIBinaryInputStream);
      stream.setInputStream(folder(name).getMsgInputStream(header));
      let text = "";
      for (let left; (left = stream.available()) > 0; ) text += stream.readBytes(left);
      return text.replace(/^(X-Mozilla-\S*:.*\n)+/, "");
    };
    return messages(name).map(text);
  },

  /** All that was ever copied from a folder, and is still on the disk. */
  async disk(name) {
    const { path } = folder(name).filePath;
    return (await IOUtils.exists(path)) ? new TextDecoder("latin1").decode(await IOUtils.read(path)) : "";
  },

  /** The list of the open folder, and a message that is read in it. */
  async reads(uid, rows) {
    const pane = about3();
    const listed = () => Array.from({ length: pane.gDBView?.rowCount ?? 0 }, (_, row) => pane.gDBView.getMsgHdrAt(row).messageKey);
    await until(`${rows} rows`, () => listed().length === rows, listed);
    pane.threadTree.selectedIndex = listed().indexOf(uid);
    const { contentWindow: reader } = pane.messageBrowser;
    await until(`${uid} is shown`, () => reader.gMessage?.messageKey === uid && reader.msgLoaded);
    const text = () => reader.document.getElementById("messagepane").contentDocument?.body?.textContent;
    await until(`${uid} has text`, () => text()?.trim());
    const subjects = Array.from({ length: rows }, (_, row) => pane.gDBView.getMsgHdrAt(row).mime2DecodedSubject);
    return [subjects, reader.document.getElementById("expandedsubjectBox").textContent, text()];
  },

  async flag(name, uid, on) {
    folder(name).markMessagesFlagged([message(name, uid)], on);
  },

  async read(name, uid, on) {
    folder(name).markMessagesRead([message(name, uid)], on);
  },

  async tag(name, uid, keyword) {
    folder(name).addKeywordsToMessages([message(name, uid)], keyword);
  },

  async copy(name, uids, to, moves) {
    const headers = uids.map((uid) => message(name, uid));
    await ended("copy", (listener) => MailServices.copy.copyMessages(folder(name), headers, folder(to), moves, listener, msgWindow(), true));
  },

  /** Deletes messages: into the Trash, or by a mark. */
  async remove(name, uids, marks) {
    server.deleteModel = marks ? Ci.nsMsgImapDeleteModels.IMAPDelete : Ci.nsMsgImapDeleteModels.MoveToTrash;
    const headers = uids.map((uid) => message(name, uid));
    if (marks) folder(name).deleteMessages(headers, msgWindow(), false, false, null, true);
    else await ended("copy", (listener) => folder(name).deleteMessages(headers, msgWindow(), false, false, listener, true));
  },

  /** Removes what is marked, there and here. */
  async compact(name) {
    folder(name).compact(null, msgWindow());
  },

  async emptyTrash() {
    server.deleteModel = Ci.nsMsgImapDeleteModels.MoveToTrash;
    folder("Trash").emptyTrash(null);
  },

  /** Stores a letter, as one that was sent. */
  async store(name, text) {
    const file = Services.dirsvc.get("TmpD", Ci.nsIFile);
    file.append("letter.eml");
    await IOUtils.writeUTF8(file.path, text);
    await ended("copy", (listener) =>
      MailServices.copy.copyFileMessage(file, folder(name), null, false, Ci.nsMsgMessageFlags.Read, "", listener, msgWindow()),
    );
  },

  async create(name, online) {
    server.rootFolder.createSubfolder(name, msgWindow());
    await until(`${online} is made`, () => found(online));
  },

  async rename(online, name) {
    folder(online).rename(name, msgWindow());
    await until(`${online} is renamed`, () => found(name) && !found(online));
  },

  async discard(name) {
    folder(name).deleteSelf(msgWindow());
    await until(`${name} is in the Trash`, () => found(`Trash/${name}`) && !found(name));
  },

  /** Messages that the server finds: by subject, sender or text. */
  async search(name, words) {
    const { nsMsgSearchAttrib: attribute, nsMsgSearchOp: operator, nsMsgSearchScope: scope } = Ci;
    const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
    session.addScopeTerm(scope.onlineMail, folder(name));
    for (const attrib of [attribute.Subject, attribute.Sender, attribute.Body]) {
      const term = session.createTerm();
      const { value } = term;
      Object.assign(value, { attrib, str: words });
      Object.assign(term, { value, attrib, op: operator.Contains, booleanAnd: false });
      session.appendTerm(term);
    }
    const hits = [];
    await new Promise((resolve, reject) => {
      const listener = {
        onNewSearch() {},
        onSearchHit: (header) => hits.push(header.mime2DecodedSubject),
        onSearchDone: (status) => (status === 0 ? resolve() : reject(new Error(`the search ended with ${status.toString(16)}`))),
        QueryInterface: ChromeUtils.generateQI(["nsIMsgSearchNotify"]),
      };
      session.registerListener(listener, Ci.nsIMsgSearchSession.allNotifications);
      session.search(msgWindow());
    });
    return hits.sort();
  },

  async faults() {
    return faults;
  },
};

window.mail = mail;
listen();
