//! Takes a photograph out of a request: counted, timed, within the memory set aside for all of them.

mod batch;
mod body;
mod form;
mod memory;
mod told;

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::multipart::Multipart;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use fishid_serving::metrics::{Metrics, Rejection};
use fishid_serving::{Photo, PhotoReader};
use futures::StreamExt;
use utoipa::ToSchema;

use crate::app::App;
use crate::problem::{Kind, Problem};
use body::{Backlog, BodyLimits, BodyWatch, SharedBody};
use form::{FORM, next_chunk, next_field, skip};
use memory::Claim;

pub(crate) use batch::{BatchForm, BatchPart, BatchUpload};
pub(crate) use memory::{UPLOAD_BLOCK_BYTES, blocks};

/// The form a browser sends.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(crate) struct PhotoForm {
    /// The photograph.
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    file: Vec<u8>,
}

/// Of a form: what its boundaries, headers and small fields may add to the photograph.
const FORM_OVERHEAD_BYTES: u64 = 64 << 10;

/// What the parser of a form may hold back: a part's header, a boundary, what has just arrived. A part whose
/// header has no end would otherwise be collected, and searched anew with every chunk.
const FORM_BACKLOG_BYTES: u64 = 256 << 10;

/// A photograph and the memory it holds; kept until the answer is sent.
pub(crate) struct Received {
    pub(crate) photo: Photo,
    _claim: Claim,
}

/// What is to come in a body.
#[derive(Debug, Clone, Copy)]
enum Expected {
    Photograph,
    Batch { max_photos: usize },
}

/// A request whose body has not been read.
pub(crate) struct Upload {
    expected: Expected,
    headers: HeaderMap,
    body: SharedBody,
    watch: BodyWatch,
    claim: Claim,
    metrics: Arc<Metrics>,
    max_photo_bytes: usize,
    announced: Option<u64>,
    is_empty: bool,
}

impl Upload {
    pub(crate) fn new(app: &App, request: Request) -> Self {
        Self::expecting(Expected::Photograph, app, request)
    }

    fn expecting(expected: Expected, app: &App, request: Request) -> Self {
        let limits = match expected {
            Expected::Photograph => BodyLimits::of_photo(&app.config),
            Expected::Batch { .. } => BodyLimits::of_batch(&app.config),
        };
        let (parts, body) = request.into_parts();
        let announced = parts
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let is_empty = body.is_end_stream();
        let (body, watch) = body::watched(body, limits);
        Self {
            expected,
            headers: parts.headers,
            body: SharedBody::new(body),
            watch,
            claim: Claim::new(&app.upload_memory),
            metrics: Arc::clone(app.service.metrics()),
            max_photo_bytes: app.config.max_photo_bytes,
            announced,
            is_empty,
        }
    }

    /// The photograph, or what is wrong with the request. In the latter case the rest of the body has been
    /// read and thrown away, since a client that still writes would never see the reply.
    pub(crate) async fn receive(mut self) -> Result<Received, Problem> {
        match self.read().await {
            Ok(photo) => Ok(Received {
                photo,
                _claim: self.claim,
            }),
            Err(problem) => Err(self.refuse(problem).await),
        }
    }

    /// The problem to answer with, once the rest of the body is thrown away.
    async fn refuse(&mut self, problem: Problem) -> Problem {
        self.discard().await;
        match self.watch.ended() {
            Some(ended) => self.ended_early(ended),
            None => problem,
        }
    }

    /// A small body that is no photograph, whole; or too much of it, read and thrown away.
    pub(crate) async fn receive_small(mut self, max_bytes: usize) -> Result<Bytes, Problem> {
        let mut body = BytesMut::new();
        while let Some(Ok(chunk)) = self.body.next().await {
            if body.len() + chunk.len() > max_bytes {
                self.discard().await;
                let detail = format!("The body is larger than {} KiB.", max_bytes >> 10);
                return Err(Problem::new(Kind::TooLarge, detail));
            }
            body.extend_from_slice(&chunk);
        }
        match self.watch.ended() {
            None => Ok(body.freeze()),
            Some(ended) => Err(self.ended_early(ended)),
        }
    }

