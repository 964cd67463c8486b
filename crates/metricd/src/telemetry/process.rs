//! What the kernel accounts to this process, by the names that Prometheus gives it.

use std::fmt;

use procfs::{ProcResult, WithCurrentSystemInfo as _, process};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// Reads it when it is asked for.
#[derive(Debug)]
pub(super) struct ProcessCollector;

struct Usage {
    resident_bytes: u64,
    cpu_seconds: f64,
    open_fds: u64,
    start_time_seconds: f64,
}

impl Usage {
    #[expect(clippy::cast_precision_loss, reason = "both are far below 2^52")]
    fn read() -> ProcResult<Self> {
        let process = process::Process::myself()?;
        let stat = process.stat()?;
        let ticks = procfs::ticks_per_second() as f64;
        let started = stat.starttime as f64 / ticks;
        Ok(Self {
            resident_bytes: stat.rss_bytes().get(),
            cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
            open_fds: process.fd_count()? as u64,
            start_time_seconds: procfs::boot_time_secs()? as f64 + started,
        })
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // Where there is no such file system, nothing is told.
        let Ok(usage) = Usage::read() else { return Ok(()) };
        let (gauge, counter) = (MetricType::Gauge, MetricType::Counter);
        let (name, help) = ("process_resident_memory_bytes", "Resident memory");
        let described = encoder.encode_descriptor(name, help, None, gauge)?;
        ConstGauge::new(usage.resident_bytes).encode(described)?;
        let (name, help) = ("process_cpu_seconds", "Processor's time, of the user and the system");
        let described = encoder.encode_descriptor(name, help, None, counter)?;
        ConstCounter::new(usage.cpu_seconds).encode(described)?;
        let (name, help) = ("process_open_fds", "Open file descriptors");
        let described = encoder.encode_descriptor(name, help, None, gauge)?;
        ConstGauge::new(usage.open_fds).encode(described)?;
        let (name, help) = ("process_start_time_seconds", "When it started, since 1970");
        let described = encoder.encode_descriptor(name, help, None, gauge)?;
        ConstGauge::new(usage.start_time_seconds).encode(described)
    }
}
