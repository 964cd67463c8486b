//! Connections: accepting them, how many there may be, their time limits, and graceful shutdown.
//!
//! Must never look at what is requested on them: that is the app's.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::{extract::Request, response::Response, serve::Listener};
use futures::FutureExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{Id, JoinSet},
};
use tracing::debug;

use crate::{
    activity::Activity,
    concurrency::{Concurrency, InProgress},
    http_metrics::HttpMetrics,
    lingering_stream::{LingeringStream, Unread},
    middleware::rate::network,
    paced_stream::{PacedStream, WritePace},
};

/// Limits on connections.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// How long a connection may take for the whole head of a request, whether it sends slowly or nothing.
    pub head_timeout: Duration,
    /// The largest head of a request that is read at all, in bytes.
    pub max_head_bytes: usize,
    /// How fast a client takes what it is sent.
    pub pace: WritePace,
    /// The most connections.
    pub max_connections: usize,
    /// The most connections of one client.
    pub max_connections_per_client: u32,
    /// The proxies, whose connections are those of many clients.
    pub proxies: Vec<IpNet>,
}

/// Why the requests of a connection are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionRefusal {
    /// There are as many connections as may be. Whether the service is healthy is still told.
    ServerFull,
    /// The client has as many connections as it may have.
    ClientFull,
}

/// How many more connections are accepted, only to be told why no more are served.
const RESERVED: usize = 32;

/// The time for the head of a request on one of them.
const RESERVED_HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection on which nothing was read yet is read from once the server stops.
const UNREAD_TIME: Duration = Duration::from_millis(500);

/// How much of a response waits in the system until it is sent. The less it is, the sooner is seen that a client
/// takes some; a client of the minimum rate takes half of it well within the write timeout.
const UNSENT_BYTES: u32 = 64 * 1024;

/// A connection that is served, or refused.
struct Accepted {
    refusal: Option<ConnectionRefusal>,
    activity: Arc<Activity>,
    _of_client: Option<InProgress<IpAddr>>,
}

/// The connections there are.
struct Connections<'a> {
    limits: &'a ConnectionLimits,
    of_clients: Concurrency<IpAddr>,
    accepted: HashMap<Id, Accepted>,
    metrics: HttpMetrics,
}

impl<'a> Connections<'a> {
    fn new(limits: &'a ConnectionLimits, metrics: HttpMetrics) -> Self {
        let of_clients = Concurrency::new(limits.max_connections_per_client);
        Self { limits, of_clients, accepted: HashMap::new(), metrics }
    }

    /// Decides on a connection from `peer`; none: it is closed without a word.
    fn admit(&self, peer: SocketAddr) -> Option<Accepted> {
        let address = peer.ip().to_canonical();
        let is_proxy = self.limits.proxies.iter().any(|net| net.contains(&address));
        let of_client = if is_proxy { None } else { self.of_clients.enter(network(address)) };
        let refusal = if of_client.is_none() && !is_proxy {
            let refused = self.refused(ConnectionRefusal::ClientFull);
            // The others are left to those who ask for the health of the service.
            if refused >= RESERVED / 2 {
                return None;
            }
            Some(ConnectionRefusal::ClientFull)
        } else {
            (!self.make_room()).then_some(ConnectionRefusal::ServerFull)
        };
        Some(Accepted { refusal, activity: Arc::new(Activity::new()), _of_client: of_client })
    }

    fn insert(&mut self, id: Id, accepted: Accepted) {
        self.accepted.insert(id, accepted);
        self.metrics.connections.inc();
    }

    fn remove(&mut self, id: Id) {
        self.accepted.remove(&id);
        self.metrics.connections.dec();
    }

    /// Whether another connection can be accepted at all.
    fn can_accept(&self) -> bool {
        self.refused(ConnectionRefusal::ServerFull) < RESERVED / 2
    }

    fn refused(&self, refusal: ConnectionRefusal) -> usize {
        self.accepted.values().filter(|one| one.refusal == Some(refusal)).count()
    }

