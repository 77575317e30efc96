// A profile that asks nobody anything, and reaches nothing but loopback.

// Marionette chooses a port, and writes it into the profile.
user_pref("marionette.port", 0);

// Every name is that of this machine, and what is not on it is asked of a proxy that does not exist.
user_pref("network.dns.native-is-localhost", true);
user_pref("network.proxy.type", 1);
user_pref("network.proxy.socks", "127.0.0.1");
user_pref("network.proxy.socks_port", 9);
user_pref("network.proxy.socks_remote_dns", true);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("app.update.auto", false);
user_pref("extensions.update.enabled", false);
user_pref("extensions.systemAddon.update.enabled", false);
user_pref("datareporting.healthreport.uploadEnabled", false);
user_pref("toolkit.telemetry.server", "");
user_pref("mail.inappnotifications.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);

// Nothing opens on its own.
user_pref("datareporting.policy.dataSubmissionPolicyBypassNotification", true);
user_pref("mail.provider.suppress_dialog_on_startup", true);
user_pref("mail.rights.version", 9999);
user_pref("mail.shell.checkDefaultClient", false);
user_pref("mailnews.start_page.enabled", false);
user_pref("mail.biff.show_alert", false);
user_pref("mail.biff.play_sound", false);

// A folder that is deleted goes to the Trash, and nobody is asked whether it shall.
user_pref("mailnews.confirm.moveFoldersToTrash", false);

// Copies are made when the test says so, of all messages, and then only.
user_pref("mail.server.default.autosync_offline_stores", false);
user_pref("mailnews.database.global.indexer.enabled", false);

// New mail is looked for in every folder.
user_pref("mail.server.default.check_all_folders_for_new", true);
