//! What sqlx calls: a connector, which makes a stream of TLS of any stream.

use std::{
    io::{self, ErrorKind, Read, Write},
    sync::Arc,
};

use rustls::{
    CertificateError, ClientConfig, ClientConnection, StreamOwned,
    pki_types::{CertificateDer, ServerName},
};

use crate::{Certificate, Error, Identity, identity::provider, verifier::ServerVerifier};

/// How a connector is made: without more, it trusts nothing.
#[derive(Debug, Default)]
pub struct TlsConnectorBuilder {
    accepts_any_certificate: bool,
    accepts_any_host: bool,
    roots: Vec<CertificateDer<'static>>,
    identity: Option<Identity>,
}

impl TlsConnectorBuilder {
    /// Whether any certificate will do.
    pub fn danger_accept_invalid_certs(&mut self, accepts: bool) -> &mut Self {
        self.accepts_any_certificate = accepts;
        self
    }

    /// Whether a certificate for another host will do.
    pub fn danger_accept_invalid_hostnames(&mut self, accepts: bool) -> &mut Self {
        self.accepts_any_host = accepts;
        self
    }

    /// Trusts these, and nothing that was not given so.
    pub fn add_root_certificate(&mut self, roots: Certificate) -> &mut Self {
        self.roots.extend(roots.0);
        self
    }

    /// What the client shows where the server asks for it.
    pub fn identity(&mut self, identity: Identity) -> &mut Self {
        self.identity = Some(identity);
        self
    }

    /// Makes the connector.
    ///
    /// # Errors
    /// When a root cannot be read.
    pub fn build(&self) -> Result<TlsConnector, Error> {
        let verifier = if self.accepts_any_certificate {
            ServerVerifier::of_nothing()
        } else {
            ServerVerifier::of_roots(self.roots.clone(), !self.accepts_any_host)
                .map_err(|_| Error::Roots)?
        };
        let config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .map_err(Error::Refused)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match &self.identity {
            Some(identity) => config.with_client_cert_resolver(Arc::new(identity.clone())),
            None => config.with_no_client_auth(),
        };
        Ok(TlsConnector(Arc::new(config)))
    }
}

/// Connects by TLS.
#[derive(Debug, Clone)]
pub struct TlsConnector(Arc<ClientConfig>);

impl TlsConnector {
    /// Begins to make one.
    #[must_use]
    pub fn builder() -> TlsConnectorBuilder {
        TlsConnectorBuilder::default()
    }

    /// Shakes hands with the server at the other end of `stream`, which may be one that does not block.
    ///
    /// # Errors
    /// When the server is refused, or the handshake has to go on once the stream is ready.
    pub fn connect<S: Read + Write>(
        &self,
        host: &str,
        stream: S,
    ) -> Result<TlsStream<S>, HandshakeError<S>> {
        let connection = || {
            // An address of version 6 stands in brackets in a URL.
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            let host = ServerName::try_from(host)
                .map_err(|error| rustls::Error::General(error.to_string()))?;
            ClientConnection::new(Arc::clone(&self.0), host)
        };
        let connection =
            connection().map_err(|error| HandshakeError::Failure(Error::Refused(error)))?;
        MidHandshakeTlsStream(Box::new(StreamOwned::new(connection, stream))).handshake()
    }
}

/// Why there is no stream of TLS yet.
#[derive(Debug)]
pub enum HandshakeError<S: Read + Write> {
    /// There will be none.
    Failure(Error),
    /// The stream is not ready.
    WouldBlock(MidHandshakeTlsStream<S>),
}

/// A handshake that waits for its stream.
#[derive(Debug)]
pub struct MidHandshakeTlsStream<S: Read + Write>(Box<StreamOwned<ClientConnection, S>>);

impl<S: Read + Write> MidHandshakeTlsStream<S> {
    /// The stream below.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.0.sock
    }

    /// Goes on with the handshake.
    ///
    /// # Errors
    /// When the server is refused, or the stream is not ready again.
    pub fn handshake(mut self) -> Result<TlsStream<S>, HandshakeError<S>> {
        let StreamOwned { conn, sock } = &mut *self.0;
        while conn.is_handshaking() || conn.wants_write() {
            match conn.complete_io(sock) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(HandshakeError::WouldBlock(self));
                }
                Err(error) => return Err(HandshakeError::Failure(failure(error))),
            }
        }
        Ok(TlsStream(self.0))
    }
}

fn failure(error: io::Error) -> Error {
    match error.downcast::<rustls::Error>() {
        Ok(rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            expected,
            presented: names,
        })) => Error::OtherHost { host: expected.to_str().into_owned(), names },
        Ok(error) => Error::Refused(error),
        Err(error) => Error::Io(error),
    }
}

/// A stream of TLS over another one.
#[derive(Debug)]
pub struct TlsStream<S: Read + Write>(Box<StreamOwned<ClientConnection, S>>);

impl<S: Read + Write> TlsStream<S> {
    /// The stream below.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.0.sock
    }

    /// Tells the server that nothing follows.
    ///
    /// # Errors
    /// When the stream below has one, such as that it is not ready.
    pub fn shutdown(&mut self) -> io::Result<()> {
        let StreamOwned { conn, sock } = &mut *self.0;
        // Said once, however often this is called.
        conn.send_close_notify();
        while conn.wants_write() {
            conn.write_tls(sock)?;
        }
        Ok(())
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
