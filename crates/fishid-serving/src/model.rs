//! The traits this crate drives: a model that answers, and a source that says which model to use.

use std::fmt;
use std::time::Duration;

/// What tells one model from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Name of the model in its registry.
    pub name: String,
    /// Version as shown to clients.
    pub version: String,
    /// Digest of everything in the model that changes an answer.
    pub digest: String,
    /// Anything about the engine that changes an answer, such as its numeric precision.
    pub precision: String,
}

/// What an answer says, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation<'a> {
    /// The class answered.
    pub class: &'a str,
    /// Its probability, 0 to 1.
    pub confidence: f64,
}

/// One number of the model's evaluation, for the metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// Such as `macro_f1`.
    pub metric: String,
    /// Such as `test`.
    pub split: String,
    /// The number.
    pub value: f64,
}

/// What decoding a photograph takes, as far as can be told before it is begun.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Photographs of one kind take time in proportion to their work; kinds are not compared.
    pub kind: u8,
    /// In any unit, such as pixels.
    pub work: u64,
    /// The most memory that decoding holds, bytes.
    pub memory_bytes: u64,
}

/// Something that answers photographs. Called from the worker threads only, except [`Self::appraise`].
pub trait Model: Send + Sync + 'static {
    /// A decoded photograph.
    type Photo: Send + 'static;
    /// What the model takes.
    type Input: Send + 'static;
    /// What it answers; kept in the cache, so cheap to clone and the same for every caller.
    type Answer: Clone + Send + Sync + 'static;
    /// What can go wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Who answers. Must not change over the model's life.
    fn identity(&self) -> Identity;
    /// What decoding will take, from the first bytes. Called on the async runtime: it must not decode.
    fn appraise(&self, photo: &[u8]) -> Effort {
        Effort {
            kind: 0,
            work: photo.len() as u64,
            memory_bytes: 0,
        }
    }
    /// Bytes to pixels. An error here is the photograph's fault.
    fn decode(&self, photo: &[u8]) -> Result<Self::Photo, Self::Error>;
    /// Pixels to the model's input. An error here is the photograph's fault.
    fn preprocess(&self, photo: Self::Photo) -> Result<Self::Input, Self::Error>;
    /// One answer for each input, in their order. An error here is the model's fault, and that of all of them.
    fn infer(&self, inputs: Vec<Self::Input>) -> Result<Vec<Self::Answer>, Self::Error>;
    /// The most inputs that [`Self::infer`] is given at once. Above 1 only where that was measured to gain:
    /// everyone in a batch waits for all of it.
    fn max_batch(&self) -> usize {
        1
    }
    /// Calls of [`Self::infer`] that make progress at the same time; of the inference threads no more than these work.
    fn n_streams(&self) -> usize {
        usize::MAX
    }
    /// Proves that the model answers as it should, before it meets a client. `take_turn` is called before each
    /// photograph, and returns when clients of the model before are likely not to wait for this one.
    fn warm_up(&self, take_turn: &dyn Fn()) -> Result<(), Self::Error>;
    /// How long the fastest photograph of [`Self::warm_up`] took the model, where it was measured.
    fn fastest_answer(&self) -> Option<Duration> {
        None
    }
    /// What an answer says, for the metrics.
    fn observe(answer: &Self::Answer) -> Observation<'_>;
    /// About how many bytes an answer holds, for the bound of the cache.
    fn answer_bytes(answer: &Self::Answer) -> usize;
    /// An answer as bytes for the shared cache, from which any server with this model makes the same answer;
    /// nothing in it depends on who asked. `None`: answers are not shared.
    fn encode_answer(_answer: &Self::Answer) -> Option<Vec<u8>> {
        None
    }
    /// The answer that [`Self::encode_answer`] was given, by this model in any server. The bytes come from a store
    /// that others write to: `None` for whatever is not an answer. Called on the async runtime, so it must be quick.
    fn decode_answer(&self, _bytes: &[u8]) -> Option<Self::Answer> {
        None
    }
    /// The numbers the model was evaluated with, for the metrics.
    fn evaluation(&self) -> Vec<Measure> {
        Vec::new()
    }
}

/// Names a model within its source; two equal tags are the same model for ever.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VersionTag(pub String);

impl fmt::Display for VersionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Any error of a source; it is logged, never answered to a client.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Says which model should answer, and loads it. Called from the follower's own threads: a load runs on one of its
/// own, beside looks at [`Self::current`].
pub trait ModelSource: Send + Sync + 'static {
    /// What it loads.
    type Model: Model;

    /// What is followed, in words for the person who asks for a look; no secrets.
    fn place(&self) -> String;

    /// The model that should answer now; `None` while there is none.
    fn current(&self) -> Result<Option<VersionTag>, SourceError>;
    /// As [`Self::current`], while nothing answers yet: gives up within seconds, since what was served last waits.
    fn first_look(&self) -> Result<Option<VersionTag>, SourceError> {
        self.current()
    }
    /// Loads that model. It is warmed up and installed by the follower.
    fn load(&self, tag: &VersionTag) -> Result<Self::Model, SourceError>;
    /// Told that the model of this tag answers now: whatever [`Self::fall_back`] needs can be written down.
    fn installed(&self, _tag: &VersionTag) {}
    /// The model that was installed last, by this process or one before it, loaded without asking the source:
    /// what to answer with when the source cannot be asked at the start. `None` where nothing was kept.
    fn fall_back(&self) -> Result<Option<(VersionTag, Self::Model)>, SourceError> {
        Ok(None)
    }
}
