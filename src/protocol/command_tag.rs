//! Command tags, with which the server reports the effect of a statement.

use std::sync::Arc;

/// A command tag. Shared, since a statement that runs many times yields one tag many times. A NUL follows it, so that it can
/// be handed out as a C string.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommandTag(Option<Arc<str>>);

impl CommandTag {
    pub(crate) fn new(text: &str) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        let mut ended = String::with_capacity(text.len() + 1);
        ended.push_str(text);
        ended.push('\0');
        Self(Some(ended.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        let ended = self.with_nul();
        &ended[..ended.len() - 1]
    }

    /// Returns the tag and the NUL behind it.
    pub(crate) fn with_nul(&self) -> &str {
        self.0.as_deref().unwrap_or("\0")
    }

    /// Returns the number at its end, where there is one.
    pub(crate) fn rows(&self) -> Option<u64> {
        self.as_str().rsplit(' ').next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_at_the_end_counts_rows_where_there_is_one() {
        for (text, rows) in [("INSERT 0 5", Some(5)), ("SELECT 3", Some(3)), ("BEGIN", None), ("", None)] {
            let tag = CommandTag::new(text);
            assert_eq!((tag.as_str(), tag.rows()), (text, rows));
            assert_eq!(tag.with_nul(), format!("{text}\0"));
        }
    }
}
