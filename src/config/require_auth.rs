//! `require_auth`: the acceptable methods of authentication, in libpq's words and with libpq's meaning
//! (`pqConnectOptions2` and `check_expected_areq` in its source).

use std::fmt;

/// A method of authentication that can be required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthMethod {
    Password,
    Md5,
    Gss,
    Sspi,
    ScramSha256,
    OAuth,
}

impl AuthMethod {
    const ALL: [(&'static str, Self); 6] = [
        ("password", Self::Password),
        ("md5", Self::Md5),
        ("gss", Self::Gss),
        ("sspi", Self::Sspi),
        ("scram-sha-256", Self::ScramSha256),
        ("oauth", Self::OAuth),
    ];

    fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Returns the words for a server's request for this method.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Password => "a password in the clear",
            Self::Md5 => "a password hashed by MD5",
            Self::Gss => "GSSAPI",
            Self::Sspi => "SSPI",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::OAuth => "OAuth",
        }
    }
}

/// The methods that are acceptable.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RequireAuth {
    /// As it was written, for errors.
    text: String,
    allowed: u8,
    /// The server must not let us in without authentication.
    demanded: bool,
}

impl RequireAuth {
    /// `None` for an empty text, which requires nothing.
    ///
    /// # Errors
    /// In words: a method that is not known, or given twice, or a mixture of methods with and without `!`.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let is_negative = text.starts_with('!');
        let mut required = Self {
            text: text.to_owned(),
            allowed: if is_negative { u8::MAX } else { 0 },
            demanded: !is_negative,
        };
        let mut seen: Vec<&str> = Vec::new();
        for method in text.split(',') {
            let (name, negated) = method.strip_prefix('!').map_or((method, false), |name| (name, true));
            if negated != is_negative {
                return Err("methods with and without ! cannot be mixed".to_owned());
            }
            if seen.contains(&name) {
                return Err(format!("\"{name}\" is given more than once"));
            }
            seen.push(name);
            if name == "none" {
                required.demanded = negated;
                continue;
            }
            let known = AuthMethod::ALL.iter().find(|(known, _)| *known == name);
            let Some((_, method)) = known else {
                return Err(format!("\"{name}\" is no method of authentication"));
            };
            if negated {
                required.allowed &= !method.bit();
            } else {
                required.allowed |= method.bit();
            }
        }
        Ok(Some(required))
    }

    pub(crate) fn allows(&self, method: AuthMethod) -> bool {
        self.allowed & method.bit() != 0
    }

    /// Returns whether a server must authenticate the client before it lets the client in.
    pub(crate) fn demands_authentication(&self) -> bool {
        self.demanded
    }
}

impl fmt::Display for RequireAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for RequireAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn required(text: &str) -> RequireAuth {
        RequireAuth::parse(text).expect("a valid list").expect("it requires something")
    }

    #[test]
    fn a_list_allows_what_it_names_and_a_negative_one_what_it_does_not() {
        use AuthMethod::*;
        for (text, allowed, forbidden, demands) in [
            ("scram-sha-256", &[ScramSha256][..], &[Password, Md5, Gss][..], true),
            ("scram-sha-256,md5", &[ScramSha256, Md5], &[Password], true),
            ("scram-sha-256,none", &[ScramSha256], &[Password], false),
            ("none", &[], &[Password, Md5, ScramSha256], false),
            ("!password", &[ScramSha256, Md5, OAuth], &[Password], false),
            ("!password,!md5,!none", &[ScramSha256], &[Password, Md5], true),
            ("!none", &[Password, Sspi], &[], true),
        ] {
            let required = required(text);
            assert!(allowed.iter().all(|method| required.allows(*method)), "{text}");
            assert!(!forbidden.iter().any(|method| required.allows(*method)), "{text}");
            assert_eq!(required.demands_authentication(), demands, "{text}");
        }
        assert_eq!(RequireAuth::parse(""), Ok(None));
    }

    #[test]
    fn what_libpq_refuses_is_refused() {
        for text in [
            "scram",
            "md5,md5",
            "!md5,!md5",
            "md5,!password",
            "!md5,password",
            "md5,",
            ",",
            "!",
            "none,none",
            "md5, none",
        ] {
            assert!(RequireAuth::parse(text).is_err(), "{text}");
        }
    }
}
