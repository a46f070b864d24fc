//! fishid-prediction
