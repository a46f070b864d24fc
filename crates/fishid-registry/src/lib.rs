//! fishid-registry
