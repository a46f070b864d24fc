//! `POST /predict/batch`: many photographs in one request, each with its own reply, in their order.
//!
//! Every photograph is handed to the service as soon as it is whole, a few at a time; how they are read is in
//! `upload::batch`. When all places are taken a batch waits for them instead of failing half of its photographs.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::IntoResponse;
use fishid_prediction::Reply;
use fishid_serving::ServingConfig;
use serde::Serialize;
use tokio::task::JoinSet;
use tracing::Instrument as _;
use utoipa::ToSchema;

use crate::app::App;
use crate::asked::Asked;
use crate::observe::RequestId;
use crate::problem::{Problem, ProblemDocument};
use crate::upload::{BatchForm, BatchPart, BatchUpload};

/// Where it is.
pub(crate) const PATH: &str = "/predict/batch";

/// Reply of `POST /predict/batch`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchReply {
    /// One entry for each photograph, in the order of the form.
    results: Vec<BatchResult>,
    /// Photographs with a prediction.
    #[schema(example = 63)]
    n_answered: usize,
    /// Photographs with a problem.
    #[schema(example = 1)]
    n_refused: usize,
}

/// What became of one photograph: a prediction or a problem.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchResult {
    /// Its place among the fields `file`, from 0.
    #[schema(example = 0)]
    index: usize,
    /// Its name in the form, where it has one.
    #[schema(example = "fish.jpg")]
    file_name: Option<String>,
    /// The status it would have had in a request of its own.
    #[schema(example = 200)]
    status: u16,
    /// With status 200: the reply of `POST /predict`.
    #[serde(skip_serializing_if = "Option::is_none")]
    prediction: Option<Reply>,
    /// With any other status: what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemDocument>,
    /// With status 503: seconds after which to send this photograph again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1)]
    retry_after_s: Option<u64>,
}

/// Name the fish on many photographs.
///
/// The reply is 200 when the form could be read, whatever became of its photographs: each entry has the status that
/// its photograph would have had alone. A photograph that is broken, too large or of another format spoils only its own
/// entry. Under load the batch waits for its turn before any entry is 503. Where the client says how long it waits, a
/// photograph that cannot be answered by then is 503 or 504.
#[utoipa::path(
    post,
    tag = "photographs",
    path = "/predict/batch",
    params(
        ("lang" = Option<String>, Query, description = "Language of the labels: `ru` (default) or `en`", example = "en"),
        ("x-request-timeout-ms" = Option<u64>, Header, minimum = 1, description = "Milliseconds the client waits for the whole batch, from its request's head", example = 20000),
    ),
    request_body(
        description = "At most 64 JPEG, PNG or WebP photographs of at most 10 MB each, every one a field `file` of the form",
        content((BatchForm = "multipart/form-data"))
    ),
    responses(
        (status = 200, description = "One entry for each photograph, in their order", body = BatchReply),
        (status = 400, description = "No photograph, a broken form, an unknown `lang` or an unusable `x-request-timeout-ms`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 408, description = "The photographs did not arrive in time", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "More than 64 photographs", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 415, description = "Not a multipart form", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "No model; `Retry-After` says when to come back", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn predict_batch(
    State(app): State<App>,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    let asked = Asked::of(&request);
    let id = request.extensions().get::<RequestId>();
    let id = id.map_or_else(|| "".into(), |id| Arc::clone(&id.0));
    let mut upload = BatchUpload::new(&app, request);
    let answered = match asked {
        Ok(_) if app.service.current().is_none() => Err(Problem::no_model()),
        Ok(asked) => {
            upload.end_with(asked.patience);
            Batch::new(&app, asked, id).answer(&mut upload).await
        }
        Err(problem) => Err(problem),
    };
    match answered {
        Ok(reply) => Ok(([(header::CACHE_CONTROL, "no-store")], Json(reply))),
        Err(problem) => Err(upload.refuse(problem).await),
    }
}

/// A batch under way. Dropped, it gives up what it has asked.
struct Batch<'a> {
    app: &'a App,
    asked: Asked,
    /// The request's.
    id: Arc<str>,
    names: Vec<Option<String>>,
    outcomes: Vec<Option<Result<Reply, Problem>>>,
    under_way: JoinSet<(usize, Result<Reply, Problem>)>,
}