    /// Reads what is left of the body, within reason.
    pub(crate) async fn discard(&mut self) {
        // A client that asked first is told before it sends anything.
        if self.headers.contains_key(header::EXPECT) && self.watch.seen() == 0 {
            return;
        }
        while let Some(Ok(_)) = self.body.next().await {}
    }

    fn media_type(&self) -> Option<String> {
        let value = self.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let essence = value.split(';').next().unwrap_or("");
        Some(essence.trim().to_ascii_lowercase())
    }

    async fn read(&mut self) -> Result<Photo, Problem> {
        let media_type = self.media_type();
        if self.is_empty {
            return Err(self.expected.nothing_in_it());
        }
        let overhead = match media_type.as_deref() {
            Some(FORM) => FORM_OVERHEAD_BYTES,
            _ => 0,
        };
        if self
            .announced
            .is_some_and(|bytes| bytes > self.max_photo_bytes as u64 + overhead)
        {
            return Err(self.too_large());
        }
        match media_type.as_deref() {
            Some(FORM) => self.read_form().await,
            Some(image) if image.starts_with("image/") => self.read_raw().await,
            _ => Err(self.expected.of_another_type()),
        }
    }

    fn reader(&self) -> PhotoReader {
        // What a client announces is a hint: memory nobody writes to is not taken.
        let announced = self.announced.unwrap_or(0).min(self.max_photo_bytes as u64);
        PhotoReader::with_capacity(announced as usize)
    }

    fn push(&mut self, reader: &mut PhotoReader, chunk: &[u8]) -> Result<(), Problem> {
        let n_bytes = reader.len() + chunk.len();
        if n_bytes > self.max_photo_bytes {
            return Err(self.too_large());
        }
        self.claim.grow_to(n_bytes).inspect_err(|_| {
            self.metrics.count_rejection(Rejection::Memory);
        })?;
        reader.push(chunk);
        Ok(())
    }

    async fn read_raw(&mut self) -> Result<Photo, Problem> {
        let mut reader = self.reader();
        while let Some(chunk) = self.body.next().await {
            // Why it ended early is known to the watch.
            let chunk = chunk.map_err(|_| self.expected.broken_form())?;
            self.push(&mut reader, &chunk)?;
        }
        if reader.is_empty() {
            Err(self.expected.nothing_in_it())
        } else {
            Ok(reader.finish())
        }
    }

    /// The body as a form, and what its parser holds back.
    async fn form(&self) -> Result<(Multipart, Backlog), Problem> {
        let (body, backlog) = self.body.clone().with_backlog(FORM_BACKLOG_BYTES);
        let mut request = Request::new(Body::from_stream(body));
        *request.headers_mut() = self.headers.clone();
        // The watch counts instead.
        axum::extract::DefaultBodyLimit::disable().apply(&mut request);
        let form = Multipart::from_request(request, &()).await;
        Ok((form.map_err(|_| self.expected.broken_form())?, backlog))
    }

    async fn read_form(&mut self) -> Result<Photo, Problem> {
        let expected = self.expected;
        let broken = |_| expected.broken_form();
        let (mut form, backlog) = self.form().await?;
        let mut photo = None;
        while let Some(mut field) = next_field(&mut form, &backlog).await.map_err(broken)? {
            if field.name() != Some("file") {
                skip(&mut field, &backlog).await.map_err(broken)?;
                continue;
            }
            if photo.is_some() {
                let detail =
                    "The form has more than one field `file`; send one photograph per request.";
                return Err(Problem::new(Kind::BrokenForm, detail));
            }
            // A browser sends an empty field without a name when nothing was chosen.
            let was_chosen = field.file_name().is_none_or(|name| !name.is_empty());
            let mut reader = self.reader();
            while let Some(chunk) = next_chunk(&mut field, &backlog).await.map_err(broken)? {
                self.push(&mut reader, &chunk)?;
            }
            if !was_chosen && reader.is_empty() {
                return Err(expected.nothing_in_it());
            }
            photo = Some(reader.finish());
        }
        photo.ok_or_else(|| expected.nothing_in_it())
    }
}
