//! Measuring things in turns, so that whatever else the machine does meets all of them.

use std::time::{Duration, Instant};

const ROUNDS: usize = 41;

/// The median times of one request of each kind, in the order given.
pub(crate) async fn in_turns<const N: usize>(
    requests_a_round: u32,
    mut request: [Box<dyn AsyncRequest>; N],
) -> [Duration; N] {
    let mut times = [const { Vec::new() }; N];
    for round in 0..=ROUNDS {
        for (kind, request) in request.iter_mut().enumerate() {
            let began = Instant::now();
            for _ in 0..requests_a_round {
                request.send().await;
            }
            // The first round warms up.
            if round > 0 {
                times[kind].push(began.elapsed() / requests_a_round);
            }
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    })
}

/// Something to measure.
#[async_trait::async_trait]
pub(crate) trait AsyncRequest {
    async fn send(&mut self);
}

/// Prints one line: what was measured, beside what, and how many times as long it took.
#[expect(clippy::print_stdout, reason = "the report of the run")]
pub(crate) fn report(what: &str, time: Duration, beside: &str, limit: Duration) {
    let ratio = time.as_secs_f64() / limit.as_secs_f64();
    let micros = |time: Duration| format!("{:.1} µs", time.as_secs_f64() * 1e6);
    println!("{ratio:>6.2} ×  {what} ({})  beside  {beside} ({})", micros(time), micros(limit));
}
