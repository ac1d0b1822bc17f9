//! TLS by rustls, in the modes of libpq.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_cert::der::Decode;
use x509_cert::der::oid::db::{rfc4519, rfc5912};
use x509_cert::{Certificate, TbsCertificate};

use super::error::{config_error, connection_error};
use crate::config::{SslMode, is_system};
use crate::error::DatabaseError;

/// The name of the protocol inside, for who asks for TLS without a word before it.
const PROTOCOL: &[u8] = b"postgresql";

/// How TLS is spoken, and which files say whom to trust and who we are.
#[derive(Debug, Clone)]
pub(super) struct Wanted<'a> {
    pub(super) mode: SslMode,
    pub(super) root_cert: Option<&'a Path>,
    pub(super) certificate: Option<&'a Path>,
    pub(super) key: Option<&'a Path>,
}

/// TLS as it was set up last, for as long as the files hold what they held then.
#[derive(Default)]
pub(super) struct SetUp {
    last: Mutex<Option<(Digests, Arc<ClientConfig>)>>,
}

/// What the files held: hashes, since one of them is a private key.
type Digests = [Option<[u8; 32]>; 3];

impl SetUp {
    /// Reads the files, and sets TLS up where one of them holds something else than last time.
    pub(super) fn with(&self, wanted: &Wanted<'_>) -> Result<Arc<ClientConfig>, DatabaseError> {
        let root = wanted.root_cert.filter(|path| !is_system(path));
        let root = root.map(|path| PemFile::read("the root certificate", path)).transpose()?;
        let certificate = wanted.certificate.map(|path| PemFile::read("the client's certificate", path)).transpose()?;
        let key = wanted.key.map(|path| PemFile::read("the client's private key", path)).transpose()?;
        let digests = [&root, &certificate, &key].map(|file| file.as_ref().map(PemFile::digest));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, config)) = last.as_ref().filter(|(known, _)| *known == digests) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(connector(wanted.mode, root.as_ref(), certificate.as_ref().zip(key.as_ref()))?);
        *last = Some((digests, Arc::clone(&config)));
        Ok(config)
    }
}

/// A file as it was read.
struct PemFile<'a> {
    what: &'static str,
    path: &'a Path,
    bytes: Vec<u8>,
}

impl<'a> PemFile<'a> {
    fn read(what: &'static str, path: &'a Path) -> Result<Self, DatabaseError> {
        let bytes = std::fs::read(path);
        bytes.map(|bytes| PemFile { what, path, bytes }).map_err(|error| unreadable(what, path, &error))
    }

    fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.bytes).into()
    }

    fn unreadable(&self, error: &dyn fmt::Display) -> DatabaseError {
        unreadable(self.what, self.path, error)
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, DatabaseError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        let certificates = certificates.map_err(|error| self.unreadable(&error))?;
        if certificates.is_empty() {
            return Err(self.unreadable(&"the file holds no certificate in PEM form"));
        }
        Ok(certificates)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, DatabaseError> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| match error {
            pem::Error::NoItemsFound => {
                self.unreadable(&"the file holds no private key in PEM form that is not encrypted by a passphrase")
            }
            error => self.unreadable(&error),
        })
    }
}

fn unreadable(what: &str, path: &Path, error: &dyn fmt::Display) -> DatabaseError {
    config_error(format!("read {what} `{}`: {error}", path.display()))
}

