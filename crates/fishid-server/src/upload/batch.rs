//! Takes the photographs of a batch out of its form, one after the other: never all of them are in memory.
//!
//! A part that cannot be taken is read to its end and spoils only itself. Where there is no memory for the next
//! part, it is waited for: the client finds its connection full, not its photographs refused.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::extract::multipart::{Field, Multipart};
use fishid_serving::metrics::Rejection;
use fishid_serving::{Photo, PhotoReader};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};
use utoipa::ToSchema;

use super::body::Backlog;
use super::form::{FORM, next_chunk, next_field, skip};
use super::memory::{Claim, UPLOAD_BLOCK_BYTES, blocks};
use super::{Expected, Upload};
use crate::app::App;
use crate::patience::Patience;
use crate::problem::{Kind, Problem};

/// Names are shown in replies; a longer one is no name.
const LONGEST_NAME: usize = 255;
/// How often memory that single photographs hold is looked for.
const MEMORY_PAUSE: Duration = Duration::from_millis(20);

/// The form of a batch.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(crate) struct BatchForm {
    /// The photographs, each a field `file` of its own.
    #[schema(value_type = Vec<String>, format = Binary, content_media_type = "application/octet-stream", max_items = 64)]
    file: Vec<Vec<u8>>,
}

/// A photograph of a batch and the memory it holds.
pub(crate) struct BatchPhoto {
    pub(crate) photo: Photo,
    _claim: Claim,
    _share: OwnedSemaphorePermit,
}

/// One field `file`.
pub(crate) struct BatchPart {
    pub(crate) file_name: Option<String>,
    pub(crate) photo: Result<BatchPhoto, Problem>,
}

/// A batch whose photographs are taken one by one.
pub(crate) struct BatchUpload {
    upload: Upload,
    form: Option<(Multipart, Backlog)>,
    memory: Arc<Semaphore>,
    /// Memory for all photographs, bytes: a larger one will never find room.
    memory_bytes: usize,
    share: Arc<Semaphore>,
    n_parts: usize,
    max_photos: usize,
    patience: Duration,
    started: Instant,
    client_leaves_at: Option<Instant>,
}

impl BatchUpload {
    pub(crate) fn new(app: &App, request: Request) -> Self {
        let max_photos = app.config.max_batch_photos;
        Self {
            memory: Arc::clone(&app.upload_memory),
            memory_bytes: (app.config.upload_memory_bytes / UPLOAD_BLOCK_BYTES).max(1)
                * UPLOAD_BLOCK_BYTES,
            share: Arc::clone(&app.batch_memory),
            n_parts: 0,
            max_photos,
            patience: app.config.batch_patience,
            started: Instant::now(),
            form: None,
            client_leaves_at: None,
            upload: Upload::expecting(Expected::Batch { max_photos }, app, request),
        }
    }

    /// Until when the batch waits for what others hold. Time in which its client was waited for is not counted:
    /// a slow line does not make a batch impatient.
    pub(crate) fn patient_until(&self) -> Instant {
        let now = Instant::now();
        let own = (now - self.started).saturating_sub(self.upload.watch.waited());
        let until = now + self.patience.saturating_sub(own);
        self.client_leaves_at.map_or(until, |at| until.min(at))
    }

    /// The client waits no longer than it says.
    pub(crate) fn end_with(&mut self, patience: Patience) {
        self.client_leaves_at = patience.ends().map(Instant::from_std);
    }

    /// The problem to answer the whole batch with, once the rest of the body is thrown away.
    pub(crate) async fn refuse(mut self, problem: Problem) -> Problem {
        // The parser holds the body's end that it has read.
        self.form = None;
        self.upload.refuse(problem).await
    }

    /// The next photograph; none at the end of the form. An error concerns the whole batch.
    pub(crate) async fn next(&mut self) -> Result<Option<BatchPart>, Problem> {
        if self.form.is_none() {
            self.form = Some(self.begin().await?);
        }
        let Some((mut form, backlog)) = self.form.take() else {
            return Ok(None);
        };
        let part = self.next_in(&mut form, &backlog).await;
        self.form = Some((form, backlog));
        part
    }

    async fn begin(&mut self) -> Result<(Multipart, Backlog), Problem> {
        if self.upload.is_empty {
            return Err(self.upload.expected.nothing_in_it());
        }
        if self.upload.media_type().as_deref() != Some(FORM) {
            return Err(self.upload.expected.of_another_type());
        }
        self.upload.form().await
    }

