//! Any bytes as a photograph: refused, or decoded into as many pixels as its header promised.
#![no_main]

use fishid_image::{Filter, Fit, Limits, Preprocessing, decode, probe};
use libfuzzer_sys::fuzz_target;

/// Small, so that an input costs microseconds; the server's own limit is 50 million.
const LIMITS: Limits = Limits {
    max_pixels: 1 << 20,
    min_side: 1,
};

fuzz_target!(|bytes: &[u8]| {
    let header = probe(bytes);
    let Ok(whole) = decode(bytes, &LIMITS, None) else {
        return;
    };
    let header = header.expect("what can be decoded has a header");
    assert_eq!((whole.width(), whole.height()), header.upright_size());
    for fit in [Fit::Stretch, Fit::Pad, Fit::CenterCrop] {
        let preprocessing = Preprocessing {
            width: 24,
            height: 16,
            fit,
            filter: Filter::Bilinear,
        };
        // Decoding at a fraction of the size may meet an error that whole decoding did not, never a panic.
        if let Ok(input) = preprocessing.load(bytes, &LIMITS) {
            assert_eq!((input.width(), input.height()), (24, 16));
        }
    }
});
