//! Connection strings, read as libpq reads them: `postgresql://` URLs and `key=value` strings.
//!
//! This follows `conninfo_parse` and `conninfo_uri_parse_options` in PostgreSQL's `fe-connect.c`, quirks included, and
//! `tests/dsn_against_libpq.rs` holds the two side by side. Known differences, all on the strict side: a URL whose
//! percent-encoding gives something other than UTF-8 is refused, and so is a NUL byte anywhere. A space in a URL is a
//! plain character, as in libpq up to 16.
//!
//! A malformed string may hold a password in any place. So no message repeats a piece of the input, except the name of
//! an unknown option where that piece cannot well be part of a password.

use super::option_info;
use super::option_info::OptionInfo;
use crate::error::{Error, Result};

/// The content of a connection string.
#[derive(Debug)]
pub(super) struct Conninfo {
    /// Each option once, with the value given last, not yet checked.
    pub(super) pairs: Vec<(&'static OptionInfo, String)>,
    /// Parts of a password may have ended up elsewhere, so that no value may be shown.
    pub(super) doubtful: bool,
    /// An `@` stands in a URL's hosts or in its path. libpq takes it as part of a name; far more likely a password has an
    /// unencoded `@` or `/`, and its rest became a host or a database, which errors and logs show.
    pub(super) ambiguous: bool,
}

/// Reads either form.
pub(super) fn parse(text: &str) -> Result<Conninfo> {
    if text.contains('\0') {
        return Err(Error::config("the connection string contains a NUL byte"));
    }
    match url_body(text) {
        Some(body) => parse_url(body),
        None => parse_keywords(text),
    }
}

/// Returns the text after the scheme, if it is a PostgreSQL URL. Case matters, as in libpq.
fn url_body(text: &str) -> Option<&str> {
    text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"))
}

/// The pairs found so far.
#[derive(Default)]
struct Pairs {
    pairs: Vec<(&'static OptionInfo, String)>,
    /// The next text may be the rest of a password that was not quoted or encoded.
    after_secret: bool,
    doubtful: bool,
}

impl Pairs {
    /// Stores a value; a later one for the same key replaces it, as in libpq.
    fn store(&mut self, key: &str, value: String) -> Result<()> {
        let (key, value) = match (key, value) {
            // libpq's translation of an option that PostgreSQL 7.4 had.
            ("requiressl", value) => {
                let mode = if value.starts_with('1') { "require" } else { "prefer" };
                ("sslmode", mode.to_owned())
            }
            other => other,
        };
        let row = match option_info::known(key) {
            Err(_) if self.after_secret || self.doubtful => {
                return Err(Error::config(
                    "unknown option after a password: in a keyword string a password with spaces needs 'quotes', \
                     in a URL its special characters need percent-encoding (%40 for @, %2F for /, %26 for &)",
                ));
            }
            found => found?,
        };
        self.after_secret = row.is_secret();
        match self.pairs.iter_mut().find(|(known, _)| known.key() == row.key()) {
            Some((_, old)) => *old = value,
            None => self.pairs.push((row, value)),
        }
        Ok(())
    }
}

/// C's `isspace` for ASCII, which differs from Rust's in the vertical tab.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

fn parse_keywords(text: &str) -> Result<Conninfo> {
    let mut pairs = Pairs::default();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let end = rest.find(|c| c == '=' || is_space(c)).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let Some(after) = after.trim_start_matches(is_space).strip_prefix('=') else {
            return Err(missing_equals(text, text.len() - rest.len()));
        };
        let (value, after) = keyword_value(after.trim_start_matches(is_space))?;
        pairs.store(key, value)?;
        rest = after.trim_start_matches(is_space);
    }
    Ok(Conninfo { pairs: pairs.pairs, doubtful: false, ambiguous: false })
}

fn missing_equals(text: &str, at: usize) -> Error {
    if text.contains("://") {
        return Error::config("not a PostgreSQL URL: it must begin with postgresql:// or postgres://");
    }
    let position = text[..at].chars().count() + 1;
    Error::config(format!(
        "missing \"=\" after the word at character {position} of the connection string: \
         it is either a URL (postgresql://...) or pairs like host=db user=app, with 'quotes' around values with spaces"
    ))
}

/// Reads one value, quoted or not, and returns the rest too. A backslash takes the next character as it is.
fn keyword_value(text: &str) -> Result<(String, &str)> {
    let (quoted, body) = match text.strip_prefix('\'') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let mut value = String::new();
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Ok((value, &body[at + 1..])),
            c if !quoted && is_space(c) => return Ok((value, &body[at..])),
            c => value.push(c),
        }
    }
    if quoted {
        return Err(Error::config("unterminated quoted value in the connection string"));
    }
    Ok((value, ""))
}

