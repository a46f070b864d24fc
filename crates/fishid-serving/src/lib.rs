//! fishid-serving
