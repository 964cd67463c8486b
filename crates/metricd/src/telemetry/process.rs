//! What the kernel accounts to this process, by the names that Prometheus gives it.

use std::fmt;

use procfs::{
    ProcResult, WithCurrentSystemInfo as _,
    process::{Process, Stat},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// Reads it when it is asked for.
#[derive(Debug)]
pub(super) struct ProcessCollector;

fn read() -> ProcResult<(Process, Stat)> {
    let process = Process::myself()?;
    let stat = process.stat()?;
    Ok((process, stat))
}

#[expect(clippy::cast_precision_loss, reason = "it is far below 2^52")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / procfs::ticks_per_second() as f64
}

impl Collector for ProcessCollector {
    #[expect(clippy::cast_precision_loss, reason = "it is far below 2^52")]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // Where there is no such file system, nothing is told.
        let Ok((process, stat)) = read() else { return Ok(()) };
        let (gauge, counter) = (MetricType::Gauge, MetricType::Counter);
        let (name, help) = ("process_resident_memory_bytes", "Resident memory");
        let described = encoder.encode_descriptor(name, help, None, gauge)?;
        ConstGauge::new(stat.rss_bytes().get()).encode(described)?;
        let (name, help) = ("process_cpu_seconds", "Processor's time, of the user and the system");
        let described = encoder.encode_descriptor(name, help, None, counter)?;
        ConstCounter::new(seconds(stat.utime + stat.stime)).encode(described)?;
        if let Ok(number) = process.fd_count() {
            let (name, help) = ("process_open_fds", "Open file descriptors");
            let described = encoder.encode_descriptor(name, help, None, gauge)?;
            ConstGauge::new(number as u64).encode(described)?;
        }
        // systemd's `ProcSubset=pid` hides when the machine was started.
        if let Ok(booted) = procfs::boot_time_secs() {
            let (name, help) = ("process_start_time_seconds", "When it started, since 1970");
            let described = encoder.encode_descriptor(name, help, None, gauge)?;
            ConstGauge::new(booted as f64 + seconds(stat.starttime)).encode(described)?;
        }
        Ok(())
    }
}
