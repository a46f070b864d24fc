//! Bytes inside a page: RFC 2397 with the base64 of RFC 4648. Twenty lines against a dependency.

/// `data:TYPE;base64,…`
pub(super) fn data_uri(media_type: &str, bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut uri = format!("data:{media_type};base64,");
    for group in bytes.chunks(3) {
        let at = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let is_padding = i > group.len();
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            uri.push(if is_padding { '=' } else { char::from(digit) });
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::data_uri;

    #[test]
    fn the_examples_of_rfc_4648_are_encoded() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ] {
            assert_eq!(
                data_uri("text/plain", bytes.as_bytes()),
                format!("data:text/plain;base64,{text}")
            );
        }
    }
}
