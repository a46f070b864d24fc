//! fishid-testing
