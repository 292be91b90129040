//! What a configuration promises as a whole.
