//! From an author's SQL to a template: parsing, the gate, slots, and printing again.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use metricd_core::sql::{Draft, Gate};

const SHORT: &str = "SELECT sum(parts_flagged) AS flagged FROM metrics \
    WHERE id = 'parts' AND date >= '2025-06-01' AND date < '2025-07-01'";

const LONG: &str = "WITH days AS ( \
        SELECT date_trunc('day', m.date)::date AS day, m.alert_type, count(*) AS alerts, \
            sum(m.obsolescence_val) FILTER (WHERE m.alert_category = 'Needs approval') AS open \
        FROM metrics AS m WHERE m.id = 'alerts' AND m.date >= CURRENT_DATE - INTERVAL '90' DAY \
        GROUP BY 1, 2), \
    ranked AS (SELECT days.*, rank() OVER (PARTITION BY alert_type ORDER BY alerts DESC) AS place \
        FROM days) \
    SELECT day, alert_type, alerts, coalesce(open, 0) AS open, \
        round(100.0 * alerts / sum(alerts) OVER (PARTITION BY alert_type), 1) AS share \
    FROM ranked WHERE place <= 10 ORDER BY alert_type, place";

fn compile(criterion: &mut Criterion) {
    let gate = Gate::default();
    for (name, sql) in [("short", SHORT), ("long", LONG)] {
        criterion.bench_function(&format!("template/{name}"), |bencher| {
            bencher.iter(|| {
                let draft = Draft::parse(black_box(sql), &gate).expect("the gate lets it through");
                draft.assume().expect("its slots have types")
            });
        });
    }
}

criterion_group!(benches, compile);
criterion_main!(benches);
