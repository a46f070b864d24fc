//! From a hub's declaration to a verified file: the order of things, and what is tried again.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG};

use crate::cache::Entry;
use crate::declaration::Declaration;
use crate::digest::Sha256Hex;
use crate::error::HubError;
use crate::file::HubFile;
use crate::hub::Progress;
use crate::part::Part;
use crate::record::Record;
use crate::request::{Answer, From, Requester, causes, host};
use crate::retry::{Failure, backoff};
use crate::settings::Timing;

/// One download.
pub(crate) struct Download<'a> {
    pub requester: Requester,
    pub timing: &'a Timing,
    pub file: &'a HubFile,
    pub entry: &'a Entry,
    pub progress: &'a mut dyn FnMut(Progress),
    /// Requests made so far that failed.
    pub failures: u32,
}

impl Download<'_> {
    /// Downloads, verifies, records and publishes. The caller holds the entry's lock.
    pub async fn run(mut self) -> Result<Record, HubError> {
        let record = self.entry.record()?;
        let record_path = self.entry.record_path();
        if let Some(record) = &record {
            record.agrees_with_request(self.file, &record_path)?;
        }
        let declared = self.declaration().await?;
        if let Some(record) = &record {
            record.agrees_with_hub(self.file, &declared, &record_path)?;
        }
        let known = record.as_ref().map(|record| record.sha256.clone());
        let expected = self.file.sha256.clone().or(known);
        let expected = expected.or_else(|| declared.sha256.clone());
        let url = self.requester.url(self.file);
        let expected = expected.ok_or_else(|| HubError::Undeclared {
            host: host(&url),
            file: self.file.to_string(),
        })?;
        let (part, size) = self.whole(&expected, declared.size).await?;
        let record = record.unwrap_or_else(|| Record {
            repository: self.file.repository.clone(),
            revision: self.file.revision.clone(),
            file: self.file.file.clone(),
            commit: declared.commit,
            sha256: expected,
            size,
            url: url.into(),
            downloaded_at: Timestamp::now(),
        });
        self.entry.publish(part, &record)?;
        Ok(record)
    }

    /// What the hub says now, if it answers for the file asked for.
    pub async fn declaration(&mut self) -> Result<Declaration, HubError> {
        loop {
            match self.requester.declaration(self.file).await {
                Ok(declared) => {
                    declared.answers(self.file)?;
                    return Ok(declared);
                }
                Err(failure) => self.failed(failure, 0).await?,
            }
        }
    }

    /// A part that holds the whole file, its digest verified, and its length.
    async fn whole(
        &mut self,
        expected: &Sha256Hex,
        declared: Option<u64>,
    ) -> Result<(Part, u64), HubError> {
        let mut part = self.entry.part(expected)?;
        let mut size = declared;
        let mut validator = None;
        loop {
            if size.is_some_and(|size| part.length() > size) {
                part.restart()?;
            }
            if size != Some(part.length())
                && let Err(failure) = self.piece(&mut part, &mut size, &mut validator).await
            {
                let outcome = self.failed(failure, part.length()).await;
                outcome.map_err(|error| error.for_size(size))?;
                continue;
            }
            let found = part.digest()?;
            if found == *expected {
                let size = part.length();
                return Ok((part, size));
            }
            // Pieces of two downloads may not fit together; one whole answer leaves no such doubt.
            if part.is_pieced() {
                tracing::warn!(file = %self.file, "the pieces do not make the file; starting again");
                part.restart()?;
                continue;
            }
            part.delete()?;
            return Err(HubError::WrongDigest {
                file: self.file.to_string(),
                expected: expected.clone(),
                found,
            });
        }
    }

    /// One request for what is missing of the part.
    async fn piece(
        &mut self,
        part: &mut Part,
        size: &mut Option<u64>,
        validator: &mut Option<String>,
    ) -> Result<(), Failure> {
        let from = From {
            offset: part.length(),
            validator: validator.as_deref(),
        };
        let Answer {
            mut response, host, ..
        } = self.requester.body(self.file, from).await?;
        let (begins, total) = extent(&response);
        if begins == Some(part.length()) {
            part.continued();
        } else {
            // The server cannot continue, or its file is another one by now: take it from the front.
            part.restart()?;
            if begins != Some(0) {
                let status = response.status().as_u16();
                let file = self.file.to_string();
                return Err(Failure::passing(HubError::Status { host, file, status }));
            }
        }
        if let (Some(declared), Some(served)) = (*size, total)
            && declared != served
        {
            part.restart()?;
            return Err(self.wrong_size(host, declared, served).into());
        }
        *size = size.or(total);
        // Weak entity tags say nothing of single bytes and cannot vouch for a range.
        let etag = response.headers().get(ETAG);
        let etag = etag.and_then(|etag| etag.to_str().ok());
        *validator = etag.filter(|etag| etag.starts_with('"')).map(str::to_owned);

        self.report(part, *size);
        loop {
            let next = tokio::time::timeout(self.timing.read_timeout, response.chunk()).await;
            let bytes = match next {
                Ok(Ok(Some(bytes))) => bytes,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(self.cut(host, part, &causes(&error))),
                Err(_) => {
                    return Err(Failure::passing(HubError::Stalled {
                        host,
                        file: self.file.to_string(),
                        waited: self.timing.read_timeout,
                    }));
                }
            };
            let length = part.length() + bytes.len() as u64;
            if let Some(declared) = size.filter(|size| length > *size) {
                part.restart()?;
                return Err(self.wrong_size(host, declared, length).into());
            }
            part.append(&bytes)?;
            self.report(part, *size);
        }
        match *size {
            Some(size) if part.length() < size => {
                Err(self.cut(host, part, "the answer ended too early"))
            }
            _ => Ok(()),
        }
    }

    fn report(&mut self, part: &Part, size: Option<u64>) {
        (self.progress)(Progress {
            bytes: part.length(),
            total: size,
        });
    }

    fn wrong_size(&self, host: String, declared: u64, served: u64) -> HubError {
        let file = self.file.to_string();
        HubError::WrongSize {
            host,
            file,
            declared,
            served,
        }
    }

    fn cut(&self, host: String, part: &Part, reason: &str) -> Failure {
        Failure::passing(HubError::Cut {
            host,
            file: self.file.to_string(),
            received: part.length(),
            reason: reason.to_owned(),
        })
    }

    /// Waits before the next attempt, or says why there is none.
    async fn failed(&mut self, failure: Failure, kept: u64) -> Result<(), HubError> {
        let (error, asked) = match failure {
            Failure::Final(error) => return Err(*error),
            Failure::Passing(error, asked) => (error, asked),
        };
        self.failures += 1;
        if asked.is_some_and(|wait| wait > self.timing.longest_wait) {
            return Err(*error);
        }
        if self.failures >= self.timing.attempts {
            return Err(HubError::GaveUp {
                file: self.file.to_string(),
                attempts: self.failures,
                kept: match kept {
                    0 => String::new(),
                    _ => format!("; {kept} bytes are kept and the next try goes on from there"),
                },
                last: error,
            });
        }
        let wait = asked.unwrap_or(Duration::ZERO);
        let wait = wait.max(backoff(self.timing, self.failures));
        tracing::warn!(attempt = self.failures, ?wait, %error, "trying the hub again");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// At which byte an answer begins and how long the whole file is by it.
fn extent(response: &reqwest::Response) -> (Option<u64>, Option<u64>) {
    let text = |name| response.headers().get(name)?.to_str().ok();
    match response.status() {
        StatusCode::OK => {
            let length = text(CONTENT_LENGTH).and_then(|length| length.parse().ok());
            (Some(0), length)
        }
        StatusCode::PARTIAL_CONTENT => {
            let range = text(CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes "));
            let Some((range, total)) = range.and_then(|range| range.split_once('/')) else {
                return (None, None);
            };
            let begins = range
                .split_once('-')
                .and_then(|(first, _)| first.parse().ok());
            (begins, total.parse().ok())
        }
        _ => (None, None),
    }
}
