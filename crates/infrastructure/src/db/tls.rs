//! Connecting with TLS or without, as the server takes it, and what would help where a connection is refused.
//!
//! Must never take a connection without TLS for one because of a fault on this side.

use std::{
    error::Error as StdError,
    io::{self, ErrorKind},
    time::Duration,
};

use rustls::{CertificateError, Error as TlsError};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use thiserror::Error;

use super::errors::{DatabaseFault, pg_error};

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
    fn more_telling(
        &self,
        first: sqlx::Error,
        second: sqlx::Error,
    ) -> (sqlx::Error, &PgConnectOptions) {
        match &self.fallback {
            Some(fallback) if is_plain(&self.options) => (second, fallback),
            _ => (first, &self.options),
        }
    }

    /// Opens what `open` does, first in the one way, then in the other if the server takes that. An error comes with the way that
    /// it was met in.
    pub(super) async fn open<T>(
        &self,
        open: impl AsyncFn(&PgConnectOptions) -> Result<T, sqlx::Error>,
    ) -> Result<(T, &PgConnectOptions), (sqlx::Error, &PgConnectOptions)> {
        let first = match open(&self.options).await {
            Ok(opened) => return Ok((opened, &self.options)),
            Err(error) => error,
        };
        match &self.fallback {
            Some(fallback) if may_fall_back(&first) => match open(fallback).await {
                Ok(opened) => Ok((opened, fallback)),
                Err(second) => Err(self.more_telling(first, second)),
            },
            _ => Err((first, &self.options)),
        }
    }

    /// Opens one connection. Either way may take `timeout`.
    pub(super) async fn connect(
        &self,
        timeout: Duration,
    ) -> Result<(PgConnection, &PgConnectOptions), (sqlx::Error, &PgConnectOptions)> {
        self.open(async |options: &PgConnectOptions| connect_within(options, timeout).await).await
    }

    /// What of the two the server takes, found out by connecting where there are two.
    pub(super) async fn choose(&self, timeout: Duration) -> PgConnectOptions {
        if self.fallback.is_none() {
            return self.options.clone();
        }
        match self.connect(timeout).await {
            Ok((connection, options)) => {
                // The server notices a closed connection in any case.
                let _ = tokio::time::timeout(timeout, connection.close()).await;
                options.clone()
            }
            Err((_, options)) => options.clone(),
        }
    }
}

/// Connects to a server, which may be there and say nothing.
pub(super) async fn connect_within(
    options: &PgConnectOptions,
    timeout: Duration,
) -> Result<PgConnection, sqlx::Error> {
    let silent = || {
        let said = format!("the server did not answer within {} ms", timeout.as_millis());
        sqlx::Error::Io(io::Error::new(ErrorKind::TimedOut, said))
    };
    tokio::time::timeout(timeout, options.connect()).await.map_err(|_| silent())?
}

fn is_plain(options: &PgConnectOptions) -> bool {
    matches!(options.get_ssl_mode(), PgSslMode::Disable)
}

/// Whether they lead to a Unix socket.
pub(super) fn is_local(options: &PgConnectOptions) -> bool {
    options.get_socket().is_some() || options.get_host().starts_with('/')
}

/// Whether the server may take the same connection with TLS, or without. Where our own files are at fault, it was not asked.
fn may_fall_back(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(error) => match error.downcast_ref() {
            Some(
                native_tls::Error::Roots
                | native_tls::Error::ClientCertificate
                | native_tls::Error::ClientKey
                | native_tls::Error::ClientKeyMismatch,
            ) => false,
            Some(
                native_tls::Error::Io(_)
                | native_tls::Error::Refused(_)
                | native_tls::Error::OtherHost { .. },
            )
            | None => true,
        },
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

/// Which setting would help.
pub(super) fn remedy(error: &native_tls::Error) -> &'static str {
    match error {
        native_tls::Error::OtherHost { .. } => {
            "give the host by such a name in the URL, or sslmode=verify-ca, which does not compare names"
        }
        native_tls::Error::Refused(TlsError::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => "renew the server's certificate, or its authority's, or set this machine's clock",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_fault_of_our_own_files_is_taken_for_the_servers() {
        for own in [
            native_tls::Error::Roots,
            native_tls::Error::ClientCertificate,
            native_tls::Error::ClientKey,
            native_tls::Error::ClientKeyMismatch,
        ] {
            assert!(!may_fall_back(&sqlx::Error::Tls(own.into())));
        }
        let ended = native_tls::Error::Io(ErrorKind::UnexpectedEof.into());
        assert!(may_fall_back(&sqlx::Error::Tls(ended.into())));
        assert!(may_fall_back(&sqlx::Error::Tls("server does not support TLS".into())));
    }
}
