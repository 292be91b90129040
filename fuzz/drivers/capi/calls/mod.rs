//! Calls in any order, with handles of the right kind, of another kind, and none.
//!
//! Calls that the header forbids outright are left out: a handle that was freed is not used again.

mod callbacks;
mod frees;
mod gets;
mod runs;
mod submits;
mod tables;

use tables::Tables;

use crate::testing::fuzzing::Draws;

/// More would say nothing new, and take longer.
const MOST_CALLS: usize = 32;

/// Makes the calls that the input says: a byte which, and bytes for its arguments. In the end everything is freed, in an order
/// that the input says.
pub fn c_calls(input: &[u8]) {
    let mut draws = Draws::new(input);
    let mut tables = Tables::new();
    let mut calls = 0;
    while !draws.is_empty() && calls < MOST_CALLS {
        match draws.byte() {
            which @ 0..80 => gets::call(&mut tables, which, &mut draws),
            which @ 80..170 => runs::call(&mut tables, which - 80, &mut draws),
            which @ 170..218 => submits::call(&mut tables, which - 170, &mut draws),
            which => frees::call(&mut tables, which, &mut draws),
        }
        calls += 1;
    }
    while let Some(kind) = tables.any_left(&mut draws) {
        frees::free_one(&mut tables, kind, &mut draws);
    }
}
