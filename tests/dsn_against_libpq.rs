//! Our reading of connection strings beside libpq's own: the same keys and values, or a refusal by both.

#[path = "support/libpq.rs"]
mod libpq;

use std::collections::BTreeMap;

/// Odd inputs. Kept out: options that the installed libpq may not know yet, spaces in URLs (libpq
/// reads them differently since version 17), and what we refuse on purpose (NUL bytes,
/// percent-encodings that are not UTF-8).
const INPUTS: &[&str] = &[
    // Keyword strings: spaces, quotes, backslashes.
    "",
    " ",
    "\t\n\r\x0b\x0c",
    "host=db",
    " host = db  port\t=\n5433 ",
    "host\n=\ndb",
    "host=",
    "host= port=1",
    "host=\tport=1",
    "host='' port=1",
    "host=''",
    "host='a b'",
    "host='a b'port=1",
    "host='a''b'",
    "host='a' 'b'",
    "host='a\\'b'",
    "host=a\\'b",
    "host=a\\ b",
    "host=a\\\\b",
    "host='a\\\\b'",
    "host=a\\",
    "host='a\\",
    "host='a\\'",
    "host='a",
    "host='",
    "host=\\",
    "host=\\\\",
    "host=a'b",
    "host=a'b c'",
    "host=\"a b\"",
    "host=\"a\"",
    "host",
    "host ",
    "host db",
    "host db=1",
    "=",
    "=db",
    " = db",
    "host==db",
    "host=a=b",
    "host=db user",
    "host=db user ",
    "host=db,user=x",
    "host=db;user=x",
    "host=db\u{a0}port=1",
    "host=bücher user=größe",
    "password=pass\\ word\\\\",
    "password='it''s'",
    "password='\n'",
    "password=ä\\ö'",
    "options='-c search_path=a,b'",
    "options=-c\\ geqo=off",
    // Keys.
    "hots=db",
    "HOST=db",
    "Host=db",
    "'host'=db",
    "host =db= x",
    "database=x",
    "host=a host=b",
    "host=a host=",
    "host=a port=1 host=b user=u port=2",
    "requiressl=1",
    "requiressl=0",
    "requiressl=",
    "requiressl=10 sslmode=disable",
    "sslmode=disable requiressl=1",
    "ssl=true",
    "sslmode=nonsense port=nonsense",
    "host=a,b,c port=1,2,3",
    "host=a,,c port=,,",
    "hostaddr=::1,127.0.0.1",
    "application_name='x y' fallback_application_name=z",
    "service=s passfile=/p",
    "keepalives=1 keepalives_idle=2 keepalives_interval=3 keepalives_count=4 tcp_user_timeout=5",
    "sslcert=c sslkey=k sslpassword=p sslrootcert=r sslcrl=l sslcrldir=d sslsni=1 sslcompression=0",
    "ssl_min_protocol_version=TLSv1.2 ssl_max_protocol_version=TLSv1.3",
    "channel_binding=require target_session_attrs=prefer-standby",
    "gssencmode=disable krbsrvname=x gsslib=y replication=off requirepeer=z client_encoding=auto",
    "connect_timeout=",
    // URLs: schemes and emptiness.
    "postgresql://",
    "postgres://",
    "postgresql:///",
    "postgresql:/",
    "postgresql:",
    "postgresql",
    "POSTGRESQL://host",
    "Postgres://host",
    "postgresqls://host",
    " postgresql://host",
    "mysql://host",
    "postgresql://?",
    "postgresql:///?",
    "postgresql://@",
    "postgresql://:@",
    "postgresql://@/",
    "postgresql://:",
    "postgresql://:/",
    "postgresql://:5433",
    "postgresql://,",
    "postgresql://,,",
    "postgresql://:,:",
    // Credentials.
    "postgresql://u@h",
    "postgresql://u:@h",
    "postgresql://:p@h",
    "postgresql://u:p@h",
    "postgresql://u:p:q@h",
    "postgresql://u@",
    "postgresql://u:p@",
    "postgresql://u:p@/d",
    "postgresql://u:p@?user=v",
    "postgresql://u:p@q@h",
    "postgresql://u@v@h/d",
    "postgresql://u:p/q@h/d",
    "postgresql://u/v@h",
    "postgresql://u:p?q@h/d",
    "postgresql://h?user=a@b",
    "postgresql://h/?user=a@b",
    "postgresql://u%3Av:p%40q%2Fr@h",
    "postgresql://u%:p@h",
    "postgresql://u:p%4@h",
    "postgresql://u:p%zz@h",
    "postgresql://u:p%00@h",
    "postgresql://%75:%70@h",
    "postgresql://b%C3%BCcher@h",
    "postgresql://ü:ö@ä/ß",
    "postgresql://u+v:p+q@h/d+e?application_name=a+b",
    // Hosts and ports.
    "postgresql://h:5433",
    "postgresql://h:",
    "postgresql://h:/d",
    "postgresql://h:x/d",
    "postgresql://h:1:2/d",
    "postgresql://h:%35433/d",
    "postgresql://a,b",
    "postgresql://a,b,/d",
    "postgresql://a:1,b:2/d",
    "postgresql://a:1,b/d",
    "postgresql://a,b:2/d",
    "postgresql://,b:2/d",
    "postgresql://a:1,,c:3/d",
    "postgresql://a%2Cb/d",
    "postgresql://%2Ftmp%2Fpg",
    "postgresql://%2ftmp,h:1/d",
    "postgresql://%2/d",
    "postgresql://h%/d",
    "postgresql://h%00/d",
    "postgresql://[::1]",
    "postgresql://[::1]/d",
    "postgresql://[::1]:5433/d",
    "postgresql://[::1]?user=u",
    "postgresql://[::1],h",
    "postgresql://[::1]:1,[fe80::1%25eth0]:2/d",
    "postgresql://[fe80::1%eth0]/d",
    "postgresql://[::1",
    "postgresql://[]",
    "postgresql://[]:1",
    "postgresql://[::1]x",
    "postgresql://[::1]@h",
    "postgresql://u@[::1]:5433",
    "postgresql://h[::1]/d",
    "postgresql://::1/d",
    "postgresql://h]/d",
    // Paths.
    "postgresql://h/",
    "postgresql://h/d",
    "postgresql://h//d",
    "postgresql://h/d/e",
    "postgresql://h/d%2Fe",
    "postgresql://h/d%20e",
    "postgresql://h/%",
    "postgresql://h/%00",
    "postgresql://h/d:e@f",
    "postgresql://h/d#f",
    "postgresql:///d",
    "postgresql:///d?host=/tmp",
    // Queries.
    "postgresql://h?",
    "postgresql://h/d?",
    "postgresql://h?user=u",
    "postgresql://h/d?user=u&password=p",
    "postgresql://h/d?user=u&",
    "postgresql://h/d?&user=u",
    "postgresql://h/d?user=u&&password=p",
    "postgresql://h/d?user",
    "postgresql://h/d?user&password=p",
    "postgresql://h/d?=u",
    "postgresql://h/d?user=",
    "postgresql://h/d?user==u",
    "postgresql://h/d?user=a=b",
    "postgresql://h/d?user=a%3Db%26c",
    "postgresql://h/d?us%65r=u",
    "postgresql://h/d?user%00=u",
    "postgresql://h/d?user=u%00",
    "postgresql://h/d?user=u%",
    "postgresql://h/d?user%=u",
    "postgresql://h/d?User=u",
    "postgresql://h/d?nonsense=1",
    "postgresql://h/d?user=u?password=p",
    "postgresql://h/d?user=u/v",
    "postgresql://h/d?user=u;password=p",
    "postgresql://h/d?user=a&user=b",
    "postgresql://a@h/d?user=b&host=i&dbname=e&port=7",
    "postgresql://h/d?host=a,b&port=1,2",
    "postgresql://h/d?ssl=true",
    "postgresql://h/d?ssl=false",
    "postgresql://h/d?ssl=TRUE",
    "postgresql://h/d?ssl=true&sslmode=disable",
    "postgresql://h/d?sslmode=disable&ssl=true",
    "postgresql://h/d?requiressl=1",
    "postgresql://h/d?requiressl=0",
    "postgresql://h/d?options=-c%20geqo%3Doff",
    "postgresql://h/d?host=%2Ftmp",
];

