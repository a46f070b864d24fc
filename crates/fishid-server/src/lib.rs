//! fishid-server
