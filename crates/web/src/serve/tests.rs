use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    routing::{get, post},
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Notify, oneshot},
    task::JoinHandle,
};
use tower::ServiceExt as _;

use super::*;

/// Longer than anything here takes, so that a test fails rather than hangs.
const BOUND: Duration = Duration::from_mins(1);
const NEVER: Duration = Duration::from_hours(1);

struct TestServer {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

fn limits(head_timeout: Duration) -> ConnectionLimits {
    ConnectionLimits {
        head_timeout,
        max_head_bytes: 128 * 1024,
        pace: WritePace { timeout: NEVER, min_bytes_per_second: 1 },
        max_connections: 100,
        max_connections_per_client: 100,
        proxies: Vec::new(),
    }
}

async fn served(router: Router, head_timeout: Duration) -> TestServer {
    served_within(router, limits(head_timeout)).await
}

async fn served_within(router: Router, limits: ConnectionLimits) -> TestServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let handle = move |peer: SocketAddr, mut request: Request| {
        let refusal = request.extensions().get::<ConnectionRefusal>().copied();
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        async move {
            match refusal {
                Some(refusal) => Response::new(Body::from(format!("{refusal:?}"))),
                None => router.oneshot(request).await.unwrap(),
            }
        }
    };
    let serving = tokio::spawn(serve(listener, handle, limits, HttpMetrics::default(), async {
        let _ = stopped.await;
    }));
    TestServer { address, stop, serving }
}

async fn connect(to: &TestServer) -> (OwnedReadHalf, OwnedWriteHalf) {
    TcpStream::connect(to.address).await.unwrap().into_split()
}

/// All that is received until the server closes the connection.
async fn rest(mut reading: OwnedReadHalf) -> String {
    let mut text = Vec::new();
    let all = async { while matches!(reading.read_buf(&mut text).await, Ok(1..)) {} };
    tokio::time::timeout(BOUND, all).await.expect("the connection stays open");
    String::from_utf8(text).unwrap()
}

