//! What `--help` prints.

/// Of the program.
pub(crate) const PROGRAM: &str = "\
holdfast-testkit: PostgreSQL servers and networks that fail on purpose

Usage: holdfast-testkit COMMAND [OPTIONS]

  server        a private PostgreSQL from the programs that are installed
  full-server   the same with few slots, all of them taken: it answers 53300
  proxy         a network in front of a server: deaf, slow, half-open, cut
  refuse        a stand-in that reports any SQLSTATE at a chosen point

  -h, --help     this text, or a command's
  -V, --version

The first line on the standard output is the URL for the program under test.
Each line on the standard input is an order, such as `free=1` or `cut`, and is
answered with `ok` or `error: ...` when it is in force. At the end of the
standard input all ends, and nothing is left: keep the input open, as with a
pipe from your test. With --json each line that is printed is a JSON document:
{\"url\":...,\"host\":...,\"port\":...}, then {\"ok\":true} or {\"ok\":false,\"error\":...}.

Example: holdfast-testkit full-server --slots 3
";

/// Of `server`.
pub(crate) const SERVER: &str = "\
A private PostgreSQL, which is removed at the end.

Usage: holdfast-testkit server [OPTIONS]

  --max-connections N   slots, those for superusers included (default: 20)
  --json                print JSON
  -h, --help

Orders: freeze, thaw, stop, crash, start, restart.
HOLDFAST_PG_BINDIR chooses one of several installed versions of PostgreSQL.
";

/// Of `full-server`.
pub(crate) const FULL_SERVER: &str = "\
A private PostgreSQL whose slots for ordinary roles are all taken: every
connect is answered with 53300, until slots are freed.

Usage: holdfast-testkit full-server [OPTIONS]

  --slots N             slots for ordinary roles (default: 3)
  --json                print JSON
  -h, --help

Orders: free (all), free=N, fill (takes what is free now), freeze, thaw, stop,
crash, start, restart.
";

/// Of `proxy`.
pub(crate) const PROXY: &str = "\
A network in front of a server. The URL leads through it.

Usage: holdfast-testkit proxy --to SERVER [OPTIONS]

  --to SERVER           host:port, or a postgresql:// URL with one host
  --port N              the port to listen on (default: a free one)
  --fault ORDER         begin with this order; may be given several times
  --json                print JSON
  -h, --help

Orders:
  deaf              nothing passes any more, on old connections and new
  deaf-to-new       nothing passes on connections from now on
  deaf-after=BYTES  so much of the server's bytes pass, then nothing
  hear              ends all of these; what was held back is passed on
  slow=MS           each chunk of bytes takes so long, each way; 0 ends it
  cut               resets all connections
  cut-after=BYTES   so much of the server's bytes pass, then a reset
  half-open         the server loses all connections; clients are not told
  half-close        the clients read an end, and can still write
  refuse            new connections are refused (ECONNREFUSED)
  no-answer         new connections get no answer at all
  accept            new connections are welcome again
";

/// Of `refuse`.
pub(crate) const REFUSE: &str = "\
A stand-in for a server that reports an error. It lets in without a password,
knows no TLS, and answers other statements with success and no rows.

Usage: holdfast-testkit refuse --sqlstate CODE [OPTIONS]

  --sqlstate CODE       53300 (full), 57P03 (starting), 25006 (read-only), ...
  --severity WORD       ERROR, FATAL or PANIC (default: ERROR at a statement,
                        else FATAL). After all but ERROR the session ends
  --message TEXT        (default: PostgreSQL's for the codes above)
  --at POINT            start-up (default), after-authentication, or
                        statement:N, the N-th of each session
  --times N             refuse the first N clients only
  --port N              the port to listen on (default: a free one)
  --json                print JSON
  -h, --help

Orders: let-in, refuse, for clients that connect from then on.
";
