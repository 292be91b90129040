//! Where a proxy leads to, and the URL through it.

/// The server behind a proxy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// `host:port`, for the proxy.
    pub(crate) upstream: String,
    /// The URL up to the host, and from behind the port on.
    around: (String, String),
}

impl Target {
    /// Reads `host:port`, or a URL of PostgreSQL's with one host.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self { upstream: place(text)?, around: ("postgresql://".to_owned(), String::new()) });
        };
        if !matches!(scheme, "postgres" | "postgresql") {
            return Err(format!("`--to` takes host:port or a postgresql:// URL, not one of {scheme}"));
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let begin = rest[..end].rfind('@').map_or(0, |at| at + 1);
        Ok(Self {
            upstream: place(&rest[begin..end])?,
            around: (format!("{scheme}://{}", &rest[..begin]), rest[end..].to_owned()),
        })
    }

    /// Returns the URL with a port of this machine in the place of the server's host and port.
    pub(crate) fn through(&self, port: u16) -> String {
        format!("{}127.0.0.1:{port}{}", self.around.0, self.around.1)
    }
}

/// Returns `host:port` of a host with or without its port.
fn place(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(',') {
        return Err(format!("`--to` takes one server, as in 127.0.0.1:5432, not `{text}`"));
    }
    if text.starts_with(['/', '%']) {
        return Err(format!("`--to` takes a server on the network, not the Unix-domain socket `{text}`"));
    }
    // Colons within brackets are an IPv6 address's.
    match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => match port.parse::<u16>() {
            Ok(1..) if !host.is_empty() => Ok(text.to_owned()),
            _ => Err(format!("`--to` takes a host and a port, as in 127.0.0.1:5432, not `{text}`")),
        },
        _ => Ok(format!("{text}:5432")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_through_a_proxy_differs_in_its_place_only() {
        for (text, upstream, through) in [
            ("10.0.0.1:5433", "10.0.0.1:5433", "postgresql://127.0.0.1:9"),
            ("db", "db:5432", "postgresql://127.0.0.1:9"),
            (
                "postgres://a:b%40c@db:1/d?sslmode=disable",
                "db:1",
                "postgres://a:b%40c@127.0.0.1:9/d?sslmode=disable",
            ),
            ("postgresql://[::1]/d", "[::1]:5432", "postgresql://127.0.0.1:9/d"),
        ] {
            let target = Target::read(text).unwrap();
            assert_eq!((target.upstream.as_str(), target.through(9).as_str()), (upstream, through));
        }
        for text in ["", "a:1,b:2", "db:port", ":1", "db:0", "http://db", "postgresql://%2Ftmp/d"] {
            assert!(Target::read(text).is_err(), "{text}");
        }
    }
}
