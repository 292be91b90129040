//! The users of the operating system, as `/etc/passwd` has them. Accounts from elsewhere (LDAP) are not found.

use std::path::PathBuf;

/// A line of `/etc/passwd`.
struct Account {
    name: String,
    uid: u32,
    home: PathBuf,
}

fn find(wanted: impl Fn(&Account) -> bool) -> Option<Account> {
    let text = std::fs::read("/etc/passwd").ok()?;
    String::from_utf8_lossy(&text).lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, _, _, home, ..] = fields[..] else { return None };
        let account = Account { name: name.to_owned(), uid: uid.parse().ok()?, home: PathBuf::from(home) };
        wanted(&account).then_some(account)
    })
}

fn own() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The number of a user.
pub(crate) fn uid_of(name: &str) -> Option<u32> {
    find(|account| account.name == name).map(|account| account.uid)
}

/// The first name of a user.
pub(crate) fn name_of(uid: u32) -> Option<String> {
    find(|account| account.uid == uid).map(|account| account.name)
}

/// The name of this process's user.
pub(super) fn own_name() -> Option<String> {
    name_of(own())
}

/// The home folder of this process's user; may be empty.
pub(super) fn own_home() -> Option<PathBuf> {
    find(|account| account.uid == own()).map(|account| account.home)
}
