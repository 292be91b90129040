//! Texts made when they are first asked for, and kept for as long as what they were asked of.

use std::collections::HashMap;

use crate::sys::sync::Mutex;

use crate::ffi::capi::library::text::holdfast_str;

/// Texts by number. Any thread may ask; what one was given stays where it is until the whole is dropped.
#[derive(Default)]
pub(in crate::ffi::capi) struct KeptTexts(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    places: HashMap<usize, Place>,
    /// None is ever filled beyond the room it was made with, so that nothing in it moves.
    chunks: Vec<Vec<u8>>,
}

#[derive(Clone, Copy)]
struct Place {
    chunk: usize,
    start: usize,
    length: usize,
}

const FIRST_CHUNK: usize = 256;
const LARGEST_CHUNK: usize = 64 * 1024;

impl KeptTexts {
    /// Returns the text of this number, made by `make` at its first use. `None` when it cannot be made.
    pub(in crate::ffi::capi) fn get(
        &self,
        number: usize,
        make: impl FnOnce(&mut String) -> Option<()>,
    ) -> Option<holdfast_str> {
        if let Some(found) = self.0.lock().find(number) {
            return Some(found);
        }
        let mut text = String::new();
        make(&mut text)?;
        text.push('\0');
        let mut kept = self.0.lock();
        // Another thread may have been faster.
        if let Some(found) = kept.find(number) {
            return Some(found);
        }
        kept.add(number, text.as_bytes());
        kept.find(number)
    }
}

impl Kept {
    fn find(&self, number: usize) -> Option<holdfast_str> {
        let place = self.places.get(&number)?;
        let text = self.chunks.get(place.chunk)?.get(place.start..place.start + place.length)?;
        Some(holdfast_str { ptr: text.as_ptr().cast(), len: place.length - 1 })
    }

    fn add(&mut self, number: usize, text: &[u8]) {
        let room = self.chunks.last().map_or(0, |chunk| chunk.capacity() - chunk.len());
        if room < text.len() {
            let last = self.chunks.last().map_or(0, Vec::capacity);
            let size = (last * 2).clamp(FIRST_CHUNK, LARGEST_CHUNK).max(text.len());
            self.chunks.push(Vec::with_capacity(size));
        }
        let chunk = self.chunks.len() - 1;
        let start = self.chunks[chunk].len();
        self.chunks[chunk].extend_from_slice(text);
        self.places.insert(number, Place { chunk, start, length: text.len() });
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn read(text: holdfast_str) -> &'static str {
        // SAFETY: made just now, and kept until the end of the test.
        let text = unsafe { CStr::from_ptr(text.ptr) };
        text.to_str().unwrap()
    }

    #[test]
    fn a_text_is_made_once_and_stays_where_it_is() {
        let kept = KeptTexts::default();
        let long = "x".repeat(LARGEST_CHUNK);
        let mut places = Vec::new();
        for number in 0..5_000 {
            let text = if number % 1_000 == 7 { long.clone() } else { format!("text {number}") };
            let made = kept.get(number, |out| {
                out.push_str(&text);
                Some(())
            });
            places.push((made.unwrap(), text));
        }
        for (number, (text, wanted)) in places.iter().enumerate() {
            let again = kept.get(number, |_| panic!("it was made already")).unwrap();
            assert_eq!((again.ptr, again.len), (text.ptr, wanted.len()));
            assert_eq!(read(*text), wanted);
        }
        assert!(kept.get(9_999, |_| None).is_none());
    }

    #[test]
    fn threads_that_ask_at_once_get_the_same() {
        let kept = KeptTexts::default();
        let ask = || {
            let ask_for = |number| {
                let made = kept.get(number, |out| {
                    out.push_str(&number.to_string());
                    Some(())
                });
                made.unwrap().ptr.addr()
            };
            (0..2_000).map(ask_for).collect::<Vec<_>>()
        };
        let (one, other) = std::thread::scope(|scope| {
            let (one, other) = (scope.spawn(ask), scope.spawn(ask));
            (one.join().unwrap(), other.join().unwrap())
        });
        assert_eq!(one, other);
    }
}
