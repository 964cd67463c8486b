//! TLS of a server's URL: what libpq's parameters mean, and which of them would help where a connection is refused.
//!
//! Must never connect with less than the parameters ask for: one that is not known here, and by which libpq would be stricter,
//! is refused.

use std::{env, error::Error as StdError, fs, os::unix::fs::MetadataExt as _, str::FromStr as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{CertificateError, Error as TlsError};
use sqlx::{
    ConnectOptions as _,
    postgres::{PgConnectOptions, PgSslMode},
};
use thiserror::Error;

use super::errors::{DatabaseFault, pg_error};

/// What libpq calls the roots that the system trusts.
const SYSTEM: &str = "system";

/// Parameters of libpq's that ask for more than metricd does, with the one value that does, if there is one.
const UNKNOWN: [(&str, Option<&str>); 9] = [
    ("sslcrl", None),
    ("sslcrldir", None),
    ("sslpassword", None),
    ("requirepeer", None),
    ("require_auth", None),
    ("channel_binding", Some("require")),
    ("gssencmode", Some("require")),
    ("ssl_min_protocol_version", Some("TLSv1.3")),
    ("sslnegotiation", Some("direct")),
];

/// How a server may be connected to.
#[derive(Debug, Clone)]
pub(super) struct ServerAddress {
    /// What is tried first.
    pub(super) options: PgConnectOptions,
    /// What is tried where the server refuses that: `sslmode` was `allow` or `prefer`.
    pub(super) fallback: Option<PgConnectOptions>,
}

impl ServerAddress {
    /// Of two errors of connecting, with and without TLS, that of the encrypted connection: it says more.
    pub(super) fn more_telling(
        &self,
        first: sqlx::Error,
        second: sqlx::Error,
    ) -> (sqlx::Error, &PgConnectOptions) {
        match &self.fallback {
            Some(fallback) if is_plain(&self.options) => (second, fallback),
            _ => (first, &self.options),
        }
    }

    /// What of the two the server takes, found out by connecting where there are two.
    pub(super) async fn choose(&self) -> PgConnectOptions {
        let Some(fallback) = &self.fallback else { return self.options.clone() };
        match self.options.connect().await {
            Err(error) if may_fall_back(&error) && fallback.connect().await.is_ok() => {
                fallback.clone()
            }
            _ => self.options.clone(),
        }
    }
}

/// What a URL, or else the environment, says of TLS.
#[derive(Debug, Default)]
pub(super) struct TlsParameters {
    mode: Option<String>,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    unknown: Vec<&'static str>,
}

impl TlsParameters {
    pub(super) fn read(query: &str) -> Self {
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        let given = |names: [&str; 3], variable: &str| {
            let mut of_url = pairs.iter().rev().filter(|(name, _)| names.contains(&&**name));
            of_url.next().map(|(_, value)| value.to_string()).or_else(|| env::var(variable).ok())
        };
        let asks = |(name, strict): &(&'static str, Option<&str>)| {
            let is_asked = pairs.iter().any(|(key, value)| {
                key == name && strict.is_none_or(|strict| strict.eq_ignore_ascii_case(value))
            });
            is_asked.then_some(*name)
        };
        Self {
            mode: given(["sslmode", "ssl-mode", ""], "PGSSLMODE"),
            root: given(["sslrootcert", "ssl-root-cert", "ssl-ca"], "PGSSLROOTCERT"),
            certificate: given(["sslcert", "ssl-cert", ""], "PGSSLCERT"),
            key: given(["sslkey", "ssl-key", ""], "PGSSLKEY"),
            unknown: UNKNOWN.iter().filter_map(asks).collect(),
        }
    }

    fn mode(&self) -> PgSslMode {
        let of_roots = || match self.root.as_deref() {
            Some(SYSTEM) => PgSslMode::VerifyFull,
            _ => PgSslMode::Prefer,
        };
        let given = self.mode.as_deref().and_then(|mode| PgSslMode::from_str(mode).ok());
        given.unwrap_or_else(of_roots)
    }

    /// How to connect to what `options` lead to. A Unix socket has no TLS, as for libpq.
    pub(super) fn address(&self, options: PgConnectOptions) -> Result<ServerAddress, String> {
        if is_local(&options) {
            let options = options.ssl_mode(PgSslMode::Disable);
            return Ok(ServerAddress { options, fallback: None });
        }
        let options = match self.root.as_deref() {
            Some(SYSTEM) => options.ssl_root_cert_from_pem(system_roots()?),
            _ => options,
        };
        // With a root, libpq verifies in each mode that encrypts.
        let encrypted = match self.root {
            Some(_) => PgSslMode::VerifyCa,
            None => PgSslMode::Require,
        };
        let with = |mode| options.clone().ssl_mode(mode);
        let (first, second) = match self.mode() {
            PgSslMode::Allow => (PgSslMode::Disable, Some(encrypted)),
            PgSslMode::Prefer => (encrypted, Some(PgSslMode::Disable)),
            PgSslMode::Require => (encrypted, None),
            mode => (mode, None),
        };
        Ok(ServerAddress { options: with(first), fallback: second.map(with) })
    }

    /// Finds all that is wrong with them. No value is repeated but the names of files.
    pub(super) fn check(&self) -> Result<(), Vec<String>> {
        let mut faults: Vec<String> = Vec::new();
        if self.mode.as_deref().is_some_and(|mode| PgSslMode::from_str(mode).is_err()) {
            faults.push(
                "sslmode is none of disable, allow, prefer, require, verify-ca and verify-full"
                    .into(),
            );
        }
        let verifies = matches!(self.mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull);
        match self.root.as_deref() {
            None if verifies => faults.push(
                "sslmode verifies the server's certificate, and sslrootcert does not say by which: give the file of \
                 its authority, or sslrootcert=system with sslmode=verify-full"
                    .into(),
            ),
            Some(SYSTEM) if !matches!(self.mode(), PgSslMode::VerifyFull) => faults.push(
                "sslrootcert=system needs sslmode=verify-full: any host can have a certificate of such an authority"
                    .into(),
            ),
            Some(file) if file != SYSTEM => faults.extend(unreadable("sslrootcert", file)),
            _ => {}
        }
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                faults.extend(unreadable("sslcert", certificate));
                faults.extend(unreadable("sslkey", key).or_else(|| open_to_others(key)));
            }
            (Some(_), None) => faults.push("sslcert needs sslkey, the file of its key".into()),
            (None, Some(_)) => faults.push("sslkey needs sslcert, its certificate's file".into()),
            (None, None) => {}
        }
        let unknown = self.unknown.iter();
        faults.extend(unknown.map(|name| format!("metricd does not do what {name} asks for")));
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

fn is_plain(options: &PgConnectOptions) -> bool {
    matches!(options.get_ssl_mode(), PgSslMode::Disable)
}

/// Whether they lead to a Unix socket.
fn is_local(options: &PgConnectOptions) -> bool {
    options.get_socket().is_some() || options.get_host().starts_with('/')
}

fn unreadable(parameter: &str, file: &str) -> Option<String> {
    // It may be the certificate itself, in one line of the URL.
    if file.trim_start().starts_with("-----BEGIN") {
        return None;
    }
    let error = fs::read(file).err()?;
    Some(format!("{parameter}: cannot read {file}: {error}"))
}

/// A key that others may read is refused, as libpq does: its group may read what root owns.
fn open_to_others(key: &str) -> Option<String> {
    let file = fs::metadata(key).ok()?;
    let refused = if file.uid() == 0 { 0o037 } else { 0o077 };
    let is_open = file.is_file() && file.mode() & refused != 0;
    is_open.then(|| format!("sslkey: others may read {key}: close it with `chmod 600 {key}`"))
}

/// The roots that the system trusts, in PEM.
fn system_roots() -> Result<Vec<u8>, String> {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        return Err(
            "sslrootcert=system: this system has no root certificates (ca-certificates)".into()
        );
    }
    let pem = found.iter().map(|root| {
        let text = STANDARD.encode(root);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    });
    Ok(pem.collect::<String>().into_bytes())
}

