//! From what a caller asks to a window.

use std::hint::black_box;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Europe::Berlin;
use criterion::{Criterion, criterion_group, criterion_main};
use metricd_core::window::{DateDefault, Slots, Window, WindowRequest};

fn resolve(criterion: &mut Criterion) {
    let now = DateTime::<Utc>::UNIX_EPOCH.with_timezone(&chrono_tz::Tz::UTC);
    let slots = Slots {
        start_date: Some(DateDefault::FromToday),
        end_date: Some(DateDefault::FromToday),
        timezone: true,
        clock: true,
        ..Slots::default()
    };
    let given = WindowRequest {
        start_date: NaiveDate::from_ymd_opt(2025, 6, 1),
        end_date: NaiveDate::from_ymd_opt(2025, 6, 30),
        timezone: Some(Berlin),
        ..WindowRequest::default()
    };
    for (name, request) in [("by default", WindowRequest::default()), ("as given", given)] {
        criterion.bench_function(&format!("window/{name}"), |bencher| {
            bencher.iter(|| Window::resolve(black_box(&slots), black_box(&request), now));
        });
    }
}

criterion_group!(benches, resolve);
criterion_main!(benches);