impl<'a> Batch<'a> {
    fn new(app: &'a App, asked: Asked, id: Arc<str>) -> Self {
        Self {
            app,
            asked,
            id,
            names: Vec::new(),
            outcomes: Vec::new(),
            under_way: JoinSet::new(),
        }
    }

    async fn answer(mut self, upload: &mut BatchUpload) -> Result<BatchReply, Problem> {
        let most_under_way = most_under_way(self.app.service.config());
        while let Some(part) = upload.next().await? {
            while self.under_way.len() >= most_under_way {
                self.settle_one().await;
            }
            self.ask(part, upload);
        }
        while !self.under_way.is_empty() {
            self.settle_one().await;
        }
        Ok(self.reply())
    }

    fn ask(&mut self, part: BatchPart, upload: &BatchUpload) {
        let index = self.outcomes.len();
        self.names.push(part.file_name);
        let received = match part.photo {
            Ok(received) => received,
            Err(problem) => return self.outcomes.push(Some(Err(problem))),
        };
        self.outcomes.push(None);
        let (service, asked) = (self.app.service.clone(), self.asked);
        let until = upload.patient_until();
        let answering = async move {
            let started = Instant::now();
            // All of it: the memory is counted until the answer is there.
            let held = received;
            let leaves_at = asked.patience.ends().map(Into::into);
            let served = service
                .ask_patiently(held.photo.clone(), until, leaves_at)
                .await;
            drop(held);
            let reply = served.map(|served| asked.reply(&served, started));
            (index, reply.map_err(Problem::from))
        };
        // A task of its own has no span of its own.
        self.under_way.spawn(answering.in_current_span());
    }

    async fn settle_one(&mut self) {
        // One that panicked leaves its outcome open, which the reply says.
        if let Some(Ok((index, outcome))) = self.under_way.join_next().await {
            self.outcomes[index] = Some(outcome);
        }
    }

    fn reply(self) -> BatchReply {
        let id = self.id;
        let entries = self.names.into_iter().zip(self.outcomes).enumerate();
        let results: Vec<BatchResult> = entries
            .map(|(index, (file_name, outcome))| {
                let lost = || Err(Problem::internal("the task of this photograph panicked"));
                entry(index, file_name, outcome.unwrap_or_else(lost), &id)
            })
            .collect();
        let n_answered = results.iter().filter(|it| it.prediction.is_some()).count();
        BatchReply {
            n_answered,
            n_refused: results.len() - n_answered,
            results,
        }
    }
}

fn entry(
    index: usize,
    file_name: Option<String>,
    outcome: Result<Reply, Problem>,
    id: &str,
) -> BatchResult {
    let mut result = BatchResult {
        index,
        file_name,
        status: 200,
        prediction: None,
        problem: None,
        retry_after_s: None,
    };
    match outcome {
        Ok(reply) => result.prediction = Some(reply),
        Err(problem) => {
            let code = problem.kind().status().as_u16();
            let (detail, cause) = (problem.detail(), problem.log());
            if code >= 500 && cause.is_some() {
                tracing::error!(
                    id,
                    index,
                    code,
                    detail,
                    cause,
                    "photograph of a batch refused"
                );
            } else {
                tracing::debug!(
                    id,
                    index,
                    code,
                    detail,
                    cause,
                    "photograph of a batch refused"
                );
            }
            result.status = code;
            result.retry_after_s = problem.retry_after_seconds();
            result.problem = Some(problem.document(&format!("{id}#{index}")));
        }
    }
    result
}

/// Photographs of one batch with the service at the same time: enough that no worker is idle because of it, and at
/// most a quarter of the queue, so that others find a place.
fn most_under_way(config: &ServingConfig) -> usize {
    let busy = config.decode_threads + config.inference_threads + 1;
    busy.min(config.queue_capacity / 4).max(1)
}
