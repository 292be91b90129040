//! Access control: the checks of a request's token and of the host that it names.

use hyper::header::{AUTHORIZATION, HOST, HeaderMap};
use hyper::http::uri::Authority;
use hyper::{Request, Version};

use crate::config::settings::Secret;

/// The requirements on every request.
#[derive(Debug)]
pub(super) struct Access {
    token: Option<Secret>,
    /// Served on a loopback address: a foreign web page must not read it through a name that resolves here (DNS rebinding).
    only_local_names: bool,
}

impl Access {
    pub(super) fn new(token: Option<Secret>, on_loopback: bool) -> Self {
        Self { token, only_local_names: on_loopback }
    }

    /// Returns whether the request has the token. The comparison takes the same time whatever the request contains.
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

    /// Checks that the request names this server, by RFC 9112, sections 3.2 and 3.2.2: one `Host`, and a target in absolute form
    /// names the same. Beyond loopback every name is accepted, since the names of this machine cannot be known.
    pub(super) fn addressed<B>(&self, request: &Request<B>) -> Addressed {
        let mut given = request.headers().get_all(HOST).iter();
        let (host, further) = (given.next(), given.next());
        if further.is_some() {
            return Addressed::Badly("more than one Host\n");
        }
        let target = request.uri().authority();
        let Some(host) = host else {
            // HTTP/1.0 has no `Host`, and no browser that could be misled uses it.
            return match (target, request.version() < Version::HTTP_11) {
                (None, true) => Addressed::Here,
                _ => Addressed::Badly("a request needs a Host\n"),
            };
        };
        let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        let Some(host) = host.filter(is_host_and_port) else {
            return Addressed::Badly("the Host is not the name of one\n");
        };
        let is_known = !self.only_local_names || is_local(host.host());
        match target {
            Some(target) if *target != host || !is_known => {
                Addressed::Badly("the address asked for is not served here\n")
            }
            _ if is_known => Addressed::Here,
            _ => Addressed::Elsewhere,
        }
    }
}

/// The host that a request names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Addressed {
    /// This server.
    Here,
    /// A name that does not belong to this machine.
    Elsewhere,
    /// No host, several, or one that contradicts the target; carries the message for the client.
    Badly(&'static str),
}

/// Returns whether an authority is only a host with an optional numeric port: no user, no named port.
fn is_host_and_port(authority: &Authority) -> bool {
    let port = authority.as_str().strip_prefix(authority.host());
    port.is_some_and(|port| {
        port.is_empty()
            || port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// Returns whether a host is this machine itself; an IPv6 address stands in brackets.
fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
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
        let access = Access::new(Some(Secret::new("open sesame")), true);
        let admits = |value| access.admits(&headers(AUTHORIZATION, value));
        assert!(admits("Bearer open sesame") && admits("bearer open sesame"));
        for wrong in
            ["Bearer open sesam", "Bearer open sesame ", "Basic open sesame", "open sesame", "Bearer", ""]
        {
            assert!(!admits(wrong), "{wrong}");
        }
        assert!(!access.admits(&HeaderMap::new()));
        assert!(Access::new(None, true).admits(&HeaderMap::new()));
    }

    /// Returns the verdict on a request for `target` with these hosts.
    fn addressed(access: &Access, version: Version, target: &str, hosts: &[&str]) -> Addressed {
        let mut request = Request::builder().version(version).uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        access.addressed(&request.body(()).unwrap())
    }

    #[test]
    fn a_name_that_was_pointed_at_this_machine_is_not_its_own() {
        let access = Access::new(None, true);
        let of = |host| addressed(&access, Version::HTTP_11, "/metrics", &[host]);
        for own in ["localhost:9464", "LOCALHOST", "127.0.0.1:9464", "127.0.0.2", "[::1]:9464"] {
            assert_eq!(of(own), Addressed::Here, "{own}");
        }
        for foreign in ["evil.example:9464", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example"] {
            assert_eq!(of(foreign), Addressed::Elsewhere, "{foreign}");
        }
        let everywhere = Access::new(None, false);
        assert_eq!(addressed(&everywhere, Version::HTTP_11, "/", &["metrics.internal"]), Addressed::Here);
    }

    #[test]
    fn a_request_names_one_host_and_the_target_names_no_other() {
        for access in [Access::new(None, true), Access::new(None, false)] {
            let is_bad = |version, target, hosts: &[&str]| {
                matches!(addressed(&access, version, target, hosts), Addressed::Badly(_))
            };
            for hosts in [&[][..], &["localhost", "localhost"], &["localhost", "evil.example"], &[""]] {
                assert!(is_bad(Version::HTTP_11, "/", hosts), "{hosts:?}");
            }
            for odd in ["a b", "user@localhost", "localhost/x", "localhost:port"] {
                assert!(is_bad(Version::HTTP_11, "/", &[odd]), "{odd}");
            }
            assert!(is_bad(Version::HTTP_11, "http://evil.example/metrics", &["localhost"]));
            assert!(!is_bad(Version::HTTP_11, "http://localhost:9464/metrics", &["localhost:9464"]));
            assert!(!is_bad(Version::HTTP_10, "/", &[]));
            assert!(is_bad(Version::HTTP_10, "http://evil.example/", &[]));
        }
        let access = Access::new(None, true);
        let foreign = addressed(&access, Version::HTTP_11, "http://evil.example/", &["evil.example"]);
        assert!(matches!(foreign, Addressed::Badly(_)));
    }
}