/// `[user[:password]@][host][:port][,...][/dbname][?key=value&...]`
fn parse_url(body: &str) -> Result<Conninfo> {
    let mut pairs = Pairs::default();
    // Credentials end at the first @ that comes before any slash.
    let credentials = match body.find(['@', '/']) {
        Some(at) if body[at..].starts_with('@') => Some(&body[..at]),
        _ => None,
    };
    let place = credentials.map_or(body, |text| &body[text.len() + 1..]);
    pairs.doubtful = place.contains('@');
    if let Some(credentials) = credentials {
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        store_decoded(&mut pairs, "user", user)?;
        store_decoded(&mut pairs, "password", password)?;
    }
    let (hosts, ports, rest) = split_hosts(place)?;
    store_decoded(&mut pairs, "host", &hosts)?;
    store_decoded(&mut pairs, "port", &ports)?;
    let mut ambiguous = hosts.contains('@') || ports.contains('@');
    let rest = match rest.strip_prefix('/') {
        Some(path) => {
            let end = path.find('?').unwrap_or(path.len());
            ambiguous |= path[..end].contains('@');
            store_decoded(&mut pairs, "dbname", &path[..end])?;
            &path[end..]
        }
        None => rest,
    };
    if let Some(query) = rest.strip_prefix('?') {
        parse_query(&mut pairs, query)?;
    }
    Ok(Conninfo { pairs: pairs.pairs, doubtful: pairs.doubtful, ambiguous })
}

/// Stores a part of a URL. An empty one counts as not given, so that the environment may still fill it.
fn store_decoded(pairs: &mut Pairs, key: &'static str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let value = percent_decode(text).map_err(|problem| bad_encoding(key, problem))?;
    pairs.store(key, value)?;
    pairs.after_secret = false;
    Ok(())
}

/// The comma-separated hosts and ports, and what follows them: nothing, a path or a query.
fn split_hosts(mut text: &str) -> Result<(String, String, &str)> {
    let (mut hosts, mut ports) = (String::new(), String::new());
    loop {
        let (host, after) = match text.strip_prefix('[') {
            Some(bracketed) => ipv6_host(bracketed)?,
            None => text.split_at(text.find([':', '/', '?', ',']).unwrap_or(text.len())),
        };
        hosts.push_str(host);
        text = after;
        if let Some(after) = text.strip_prefix(':') {
            let (port, after) = after.split_at(after.find(['/', '?', ',']).unwrap_or(after.len()));
            ports.push_str(port);
            text = after;
        }
        match text.strip_prefix(',') {
            Some(after) => text = after,
            None => return Ok((hosts, ports, text)),
        }
        hosts.push(',');
        ports.push(',');
    }
}

/// An address in brackets (the opening one is read already), and what follows.
fn ipv6_host(text: &str) -> Result<(&str, &str)> {
    let Some((address, after)) = text.split_once(']') else {
        return Err(Error::config("the URL's IPv6 address lacks its closing \"]\""));
    };
    if address.is_empty() {
        return Err(Error::config("the URL's IPv6 address is empty"));
    }
    if !after.is_empty() && !after.starts_with([':', '/', '?', ',']) {
        return Err(Error::config(
            "after the URL's IPv6 address only \":\", \"/\", \"?\" or \",\" may follow",
        ));
    }
    Ok((address, after))
}

