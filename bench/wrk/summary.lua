-- Closes a run of wrk with one line that a program can read.
-- Latencies are in microseconds.
function done(summary, latency, requests)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format(
        'summary {"requests":%d,"micros":%d,"failed":%d,"p50":%d,"p99":%d}\n',
        summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(99)
    ))
end
