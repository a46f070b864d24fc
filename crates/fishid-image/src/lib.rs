//! fishid-image
