//! A pinned file of a model hub → a verified file in the cache.
//!
//! Owns the hub's protocol (the one of Hugging Face, which its mirrors speak too), resuming,
//! verifying and the record kept of what was downloaded. It does not know what is in a file: no
//! network, no training, no ONNX. Start reading at [`Hub`], then `download`.

mod cache;
mod declaration;
mod digest;
mod download;
mod error;
mod file;
mod hub;
mod part;
mod record;
mod request;
mod retry;
mod settings;

pub use declaration::Declaration;
pub use digest::Sha256Hex;
pub use error::HubError;
pub use file::HubFile;
pub use hub::{CachedFile, Hub, Progress};
pub use settings::{DEFAULT_ADDRESS, HubSettings, Timing, Token};
