//! The dashboard, seen by a browser.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use holdfast::exposition::ServeOptions;
use holdfast::{Pool, PoolConfig};
use holdfast_testkit::embedded::StopMode;

use crate::browser::Browser;
use crate::support::own_server;
use crate::{ms, soon};

const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";

#[test]
fn the_page_shows_the_pool_live_in_light_and_dark_and_loads_nothing_from_elsewhere() {
    let server = own_server(|s| s);
    let config = PoolConfig::from_url(&server.url()).unwrap().name("orders <eu>").max_size(3);
    let pool = Pool::new(config.breaker_after(ms(1_500)).retry_max(0).fleet_share(false)).unwrap();
    let served = pool.serve("127.0.0.1:0").unwrap();
    let browser = Browser::start(1280, 1500);
    browser.prefers("light");
    browser.open(&served.url());
    soon("it is healthy", || browser.text_of("#status") == "healthy");
    assert!(
        browser.text_of("#pool").starts_with("orders <eu> at "),
        "a name is text: {}",
        browser.text_of("#pool")
    );
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for worker in 0..5 {
            let (pool, stop) = (&pool, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    drop(pool.query_one("select pg_sleep(0.01 * $1::int4)", &[&(worker % 3)]));
                }
            });
        }
        soon("the traffic is drawn", || {
            browser.text_of("#chart-connections figcaption").contains("in use 3")
                && browser.text_of("#tiles").contains("3 of 3")
        });
        drop(pool.batch_execute("select 1/0"));
        let held: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
        pool.get_timeout(ms(30)).unwrap_err();
        thread::sleep(ms(100));
        drop(held);
        soon("the alert is shown with what to do", || {
            let alerts = browser.text_of("#alerts");
            alerts.contains("pool exhausted (critical)") && alerts.contains("To do: ")
        });
        assert!(browser.text_of("#status").contains("degraded, 1 alert"), "{}", browser.text_of("#status"));
        soon("who held them is shown", || browser.text_of("#holders").contains("tests/dashboard/page.rs:"));
        soon("the error is shown", || browser.text_of("#errors").contains("SQLSTATE 22012"));
        thread::sleep(ms(6_000));
        browser.picture("light");
        browser.prefers("dark");
        let background = browser.run("return getComputedStyle(document.body).backgroundColor");
        assert_eq!(background, "rgb(16, 22, 28)");
        browser.picture("dark");
        stop.store(true, Ordering::Relaxed);
    });
    server.stop(StopMode::Immediate).unwrap();
    soon("an outage is shown", || {
        drop(pool.get_timeout(ms(100)));
        browser.text_of("#status").starts_with("down") && browser.text_of("#tiles").contains("open")
    });
    assert!(browser.text_of("#alerts").contains("Last failure to open a connection"));
    browser.picture("outage");
    let root = served.url();
    let requests = browser.requests();
    assert!(requests.iter().any(|url| url.ends_with("/stats.json")), "{requests:?}");
    // The first tab is the browser's own page.
    let is_foreign = |url: &&String| !["data:", "chrome://", &root].iter().any(|own| url.starts_with(own));
    let foreign: Vec<_> = requests.iter().filter(is_foreign).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert_eq!(browser.complaints(), Vec::<String>::new(), "no violation of its policy, no error");
    drop(served);
    soon("it says that nobody answers", || browser.text_of("#status").contains("does not answer"));
    soon("and since when", || browser.text_of("#pool").starts_with("last seen "));
    let paleness =
        browser.run("return getComputedStyle(document.querySelector('main > section.grid')).opacity");
    assert_eq!(paleness, "1", "old figures stay readable");
    browser.picture("unreachable");
}

#[test]
fn every_value_has_a_scale_with_room_above_it() {
    let pool = Pool::echo(PoolConfig::new()).unwrap();
    let served = pool.serve("127.0.0.1:0").unwrap();
    let browser = Browser::start(1000, 900);
    browser.open(&served.url());
    let scales = browser.run(
        "return [0, 1, 9.8, 9.81, 9.9, 9.999, 10, 0.00099, 0.001, 0.0247, 98.5, 99999].map((value) => [value, ceiling(value)])",
    );
    let scales = scales.as_array().unwrap();
    assert_eq!(scales.len(), 12);
    for scale in scales {
        let (value, top) = (scale[0].as_f64().unwrap(), scale[1].as_f64());
        assert!(top.is_some_and(|top| top > value && top <= (value * 2.6).max(1.0)), "{scale}");
    }
}

