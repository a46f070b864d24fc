//! Takes a photograph out of a request: counted, timed, within the memory set aside for all of them.

mod body;
mod memory;

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use fishid_serving::metrics::{Metrics, Rejection};
use fishid_serving::{Photo, PhotoReader};
use futures::StreamExt;
use utoipa::ToSchema;

use crate::app::App;
use crate::problem::{Kind, Problem};
use body::{BodyWatch, Ended, SharedBody};
use memory::Claim;

pub(crate) use memory::UPLOAD_BLOCK_BYTES;

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

/// A request whose body has not been read.
pub(crate) struct Upload {
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
        let (parts, body) = request.into_parts();
        let announced = parts
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let is_empty = body.is_end_stream();
        let (body, watch) = body::watched(body, &app.config);
        Self {
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
            Err(problem) => {
                self.discard().await;
                Err(self
                    .watch
                    .ended()
                    .map_or(problem, |ended| self.ended_early(ended)))
            }
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

    fn ended_early(&self, ended: Ended) -> Problem {
        match ended {
            Ended::TimedOut => Problem::new(
                Kind::UploadTimeout,
                "The photograph did not arrive in time; send it again over a better connection.",
            ),
            Ended::TooMuch => self.too_large(),
            Ended::Cut => Problem::new(
                Kind::BrokenForm,
                "The request ended before the photograph was whole; send it again.",
            ),
        }
    }

    fn too_large(&self) -> Problem {
        let limit = self.max_photo_bytes as f64 / f64::from(1 << 20);
        let detail = format!("The photograph is larger than {limit} MB; send a smaller one.");
        Problem::new(Kind::TooLarge, detail)
    }

    async fn read(&mut self) -> Result<Photo, Problem> {
        let media_type = self
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(|value| {
                value
                    .split(';')
                    .next()
                    .unwrap_or("")
                    .trim()
                    .to_ascii_lowercase()
            });
        if self.is_empty {
            return Err(no_photograph());
        }
        let overhead = match media_type.as_deref() {
            Some("multipart/form-data") => FORM_OVERHEAD_BYTES,
            _ => 0,
        };
        if self
            .announced
            .is_some_and(|bytes| bytes > self.max_photo_bytes as u64 + overhead)
        {
            return Err(self.too_large());
        }
        match media_type.as_deref() {
            Some("multipart/form-data") => self.read_form().await,
            Some(image) if image.starts_with("image/") => self.read_raw().await,
            _ => Err(Problem::new(
                Kind::UnsupportedMediaType,
                "Send the photograph as the field `file` of a multipart/form-data form, or as the body \
                 with its image/* type.",
            )),
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
            let chunk = chunk.map_err(|_| broken_form())?;
            self.push(&mut reader, &chunk)?;
        }
        if reader.is_empty() {
            Err(no_photograph())
        } else {
            Ok(reader.finish())
        }
    }

    async fn read_form(&mut self) -> Result<Photo, Problem> {
        let (body, backlog) = self.body.clone().with_backlog(FORM_BACKLOG_BYTES);
        let mut request = Request::new(Body::from_stream(body));
        *request.headers_mut() = self.headers.clone();
        // The watch counts instead.
        axum::extract::DefaultBodyLimit::disable().apply(&mut request);
        let mut form = Multipart::from_request(request, &())
            .await
            .map_err(|_| broken_form())?;
        let mut photo = None;
        while let Some(mut field) = form.next_field().await.map_err(|_| broken_form())? {
            if field.name() != Some("file") {
                while let Some(chunk) = field.chunk().await.map_err(|_| broken_form())? {
                    backlog.shrink(chunk.len());
                }
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
            while let Some(chunk) = field.chunk().await.map_err(|_| broken_form())? {
                backlog.shrink(chunk.len());
                self.push(&mut reader, &chunk)?;
            }
            if !was_chosen && reader.is_empty() {
                return Err(no_photograph());
            }
            photo = Some(reader.finish());
        }
        photo.ok_or_else(no_photograph)
    }
}

fn no_photograph() -> Problem {
    Problem::new(
        Kind::NoPhotograph,
        "The request has no photograph; send one as the field `file` of a form, or as the body with its \
         image/* type.",
    )
}

fn broken_form() -> Problem {
    Problem::new(
        Kind::BrokenForm,
        "The form cannot be read; send multipart/form-data with a boundary and one field `file`.",
    )
}