/// How TLS is spoken in `mode`. `require` and `prefer` encrypt without verifying who the server is, unless a root
/// certificate is given: then, and with `verify-ca`, the chain is verified, the host's name is not. `verify-full` verifies
/// both, against the given root certificates or those of the system.
fn connector(
    mode: SslMode,
    root: Option<&PemFile<'_>>,
    own: Option<(&PemFile<'_>, &PemFile<'_>)>,
) -> Result<ClientConfig, DatabaseError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match (mode, root) {
        (SslMode::VerifyFull, _) => Arc::new(Trusted::new(root, true, &provider)?),
        (SslMode::VerifyCa, _) | (_, Some(_)) => Arc::new(Trusted::new(root, false, &provider)?),
        (_, None) => Arc::new(Anyone(provider.clone())),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| config_error(format!("set up TLS: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match own {
        Some((certificate, key)) => {
            config.with_client_auth_cert(certificate.certificates()?, key.key()?).map_err(|error| {
                let (certificate, key) = (certificate.path.display(), key.path.display());
                config_error(format!("use the client's certificate `{certificate}` with the key `{key}`: {error}"))
            })?
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

/// An encryption that did not come about. Where one side will not have the other's, trying again changes nothing.
pub(super) fn refused(error: io::Error) -> DatabaseError {
    let mut made = connection_error(format!("TLS could not be set up: {error}"));
    made.retryable = !is_refusal(&error);
    made.source = Some(Box::new(error));
    made
}

/// Whether one side will not have what the other one shows or offers.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

/// The `tls-server-end-point` of RFC 5929: the certificate's hash, by the algorithm that it is signed with, or by SHA-256 for
/// those that are weaker. `None` where the RFC names none.
pub(super) fn end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let signed_by = Certificate::from_der(certificate).ok()?.signature_algorithm.oid;
    match signed_by {
        rfc5912::ID_SHA_1
        | rfc5912::ID_SHA_256
        | rfc5912::SHA_1_WITH_RSA_ENCRYPTION
        | rfc5912::SHA_256_WITH_RSA_ENCRYPTION
        | rfc5912::ECDSA_WITH_SHA_256 => Some(Sha256::digest(certificate).to_vec()),
        rfc5912::ID_SHA_384 | rfc5912::SHA_384_WITH_RSA_ENCRYPTION | rfc5912::ECDSA_WITH_SHA_384 => {
            Some(Sha384::digest(certificate).to_vec())
        }
        rfc5912::ID_SHA_512 | rfc5912::SHA_512_WITH_RSA_ENCRYPTION | rfc5912::ECDSA_WITH_SHA_512 => {
            Some(Sha512::digest(certificate).to_vec())
        }
        _ => None,
    }
}

/// The certificates that are trusted: those of a file, or else those of the system.
fn trusted(root: Option<&PemFile<'_>>) -> Result<Vec<CertificateDer<'static>>, DatabaseError> {
    if let Some(file) = root {
        return file.certificates();
    }
    let certificates = rustls_native_certs::load_native_certs().certs;
    if certificates.is_empty() {
        return Err(config_error(
            "find the system's root certificates, which `verify-full` needs; name some with `ssl_root_cert`",
        ));
    }
    Ok(certificates)
}

/// Accepts every certificate, as `require` does: the line is encrypted, the server may be anyone.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Verifies the chain of certificates, and the name where it counts.
#[derive(Debug)]
struct Trusted {
    chains: Arc<WebPkiServerVerifier>,
    /// Those of the file, one of which may be the server's own.
    certificates: Vec<CertificateDer<'static>>,
    checks_name: bool,
}

impl Trusted {
    fn new(
        root: Option<&PemFile<'_>>,
        checks_name: bool,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, DatabaseError> {
        let certificates = trusted(root)?;
        let mut roots = RootCertStore::empty();
        match root {
            Some(file) => {
                for certificate in &certificates {
                    roots.add(certificate.clone()).map_err(|error| file.unreadable(&error))?;
                }
            }
            None => _ = roots.add_parsable_certificates(certificates.iter().cloned()),
        }
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|error| config_error(format!("use the root certificates: {error}")))?;
        let certificates = if root.is_some() { certificates } else { Vec::new() };
        Ok(Trusted { chains, certificates, checks_name })
    }

    /// Verifies a certificate that is itself one of those that are trusted, as one that signed itself is: its time and its name.
    fn verify_itself(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let read = Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?.tbs_certificate;
        let (begin, end) = (read.validity.not_before, read.validity.not_after);
        if now.as_secs() < begin.to_unix_duration().as_secs() {
            return Err(CertificateError::NotValidYet.into());
        }
        if now.as_secs() > end.to_unix_duration().as_secs() {
            return Err(CertificateError::Expired.into());
        }
        if !self.checks_name {
            return Ok(());
        }
        match common_name(&read) {
            Some(own) if matches!(name, ServerName::DnsName(name) if name.as_ref().eq_ignore_ascii_case(&own)) => {
                Ok(())
            }
            _ => verify_server_name(&ParsedCertificate::try_from(certificate)?, name),
        }
    }
}

/// The name of a certificate that was made before there were alternative ones: it counts where it has none of them.
fn common_name(certificate: &TbsCertificate) -> Option<String> {
    let mut extensions = certificate.extensions.iter().flatten();
    if extensions.any(|extension| extension.extn_id == rfc5912::ID_CE_SUBJECT_ALT_NAME) {
        return None;
    }
    let mut attributes = certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let name = attributes.find(|attribute| attribute.oid == rfc4519::CN)?;
    str::from_utf8(name.value.value()).ok().map(str::to_owned)
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The name is looked at last, so that a wrong one means that the rest is right.
        match self.chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            // One that signed itself says most often that it is an authority, and stands behind no other one.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::Other(_)
                | CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. },
            )) if self.certificates.iter().any(|known| known == end_entity) => {
                self.verify_itself(end_entity, server_name, now).map(|()| ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}
