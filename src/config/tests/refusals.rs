//! The refused values, the texts of the refusals, and the secrets that these never show.

use super::*;

#[test]
fn a_connection_string_with_a_fault_sets_nothing() {
    let mut config = from_url("host=a");
    assert!(config.set_url("host=b max_size=none").is_err());
    assert_eq!(config.get("host").unwrap().as_deref(), Some("a"));
}

#[test]
fn a_bad_value_is_named_with_its_key_and_what_is_allowed() {
    for (key, value, allowed) in [
        ("max_size", "many", "from 1 to 10000"),
        ("max_size", "-1", "from 1 to 10000"),
        ("idle_timeout", "15sec", "with unit us, ms, s, min, h or d"),
        ("idle_timeout", "0", "1ms to 365d"),
        ("keepalives_idle", "x", "a bare number is seconds, as in libpq"),
        ("retry_jitter", "1.1", "from 0 to 1"),
        ("allow_exit_on_idle", "perhaps", "true or false"),
        ("sslmode", "verify_full", "disable, allow, prefer, require, verify-ca or verify-full"),
        ("target_session_attrs", "master", "standby or prefer-standby"),
        ("port", "65536", "from 1 to 65535"),
        ("gssencmode", "require", "disable or prefer, since GSSAPI encryption is not supported"),
        ("scram_max_iterations", "0", "from 1 to 10000000"),
        ("max_protocol_version", "3.1", "3.0, 3.2 or latest"),
        ("client_encoding", "LATIN1", "always UTF-8"),
        ("sslcertmode", "always", "disable, allow or require"),
        ("sslkeylogfile", "/keys", "never written down"),
        ("oauth_ca_file", "/ca", "OAuth is not supported"),
    ] {
        let error = refusal(bare().set(key, value).map(drop));
        assert!(error.contains(&format!("{key} \"{value}\" is not valid")), "{error}");
        assert!(error.contains(allowed), "{error}");
    }
}

#[test]
fn libpqs_options_are_accepted_where_they_change_nothing() {
    for (key, value) in [
        ("gssencmode", "prefer"),
        ("client_encoding", "utf8"),
        ("krbsrvname", "postgres"),
        ("replication", "false"),
        ("sslcompression", "0"),
        ("require_auth", ""),
    ] {
        bare().set(key, value).unwrap();
    }
}

#[test]
fn a_method_of_authentication_that_does_not_exist_is_named() {
    let error = refusal(bare().set("require_auth", "scram").unwrap().settings());
    assert!(error.contains("require_auth \"scram\" is not valid"), "{error}");
}

#[test]
fn impossible_combinations_are_refused_with_both_names() {
    for (text, one, other) in [
        ("min_protocol_version=3.2", "min_protocol_version \"3.2\"", "max_protocol_version \"3.0\""),
        ("min_idle=6", "min_idle \"6\"", "max_size \"5\""),
        ("retry_base_delay=6s", "retry_base_delay \"6s\"", "retry_max_delay \"5s\""),
        ("sslrootcert=system sslmode=verify-ca", "sslmode \"verify-ca\"", "sslrootcert \"system\""),
        ("sslrootcert=system sslmode=prefer", "sslmode \"prefer\"", "sslrootcert \"system\""),
        ("sslnegotiation=direct", "sslnegotiation \"direct\"", "sslmode \"prefer\""),
        ("channel_binding=require sslmode=disable", "channel_binding \"require\"", "sslmode \"disable\""),
        (
            "ssl_max_protocol_version=TLSv1.1",
            "ssl_min_protocol_version \"TLSv1.2\"",
            "ssl_max_protocol_version \"TLSv1.1\"",
        ),
        ("host=a,b,c port=1,2", "2 ports", "3 hosts"),
        ("host=a,b hostaddr=1.1.1.1", "2 names", "1 address"),
        ("host=a hostaddr=db.example", "hostaddr is not valid", "numeric"),
    ] {
        let error = refusal(from_url(text).validate());
        assert!(error.contains(one) && error.contains(other), "{text}: {error}");
    }
}

#[test]
fn no_secret_shows_in_debug_or_get_or_errors() {
    let environment =
        Environment::with([("PGPASSWORD", "Zecret"), ("DATABASE_URL", "postgresql://u:Zecret@h")]);
    let config = PoolConfig::from_environment(environment)
        .unwrap()
        .sslpassword("Zecret")
        .sslkey("-----BEGIN PRIVATE KEY-----\nZecret\n-----END PRIVATE KEY-----")
        .dbname("postgresql://u:Zecret@h/d");
    assert!(!format!("{config:?} {:?}", config.environment).contains("Zecret"));
    assert!(!format!("{:?}", config.settings().unwrap().1.hosts).contains("Zecret"));
    for row in options() {
        assert!(!config.get(row.key()).unwrap().unwrap_or_default().contains("Zecret"), "{}", row.key());
    }
    assert_eq!(config.get("password").unwrap().as_deref(), Some("***"));
    for url in [
        "postgresql://u:Zecret/x@h/db",
        "postgresql://u:a@/Zecret@h/db",
        "postgresql://u:a@b/Zecret@h/db",
        "postgresql://u:1/Zecret@h/db",
        "postgresql://u:a@Zecret:x@h/db",
        "postgresql://u:a@Zecret@h/db",
        "postgresql://u:a@h/db?max_size=Zecret&x@h=1",
        "postgresql://u:a@1:2?max_size=Zecret@h/db",
    ] {
        let error = match bare().with_url(url) {
            Ok(config) => panic!("accepted: {url} as {config:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!error.contains("Zecret"), "{url}: {error}");
    }
    let mut config = bare();
    for key in ["password", "sslpassword", "scram_client_key", "oauth_client_secret"] {
        if let Err(error) = config.set(key, "Zecret\0") {
            assert!(!error.to_string().contains("Zecret"), "{error}");
        }
    }
}

#[test]
fn a_password_written_without_encoding_shows_in_no_refusal() {
    let mut random = fastrand::Rng::with_seed(53_300);
    let delimiters = ["/", "?", "@", ":", "&", "=", "#", "[", "]", "%", ",", " ", "'", "\\", "1"];
    for round in 0..20_000 {
        let mut junk = || -> String {
            (0..random.usize(0..4)).map(|_| delimiters[random.usize(0..delimiters.len())]).collect()
        };
        let (before, between, after) = (junk(), junk(), junk());
        let password = format!("{before}Zecret{between}Zecret{after}");
        let text = match round % 4 {
            0 => format!("postgresql://u:{password}@h/db?max_size=none"),
            1 => format!("postgresql://u:{password}@h:1,i:2/db?sslmode=verify-full"),
            2 => format!("host=h password={password} max_size=none"),
            _ => format!("postgresql://h/db?password={password}&max_size=none"),
        };
        let said = match bare().with_url(&text).and_then(|config| config.settings()) {
            // Hosts, user and database show in errors of connections and in logs.
            Ok((_, server)) => format!("{:?} {} {}", server.hosts, server.user, server.dbname),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!said.contains("Zecret"), "{text}\n{said}");
    }
}
