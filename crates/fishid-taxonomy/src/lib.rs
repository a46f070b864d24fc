//! fishid-taxonomy
