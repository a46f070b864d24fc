//! fishid-bundle
