//! Connections: taking them, and how long one may keep us waiting for a request. What is asked on them
//! is the router's business.

use std::{convert::Infallible, net::SocketAddr, pin::pin, time::Duration};

use axum::{body::Body, extract::Request, response::Response, serve::Listener};
use futures::FutureExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tracing::debug;

/// Has `answer` answer whoever connects, until `stop` resolves; then no more requests are taken, and those
/// under way are answered. A connection that has not sent the whole head of a request within `patience`
/// is closed, whether it dribbles or sends nothing. Dropped, it drops every connection.
pub async fn serve<A>(
    mut listener: TcpListener,
    answer: impl Fn(SocketAddr, Request) -> A + Clone + Send + 'static,
    patience: Duration,
    stop: impl Future<Output = ()>,
) where
    A: Future<Output = Response> + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience);
    let (stopping, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, peer): (_, SocketAddr) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            Some(_) = connections.join_next() => continue,
            () = &mut stop => break,
        };
        let answer = answer.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            answer(peer, request.map(Body::new)).map(Ok::<_, Infallible>)
        });
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut stopped = stopped.clone();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => ended,
                _ = stopped.changed() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                debug!(%error, "Connection broken off");
            }
        });
    }
    drop(listener);
    stopping.send_replace(());
    while connections.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::{Router, extract::ConnectInfo, routing::get};
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

    struct Served {
        address: SocketAddr,
        stop: oneshot::Sender<()>,
        serving: JoinHandle<()>,
    }

    async fn served(router: Router, patience: Duration) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let answer = move |peer: SocketAddr, mut request: Request| {
            request.extensions_mut().insert(ConnectInfo(peer));
            let router = router.clone();
            async move { router.oneshot(request).await.unwrap() }
        };
        let serving = tokio::spawn(serve(listener, answer, patience, async {
            let _ = stopped.await;
        }));
        Served { address, stop, serving }
    }

    async fn connect(to: &Served) -> (OwnedReadHalf, OwnedWriteHalf) {
        TcpStream::connect(to.address).await.unwrap().into_split()
    }

    /// All that comes until the other side ends it, one way or the other.
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
    async fn a_connection_that_dribbles_or_says_nothing_is_closed() {
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
            panic!("nobody broke it off");
        });
        assert!(!rest(dribbled).await.contains("200"));
        dribbling.await.unwrap();
    }

    #[tokio::test]
    async fn a_whole_request_is_answered_and_its_caller_known() {
        let served = served(whoami(), NEVER).await;
        let (reading, mut writing) = connect(&served).await;
        writing.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let answer = rest(reading).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n127.0.0.1"), "{answer}");
    }

    #[tokio::test]
    async fn stopping_answers_what_is_under_way_and_closes_what_is_idle() {
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
}
