//! The load generator against a server that writes down what it is sent.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use sha2::{Digest, Sha256};

type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

/// Answers every request alike; keeps the digests of the bodies.
fn server(status: &'static str, body: &'static str) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let seen = Arc::clone(&kept);
            std::thread::spawn(move || {
                let mut writer = stream.unwrap();
                let mut reader = BufReader::new(writer.try_clone().unwrap());
                while let Some(request) = read_body(&mut reader) {
                    let digest = Sha256::digest(&request).to_vec();
                    seen.lock().unwrap().push(digest);
                    let length = body.len();
                    let reply =
                        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
                    writer.write_all(reply.as_bytes()).unwrap();
                }
            });
        }
    });
    (host, seen)
}

fn read_body(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

fn generate(host: &str, options: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let picture = fishid_image::RgbPhoto::filled(32, 32, [10, 20, 30]);
    let jpeg = fishid_image::encode_jpeg(&picture, 90).unwrap();
    std::fs::write(folder.path().join("one.jpg"), jpeg).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_load_generator"))
        .args(["--host", host, "--photographs"])
        .arg(folder.path())
        .args(options)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

const FRESH: &str = r#"{"predicted_class":"esox_lucius","cached":false}"#;

#[test]
fn waiting_clients_send_a_new_photograph_each_time() {
    let (host, seen) = server("200 OK", FRESH);
    let results = generate(&host, &["closed", "--clients", "3", "--seconds", "0.2"]);
    let bodies = seen.lock().unwrap();
    let different: BTreeSet<_> = bodies.iter().collect();
    assert!(bodies.len() >= 3 && different.len() == bodies.len());
    assert_eq!(results["n_answered"], bodies.len());
    assert_eq!(results["n_failed"], 0);
    assert!(results["latency_ms"]["p50"].as_f64().unwrap() > 0.0);
}

#[test]
fn arrivals_come_at_the_rate_asked_for_and_the_search_finds_what_the_server_can_do() {
    let (host, seen) = server("200 OK", FRESH);
    let results = generate(&host, &["open", "--rate", "400", "--seconds", "0.5"]);
    let n = results["n_answered"].as_u64().unwrap();
    assert_eq!(n, seen.lock().unwrap().len() as u64);
    // 200 are expected; five deviations of a Poisson number are 71.
    assert!((129..=271).contains(&n), "{n}");

    let search = [
        "search",
        "--bound-ms",
        "5000",
        "--highest",
        "80",
        "--seconds",
        "0.2",
        "--tries",
        "3",
    ];
    let found = generate(&host, &search);
    assert_eq!(found["rate"], 70.0);
    assert_eq!(found["tries"].as_array().unwrap().len(), 3);
}

#[test]
fn a_reply_that_is_no_answer_counts_as_failed_and_never_as_fast() {
    for (status, body, reason) in [
        ("503 Service Unavailable", "{}", "status 503"),
        ("200 OK", "[]", "no answer in the reply"),
        (
            "200 OK",
            r#"{"predicted_class":"esox_lucius","cached":true}"#,
            "out of the cache where none",
        ),
    ] {
        let (host, _) = server(status, body);
        let results = generate(&host, &["closed", "--clients", "1", "--seconds", "0.05"]);
        assert_eq!(results["n_answered"], 0);
        assert!(results["n_failed"].as_u64().unwrap() > 0);
        assert!(results["failures"].to_string().contains(reason));
        let search = [
            "search",
            "--bound-ms",
            "5000",
            "--highest",
            "80",
            "--seconds",
            "0.1",
        ];
        assert_eq!(generate(&host, &search)["rate"], 0.0);
    }
}

#[test]
fn the_same_photographs_must_come_out_of_the_cache() {
    let cached = r#"{"predicted_class":"esox_lucius","cached":true}"#;
    let (host, seen) = server("200 OK", cached);
    let results = generate(
        &host,
        &["--same", "closed", "--clients", "2", "--seconds", "0.1"],
    );
    assert_eq!(results["n_failed"], 0);
    let bodies = seen.lock().unwrap();
    assert_eq!(bodies.iter().collect::<BTreeSet<_>>().len(), 1);
    let (host, _) = server("200 OK", FRESH);
    let options = ["--same", "closed", "--clients", "2", "--seconds", "0.1"];
    assert_eq!(generate(&host, &options)["n_answered"], 0);
}
