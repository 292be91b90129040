//! The start of a session behind a pooler, with the parameters that it accepts and refuses.

use std::time::Instant;

use holdfast::{ErrorKind, Pool};

use crate::support::own_server;
use crate::support::pgbouncer::PgBouncer;
use crate::{config, ms};

/// Versions from 1.20 on know `options`; before, only a parameter of its own name.
#[test]
fn a_setting_in_options_is_taken_by_a_pooler_that_ignores_it_by_name() {
    let server = own_server(|server| server);
    let bouncer = PgBouncer::start(&server, "ignore_startup_parameters=extra_float_digits,statement_timeout");
    let url = format!("{}&options=-c%20statement_timeout%3D5s", bouncer.url());
    let pool = Pool::new(config(&url).max_size(2)).unwrap();
    let conns = [pool.get(), pool.get()];
    for conn in conns {
        conn.expect("the setting is ignored, as was asked for").batch_execute("select 1").unwrap();
    }
}

#[test]
fn a_setting_that_a_pooler_takes_in_no_form_is_refused_at_once_with_advice() {
    let server = own_server(|server| server);
    let bouncer = PgBouncer::start(&server, "");
    for options in ["-c%20work_mem%3D1MB", "-d%205"] {
        let url = format!("{}&options={options}", bouncer.url());
        let pool = Pool::new(config(&url).retry_max(5).connection_timeout(ms(8000))).unwrap();
        let begun = Instant::now();
        let error = pool.get().unwrap_err();
        assert!(begun.elapsed() < ms(2000), "took {:?}", begun.elapsed());
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Database, false), "{error}");
        assert!(error.to_string().contains("ignore_startup_parameters"), "{error}");
        assert_eq!(error.attempts().len(), 1, "{error}");
    }
}
