//! TLS to a server, as libpq means it.

use std::path::Path;

use metricd_infrastructure::db::{Database, DatabaseConfig, Target};

use crate::support::*;

/// Whether the connection is encrypted, or why there is none.
async fn connected(url: &str) -> Result<bool, String> {
    let config = DatabaseConfig {
        start_timeout: std::time::Duration::from_mins(1),
        ..DatabaseConfig::new(Target::Url(url.to_owned().into()))
    };
    let db = match Database::connect(config).await {
        Ok(db) => db,
        Err(error) => {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
            return Err(format!("{error}{}", source.unwrap_or_default()));
        }
    };
    let encrypted = "SELECT ssl::int::int8 FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let is_encrypted = number(db.pool(), encrypted).await == 1;
    db.close().await;
    Ok(is_encrypted)
}

/// What is expected of a connection: that it is there with TLS, or without, or that an error says this.
enum Expected {
    Tls,
    Plain,
    Refused(&'static str),
}

use Expected::{Plain, Refused, Tls};

async fn assert_connection(
    server: &NativeServer,
    role: &str,
    host: &str,
    parameters: &str,
    expected: &Expected,
) {
    let outcome = connected(&server.tcp_url(role, host, parameters)).await;
    let is_expected = match (&outcome, expected) {
        (Ok(is_encrypted), Tls) => *is_encrypted,
        (Ok(is_encrypted), Plain) => !is_encrypted,
        (Err(error), Refused(said)) => error.contains(said),
        _ => false,
    };
    assert!(is_expected, "{role} at {host}, {parameters}: {outcome:?}");
}

fn with_root(mode: &str, root: &Path) -> String {
    format!("sslmode={mode}&sslrootcert={}", root.display())
}

fn serve_with(server: &NativeServer, certified: &Certified) {
    let (certificate, key) = certified.read();
    server.configure(&[
        ("server.crt", &certificate),
        ("server.key", &key),
        ("postgresql.auto.conf", b"ssl = on\n"),
    ]);
}

const TRUSTED: &str = "as sslrootcert in the URL";
const ANOTHER_HOST: &str = "sslmode=verify-ca, which does not compare names";
const CLIENT_CERTIFICATE: &str = "as sslcert and sslkey in the URL";

const NAME: &str = "localhost";
const ADDRESS: &str = "127.0.0.1";

async fn assert_judged(server: &NativeServer, cases: &[(&str, String, Expected)]) {
    for (host, parameters, expected) in cases {
        assert_connection(server, "postgres", host, parameters, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_version_1_are_judged_as_the_url_says() {
    let authority = Authority::new();
    let root = authority.root();
    let server = NativeServer::start_on_tcp();

    // Nothing is encrypted where the server cannot.
    let unable = Refused("give sslmode=prefer or sslmode=disable");
    let cases = [
        (NAME, "sslmode=require".into(), unable),
        (NAME, "sslmode=prefer".into(), Plain),
        (NAME, "sslmode=allow".into(), Plain),
    ];
    assert_judged(&server, &cases).await;

    // By itself: as Citus makes them.
    let lone = authority.self_signed("lone", "localhost");
    serve_with(&server, &lone);
    let own = lone.certificate.as_path();
    let cases = [
        (NAME, String::new(), Tls),
        (NAME, "sslmode=disable".into(), Plain),
        (NAME, "sslmode=allow".into(), Plain),
        (NAME, "sslmode=prefer".into(), Tls),
        (NAME, "sslmode=require".into(), Tls),
        (NAME, with_root("require", own), Tls),
        (NAME, with_root("require", &root), Refused(TRUSTED)),
        (NAME, with_root("verify-ca", own), Tls),
        (NAME, with_root("verify-ca", &root), Refused(TRUSTED)),
        (NAME, with_root("verify-full", own), Tls),
        (NAME, with_root("prefer", &root), Plain),
        (ADDRESS, with_root("verify-ca", own), Tls),
        (ADDRESS, with_root("verify-full", own), Refused(ANOTHER_HOST)),
    ];
    assert_judged(&server, &cases).await;

    // By an authority: as PostgreSQL's manual has it.
    serve_with(&server, &authority.issue("old", "localhost", ""));
    // Several roots in one file, as clouds hand them out.
    let bundle = authority.folder().join("bundle.crt");
    let both = [lone.read().0, std::fs::read(&root).unwrap()].concat();
    std::fs::write(&bundle, both).unwrap();
    let cases = [
        (NAME, "sslmode=require".into(), Tls),
        (NAME, with_root("require", &root), Tls),
        (NAME, with_root("verify-full", &root), Tls),
        (NAME, with_root("verify-full", &bundle), Tls),
        (NAME, with_root("verify-ca", own), Refused(TRUSTED)),
        (ADDRESS, with_root("verify-full", &root), Refused("it is for localhost")),
    ];
    assert_judged(&server, &cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_version_3_are_judged_as_the_url_says() {
    let authority = Authority::new();
    let root = authority.root();
    let server = NativeServer::start_on_tcp();
    let lone = authority.self_signed("lone", "localhost").certificate;

    let other = authority.issue("other", "localhost", "subjectAltName=DNS:db.example,IP:127.0.0.1");
    serve_with(&server, &other);
    let named = Refused("it is for db.example, 127.0.0.1");
    let cases = [
        (NAME, "sslmode=require".into(), Tls),
        (NAME, with_root("verify-ca", &root), Tls),
        (NAME, with_root("verify-ca", &other.certificate), Tls),
        (NAME, with_root("verify-ca", &lone), Refused(TRUSTED)),
        (NAME, with_root("verify-full", &root), named),
        (ADDRESS, with_root("verify-full", &root), Tls),
    ];
    assert_judged(&server, &cases).await;

    // Without other names than its subject's.
    serve_with(&server, &authority.issue("named", "localhost", "keyUsage=digitalSignature"));
    let cases = [
        (NAME, with_root("verify-full", &root), Tls),
        (ADDRESS, with_root("verify-full", &root), Refused(ANOTHER_HOST)),
    ];
    assert_judged(&server, &cases).await;
}

/// Who may come how.
const RULES: &[u8] = b"local all all trust\n\
    host all postgres 127.0.0.1/32 trust\n\
    hostssl all encrypted 127.0.0.1/32 trust\n\
    hostnossl all plain 127.0.0.1/32 trust\n\
    hostssl all ann 127.0.0.1/32 cert\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_asks_for_is_given_or_named() {
    let authority = Authority::new();
    let server = NativeServer::start_on_tcp();
    serve_with(&server, &authority.issue("server", "localhost", ""));
    for role in ["encrypted", "plain", "ann"] {
        server.psql(&format!("CREATE ROLE {role} LOGIN"));
    }
    server.configure(&[
        ("pg_hba.conf", RULES),
        ("clients.crt", &std::fs::read(authority.root()).unwrap()),
        ("postgresql.auto.conf", b"ssl = on\nssl_ca_file = 'clients.crt'\n"),
    ]);

    authority.issue("new", "ann", "extendedKeyUsage=clientAuth");
    authority.issue("old", "ann", "");
    authority.issue("bob", "bob", "");
    authority.self_signed("lone", "ann");
    authority.openssl("rsa -in new.key -traditional -out pkcs1.key");
    authority.openssl("rsa -in new.key -aes128 -passout pass:secret -out locked.key");
    let by = |certificate: &str, key: &str| {
        let folder = authority.folder().display();
        format!("sslmode=require&sslcert={folder}/{certificate}&sslkey={folder}/{key}")
    };
    let cases = [
        ("encrypted", "sslmode=disable".into(), Refused("give sslmode=require in the URL")),
        ("encrypted", "sslmode=allow".into(), Tls),
        ("encrypted", "sslmode=prefer".into(), Tls),
        ("plain", "sslmode=prefer".into(), Plain),
        ("plain", "sslmode=require".into(), Refused("SSL encryption")),
        ("ann", "sslmode=require".into(), Refused(CLIENT_CERTIFICATE)),
        ("ann", by("new.crt", "new.key"), Tls),
        ("ann", by("new.crt", "pkcs1.key"), Tls),
        ("ann", by("old.crt", "old.key"), Tls),
        ("ann", by("bob.crt", "bob.key"), Refused("authentication failed")),
        ("ann", by("lone.crt", "lone.key"), Refused(CLIENT_CERTIFICATE)),
        ("ann", by("new.crt", "old.key"), Refused("is not the key of the client certificate")),
        ("ann", by("new.crt", "locked.key"), Refused("`openssl pkey`")),
    ];
    for (role, parameters, expected) in cases {
        assert_connection(&server, role, NAME, &parameters, &expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_is_encrypted_once_one_is() {
    let authority = Authority::new();
    let server = NativeServer::start_on_tcp();
    serve_with(&server, &authority.self_signed("lone", "localhost"));
    let url = server.tcp_url("postgres", "localhost", "sslmode=verify-full&sslrootcert=")
        + &authority.folder().join("lone.crt").display().to_string();
    let db = connect(Target::Url(url.into())).await;
    db.migrate().await.unwrap();
    assert!(db.catalog().is_reachable().await);
    let rows = db.runner().run(&template("SELECT 7 AS n"), &[], 1).await.unwrap();
    assert_eq!(rows.json, r#"[{"n":7}]"#);
    let sessions = "SELECT DISTINCT application_name || ' ' || ssl FROM pg_stat_ssl \
                    JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'metricd%' ORDER BY 1";
    assert_eq!(texts(db.pool(), sessions).await, ["metricd reader true", "metricd true"]);
    // More than a record of TLS, in both directions.
    let long = "x".repeat(3_000_000);
    let back: String =
        sqlx::query_scalar("SELECT $1").bind(&long).fetch_one(db.pool()).await.unwrap();
    assert!(back == long);
    db.close().await;
}

#[tokio::test]
async fn parameters_that_cannot_be_met_are_faults_all_at_once() {
    let authority = Authority::new();
    let root = authority.root().display().to_string();
    let folder = authority.folder().display();
    authority.issue("open", "ann", "");
    let key = authority.folder().join("open.key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(authority.folder().join("text"), "no certificate").unwrap();
    for (parameters, expected) in [
        ("sslmode=verify-full".to_owned(), vec!["sslrootcert=system"]),
        ("sslmode=verify-ca&sslrootcert=system".to_owned(), vec!["sslmode=verify-full"]),
        ("sslmode=sometimes".to_owned(), vec!["none of disable, allow, prefer"]),
        (
            format!("sslmode=verify-ca&sslrootcert={folder}/none.crt&sslcert=there&sslcrl=list"),
            vec!["sslrootcert: cannot read", "none.crt", "sslcert needs sslkey", "sslcrl"],
        ),
        (
            format!("sslrootcert={root}&sslcert={folder}/open.crt&sslkey={folder}/open.key"),
            vec!["chmod 600"],
        ),
        // None of the two was the server asked for.
        (
            format!("sslmode=prefer&sslrootcert={folder}/text"),
            vec!["no PEM certificate that can be read", "sslrootcert in the URL"],
        ),
        (
            format!("sslmode=prefer&sslcert={folder}/open.crt&sslkey={folder}/authority.key"),
            vec!["is not the key of the client certificate"],
        ),
        (
            "sslpassword=hunter2&channel_binding=require".to_owned(),
            vec!["sslpassword", "channel_binding"],
        ),
    ] {
        let error = connected(&format!("postgresql://ann@127.0.0.1:1/shop?{parameters}"))
            .await
            .unwrap_err();
        for expected in expected {
            assert!(error.contains(expected), "{parameters}: {error}");
        }
        assert!(!error.contains("hunter2") && !error.contains("sometimes"), "{error}");
    }
}
