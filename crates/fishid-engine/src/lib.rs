//! fishid-engine
