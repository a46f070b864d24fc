//! How an answer lies in a shared store: under which name, and with what in front of it.
//!
//! Anyone may write to such a store, by mistake too. A short digest over name and answer tells what another
//! program left, what was cut off, and what was copied under another photograph's name. It is no signature:
//! whoever means harm and may write to the store can forge answers.

use bytes::{BufMut as _, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use crate::cache::Key;

/// Stands in every name and value; another form of either gets another number.
const FORMAT: u8 = 1;
const N_CHECK_BYTES: usize = 8;

/// `fishid:1:MODEL/PRECISION:PHOTO`, both digests in hexadecimal.
pub(crate) fn name(key: &Key) -> String {
    let photo = hex::encode(key.photo());
    format!("fishid:{FORMAT}:{}:{photo}", key.model())
}

/// A name that is asked to see whether the store answers and may be read; nothing lies there.
pub(crate) fn probe_name() -> String {
    format!("fishid:{FORMAT}:probe")
}

pub(crate) fn seal(name: &str, answer: &[u8]) -> Bytes {
    let mut value = BytesMut::with_capacity(1 + N_CHECK_BYTES + answer.len());
    value.put_u8(FORMAT);
    value.put_slice(&check(name, answer));
    value.put_slice(answer);
    value.freeze()
}

/// The answer in a value; none when the value is not one that [`seal`] made for this name.
pub(crate) fn open<'v>(name: &str, value: &'v [u8]) -> Option<&'v [u8]> {
    let (&format, rest) = value.split_first()?;
    let (found, answer) = rest.split_at_checked(N_CHECK_BYTES)?;
    (format == FORMAT && found == check(name, answer)).then_some(answer)
}

fn check(name: &str, answer: &[u8]) -> [u8; N_CHECK_BYTES] {
    let digest = Sha256::new()
        .chain_update(name)
        .chain_update([0])
        .chain_update(answer)
        .finalize();
    let mut start = [0; N_CHECK_BYTES];
    start.copy_from_slice(&digest[..N_CHECK_BYTES]);
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_under_this_name_is_opened() {
        let sealed = seal("name", b"answer");
        assert_eq!(open("name", &sealed), Some(&b"answer"[..]));
        assert_eq!(open("another name", &sealed), None);
        for n_bytes in 0..sealed.len() {
            assert_eq!(open("name", &sealed[..n_bytes]), None, "{n_bytes}");
        }
        for at in 0..sealed.len() {
            let mut damaged = sealed.to_vec();
            damaged[at] ^= 1;
            assert_eq!(open("name", &damaged), None, "{at}");
        }
    }

    #[test]
    fn a_name_says_model_precision_and_photograph() {
        let key = Key::new([0xab; 32], &"0123/bf16".into());
        assert_eq!(
            name(&key),
            format!("fishid:1:0123/bf16:{}", "ab".repeat(32))
        );
    }
}
