//! fishid-network
