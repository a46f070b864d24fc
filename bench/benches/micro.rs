//! The parts of a request, each alone: decode, resize, cache, admission. `scripts/bench.sh micro`.
//!
//! The photographs have noise in them, since a smooth one decodes in half the time of a real one.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use divan::{Bencher, black_box};
use fishid_bench::sensor::{Shot, take};
use fishid_image::{Filter, Fit, Limits, Preprocessing, resize};
use fishid_prediction::Prediction;
use fishid_serving::metrics::{Metrics, Registry};
use fishid_serving::{Identity, Model, Observation, Photo, Service, ServingConfig};
use tokio::runtime::Runtime;

/// EfficientNet-B4's.
const INPUT: Preprocessing = Preprocessing {
    width: 380,
    height: 380,
    fit: Fit::Stretch,
    filter: Filter::Bilinear,
};
const ONE_MEGAPIXEL: (u32, u32) = (1_152, 864);
const TWELVE_MEGAPIXELS: (u32, u32) = (4_000, 3_000);

fn main() {
    divan::main();
}

fn jpeg(size: (u32, u32)) -> Vec<u8> {
    let bytes = if size == TWELVE_MEGAPIXELS {
        3_000_000..=5_000_000
    } else {
        250_000..=450_000
    };
    let shot = Shot {
        species: "esox_lucius".to_owned(),
        index: 0,
        size,
        bytes,
    };
    take(&shot, 0).expect("a photograph of this size can be taken")
}

#[divan::bench(args = [ONE_MEGAPIXEL, TWELVE_MEGAPIXELS], sample_count = 20)]
fn decode_for_the_model(bencher: Bencher, size: (u32, u32)) {
    let bytes = jpeg(size);
    bencher
        .counter(divan::counter::BytesCount::new(bytes.len()))
        .bench(|| INPUT.decode(black_box(&bytes), &Limits::default()));
}

#[divan::bench(args = [ONE_MEGAPIXEL, TWELVE_MEGAPIXELS], sample_count = 20)]
fn decode_whole(bencher: Bencher, size: (u32, u32)) {
    let bytes = jpeg(size);
    bencher.bench(|| fishid_image::decode(black_box(&bytes), &Limits::default(), None));
}

#[divan::bench(args = [ONE_MEGAPIXEL, TWELVE_MEGAPIXELS], sample_count = 20)]
fn resize_to_the_input(bencher: Bencher, size: (u32, u32)) {
    // What decoding leaves of it.
    let decoded = INPUT.decode(&jpeg(size), &Limits::default());
    let photo = decoded.expect("it decodes");
    bencher.bench(|| resize(black_box(&photo), INPUT.width, INPUT.height, INPUT.filter));
}

/// What a client's bytes cost before anything else.
#[divan::bench(args = [100_000, 4_000_000])]
fn digest_of_a_photograph(bencher: Bencher, n_bytes: usize) {
    let bytes = Bytes::from(vec![7; n_bytes]);
    bencher
        .counter(divan::counter::BytesCount::new(n_bytes))
        .bench(|| Photo::new(black_box(&bytes).clone()));
}

/// A model that costs nothing, so that what is left is the way to it and back.
struct Instant;

impl Model for Instant {
    type Photo = ();
    type Input = ();
    type Answer = Arc<Prediction>;
    type Error = Infallible;

    fn identity(&self) -> Identity {
        Identity {
            name: "instant".to_owned(),
            version: "1".to_owned(),
            digest: "0".repeat(64),
            precision: "f32".to_owned(),
        }
    }

    fn decode(&self, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn preprocess(&self, (): ()) -> Result<(), Infallible> {
        Ok(())
    }

    fn infer(&self, inputs: Vec<()>) -> Result<Vec<Arc<Prediction>>, Infallible> {
        Ok(vec![answer(); inputs.len()])
    }

    fn warm_up(&self, _take_turn: &dyn Fn()) -> Result<(), Infallible> {
        Ok(())
    }

    fn observe(_: &Arc<Prediction>) -> Observation<'_> {
        Observation {
            class: "esox_lucius",
            confidence: 1.0,
        }
    }

    fn answer_bytes(_: &Arc<Prediction>) -> usize {
        256
    }
}

fn answer() -> Arc<Prediction> {
    let probabilities = vec![1.0 / 15.0; 15];
    let prediction = Prediction::new(probabilities, 0.5);
    Arc::new(prediction.expect("they are probabilities"))
}

struct Serving {
    runtime: Runtime,
    service: Service<Instant>,
}

impl Serving {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let metrics = Arc::new(Metrics::register(&mut Registry::default()));
        let service = Service::start(ServingConfig::default(), metrics).expect("threads start");
        service.install(Instant).expect("it warms up");
        Self {
            runtime: runtime.expect("a runtime starts"),
            service,
        }
    }

    fn ask(&self, photo: Photo) {
        let answered = self.runtime.block_on(self.service.ask(photo));
        black_box(answered.map(|served| served.cached)).expect("it is answered");
    }
}

#[divan::bench]
fn cache_hit(bencher: Bencher) {
    let serving = Serving::new();
    let photo = Photo::new(Bytes::from_static(b"a photograph"));
    serving.ask(photo.clone());
    bencher.bench_local(|| serving.ask(photo.clone()));
}

/// Cache miss, admission, two queues, two workers, metrics, and the answer stored.
#[divan::bench]
fn admission_and_way_to_the_model(bencher: Bencher) {
    let serving = Serving::new();
    let mut number = 0_u64;
    bencher
        .with_inputs(|| {
            number += 1;
            Photo::new(Bytes::copy_from_slice(&number.to_le_bytes()))
        })
        .bench_local_values(|photo| serving.ask(photo));
}

/// An answer as another server would find it in Redis.
#[divan::bench]
fn answer_to_bytes_and_back(bencher: Bencher) {
    let answer = answer();
    bencher.bench(|| Prediction::from_bytes(&black_box(&answer).to_bytes(), 15, 0.5));
}