/// What is compared: the values by key, or that it is refused.
fn by_key<E>(result: Result<Vec<(String, String)>, E>) -> Option<BTreeMap<String, String>> {
    result.ok().map(|pairs| pairs.into_iter().collect())
}

#[test]
fn every_odd_input_is_read_as_libpq_reads_it() {
    println!("libpq {}, {} inputs", libpq::version(), INPUTS.len());
    let mut differences = Vec::new();
    let mut refused = 0;
    for input in INPUTS {
        let (theirs, ours) = (libpq::parse(input), holdfast::config::parse_conninfo(input));
        let said = format!("{input:?}\n  libpq    {theirs:?}\n  holdfast {ours:?}");
        refused += usize::from(theirs.is_err());
        if by_key(theirs) != by_key(ours) {
            differences.push(said);
        }
    }
    assert!(refused > 50 && INPUTS.len() - refused > 100, "the table lost its variety: {refused} refused");
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// Strings made from the characters that matter to either parser, in random order.
#[test]
fn random_strings_of_delimiters_are_read_as_libpq_reads_them() {
    const PIECES: &[&str] = &[
        "host", "user", "password", "port", "ssl", "true", "=", "=", " ", "'", "\\", "&", "?", "/", ":", "@",
        ",", "[", "]", "%", "%41", "%2F", "x", "1", "ä",
    ];
    let mut random = fastrand::Rng::with_seed(17);
    for round in 0..200_000 {
        let mut input = ["", "postgresql://", "postgresql://h/d?", "host="][round % 4].to_owned();
        for _ in 0..random.usize(0..14) {
            input.push_str(PIECES[random.usize(0..PIECES.len())]);
        }
        if input.starts_with("postgres") && input.contains(' ') {
            // libpq reads a space in a URL differently since version 17.
            continue;
        }
        let (theirs, ours) = (libpq::parse(&input), holdfast::config::parse_conninfo(&input));
        let said = format!("{input:?}\n  libpq    {theirs:?}\n  holdfast {ours:?}");
        assert_eq!(by_key(theirs), by_key(ours), "{said}");
    }
}