    /// Whether there is a place: a free one, or that of the connection that was idle for longest.
    fn make_room(&self) -> bool {
        let served = || self.accepted.values().filter(|one| one.refusal.is_none());
        if self.accepted.len() < self.limits.max_connections
            || served().count() < self.limits.max_connections
        {
            return true;
        }
        let idle = served().filter_map(|one| Some((one.activity.idle_since()?, one)));
        let longest = idle.min_by_key(|(since, _)| *since);
        longest.inspect(|(_, one)| one.activity.evict()).is_some()
    }
}

/// Serves every connection with `handle` until `stop` resolves; then no more are accepted but those that wait for it, and
/// the requests in flight are completed. A request of a connection that is one too many carries its [`ConnectionRefusal`].
/// Dropping the future drops every connection.
pub async fn serve<F>(
    mut listener: TcpListener,
    handle: impl Fn(SocketAddr, Request) -> F + Clone + Send + 'static,
    limits: ConnectionLimits,
    metrics: HttpMetrics,
    stop: impl Future<Output = ()>,
) where
    F: Future<Output = Response> + Send + 'static,
{
    let (stopping, stopped) = watch::channel(());
    let mut tasks = JoinSet::new();
    let mut connections = Connections::new(&limits, metrics);
    let mut stop = pin!(stop);
    let mut is_stopping = false;
    loop {
        let can_accept = connections.can_accept();
        let (stream, peer): (TcpStream, SocketAddr) = if is_stopping {
            // Those that wait to be accepted have sent their requests, perhaps.
            match Listener::accept(&mut listener).now_or_never() {
                Some(accepted) => accepted,
                None => break,
            }
        } else {
            tokio::select! {
                accepted = Listener::accept(&mut listener), if can_accept => accepted,
                Some(ended) = tasks.join_next_with_id() => {
                    connections.remove(ended.map_or_else(|error| error.id(), |(id, ())| id));
                    continue;
                }
                () = &mut stop => {
                    is_stopping = true;
                    continue;
                }
            }
        };
        let Some(accepted) = connections.admit(peer) else { continue };
        let (activity, refusal) = (Arc::clone(&accepted.activity), accepted.refusal);
        let (handle, requests) = (handle.clone(), Arc::clone(&activity));
        let unread = Unread::default();
        let unread_of_requests = unread.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(|body| unread_of_requests.watch(body));
            if let Some(refusal) = refusal {
                request.extensions_mut().insert(refusal);
            }
            let (handle, busy) = (handle.clone(), requests.begin());
            let backlog = requests.backlog.clone();
            async move {
                // A client that takes no response is given no other.
                backlog.is_over().await;
                Ok::<_, Infallible>(busy.until_sent(handle(peer, request).await))
            }
        });
        let stream = paced(stream, limits.pace, &activity);
        let stream = TokioIo::new(LingeringStream::new(stream, unread));
        let connection = http(&limits, refusal).serve_connection(stream, service).with_upgrades();
        let mut stopped = stopped.clone();
        let task = tasks.spawn(async move {
            let mut connection = pin!(connection);
            let result = tokio::select! {
                result = &mut connection => result,
                () = activity.evicted() => return,
                _ = stopped.changed() => {
                    // What a new one has sent may not have been read: told to end, it would be closed at once.
                    if activity.is_unused() {
                        let _ = tokio::time::timeout(UNREAD_TIME, &mut connection).await;
                    }
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = result {
                debug!(%error, "Connection closed with an error");
            }
        });
        connections.insert(task.id(), accepted);
    }
    drop(listener);
    stopping.send_replace(());
    while tasks.join_next().await.is_some() {}
}

/// The settings of a connection: one whose requests are refused is short.
fn http(limits: &ConnectionLimits, refusal: Option<ConnectionRefusal>) -> http1::Builder {
    let head_timeout = match refusal {
        None => limits.head_timeout,
        Some(_) => limits.head_timeout.min(RESERVED_HEAD_TIMEOUT),
    };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(limits.max_head_bytes)
        .keep_alive(refusal.is_none());
    http
}

/// Paces the writes to a client. What one that is too slow has not received is thrown away.
fn paced(stream: TcpStream, pace: WritePace, activity: &Activity) -> PacedStream<TcpStream> {
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES) {
        debug!(%error, "Connection without a limit on what waits in the system");
    }
    PacedStream::new(stream, pace, activity.backlog.clone(), |stream| {
        // It only fails on a stream that is closed already.
        let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
    })
}

#[cfg(test)]
mod tests;
