use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use metricd_application::ports::{RowSink, StoreError, UnitOfWork};
use metricd_core::{cell::CellType, sql::TableName};
use metricd_infrastructure::db::{ConnectError, Database, DatabaseConfig, ReaderError, Target};
use tempfile::TempDir;

use crate::{model::log::Log, support::*};

#[tokio::test(flavor = "multi_thread")]
async fn every_session_is_settled() {
    on_each_engine(async |db, engine| {
        if engine == Engine::Native {
            execute(
                db.pool(),
                "ALTER ROLE postgres SET timezone = 'Asia/Tokyo'; \
                 ALTER ROLE postgres SET search_path = 'elsewhere'",
            )
            .await;
        }
        // A server's next session is a new one, with the defaults of its role.
        let held = match engine {
            Engine::Native => Some(db.pool().acquire().await.unwrap()),
            Engine::Embedded => None,
        };
        let settings = "SELECT current_setting('TimeZone') || ' ' || current_setting('search_path') \
                        || ' ' || current_setting('application_name')";
        assert_eq!(texts(db.pool(), settings).await, ["UTC public metricd"], "{engine:?}");
        drop(held);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_broke_while_idle_is_replaced() {
    let mut server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    db.migrate().await.unwrap();
    let (store, catalog, runner) = (db.uncached_store(), db.catalog(), db.runner());

    let fill_the_pool = || async {
        let begun = (0..10).map(|_| store.begin());
        drop(futures::future::try_join_all(begun).await.unwrap());
        assert!(catalog.is_reachable().await);
    };
    for broken_by in ["a signal", "a restart"] {
        for call in 0..4 {
            fill_the_pool().await;
            if broken_by == "a restart" {
                server.restart();
            } else {
                let all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                           WHERE application_name LIKE 'metricd%'";
                wait_until(async || server.psql(all).trim() == "0").await;
            }
            match call {
                0 => assert_eq!(catalog.find(metric_id(1)).await.unwrap(), None),
                1 => drop(store.begin().await.unwrap()),
                2 => {
                    // A session of the reader's is asked whether it is alive once it lay idle.
                    tokio::time::sleep(Duration::from_millis(150)).await;
                    let rows = runner.run(&template("SELECT 1 AS n"), &[], 1).await.unwrap();
                    assert_eq!(rows.json, r#"[{"n":1}]"#);
                }
                _ => assert!(catalog.is_reachable().await, "{broken_by}"),
            }
        }
    }
    db.close().await;
}

// On one thread, whose lines the log has.
#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let log = Log::begin();
    let server = NativeServer::start();
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("later");
    let url = format!("postgresql://postgres@localhost/postgres?host={}", folder.display());
    let config = |start_timeout| DatabaseConfig {
        acquire_timeout: Duration::from_millis(200),
        start_timeout,
        ..DatabaseConfig::new(Target::Url(url.clone().into()))
    };
    let refused = Database::connect(config(Duration::ZERO)).await;
    assert!(matches!(refused, Err(ConnectError::Server { .. })));
    assert!(log.lines("Database unreachable").is_empty());

    let comes = async {
        wait_until(async || !log.lines("Database unreachable; trying again").is_empty()).await;
        std::os::unix::fs::symlink(server.folder(), &folder).unwrap();
    };
    let (db, ()) = tokio::join!(Database::connect(config(Duration::from_mins(5))), comes);
    db.unwrap().close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_given_up() {
    // The system accepts the connections.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let url_of =
        |mode| format!("postgres://ann@{}/shop?sslmode={mode}", mute.local_addr().unwrap()).into();
    let in_time = Duration::from_mins(1);
    let config = |target| DatabaseConfig {
        acquire_timeout: Duration::from_millis(300),
        ..DatabaseConfig::new(target)
    };
    for mode in ["disable", "prefer"] {
        let connecting = Database::connect(config(Target::Url(url_of(mode))));
        let error = tokio::time::timeout(in_time, connecting).await.unwrap().err().unwrap();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("did not answer within 300 ms"), "{source}");
    }

    let server = NativeServer::start();
    for mode in ["disable", "prefer"] {
        let config = DatabaseConfig {
            reader_url: Some(url_of(mode)),
            ..config(Target::Url(server.url().into()))
        };
        let db = Database::connect(config).await.unwrap();
        let checked = tokio::time::timeout(in_time, db.check_reader()).await.unwrap();
        assert!(matches!(checked, Err(ReaderError::Connect { .. })), "{checked:?}");
        assert!(tokio::time::timeout(in_time, db.migrate()).await.unwrap().is_err());
        db.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_does_not_wait_behind_queries() {
    on_each_engine_migrated(async |db, engine| {
        let catalog = db.catalog();
        assert!(catalog.is_reachable().await, "{engine:?}");
        let held: Vec<_> = {
            let store = db.uncached_store();
            let most = db.pool().options().get_max_connections();
            let begun = (0..most).map(|_| store.begin());
            futures::future::try_join_all(begun).await.unwrap()
        };
        assert!(catalog.is_reachable().await, "with every connection in use, {engine:?}");
        drop(held);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_said_to_be() {
    let server = NativeServer::start();
    let target = Target::Url(server.url().into());
    let config = DatabaseConfig::new(target);
    let db = Database::connect(config.clone()).await.unwrap();
    db.migrate().await.unwrap();
    drop(server);
    assert!(!db.catalog().is_reachable().await);
    let error = db.catalog().find(metric_id(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    let error = db.uncached_store().begin().await.err().unwrap();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(matches!(Database::connect(config).await, Err(ConnectError::Server { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_connecting_names_the_server_and_no_password() {
    let server = NativeServer::start();
    let url = server.url_of("ann:hunter2", "nowhere");
    let error =
        Database::connect(DatabaseConfig::new(Target::Url(url.into()))).await.err().unwrap();
    let text = format!("{error} {error:?}");
    assert!(text.contains("nowhere") && !text.contains("hunter2"), "{text}");

    let refused = Target::Url("postgres://ann:hunter2@127.0.0.1:1/shop".into());
    let config =
        DatabaseConfig { acquire_timeout: Duration::from_secs(1), ..DatabaseConfig::new(refused) };
    let error = Database::connect(config).await.err().unwrap();
    assert_eq!(error.to_string(), "cannot connect to PostgreSQL at 127.0.0.1:1/shop");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("refused"), "{source}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_engine_keeps_its_folder_to_itself() {
    let dir = TempDir::new().unwrap();
    let data_dir = dir.path().join("new").join("folder");
    let db = connect(embedded(&data_dir)).await;
    db.migrate().await.unwrap();
    let second = Database::connect(DatabaseConfig::new(embedded(&data_dir))).await.err().unwrap();
    let ConnectError::FolderInUse { dir: named } = second else { panic!("{second:?}") };
    assert_eq!(named, data_dir.canonicalize().unwrap());
    assert!(db.catalog().is_reachable().await, "the first goes on");

    commit(db.uncached_store().as_ref(), async |uow| uow.insert_query(&query("q")).await.unwrap())
        .await;
    let catalog = db.catalog();
    db.close().await;
    assert!(!catalog.is_reachable().await);

    let db = connect(embedded(&data_dir)).await;
    db.migrate().await.unwrap();
    let mut uow = db.uncached_store().begin().await.unwrap();
    assert_eq!(uow.counts().await.unwrap().queries, 1, "what was committed is there again");
    drop(uow);
    db.close().await;
}

/// Loads 40,000 rows into a new table of `uow`, unless one that is rejected comes first.
async fn load(uow: &mut dyn UnitOfWork, rejected: Option<u32>) {
    let table = TableName { schema: None, name: "loaded".into() };
    let columns = [("n".to_owned(), CellType::Int8)];
    uow.create_table(&table, &columns).await.unwrap();
    let mut rows = 1..=40_000;
    let mut next = |sink: &mut dyn RowSink| {
        let Some(row) = rows.next() else { return false };
        let text = if rejected == Some(row) { "none".to_owned() } else { row.to_string() };
        sink.cell(Some(&text));
        sink.end();
        true
    };
    assert_eq!(uow.copy_rows(&table, &["n".into()], &mut next).await.is_err(), rejected.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_engine_finishes_a_rollback_before_it_stops() {
    let log = Log::begin();
    let dir = TempDir::new().unwrap();
    // A load that is rejected, one that is dropped when all is written, and some that are dropped before: while the table is
    // made, while the COPY begins, and in its middle.
    let dropped = (1..=6).map(|polls| (None, Some(polls)));
    let loads: Vec<_> = [(Some(30_000), None), (None, None)].into_iter().chain(dropped).collect();
    let committed = i64::try_from(loads.len()).unwrap();
    for (rejected, polls) in loads {
        let db = connect(embedded(dir.path())).await;
        db.migrate().await.unwrap();
        execute(db.pool(), "CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)")
            .await;
        let mut uow = db.uncached_store().begin().await.unwrap();
        let loading = load(uow.as_mut(), rejected);
        match polls {
            Some(polls) => dropped_after(polls, loading).await,
            None => loading.await,
        }
        drop(uow);
        db.close().await;
        for unclean in ["did not shut down cleanly", "did not close cleanly"] {
            assert!(!log.holds(unclean), "{rejected:?} {polls:?}: {:?}", log.lines(unclean));
        }
    }
    let db = connect(embedded(dir.path())).await;
    let loaded = "SELECT count(*) FROM pg_catalog.pg_class WHERE relname = 'loaded'";
    assert_eq!(number(db.pool(), loaded).await, 0);
    let kept = number(db.pool(), "SELECT count(*) FROM kept").await;
    assert_eq!(kept, committed, "what was committed");
    db.close().await;
}

fn mode(dir: &Path) -> u32 {
    fs::metadata(dir).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_files_are_private() {
    let dir = TempDir::new().unwrap();
    let made = dir.path().join("new").join("folder");
    connect(embedded(&made)).await.close().await;
    for private in [dir.path().join("new"), made.clone(), made.join("postgres")] {
        assert_eq!(mode(&private), 0o700, "{}", private.display());
    }

    let open = |dir: &Path| fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(made.join("run")).unwrap();
    for opened in [made.clone(), made.join("postgres"), made.join("run")] {
        open(&opened);
    }
    let db = connect(embedded(&made)).await;
    assert_eq!(mode(&made), 0o755, "the operator's own choice");
    assert_eq!(mode(&made.join("postgres")), 0o700);
    assert_eq!(mode(&made.join("run")), 0o700);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_too_long_for_a_socket_is_refused_with_the_remedy() {
    let dir = TempDir::new().unwrap();
    let at_most = 85 - dir.path().canonicalize().unwrap().as_os_str().len() - 1;
    let longer = embedded(&dir.path().join("x".repeat(at_most + 1)));
    let error = Database::connect(DatabaseConfig::new(longer)).await.err().unwrap();
    assert!(matches!(error, ConnectError::FolderPathTooLong { longest: 85, .. }), "{error:?}");
    assert!(error.to_string().contains("at most 85 bytes by `--data-dir`"), "{error}");
    connect(embedded(&dir.path().join("x".repeat(at_most)))).await.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_others_may_write_is_refused_with_the_remedy() {
    let dir = TempDir::new().unwrap();
    for mode in [0o720, 0o702, 0o777] {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        let target = embedded(dir.path());
        let error = Database::connect(DatabaseConfig::new(target)).await.err().unwrap();
        assert!(error.to_string().contains("chmod go-w"), "{mode:o}: {error}");
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    connect(embedded(dir.path())).await.close().await;
}