/// Whether the server may take the same connection with TLS, or without.
pub(super) fn may_fall_back(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        error => pg_error(error).is_some_and(|error| error.code() == NOT_ALLOWED),
    }
}

/// Whether it is no use to try again: the server is there, and TLS with it is not as it has to be.
pub(super) fn is_refusal(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(error) => !matches!(error.downcast_ref(), Some(native_tls::Error::Io(_))),
        error => refused_by_server(error),
    }
}

/// Whether the server has ended a TLS connection and said why.
fn refused_by_server(error: &sqlx::Error) -> bool {
    let sqlx::Error::Io(error) = error else { return false };
    let tls = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(tls, Some(TlsError::AlertReceived(_)))
}

/// The SQLSTATE of a connection that `pg_hba.conf` does not allow.
const NOT_ALLOWED: &str = "28000";

/// An error of connecting that a setting would help against.
#[derive(Debug, Error)]
#[error("{said}; {remedy}")]
struct Remediable {
    said: String,
    remedy: &'static str,
}

/// What is to be said of an error of connecting: it names the setting that would help.
pub(super) fn explain(
    error: sqlx::Error,
    options: &PgConnectOptions,
) -> Box<dyn StdError + Send + Sync> {
    let fault = pg_error(&error).map(DatabaseFault::of);
    let remedy = match &error {
        sqlx::Error::Tls(tls) => Some(match tls.downcast_ref() {
            Some(tls) => remedy(tls),
            None => "turn on `ssl` there, or give sslmode=prefer or sslmode=disable in the URL",
        }),
        error if refused_by_server(error) => Some(CLIENT_CERTIFICATE),
        _ if fault.as_ref().is_none_or(|fault| fault.code != NOT_ALLOWED) => None,
        _ if is_local(options) => None,
        _ if is_plain(options) => {
            Some("if the server asks for TLS, give sslmode=require in the URL")
        }
        _ => Some(CLIENT_CERTIFICATE),
    };
    let said: Box<dyn StdError + Send + Sync> = match (fault, error) {
        (Some(fault), _) => fault.into(),
        (None, sqlx::Error::Tls(tls)) => tls,
        (None, error) => error.into(),
    };
    match remedy {
        Some(remedy) => Remediable { said: said.to_string(), remedy }.into(),
        None => said,
    }
}

