//! Photographs as request bodies, each different from every one before without being drawn anew.
//!
//! What makes them different is bytes that every decoder skips: in a JPEG a comment segment behind its first
//! marker, in a PNG bytes behind its end. So a few files give any number of photographs that no cache has seen.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;

const BOUNDARY: &str = "fishid-bench-7d1f0c3a";
const JPEG_START: [u8; 2] = [0xff, 0xd8];
const JPEG_COMMENT: [u8; 2] = [0xff, 0xfe];

/// Photographs of one folder, in memory.
#[derive(Debug, Clone)]
pub struct Payloads(Arc<[Bytes]>);

/// One form with one photograph: a few pieces that are sent one after the other.
#[derive(Debug, Clone)]
pub struct Payload {
    /// Request line, headers, and the photograph's first bytes.
    pub head: Bytes,
    /// The photograph's other bytes.
    pub photograph: Bytes,
    /// What ends the form.
    pub tail: Bytes,
}

impl Payloads {
    /// Reads every `.jpg` and `.png` of a folder and of the folders in it, in the order of their paths.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut paths = Vec::new();
        collect(folder, &mut paths)?;
        paths.sort();
        ensure!(
            !paths.is_empty(),
            "{} has no .jpg or .png",
            folder.display()
        );
        let files = paths
            .iter()
            .map(|path| {
                let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
                Ok(Bytes::from(bytes))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self(files.into()))
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none; never so after [`Self::read`].
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Request number `n`: the files in turn. With a `run` it is a photograph of its own, the same for the same
    /// two numbers.
    pub fn request(&self, n: u64, run: Option<u64>, host: &str) -> Payload {
        let file = &self.0[(n % self.0.len() as u64) as usize];
        let mark = run.map(|run| format!("{run:016x}{n:016x}"));
        let is_jpeg = file.starts_with(&JPEG_START);
        let (kind, name) = if is_jpeg {
            ("image/jpeg", "photograph.jpg")
        } else {
            ("image/png", "photograph.png")
        };
        let (mut first, mut last) = (Vec::new(), Vec::new());
        let mut rest = file.clone();
        if is_jpeg {
            first.extend_from_slice(&rest.split_to(JPEG_START.len()));
        }
        if let Some(mark) = mark {
            if is_jpeg {
                first.extend_from_slice(&JPEG_COMMENT);
                first.extend_from_slice(&(mark.len() as u16 + 2).to_be_bytes());
                first.extend_from_slice(mark.as_bytes());
            } else {
                last.extend_from_slice(mark.as_bytes());
            }
        }
        let form = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: {kind}\r\n\r\n"
        );
        last.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let length = form.len() + first.len() + rest.len() + last.len();
        let mut head = format!(
            "POST /predict HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {length}\r\n\r\n{form}"
        )
        .into_bytes();
        head.append(&mut first);
        Payload {
            head: head.into(),
            photograph: rest,
            tail: last.into(),
        }
    }
}

fn collect(folder: &Path, paths: &mut Vec<std::path::PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let is_photograph = path
            .extension()
            .is_some_and(|ending| ending == "jpg" || ending == "png");
        if path.is_dir() {
            collect(&path, paths)?;
        } else if is_photograph {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use fishid_image::{Limits, RgbPhoto, decode, encode_jpeg, encode_png};

    fn photograph(payload: &Payload) -> Vec<u8> {
        let whole = [&payload.head[..], &payload.photograph, &payload.tail].concat();
        let blank = |from: usize| {
            from + 4
                + whole[from..]
                    .windows(4)
                    .position(|four| four == b"\r\n\r\n")
                    .unwrap()
        };
        let body = blank(0);
        let header = String::from_utf8(whole[..body].to_vec()).unwrap();
        let length: usize = header
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(length, whole.len() - body);
        let end = whole.len() - format!("\r\n--{BOUNDARY}--\r\n").len();
        whole[blank(body)..end].to_vec()
    }

    #[test]
    fn every_request_is_another_photograph_of_the_same_pixels() {
        let folder = tempfile::tempdir().unwrap();
        let picture = RgbPhoto::filled(64, 48, [200, 30, 90]);
        std::fs::write(
            folder.path().join("a.jpg"),
            encode_jpeg(&picture, 90).unwrap(),
        )
        .unwrap();
        std::fs::write(folder.path().join("b.png"), encode_png(&picture).unwrap()).unwrap();
        let payloads = Payloads::read(folder.path()).unwrap();
        assert_eq!(payloads.len(), 2);
        for file in 0..2 {
            let plain = photograph(&payloads.request(file, None, "localhost"));
            let one = photograph(&payloads.request(file, Some(7), "localhost"));
            let next = photograph(&payloads.request(file + 2, Some(7), "localhost"));
            let again = photograph(&payloads.request(file, Some(7), "localhost"));
            assert!(plain != one && one != next && one == again);
            let pixels = |bytes: &[u8]| decode(bytes, &Limits::default(), None).unwrap();
            assert_eq!(pixels(&plain), pixels(&one));
            assert_eq!(pixels(&plain), pixels(&next));
        }
    }
}
