use bytes::{BufMut, BytesMut};
use sqlx::postgres::PgSslMode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// A server that knows no time zone but UTC and Europe/Berlin, and writes down what it is told. Those
/// of real ones are their machine's.
struct FewZones {
    port: u16,
    told: Arc<Mutex<Vec<String>>>,
}

impl FewZones {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&told);
        tokio::spawn(async move {
            for pid in 1.. {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(socket, pid, Arc::clone(&all)));
            }
        });
        Self { port, told }
    }

    fn sessions(&self, most_open: u32) -> Arc<Sessions> {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username("reader")
            .ssl_mode(PgSslMode::Disable);
        Arc::new(Sessions::new(options, &[], Duration::from_mins(1), most_open))
    }

    /// The zones that were set, in order.
    fn zones(&self) -> Vec<String> {
        let told = self.told.lock().unwrap();
        let zones = told.iter().filter_map(|sql| sql.strip_prefix("SET TimeZone = "));
        zones.map(|zone| zone.trim_matches('\'').to_owned()).collect()
    }
}

/// Serves one connection until its client leaves.
async fn serve(mut socket: TcpStream, pid: i32, told: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let length = socket.read_u32().await.ok()?;
    let mut start = vec![0; length as usize - 4];
    socket.read_exact(&mut start).await.ok()?;
    let mut answer = BytesMut::new();
    message(&mut answer, b'R', |body| body.put_i32(0)); // AuthenticationOk
    message(&mut answer, b'K', |body| {
        body.put_i32(pid);
        body.put_i32(0);
    });
    loop {
        message(&mut answer, b'Z', |body| body.put_u8(b'I')); // ReadyForQuery
        socket.write_all(&answer.split()).await.ok()?;
        let kind = socket.read_u8().await.ok()?;
        let length = socket.read_u32().await.ok()?;
        let mut body = vec![0; length as usize - 4];
        socket.read_exact(&mut body).await.ok()?;
        if kind != b'Q' {
            continue;
        }
        let sql = String::from_utf8(body).unwrap().trim_end_matches('\0').to_owned();
        told.lock().unwrap().push(sql.clone());
        if sql.contains("TimeZone") && !sql.contains("UTC") && !sql.contains("Berlin") {
            let fields = "SERROR\0VERROR\0C22023\0Minvalid value for parameter\0\0";
            message(&mut answer, b'E', |body| body.put_slice(fields.as_bytes()));
            continue;
        }
        if sql.contains("pg_stat_activity") {
            process(&mut answer, pid);
        }
        message(&mut answer, b'C', |body| body.put_slice(b"DONE\0"));
    }
}

fn message(answer: &mut BytesMut, kind: u8, fill: impl FnOnce(&mut BytesMut)) {
    let mut body = BytesMut::new();
    fill(&mut body);
    answer.put_u8(kind);
    answer.put_u32(u32::try_from(body.len()).unwrap() + 4);
    answer.extend(body);
}

/// The row of `pg_stat_activity`: the number of the process, when it began, that its memory cannot be measured, and that its
/// server is no standby.
fn process(answer: &mut BytesMut, pid: i32) {
    message(answer, b'T', |body| {
        body.put_i16(4);
        let flags = [("may_measure", 16, 1), ("is_on_standby", 16, 1)];
        for (name, ty, size) in [("pid", 23, 4), ("began", 20, 8)].into_iter().chain(flags) {
            body.put_slice(format!("{name}\0").as_bytes());
            body.put_i32(0);
            body.put_i16(0);
            body.put_i32(ty);
            body.put_i16(size);
            body.put_i32(-1);
            body.put_i16(0);
        }
    });
    message(answer, b'D', |body| {
        body.put_i16(4);
        for text in [pid.to_string(), "1".to_owned(), "f".to_owned(), "f".to_owned()] {
            body.put_i32(i32::try_from(text.len()).unwrap());
            body.put_slice(text.as_bytes());
        }
    });
}

async fn use_once(sessions: &Arc<Sessions>, timezone: Tz) -> Result<i32, sqlx::Error> {
    let session = sessions.open(None, timezone).await?;
    let pid = session.session.as_ref().unwrap().process.pid;
    session.end(&Ok(()));
    Ok(pid)
}

fn is_unknown(outcome: &Result<i32, sqlx::Error>) -> bool {
    matches!(outcome, Err(sqlx::Error::Configuration(_)))
}

#[tokio::test]
async fn each_zone_has_sessions_of_its_own_in_which_it_is_set_once() {
    let server = FewZones::start().await;
    let sessions = server.sessions(10);
    let utc = use_once(&sessions, Tz::UTC).await.unwrap();
    let berlin = use_once(&sessions, Tz::Europe__Berlin).await.unwrap();
    assert_ne!(utc, berlin);
    for _ in 0..5 {
        assert_eq!(use_once(&sessions, Tz::UTC).await.unwrap(), utc);
        assert_eq!(use_once(&sessions, Tz::Europe__Berlin).await.unwrap(), berlin);
    }
    assert_eq!(server.zones(), ["Europe/Berlin"]);
}

#[tokio::test]
async fn a_zone_that_the_server_does_not_know_leaves_the_session_as_it_was() {
    let server = FewZones::start().await;
    let sessions = server.sessions(10);
    assert!(is_unknown(&use_once(&sessions, Tz::Asia__Tokyo).await), "of a new session");
    let one = server.sessions(1);
    let utc = use_once(&one, Tz::UTC).await.unwrap();
    assert!(is_unknown(&use_once(&one, Tz::Asia__Tokyo).await), "of one that is used again");
    assert_eq!(use_once(&one, Tz::UTC).await.unwrap(), utc);
    assert_eq!(server.zones(), ["Asia/Tokyo", "Asia/Tokyo"]);
}
