//! Connection strings for a private server.

use std::fmt::Write as _;

use super::server::EmbeddedPostgres;

impl EmbeddedPostgres {
    /// A URL for `postgres` with its password, over TCP.
    pub fn url(&self) -> String {
        self.url_for("postgres", "postgres")
    }

    /// A URL for another user and database, over TCP, with the password that the [builder](super::Builder::role) gave this user, or
    /// that of `postgres`, which users have that were made without one.
    pub fn url_for(&self, user: &str, database: &str) -> String {
        self.make_url(user, Some(self.password_of(user)), &self.launch.host, database)
    }

    /// A URL for `postgres` with its password that leads somewhere else: `place` is `host:port`, or several of them with commas
    /// between, such as a proxy or another name of this machine.
    pub fn url_at(&self, place: &str) -> String {
        format!("postgresql://postgres:{}@{place}/postgres", percent(self.password()))
    }

    /// The password of `postgres`.
    pub fn password(&self) -> &str {
        &self.launch.password
    }

    /// The password with which this user is let in over TCP.
    pub fn password_of(&self, user: &str) -> &str {
        let own = self.launch.roles.iter().find(|(name, _)| name == user);
        own.map_or(&self.launch.password, |(_, password)| password)
    }

    /// A URL for another user and database with that user's password, over TCP.
    pub fn url_with_password(&self, user: &str, password: &str, database: &str) -> String {
        self.make_url(user, Some(password), &self.launch.host, database)
    }

    /// A URL for `postgres`, over the Unix-domain socket.
    pub fn socket_url(&self) -> String {
        self.make_url("postgres", None, &self.launch.folder.display().to_string(), "postgres")
    }

    fn make_url(&self, user: &str, password: Option<&str>, host: &str, database: &str) -> String {
        let mut url = format!("postgresql://{}", percent(user));
        if let Some(password) = password {
            url += &format!(":{}", percent(password));
        }
        // A socket's folder goes where the host goes, with its slashes encoded; an IPv6 address in brackets.
        let host = if host.contains(':') { format!("[{host}]") } else { percent(host) };
        url + &format!("@{host}:{}/{}", self.launch.port, percent(database))
    }
}

/// Encodes whatever could mean something in a URL.
fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            // Writing into a String cannot fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}
