//! fishid-training
