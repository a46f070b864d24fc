//! fishid-dataset