const CLIENT_CERTIFICATE: &str = "if the server asks for a client certificate, give one of an authority that it trusts, \
                                  as sslcert and sslkey in the URL";

fn remedy(error: &native_tls::Error) -> &'static str {
    match error {
        native_tls::Error::OtherHost { .. } => {
            "give the host by such a name in the URL, or sslmode=verify-ca, which does not compare names"
        }
        native_tls::Error::Refused(TlsError::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => "renew the server's certificate, or set this machine's clock",
        native_tls::Error::Refused(TlsError::InvalidCertificate(_)) => {
            "give the file of its authority, or of the server's own certificate, as sslrootcert in the URL, or \
             sslmode=require without sslrootcert, which trusts any server"
        }
        native_tls::Error::Refused(TlsError::AlertReceived(_)) => CLIENT_CERTIFICATE,
        native_tls::Error::Refused(_) | native_tls::Error::Io(_) => {
            "the server's log may say why; sslmode=disable connects without TLS"
        }
        native_tls::Error::Roots => "sslrootcert in the URL names that file",
        native_tls::Error::ClientCertificate => "sslcert in the URL names that file",
        native_tls::Error::ClientKey => {
            "sslkey in the URL names that file; `openssl pkey` takes a password away"
        }
        native_tls::Error::ClientKeyMismatch => "sslcert and sslkey in the URL name the two",
    }
}
