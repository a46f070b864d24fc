//! The S3 path against a small server that speaks just enough of the protocol: pages of three keys, one
//! refusal before each photograph, keys that need escaping.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use fishid_dataset::{CheckOptions, Dataset, OpenOptions, check};

use crate::support::{open, png, put, small_data_set};

struct Server {
    objects: BTreeMap<String, Vec<u8>>,
    refused: Mutex<BTreeSet<String>>,
}

/// Starts the server and returns the settings that lead to it.
fn serve(objects: BTreeMap<String, Vec<u8>>) -> OpenOptions {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = Arc::new(Server {
        objects,
        refused: Mutex::default(),
    });
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let server = Arc::clone(&server);
            std::thread::spawn(move || server.answer(stream));
        }
    });
    let storage = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "ru-central1"),
    ];
    OpenOptions {
        storage: storage
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..OpenOptions::default()
    }
}

fn unescape(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

impl Server {
    fn answer(&self, mut stream: TcpStream) {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let Some(Ok(request)) = lines.next() else {
            return;
        };
        while lines
            .next()
            .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
        {}
        let target = request.split(' ').nth(1).unwrap().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let path = unescape(path);
        let (status, body) = match path.strip_prefix("/fish") {
            None => (
                "404 Not Found",
                b"<Error><Code>NoSuchBucket</Code></Error>".to_vec(),
            ),
            Some("" | "/") => ("200 OK", self.list(query).into_bytes()),
            Some(key) => self.get(key.trim_start_matches('/')),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nLast-Modified: Tue, 24 Nov 2026 00:00:00 GMT\r\nETag: \"1\"\r\nConnection: close\r\n\r\n",
            body.len()
        );
        // The client may have gone; then nobody misses the answer.
        let _ = stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(&body));
    }

    fn get(&self, key: &str) -> (&'static str, Vec<u8>) {
        match self.objects.get(key) {
            None => (
                "404 Not Found",
                b"<Error><Code>NoSuchKey</Code></Error>".to_vec(),
            ),
            Some(_) if self.refused.lock().unwrap().insert(key.to_owned()) => {
                ("503 Slow Down", Vec::new())
            }
            Some(bytes) => ("200 OK", bytes.clone()),
        }
    }

    fn list(&self, query: &str) -> String {
        let value = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
                .map(|text| unescape(&text.replace('+', " ")))
        };
        let prefix = value("prefix").unwrap_or_default();
        let after = value("continuation-token").unwrap_or_default();
        let within = |key: &&String| key.starts_with(&prefix);
        let mut body = "<ListBucketResult>".to_owned();
        if value("delimiter").is_some() {
            let folders: BTreeSet<&str> = self
                .objects
                .keys()
                .filter(within)
                .filter_map(|key| key[prefix.len()..].split_once('/'))
                .map(|(folder, _)| folder)
                .collect();
            for folder in folders {
                write!(
                    body,
                    "<CommonPrefixes><Prefix>{prefix}{folder}/</Prefix></CommonPrefixes>"
                )
                .unwrap();
            }
            return body + "<IsTruncated>false</IsTruncated></ListBucketResult>";
        }
        let keys: Vec<&String> = self
            .objects
            .keys()
            .filter(within)
            .filter(|key| **key > after)
            .collect();
        for key in keys.iter().take(3) {
            let size = self.objects[*key].len();
            write!(body, "<Contents><Key>{key}</Key><LastModified>2026-11-24T00:00:00.000Z</LastModified><ETag>\"1\"</ETag><Size>{size}</Size></Contents>").unwrap();
        }
        match keys.get(2) {
            Some(last) if keys.len() > 3 => write!(body, "<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>").unwrap(),
            _ => body += "<IsTruncated>false</IsTruncated>",
        }
        body + "</ListBucketResult>"
    }
}

#[test]
fn a_prefix_in_s3_is_the_same_data_set_as_the_folder_it_was_copied_from() {
    let folder = tempfile::tempdir().unwrap();
    small_data_set(folder.path());
    put(folder.path(), "perca_fluviatilis/окунь 1+1%.png", png(300));
    put(folder.path(), "perca_fluviatilis/copy.png", png(0));
    let rows: String = (0..6)
        .map(|n| format!("esox_lucius/{n}.png,fish {n}\nperca_fluviatilis/{n}.png,perch {n}\n"))
        .collect();
    put(
        folder.path(),
        "manifest.csv",
        format!(
            "path,group\n{rows}perca_fluviatilis/окунь 1+1%.png,x\nperca_fluviatilis/copy.png,y\n"
        ),
    );
    let objects = crate::support::files_below(folder.path())
        .into_iter()
        .map(|path| {
            (
                format!("rivers/2026/{path}"),
                std::fs::read(folder.path().join(&path)).unwrap(),
            )
        })
        .chain([("rivers/2026x/esox_lucius/no.png".to_owned(), png(1))])
        .collect();

    let local = open(folder.path());
    let remote = Dataset::open("s3://fish/rivers/2026", &serve(objects)).unwrap();
    assert_eq!(remote.photographs(), local.photographs());
    for photo in remote.photographs() {
        assert_eq!(
            remote.read(photo).unwrap(),
            local.read(photo).unwrap(),
            "{}",
            photo.path
        );
    }
    let found = check(&remote, &CheckOptions::default(), &|_, _| {});
    assert_eq!(found, check(&local, &CheckOptions::default(), &|_, _| {}));
    assert_eq!(
        found.iter().map(|p| p.kind.as_str()).collect::<Vec<_>>(),
        ["exact_duplicate", "label_clash"]
    );
}

#[test]
fn a_bucket_that_is_missing_or_empty_is_an_error_that_names_it() {
    let options = serve(BTreeMap::from([("readme.txt".to_owned(), b"x".to_vec())]));
    let message = |location: &str| Dataset::open(location, &options).unwrap_err().to_string();
    assert!(
        message("s3://other/fish").contains("s3://other/fish"),
        "{}",
        message("s3://other/fish")
    );
    assert!(
        message("s3://fish").contains("holds no photographs"),
        "{}",
        message("s3://fish")
    );
}

#[test]
fn a_data_set_is_opened_from_within_an_asynchronous_program_too() {
    let folder = tempfile::tempdir().unwrap();
    small_data_set(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let dataset = open(folder.path());
        assert_eq!(dataset.photographs().len(), 12);
        assert!(dataset.read(&dataset.photographs()[0]).is_ok());
    });
}
