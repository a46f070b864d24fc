//! When photographs will be answered: the queue played through, earliest deadline first, with what each
//! stage took lately. Exact for a queue in which nobody overtakes; otherwise on the careful side, since a
//! stream of the model is let wait here for an urgent photograph that is still being decoded.

use std::time::{Duration, Instant};

/// How far a photograph is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Progress {
    /// Its decoding, which takes so long, has not begun.
    Waits(Duration),
    /// A thread is at it until then.
    DecodedAt(Instant),
    /// It waits for the model.
    Decoded,
}

/// The threads of both stages and when each is free.
#[derive(Debug, Clone)]
pub(super) struct Forecast {
    pub(super) now: Instant,
    pub(super) decoders: Vec<Instant>,
    pub(super) streams: Vec<Instant>,
    /// How long a photograph occupies a stream, and how long until it has its answer from there.
    pub(super) occupies: Duration,
    pub(super) answered_after: Duration,
}

impl Forecast {
    /// The moment the next photograph in line is answered.
    pub(super) fn next(&mut self, progress: Progress) -> Instant {
        let decoded = match progress {
            Progress::DecodedAt(then) => then.max(self.now),
            Progress::Decoded => self.now,
            Progress::Waits(takes) => occupy(&mut self.decoders, self.now, takes) + takes,
        };
        occupy(&mut self.streams, decoded, self.occupies) + self.answered_after
    }
}

/// Takes the thread that is free first, from `earliest` on, and gives the beginning of the work.
fn occupy(threads: &mut [Instant], earliest: Instant, takes: Duration) -> Instant {
    let Some(first) = threads.iter_mut().min() else {
        return earliest;
    };
    let begun = earliest.max(*first);
    *first = begun + takes;
    begun
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn forecast(now: Instant, n_decoders: usize, n_streams: usize) -> Forecast {
        Forecast {
            now,
            decoders: vec![now; n_decoders],
            streams: vec![now; n_streams],
            occupies: 40 * MS,
            answered_after: 40 * MS,
        }
    }

    #[test]
    fn the_model_is_waited_for_when_it_is_slower_and_decoding_when_that_is() {
        let now = Instant::now();
        let mut slow_model = forecast(now, 1, 1);
        for expected in [50, 90, 130] {
            assert_eq!(
                slow_model.next(Progress::Waits(10 * MS)),
                now + expected * MS
            );
        }
        let mut slow_decoder = forecast(now, 1, 1);
        for expected in [140, 240, 340] {
            assert_eq!(
                slow_decoder.next(Progress::Waits(100 * MS)),
                now + expected * MS
            );
        }
        let mut two_of_each = forecast(now, 2, 2);
        for expected in [140, 140, 240, 240] {
            assert_eq!(
                two_of_each.next(Progress::Waits(100 * MS)),
                now + expected * MS
            );
        }
    }

    #[test]
    fn what_is_under_way_counts_from_where_it_is() {
        let now = Instant::now();
        let mut forecast = forecast(now, 1, 1);
        forecast.streams = vec![now + 30 * MS];
        assert_eq!(
            forecast.next(Progress::DecodedAt(now + 10 * MS)),
            now + 70 * MS
        );
        assert_eq!(forecast.next(Progress::Decoded), now + 110 * MS);
    }
}