#[test]
fn a_narrow_window_needs_no_scrolling_sideways_and_all_can_be_reached_by_keyboard() {
    let pool =
        Pool::echo(PoolConfig::new().name("a-pool-with-a-name-that-is-longer-than-the-window-is-wide"))
            .unwrap();
    pool.query("select 1", &[]).unwrap();
    let served = pool.serve("127.0.0.1:0").unwrap();
    let browser = Browser::start(1000, 900);
    browser.resize(320, 900);
    browser.open(&served.url());
    soon("it is drawn", || browser.text_of("#chart-use figcaption").contains("median"));
    let width = browser.run("return document.documentElement.scrollWidth");
    assert!(width.as_u64().is_some_and(|width| width <= 320), "{width}");
    browser.picture("narrow");
    let mut reached = Vec::new();
    for _ in 0..40 {
        browser.press(TAB);
        let focused = browser.run(
            "const e = document.activeElement; return e.id || e.className || e.getAttribute('aria-label') || e.tagName",
        );
        reached.push(focused.as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(reached[0], "skip");
    for stop in ["pause", "theme", "SUMMARY", "scroll"] {
        assert!(reached.iter().any(|name| name == stop), "{stop} is not among {reached:?}");
    }
    browser.run("document.querySelector('#chart-connections summary').focus()");
    browser.press(ENTER);
    soon("the chart is a table", || browser.text_of("#chart-connections table").contains("in use"));
    soon("and stays open while it is drawn anew", || {
        browser.run("return document.querySelector('#chart-connections details').open") == true
    });
    browser.run("document.querySelector('#theme').click(); document.querySelector('#theme').click()");
    let background = browser.run("return getComputedStyle(document.body).backgroundColor");
    assert_eq!(background, "rgb(16, 22, 28)", "dark by choice");
    for chart in ["connections", "queue", "wait", "use", "rate", "errors"] {
        let label = browser
            .run(&format!("return document.querySelector('#chart-{chart} svg').getAttribute('aria-label')"));
        assert!(label.as_str().unwrap().contains("Now: "), "{label}");
    }
    assert_eq!(browser.run("return document.querySelectorAll('[role=status][aria-live=polite]').length"), 1);
}

#[test]
fn an_open_table_keeps_its_focus_and_its_place_and_asks_no_more_often() {
    let pool = Pool::echo(PoolConfig::new()).unwrap();
    let served = pool.serve("127.0.0.1:0").unwrap();
    let browser = Browser::start(1000, 900);
    browser.open(&served.url());
    let asked = || browser.run("return performance.getEntriesByType('resource').length").as_u64().unwrap();
    soon("there is something to scroll", || {
        drop(pool.query("select 1", &[]));
        browser.run("return document.querySelector('#chart-connections summary') !== null") == true
            && asked() > 8
    });
    browser.run("document.querySelector('#chart-connections summary').click()");
    soon("it is filled", || browser.text_of("#chart-connections tbody").lines().count() > 6);
    browser.run(
        "const box = document.querySelector('#chart-connections .scroll');
         box.style.maxHeight = '80px'; box.focus(); box.scrollTop = 40",
    );
    let before = asked();
    thread::sleep(ms(5_000));
    let more = asked() - before;
    assert!((1..=15).contains(&more), "once a second, not {more} times in five");
    assert_eq!(browser.run("return document.activeElement.className"), "scroll");
    assert_eq!(browser.run("return document.querySelector('#chart-connections .scroll').scrollTop"), 40);
}

/// By WCAG's formula, of every colour of text on every ground that it stands on.
#[test]
fn contrasts_are_enough_in_both_schemes() {
    let pool = Pool::echo(PoolConfig::new()).unwrap();
    let served = pool.serve("127.0.0.1:0").unwrap();
    let browser = Browser::start(1000, 900);
    browser.open(&served.url());
    for scheme in ["light", "dark"] {
        browser.prefers(scheme);
        let worst = browser.run(
            "const style = getComputedStyle(document.documentElement);
             const light = (name) => {
               const hex = style.getPropertyValue(name).trim().slice(1);
               const [r, g, b] = [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
                 .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
               return 0.2126 * r + 0.7152 * g + 0.0722 * b;
             };
             return Math.min(...['--ink', '--soft', '--ok', '--warn', '--bad', '--focus'].flatMap((ink) =>
               ['--bg', '--panel'].map((ground) => {
                 const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
                 return (a + 0.05) / (b + 0.05);
               })));",
        );
        assert!(worst.as_f64().is_some_and(|ratio| ratio >= 4.5), "{scheme}: {worst}");
    }
}

#[test]
fn a_token_is_asked_for_and_kept_for_the_window_only() {
    let pool = Pool::echo(PoolConfig::new()).unwrap();
    let served = pool.serve_with("127.0.0.1:0", ServeOptions::new().token("open sesame")).unwrap();
    let browser = Browser::start(1000, 900);
    browser.open(&served.url());
    soon("it is asked for", || browser.text_of("#status") == "a token is needed");
    let give = |token: &str| {
        browser.run(&format!(
            "document.querySelector('#token').value = {token:?}; document.querySelector('#token-form button').click()"
        ))
    };
    give("wrong");
    soon("it is refused", || browser.text_of("#status") == "this token is not accepted");
    give("open sesame");
    soon("it is accepted", || browser.text_of("#status") == "healthy");
    assert_eq!(browser.run("return document.querySelector('#token-form').hidden"), true);
    assert_eq!(browser.run("return localStorage.getItem('holdfast-token')"), serde_json::Value::Null);
    browser.run("document.querySelector('footer a[href=\"/metrics\"]').click()");
    soon("what a link leads to is shown", || browser.text_of("body").contains("holdfast_checkouts_total"));
    assert!(!browser.run("return location.href").as_str().unwrap().contains("sesame"));
}