fn whoami() -> Router {
    let handler = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string();
    Router::new().route("/", get(handler))
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn a_connection_that_sends_slowly_or_nothing_is_closed() {
    let served = served(whoami(), Duration::from_millis(100)).await;
    let (silent, _kept) = connect(&served).await;
    assert_eq!(rest(silent).await, "");

    let (dribbled, mut writing) = connect(&served).await;
    let dribbling = tokio::spawn(async move {
        let mut head = b"GET / HTTP/1.1\r\nX-Long: ".to_vec();
        head.resize(4_096, b'x');
        for byte in head {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if writing.write_all(&[byte]).await.is_err() {
                return;
            }
        }
        panic!("the connection was not closed");
    });
    assert!(!rest(dribbled).await.contains("200"));
    dribbling.await.unwrap();
}

#[tokio::test]
async fn a_whole_request_is_served_with_the_address_of_its_client() {
    let served = served(whoami(), NEVER).await;
    let (reading, mut writing) = connect(&served).await;
    writing.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let answer = rest(reading).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn shutdown_completes_requests_in_flight_and_closes_idle_connections() {
    let (begun, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (begun, finish) = (Arc::clone(&begun), Arc::clone(&finish));
        get(async move || {
            begun.notify_one();
            finish.notified().await;
            "done"
        })
    };
    let served = served(whoami().route("/slow", slow), NEVER).await;

    let (mut idle, mut writing) = connect(&served).await;
    writing.write_all(REQUEST).await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let (silent, _kept) = connect(&served).await;
    let (busy, mut asking) = connect(&served).await;
    asking.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    begun.notified().await;

    served.stop.send(()).unwrap();
    rest(idle).await;
    rest(silent).await;
    assert!(!served.serving.is_finished());
    finish.notify_one();
    assert!(rest(busy).await.ends_with("done"));
    tokio::time::timeout(BOUND, served.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn those_who_have_asked_before_the_stop_are_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut asked = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        asked.push(stream);
    }
    let handle = |_, _| async { Response::new(Body::from("done")) };
    let stop = std::future::ready(());
    let serving = serve(listener, handle, limits(NEVER), HttpMetrics::default(), stop);
    tokio::time::timeout(BOUND, serving).await.unwrap();
    for mut stream in asked {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("done"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_is_answered_early_gets_the_answer_when_it_has_sent_everything() {
    let refuse = post(async || (axum::http::StatusCode::PAYLOAD_TOO_LARGE, "too large"));
    let server = served(Router::new().route("/", refuse), NEVER).await;
    let (reading, mut writing) = connect(&server).await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n";
    writing.write_all(head.as_bytes()).await.unwrap();
    writing.write_all(&vec![b'x'; 20_000_000]).await.unwrap();
    drop(writing);
    let answer = rest(reading).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.ends_with("too large"), "{answer}");
}

/// More than the system takes in for a client that does not read.
const LARGE_BYTES: usize = 64 << 20;

/// Bytes that tell when they are let go of.
struct Watched {
    bytes: Vec<u8>,
    dropped: Arc<Notify>,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.dropped.notify_one();
    }
}

fn closing_after(timeout: Duration) -> ConnectionLimits {
    ConnectionLimits {
        pace: WritePace { timeout, min_bytes_per_second: 1_000_000 },
        ..limits(NEVER)
    }
}

/// Answers `/whole` with a large body and `/stream` with an endless one; `dropped` is told when either is let go of.
fn large(dropped: &Arc<Notify>) -> Router {
    let (of_whole, of_stream) = (Arc::clone(dropped), Arc::clone(dropped));
    let whole = get(async move || {
        let dropped = Arc::clone(&of_whole);
        Body::from(Bytes::from_owner(Watched { bytes: vec![b'x'; LARGE_BYTES], dropped }))
    });
    let stream = get(async move || {
        let watched = Watched { bytes: Vec::new(), dropped: Arc::clone(&of_stream) };
        let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
        Body::from_stream(stream::repeat(chunk).map(move |chunk| {
            let _ = &watched;
            Ok::<_, Infallible>(chunk)
        }))
    });
    whoami().route("/whole", whole).route("/stream", stream)
}

async fn ask(server: &TestServer, path: &str) -> (OwnedReadHalf, OwnedWriteHalf) {
    let (reading, mut writing) = connect(server).await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    writing.write_all(request.as_bytes()).await.unwrap();
    (reading, writing)
}

async fn soon(event: impl Future<Output = ()>) {
    tokio::time::timeout(BOUND, event).await.expect("it does not happen");
}

/// Waits until the server has reset the connection.
async fn reset(writing: &mut OwnedWriteHalf) {
    soon(async {
        while writing.write_all(b"\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed_and_what_it_was_sent_is_let_go_of() {
    let dropped = Arc::new(Notify::new());
    let served = served_within(large(&dropped), closing_after(Duration::from_millis(100))).await;
    for path in ["/whole", "/stream"] {
        let (_reading, mut writing) = ask(&served, path).await;
        soon(dropped.notified()).await;
        reset(&mut writing).await;
    }
}

#[tokio::test]
async fn a_half_closed_client_that_reads_nothing_is_closed() {
    let dropped = Arc::new(Notify::new());
    let served = served_within(large(&dropped), closing_after(Duration::from_millis(100))).await;
    for path in ["/whole", "/stream"] {
        let (_reading, mut writing) = ask(&served, path).await;
        writing.shutdown().await.unwrap();
        soon(dropped.notified()).await;
    }
}

#[tokio::test]
async fn other_clients_are_served_while_one_does_not_read() {
    let dropped = Arc::new(Notify::new());
    let served = served_within(large(&dropped), closing_after(NEVER)).await;
    let _unread = ask(&served, "/whole").await;
    let (mut reading, _writing) = ask(&served, "/").await;
    let mut head = [0; 12];
    reading.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
}

#[tokio::test]
async fn of_pipelined_requests_no_more_are_handled_than_responses_are_taken() {
    const REQUESTS: usize = 1_000;
    for (size, most) in [(256 * 1024, REQUESTS / 4), (0, usize::MAX)] {
        let handled = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&handled);
        let body = Bytes::from(vec![b'x'; size]);
        let counting = get(async move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Body::from(body)
        });
        let router = Router::new().route("/", counting);
        let timeout = if size == 0 { NEVER } else { Duration::from_millis(100) };
        let served = served_within(router, closing_after(timeout)).await;
        let (reading, mut writing) = connect(&served).await;
        let requests = REQUEST.repeat(REQUESTS);
        let sending = tokio::spawn(async move {
            // Without any that are read, the system does not take all of them.
            let _ = writing.write_all(&requests).await;
            writing
        });
        if size == 0 {
            let stopping = async { sending.await.unwrap().shutdown().await };
            let (answers, _) = tokio::join!(rest(reading), stopping);
            assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), REQUESTS);
        } else {
            reset(&mut sending.await.unwrap()).await;
        }
        assert!(handled.load(Ordering::Relaxed) <= most, "{handled:?}");
    }
}

#[tokio::test]
async fn a_connection_too_many_takes_the_place_of_the_one_idle_for_longest() {
    let limits = ConnectionLimits { max_connections: 2, ..limits(NEVER) };
    let served = served_within(whoami(), limits).await;
    let (mut longest, _kept) = ask(&served, "/").await;
    let mut head = [0; 12];
    longest.read_exact(&mut head).await.unwrap();
    let (mut later, mut asking) = ask(&served, "/").await;
    later.read_exact(&mut head).await.unwrap();
    let (mut new, _writing) = ask(&served, "/").await;
    new.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    rest(longest).await;
    asking.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(rest(later).await.contains("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_connection_too_many_is_refused_where_none_is_idle() {
    let begun = Arc::new(Notify::new());
    let at_work = Arc::clone(&begun);
    let busy = get(async move || {
        at_work.notify_one();
        std::future::pending::<()>().await;
    });
    let limits = ConnectionLimits { max_connections: 2, ..limits(NEVER) };
    let served = served_within(whoami().route("/busy", busy), limits).await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        kept.push(ask(&served, "/busy").await);
        soon(begun.notified()).await;
    }
    let (reading, _writing) = ask(&served, "/").await;
    let answer = rest(reading).await;
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(answer.ends_with("ServerFull"), "{answer}");
    drop(kept.pop());
    while soon_text(ask(&served, "/").await.0).await.ends_with("ServerFull") {}
}

/// What is received until the connection ends, or the first of it.
async fn soon_text(mut reading: OwnedReadHalf) -> String {
    let mut text = vec![0; 4_096];
    let mut length = 0;
    soon(async { length = reading.read(&mut text).await.unwrap_or_default() }).await;
    String::from_utf8_lossy(&text[..length]).into_owned()
}

#[tokio::test]
async fn a_client_has_its_limit_and_a_proxy_none() {
    for (proxies, expected) in [(vec![], "ClientFull"), (vec!["127.0.0.0/8"], "127.0.0.1")] {
        let proxies = proxies.into_iter().map(|net| net.parse().unwrap()).collect();
        let limits = ConnectionLimits { max_connections_per_client: 1, proxies, ..limits(NEVER) };
        let served = served_within(whoami(), limits).await;
        let first = ask(&served, "/").await;
        let (second, _writing) = ask(&served, "/").await;
        let answer = soon_text(second).await;
        assert!(answer.ends_with(expected), "{answer}");
        drop(first);
    }
}
