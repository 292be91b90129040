use super::*;
use crate::diagnose::tuning::advice::{Opening, ServiceTime};
use crate::diagnose::tuning::sample::Spread;

/// Ten milliseconds in all: nine at the server, one on the way.
fn measured() -> Measured {
    let spread = |ms| Spread::of(vec![Duration::from_millis(ms)]).unwrap();
    let opening = Opening {
        whole: spread(4),
        resolve: Duration::ZERO,
        connect: Duration::from_millis(1),
        tls: None,
        session: Duration::from_millis(3),
    };
    Measured { opening, round_trip: spread(1), service: ServiceTime::Given(Duration::from_millis(9)) }
}

fn server(limit: u32) -> Ceiling {
    Ceiling { bound: Bound::Server, limit, reserved: 3, others: 0, kept_free: 0, keeps_a_share: false }
}

fn of_role(limit: u32) -> Ceiling {
    Ceiling { bound: Bound::Role, limit, reserved: 0, others: 0, kept_free: 0, keeps_a_share: false }
}

fn without_deploys() -> Workload {
    Workload::new().overlap(1.0)
}

fn step<'a>(sizing: &'a Sizing, name: &str) -> &'a Step {
    sizing.steps.iter().find(|step| step.name.contains(name)).unwrap_or_else(|| panic!("{sizing:#?}"))
}

#[test]
fn one_process_gets_what_littles_law_says_with_room_above_it() {
    let sizing = size(&without_deploys().rate(400.0), &measured(), &[server(103)]);
    assert_eq!(sizing.held, Duration::from_millis(10));
    assert_eq!(sizing.load, Some(4.0));
    assert_eq!(step(&sizing, "below 80 %").value, 5.0);
    assert_eq!(step(&sizing, "bursts").value, 8.0);
    assert_eq!((sizing.wanted, sizing.share, sizing.max_size, sizing.fit), (8, 100, 8, Fit::Fits));
}

#[test]
fn for_a_heavy_load_it_is_the_use_that_counts_and_not_the_bursts() {
    let sizing = size(&without_deploys().rate(40_000.0), &measured(), &[server(1003)]);
    assert_eq!((step(&sizing, "below 80 %").value, step(&sizing, "bursts").value), (500.0, 440.0));
    assert_eq!(sizing.max_size, 500);
}

#[test]
fn statements_of_a_request_hold_its_connection_one_after_the_other() {
    let sizing = size(&without_deploys().rate(100.0).statements(4), &measured(), &[server(103)]);
    assert_eq!((sizing.held, sizing.load), (Duration::from_millis(40), Some(4.0)));
}

#[test]
fn a_light_load_still_gets_two() {
    let sizing = size(&without_deploys().rate(0.001), &measured(), &[server(103)]);
    assert_eq!((sizing.wanted, sizing.max_size, sizing.fit), (2, 2, Fit::Fits));
}

#[test]
fn a_thousand_processes_are_short_of_a_hundred_slots() {
    let workload = Workload::new().processes(1_000).rate(1_000.0);
    let sizing = size(&workload, &measured(), &[server(103)]);
    assert_eq!((sizing.holders, sizing.available, sizing.share), (2_000, 100, 0));
    assert_eq!((sizing.max_size, sizing.fit), (1, Fit::NotOneEach));
    let many = size(&workload, &measured(), &[server(4_003)]);
    assert_eq!((many.share, many.max_size, many.fit), (2, 2, Fit::Fits));
}

#[test]
fn fewer_than_wanted_is_a_share_for_each_and_said_so() {
    let workload = Workload::new().processes(10).rate(4_000.0);
    let sizing = size(&workload, &measured(), &[server(103)]);
    assert_eq!((sizing.wanted, sizing.share, sizing.max_size, sizing.fit), (8, 5, 5, Fit::Short));
}

