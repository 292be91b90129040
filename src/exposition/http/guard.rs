//! Who is answered.

use hyper::header::{AUTHORIZATION, HOST, HeaderMap};

use crate::config::settings::Secret;

/// What requests must have.
#[derive(Debug)]
pub(super) struct Guard {
    token: Option<Secret>,
    /// Served on a loopback address: a page from elsewhere must not read it through a name that it has pointed here.
    only_local_names: bool,
}

impl Guard {
    pub(super) fn new(token: Option<Secret>, on_loopback: bool) -> Self {
        Self { token, only_local_names: on_loopback }
    }

    /// Compared in a time that does not depend on what is given.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let given = headers.get(AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
        let given = match given.split_at_checked(7) {
            Some((scheme, given)) if scheme.eq_ignore_ascii_case(b"bearer ") => given,
            _ => return false,
        };
        let wanted = token.reveal().as_bytes();
        given.len() == wanted.len() && openssl::memcmp::eq(given, wanted)
    }

    pub(super) fn knows_host(&self, headers: &HeaderMap) -> bool {
        if !self.only_local_names {
            return true;
        }
        // Before HTTP/1.1 there was none, and no browser that could be misled.
        let Some(host) = headers.get(HOST) else { return true };
        host.to_str().is_ok_and(is_local)
    }
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(name: hyper::header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn only_the_whole_token_is_admitted() {
        let guard = Guard::new(Some(Secret::new("open sesame")), true);
        let admits = |value| guard.admits(&headers(AUTHORIZATION, value));
        assert!(admits("Bearer open sesame") && admits("bearer open sesame"));
        for wrong in
            ["Bearer open sesam", "Bearer open sesame ", "Basic open sesame", "open sesame", "Bearer", ""]
        {
            assert!(!admits(wrong), "{wrong}");
        }
        assert!(!guard.admits(&HeaderMap::new()));
        assert!(Guard::new(None, true).admits(&HeaderMap::new()));
    }

    #[test]
    fn a_name_that_was_pointed_at_this_machine_is_not_its_own() {
        let guard = Guard::new(None, true);
        let knows = |value| guard.knows_host(&headers(HOST, value));
        for own in ["localhost:9464", "LOCALHOST", "127.0.0.1:9464", "127.0.0.2", "[::1]:9464"] {
            assert!(knows(own), "{own}");
        }
        for foreign in ["evil.example:9464", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example"] {
            assert!(!knows(foreign), "{foreign}");
        }
        assert!(Guard::new(None, false).knows_host(&headers(HOST, "metrics.internal")));
    }
}
