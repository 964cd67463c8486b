//! Connections: accepting them, their time limits, and graceful shutdown.
//!
//! Must never look at what is requested on them: that is the app's.

use std::{convert::Infallible, net::SocketAddr, pin::pin, time::Duration};

use axum::{body::Body, extract::Request, response::Response, serve::Listener};
use futures::FutureExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tracing::debug;

/// Serves every connection with `handle` until `stop` resolves; then no more requests are accepted, and those in
/// flight are completed. A connection that has not sent the whole head of a request within `head_timeout` is
/// closed, whether it sends slowly or nothing. Dropping the future drops every connection.
pub async fn serve<F>(
    mut listener: TcpListener,
    handle: impl Fn(SocketAddr, Request) -> F + Clone + Send + 'static,
    head_timeout: Duration,
    stop: impl Future<Output = ()>,
) where
    F: Future<Output = Response> + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_timeout);
    let (stopping, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, peer): (_, SocketAddr) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            Some(_) = connections.join_next() => continue,
            () = &mut stop => break,
        };
        let handle = handle.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            handle(peer, request.map(Body::new)).map(Ok::<_, Infallible>)
        });
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut stopped = stopped.clone();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            let result = tokio::select! {
                result = &mut connection => result,
                _ = stopped.changed() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = result {
                debug!(%error, "Connection closed with an error");
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

    struct TestServer {
        address: SocketAddr,
        stop: oneshot::Sender<()>,
        serving: JoinHandle<()>,
    }

    async fn served(router: Router, head_timeout: Duration) -> TestServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let handle = move |peer: SocketAddr, mut request: Request| {
            request.extensions_mut().insert(ConnectInfo(peer));
            let router = router.clone();
            async move { router.oneshot(request).await.unwrap() }
        };
        let serving = tokio::spawn(serve(listener, handle, head_timeout, async {
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
}