#[test]
fn of_several_limits_the_one_that_leaves_least_counts() {
    let sizing = size(&without_deploys().rate(400.0), &measured(), &[server(103), of_role(4)]);
    assert_eq!((sizing.available, sizing.max_size, sizing.fit), (4, 4, Fit::Short));
    assert_eq!(step(&sizing, "left of the role's").value, 4.0);
    assert_eq!(step(&sizing, "available").formula, "min(100, 4)");
    let none = size(&without_deploys().rate(400.0), &measured(), &[server(103), of_role(0)]);
    assert_eq!((none.available, none.fit), (0, Fit::NotOneEach));
}

#[test]
fn what_others_use_and_what_is_kept_free_is_not_available() {
    let ceiling = Ceiling { others: 20, kept_free: 10, ..server(103) };
    assert_eq!(ceiling.available(), 70);
    assert_eq!(Ceiling { others: 200, ..ceiling }.available(), 0, "no overflow");
    assert_eq!(ceiling.needed_for(100), 133);
    assert_eq!(ceiling.needed_for(u32::MAX), u32::MAX);
}

#[test]
fn a_raised_limit_is_enough_although_more_is_kept_free_of_more() {
    for connections in 1..2_000 {
        let ceiling = Ceiling { others: 7, keeps_a_share: true, ..server(10) };
        let available = |limit: u32| {
            let raised = Ceiling { limit, ..ceiling };
            Ceiling { kept_free: usually_kept_free(raised.slots()), ..raised }.available()
        };
        let needed = ceiling.needed_for(connections);
        assert!(available(needed) >= connections, "{needed} for {connections}");
        assert!(available(needed - 1) < connections, "{needed} for {connections} is more than is needed");
    }
}

#[test]
fn without_a_rate_it_is_the_usual_size_or_the_share_and_nothing_is_called_short() {
    let plenty = size(&without_deploys(), &measured(), &[server(103)]);
    assert_eq!((plenty.load, plenty.max_size, plenty.fit), (None, 8, Fit::Fits));
    let few = size(&without_deploys().processes(20), &measured(), &[server(103)]);
    assert_eq!((few.max_size, few.fit), (5, Fit::Fits));
    assert!(few.steps.iter().all(|step| step.name != "requests that find all in use"));
}

#[test]
fn sizes_beyond_what_the_option_allows_are_not_advised() {
    let sizing = size(&without_deploys().rate(1e9), &measured(), &[server(100_000)]);
    assert_eq!((sizing.wanted, sizing.max_size), (10_000, 10_000));
    assert_eq!(step(&sizing, "requests that find all in use").value, 100.0, "that load cannot be served");
}

#[test]
fn erlangs_c_agrees_with_what_its_formula_gives_by_hand() {
    // With one server, who has to wait is as likely as that it is in use.
    for (load, servers, expected) in [(0.5, 1, 0.5), (1.0, 2, 1.0 / 3.0), (2.0, 3, 4.0 / 9.0), (0.0, 3, 0.0)]
    {
        let share = waiting_share(load, servers);
        assert!((share - expected).abs() < 1e-12, "C({servers}, {load}) = {share}");
    }
    assert_eq!(waiting_share(3.0, 3), 1.0, "the queue grows without end");
    let large = waiting_share(9_000.0, 10_000);
    assert!((0.0..0.01).contains(&large), "no overflow: {large}");
}

#[test]
fn together_processes_need_less_than_each_for_itself() {
    assert_eq!(wanted_together(0.5, 100), 65, "and a hundred pools of 2 would be 200");
    assert_eq!(wanted_together(0.0, 1), 0);
}

#[test]
fn division_does_not_round_a_whole_number_up() {
    assert_eq!(whole_above(2.4 / 0.8), 3.0);
    assert_eq!(whole_above(3.1), 4.0);
}

#[test]
fn figures_are_written_with_the_digits_that_count() {
    let written = [0.0123456, 0.5, 1.0, 2.345, 12.34, 1234.5].map(plain);
    assert_eq!(written, ["0.0123", "0.5", "1", "2.35", "12.3", "1234"]);
}
