//! What is tried.

use crate::simulation::{MS, Process, SECOND, Scene};

/// Every scene with its name.
pub(crate) fn all() -> Vec<(&'static str, Scene)> {
    vec![
        ("10 on 17 slots, learned limits alone", Scene { share: false, ..Scene::of(10, 17, 20 * SECOND) }),
        ("1 on 17 slots", Scene::of(1, 17, 20 * SECOND)),
        ("2 on 17 slots", Scene::of(2, 17, 20 * SECOND)),
        ("10 on 17 slots", Scene::of(10, 17, 20 * SECOND)),
        ("16 on 17 slots", Scene::of(16, 17, 20 * SECOND)),
        ("17 on 17 slots", Scene::of(17, 17, 20 * SECOND)),
        ("18 on 17 slots", Scene::of(18, 17, 20 * SECOND)),
        ("30 on 17 slots", Scene::of(30, 17, 20 * SECOND)),
        ("60 on 17 slots", Scene::of(60, 17, 20 * SECOND)),
        ("100 on 497 slots", Scene::of(100, 497, 20 * SECOND)),
        ("1,000 on 497 slots", Scene::of(1000, 497, 20 * SECOND)),
        ("10, an eleventh at 10 s", late()),
        ("10, two killed at 10 s", killed()),
        ("10, replaced one by one", deploy()),
        ("3 of which two want little from 5 s to 12 s", unequal()),
        ("4 with max_size 2, 2, 12 and 12", sizes()),
        ("10 beside 6 sessions of others", beside_others()),
    ]
}

/// A process joins a full fleet.
pub(crate) fn late() -> Scene {
    let mut scene = Scene::of(10, 17, 20 * SECOND);
    scene.processes.push(Process::usual(10 * SECOND));
    scene
}

pub(crate) fn killed() -> Scene {
    let mut scene = Scene::of(10, 17, 20 * SECOND);
    for process in &mut scene.processes[..2] {
        process.killed = Some(10 * SECOND);
    }
    scene
}

/// Each process is replaced by a new one, which starts first.
pub(crate) fn deploy() -> Scene {
    let mut scene = Scene::of(10, 17, 20 * SECOND);
    for index in 0..10 {
        let at = 3 * SECOND + index as u64 * 1500 * MS;
        scene.processes[index].stops = Some(at + 500 * MS);
        scene.processes.push(Process::usual(at));
    }
    scene
}

pub(crate) fn unequal() -> Scene {
    let mut scene = Scene::of(3, 17, 20 * SECOND);
    for process in &mut scene.processes {
        process.max_size = 16;
    }
    for process in &mut scene.processes[..2] {
        process.quiet = Some((5 * SECOND, 12 * SECOND, 1));
    }
    scene
}

pub(crate) fn sizes() -> Scene {
    let mut scene = Scene::of(4, 17, 20 * SECOND);
    for (process, size) in scene.processes.iter_mut().zip([2, 2, 12, 12]) {
        process.max_size = size;
    }
    scene
}

pub(crate) fn beside_others() -> Scene {
    Scene { others: 6, ..Scene::of(10, 17, 20 * SECOND) }
}