fn parse_query(pairs: &mut Pairs, query: &str) -> Result<()> {
    let mut rest = query;
    // As in libpq, one "&" may end the query.
    while !rest.is_empty() {
        let (parameter, after) = rest.split_once('&').unwrap_or((rest, ""));
        rest = after;
        let Some((key, value)) = parameter.split_once('=') else {
            return Err(Error::config("a parameter of the URL's query lacks its \"=\""));
        };
        if value.contains('=') {
            return Err(Error::config(
                "a parameter of the URL's query has a second \"=\"; in a value write %3D",
            ));
        }
        let key = percent_decode(key).map_err(|problem| bad_encoding("a parameter's name", problem))?;
        let shown = option_info::option(&key).map_or("a parameter", OptionInfo::key);
        let value = percent_decode(value).map_err(|problem| bad_encoding(shown, problem))?;
        if key == "ssl" && value == "true" {
            // JDBC's spelling, which libpq takes too.
            pairs.store("sslmode", "require".to_owned())?;
        } else {
            pairs.store(&key, value)?;
        }
    }
    Ok(())
}

fn bad_encoding(part: &str, problem: &str) -> Error {
    Error::config(format!("{part} in the URL {problem}"))
}

/// Turns `%xy` into the byte it stands for; a plus sign is a plus sign.
fn percent_decode(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit =
            || rest.next().and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err("has a \"%\" without two hexadecimal digits (a percent sign itself is written %25)");
        };
        match high << 4 | low {
            0 => return Err("contains %00, which is forbidden"),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 once decoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(&'static str, String)> {
        parse(text).unwrap().pairs.into_iter().map(|(row, value)| (row.key(), value)).collect()
    }

    fn refusal(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn holdfast_keys_stand_beside_libpq_keys_in_both_forms() {
        let expected = vec![("host", "db".to_owned()), ("max_size", "4".to_owned())];
        assert_eq!(pairs("postgresql://db?max_size=4"), expected);
        assert_eq!(pairs("host = db max_size='4'"), expected);
    }

    #[test]
    fn no_malformed_string_repeats_its_password() {
        for text in [
            "postgresql://u:Zecret@h/db?max_sise=1",
            "postgresql://u:Zecret%@h/db",
            "postgresql://u:Zecret%00@h/db",
            "postgresql://u:Zecret@[::1",
            "postgresql://u:a/Zecret?Zecret=1@h/db",
            "postgresql://u:a@Zecret?Zecret=1@h/db",
            "postgresql://h/db?password=a&Zecret=1",
            "postgresql://h/db?password=a&Zecret",
            "postgresql://h/db?password=Zecret%zz",
            "postgresql://h/db?password=Zecret=",
            "host=h password=a Zecret",
            "host=h password=a Zecret=1",
            "host=h password='Zecret",
            "host=h sslpassword=a Zecret=1",
            "mysql://u:Zecret@h/db",
            "Zecret",
            "password=Zecret\0",
        ] {
            let error = refusal(text);
            assert!(!error.contains("Zecret"), "{text}: {error}");
            assert!(!format!("{:?}", parse(text).unwrap_err()).contains("Zecret"), "{text}");
        }
    }

    #[test]
    fn a_url_of_another_database_is_named_as_such() {
        assert!(refusal("mysql://root@db").contains("postgresql://"));
    }

    #[test]
    fn a_nul_byte_or_bytes_that_are_not_utf8_are_refused() {
        assert!(refusal("host=a\0b").contains("NUL"));
        assert!(refusal("postgresql://h/%ff").contains("UTF-8"));
    }
}