    async fn next_in(
        &mut self,
        form: &mut Multipart,
        backlog: &Backlog,
    ) -> Result<Option<BatchPart>, Problem> {
        let expected = self.upload.expected;
        let broken = |_| expected.broken_form();
        while let Some(mut field) = next_field(form, backlog).await.map_err(broken)? {
            if field.name() != Some("file") {
                skip(&mut field, backlog).await.map_err(broken)?;
                continue;
            }
            let file_name = field.file_name().map(|name| {
                let name: String = name.chars().take(LONGEST_NAME).collect();
                name
            });
            let Some(first) = next_chunk(&mut field, backlog).await.map_err(broken)? else {
                // A browser sends an empty field without a name when nothing was chosen.
                if file_name.as_deref() == Some("") {
                    continue;
                }
                self.count_part()?;
                let photo = self.empty().await;
                return Ok(Some(BatchPart { file_name, photo }));
            };
            self.count_part()?;
            let photo = if self.client_has_left() {
                Err(Patience::ran_out(&self.upload.metrics))
            } else {
                self.take(first, &mut field, backlog).await?
            };
            if photo.is_err() {
                skip(&mut field, backlog).await.map_err(broken)?;
            }
            return Ok(Some(BatchPart { file_name, photo }));
        }
        if self.n_parts == 0 {
            return Err(expected.nothing_in_it());
        }
        Ok(None)
    }

    fn client_has_left(&self) -> bool {
        self.client_leaves_at.is_some_and(|at| at <= Instant::now())
    }

    fn count_part(&mut self) -> Result<(), Problem> {
        if self.n_parts == self.max_photos {
            let limit = self.max_photos;
            let detail = format!(
                "The batch has more than {limit} photographs; send at most {limit} in one request."
            );
            return Err(Problem::new(Kind::TooManyPhotographs, detail));
        }
        self.n_parts += 1;
        Ok(())
    }

    /// Told to be broken by whoever decodes it, like any other.
    async fn empty(&self) -> Result<BatchPhoto, Problem> {
        Ok(BatchPhoto {
            photo: PhotoReader::default().finish(),
            _claim: Claim::new(&self.memory),
            _share: self.share().await?,
        })
    }

    /// The outer error is the batch's, the inner one the photograph's.
    async fn take(
        &self,
        first: bytes::Bytes,
        field: &mut Field<'_>,
        backlog: &Backlog,
    ) -> Result<Result<BatchPhoto, Problem>, Problem> {
        let mut share = match self.share().await {
            Ok(share) => share,
            Err(problem) => return Ok(Err(problem)),
        };
        let mut claim = Claim::new(&self.memory);
        let mut reader = PhotoReader::default();
        let mut chunk = Some(first);
        while let Some(bytes) = chunk {
            let n_bytes = reader.len() + bytes.len();
            if n_bytes > self.upload.max_photo_bytes {
                return Ok(Err(self.upload.too_large()));
            }
            if let Err(problem) = self.claim(&mut claim, n_bytes).await {
                return Ok(Err(problem));
            }
            reader.push(&bytes);
            let next = next_chunk(field, backlog).await;
            chunk = next.map_err(|_| self.upload.expected.broken_form())?;
        }
        // What the largest photograph would have taken beyond this one.
        let spare = share
            .num_permits()
            .saturating_sub(blocks(reader.len()).max(1));
        drop(share.split(spare));
        Ok(Ok(BatchPhoto {
            photo: reader.finish(),
            _claim: claim,
            _share: share,
        }))
    }

    /// Room for the largest photograph within the share of batches, before any of it is read: two batches that
    /// each waited for the rest of a photograph would wait for each other.
    async fn share(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let n_blocks = blocks(self.upload.max_photo_bytes.min(self.memory_bytes)).max(1);
        let n_blocks = u32::try_from(n_blocks).unwrap_or(u32::MAX);
        let acquired = Arc::clone(&self.share).acquire_many_owned(n_blocks);
        match timeout_at(self.patient_until(), acquired).await {
            // The semaphore is never closed.
            Ok(Ok(share)) => Ok(share),
            Ok(Err(_)) | Err(_) => Err(self.no_memory()),
        }
    }

    fn no_memory(&self) -> Problem {
        self.upload.metrics.count_rejection(Rejection::Memory);
        Problem::overloaded(Duration::from_secs(1))
    }

    /// Memory that single photographs hold comes back by itself. It is looked for instead of queued for: whoever
    /// queues takes every block that is given back, and single photographs would be refused meanwhile.
    async fn claim(&self, claim: &mut Claim, n_bytes: usize) -> Result<(), Problem> {
        loop {
            match claim.grow_to(n_bytes) {
                Ok(()) => return Ok(()),
                Err(_)
                    if n_bytes > self.memory_bytes
                        || Instant::now() + MEMORY_PAUSE > self.patient_until() =>
                {
                    return Err(self.no_memory());
                }
                Err(_) => sleep(MEMORY_PAUSE).await,
            }
        }
    }
}
