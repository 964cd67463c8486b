//! TLS to PostgreSQL by rustls, behind the part of native-tls' interface that sqlx calls: sqlx has no other place for a
//! TLS of one's own (`docs/adr/0022`). It differs from sqlx's rustls in what libpq does otherwise: X.509 certificates of version
//! 1 are understood, a certificate that is trusted itself may be the server's, nothing but the given roots is trusted, a
//! certificate without alternative names is for its common name, and several roots may stand in one file.
//!
//! Must never accept a certificate that a mode which verifies would have refused.

mod certificate;
mod connector;
mod identity;
mod names;
mod verifier;

pub use connector::{
    HandshakeError, MidHandshakeTlsStream, TlsConnector, TlsConnectorBuilder, TlsStream,
};
pub use identity::{ClientIdentity as Identity, NOTHING, RootCertificates as Certificate};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection broke in the middle of the handshake.
    #[error("the connection ended during the TLS handshake: {0}")]
    Io(std::io::Error),
    /// The server or its certificate was refused, or it refused the client's.
    #[error("{0}")]
    Refused(rustls::Error),
    /// The certificate is not for the host that was connected to.
    #[error("the server's certificate is not for {host}{}", names::listed(.names))]
    OtherHost {
        /// The host.
        host: String,
        /// What the certificate is for.
        names: Vec<String>,
    },
    /// The file of the roots has no certificate.
    #[error("the root certificate file has no PEM certificate that can be read")]
    Roots,
    /// The file of the client's certificate has none.
    #[error("the client certificate file has no PEM certificate that can be read")]
    ClientCertificate,
    /// The file of the client's key has none, or one that needs a password.
    #[error("the client key file has no PEM private key that can be read without a password")]
    ClientKey,
    /// The client's key is not that of its certificate.
    #[error("the client key is not the key of the client certificate")]
    ClientKeyMismatch,
}
