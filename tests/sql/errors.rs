//! Errors, under the names that the `postgres` crate has for them.

use holdfast::SqlState;
use holdfast::postgres::error::ErrorPosition;

use crate::one;

#[test]
fn errors_tell_what_those_of_the_driver_told() {
    let mut conn = one("erring_api").get().unwrap();
    conn.batch_execute("create temp table e (n int constraint positive check (n > 0))").unwrap();
    let error = conn.execute("insert into e values ($1)", &[&-1i32]).unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::CHECK_VIOLATION));
    let said = error.as_db_error().unwrap();
    assert_eq!((said.severity(), said.constraint(), said.table()), ("ERROR", Some("positive"), Some("e")));
    assert!(said.message().contains("violates check constraint") && said.detail().is_some());
    assert!(said.routine().is_some() && said.line().is_some() && !error.is_closed());
    let wrong = conn.query("select wrong", &[]).unwrap_err();
    assert_eq!(wrong.as_db_error().unwrap().position(), Some(ErrorPosition::Original(8)));
    let none = conn.query("select $1::int4", &[&"x"]).unwrap_err();
    assert!(none.as_db_error().is_none() && none.code().is_none());
}
