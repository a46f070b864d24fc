//! fishid-pipeline
