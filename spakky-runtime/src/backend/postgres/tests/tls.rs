//! Encrypted connections, and those over a local socket.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use diesel_async::AsyncConnection;

use super::server::{PrivateServer, own};
use super::support::*;
use crate::backend::postgres::{PgConnection, PostgresConnection, PostgresOptions};
use crate::config::SslMode;
use crate::error::ErrorKind;
use crate::value::Value;

/// Who signs certificates.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = authority.self_signed(&key).unwrap().pem();
        Authority { issuer: rcgen::Issuer::new(authority, key), pem }
    }

    /// A certificate, and the key that belongs to it.
    fn sign(&self, certificate: &rcgen::CertificateParams) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        (certificate.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn server(&self) -> (String, String) {
        self.sign(&rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap())
    }
}

/// What certificates of a client and of those that signed themselves are called.
fn named(name: &str, others: &[&str]) -> rcgen::CertificateParams {
    let others: Vec<String> = others.iter().map(|&other| other.to_owned()).collect();
    let mut certificate = rcgen::CertificateParams::new(others).unwrap();
    certificate.distinguished_name = rcgen::DistinguishedName::new();
    certificate.distinguished_name.push(rcgen::DnType::CommonName, name);
    certificate
}

/// A server with this certificate, that has its clients sign in by these rules.
async fn server_of((certificate, key): &(String, String), settings: &[&str], rules: &str) -> PrivateServer {
    let settings = [&["ssl=on", "password_encryption=scram-sha-256"], settings].concat();
    PrivateServer::start(&settings, |data| {
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            fs::write(data.join(name), text).unwrap();
            fs::set_permissions(data.join(name), fs::Permissions::from_mode(0o600)).unwrap();
            own(&data.join(name));
        }
        fs::write(data.join("pg_hba.conf"), format!("{rules}\nhost all postgres all trust\nlocal all all trust\n"))
            .unwrap();
    })
    .await
}

/// A file beside the server's.
fn file(server: &PrivateServer, name: &str, text: &str) -> PathBuf {
    let path = server.folder().join(name);
    fs::write(&path, text).unwrap();
    path
}

/// A server with a certificate for `localhost`, and the certificate that it descends from.
async fn server() -> (PrivateServer, PathBuf) {
    let authority = Authority::new();
    let server = server_of(&authority.server(), &[], "hostssl all scram all scram-sha-256").await;
    let root_file = file(&server, "root.crt", &authority.pem);
    (server, root_file)
}

async fn encrypted(options: &PostgresOptions) -> bool {
    let connection = PostgresConnection::connect(options).await.unwrap();
    let ssl = value(&connection, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await;
    // A request to cancel takes the same way.
    drop(connection.send(vec![begin(), query("SELECT pg_sleep(600)")]));
    assert!(connection.reset(LIMIT).await);
    ssl == Value::Bool(true)
}

#[tokio::test]
async fn the_ssl_mode_decides_whether_and_whom_to_trust() {
    let (server, root) = server().await;
    let url = server.url();
    let by_name = url.replace("127.0.0.1", "localhost");
    let options = |url: &str, mode, root: Option<&std::path::Path>| {
        let mut options = PostgresOptions::from_url(url, Some(mode)).unwrap();
        options.ssl_root_cert = root.map(std::path::Path::to_owned);
        options
    };
    assert!(!encrypted(&options(&url, SslMode::Disable, None)).await);
    assert!(encrypted(&options(&url, SslMode::Prefer, None)).await);
    assert!(encrypted(&options(&url, SslMode::Require, None)).await);
    assert!(encrypted(&options(&url, SslMode::Require, Some(&root))).await, "the chain counts, not the name");
    assert!(encrypted(&options(&url, SslMode::VerifyCa, Some(&root))).await, "the chain counts, not the name");
    assert!(encrypted(&options(&by_name, SslMode::VerifyFull, Some(&root))).await);
    let from_url = format!("{by_name}?sslmode=verify-full&sslrootcert={}", root.display());
    assert!(encrypted(&PostgresOptions::from_url(&from_url, None).unwrap()).await);

    let stranger = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other = server.folder().join("other.crt");
    fs::write(&other, stranger.cert.pem()).unwrap();
    for refused in [
        options(&url, SslMode::VerifyFull, Some(&root)),
        options(&by_name, SslMode::VerifyFull, Some(&other)),
        options(&url, SslMode::Require, Some(&other)),
        options(&by_name, SslMode::VerifyCa, Some(&other)),
        // No system trusts it.
        options(&by_name, SslMode::VerifyFull, None),
        options(&by_name, SslMode::VerifyFull, Some(std::path::Path::new("system"))),
    ] {
        let error = PostgresConnection::connect(&refused).await.unwrap_err();
        assert_eq!((error.kind, error.retryable), (ErrorKind::Connection, false), "{refused:?}");
    }
    for (parameters, told) in [
        ("sslrootcert=system", "TLS could not be set up: invalid peer certificate"),
        ("sslrootcert=system&sslmode=require", "`sslrootcert` = `system` needs `sslmode` = `verify-full`"),
    ] {
        let error = PgConnection::establish(&format!("{by_name}?{parameters}")).await.map(drop).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
    }
    let missing = options(&by_name, SslMode::VerifyFull, Some(&server.folder().join("missing.crt")));
    assert_eq!(PostgresConnection::connect(&missing).await.unwrap_err().kind, ErrorKind::Config);
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_trusted_by_itself() {
    let key = rcgen::KeyPair::generate().unwrap();
    // As `openssl req -x509` makes them: authorities, by their one name or by others as well.
    for (others, reached_by, refused_by) in
        [(&[][..], "localhost", "127.0.0.1"), (&["127.0.0.1"][..], "127.0.0.1", "localhost")]
    {
        let mut certificate = named("localhost", others);
        certificate.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = certificate.self_signed(&key).unwrap().pem();
        let server = server_of(&(pem.clone(), key.serialize_pem()), &[], "").await;
        let (root, other) = (file(&server, "root.crt", &pem), file(&server, "other.crt", &Authority::new().pem));
        let connect = async |host: &str, mode, root: &PathBuf| {
            let mut options = PostgresOptions::from_url(&server.url().replace("127.0.0.1", host), Some(mode)).unwrap();
            options.ssl_root_cert = Some(root.clone());
            PostgresConnection::connect(&options).await.map(drop).map_err(|error| error.message)
        };
        assert_eq!(connect(reached_by, SslMode::VerifyFull, &root).await, Ok(()));
        assert_eq!(connect(refused_by, SslMode::VerifyCa, &root).await, Ok(()));
        let error = connect(refused_by, SslMode::VerifyFull, &root).await.unwrap_err();
        assert!(error.contains("not valid for"), "{error}");
        let error = connect(reached_by, SslMode::VerifyCa, &other).await.unwrap_err();
        assert!(error.starts_with("TLS could not be set up: invalid peer certificate"), "{error}");
    }
    // Its time counts all the same.
    let mut certificate = named("localhost", &[]);
    certificate.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    certificate.not_after = rcgen::date_time_ymd(2020, 1, 1);
    certificate.not_before = rcgen::date_time_ymd(2019, 1, 1);
    let pem = certificate.self_signed(&key).unwrap().pem();
    let server = server_of(&(pem.clone(), key.serialize_pem()), &[], "").await;
    let mut options = PostgresOptions::from_url(&server.url(), Some(SslMode::VerifyCa)).unwrap();
    options.ssl_root_cert = Some(file(&server, "root.crt", &pem));
    let error = PostgresConnection::connect(&options).await.unwrap_err();
    assert!(error.message.contains("certificate expired"), "{}", error.message);
}

#[tokio::test]
async fn files_are_read_again_for_each_connection() {
    let (server, root) = server().await;
    let mut options = PostgresOptions::from_url(&server.url(), Some(SslMode::VerifyCa)).unwrap();
    options.ssl_root_cert = Some(root.clone());
    let trusted = fs::read(&root).unwrap();
    assert!(encrypted(&options).await);
    fs::write(&root, Authority::new().pem).unwrap();
    assert!(PostgresConnection::connect(&options).await.unwrap_err().message.contains("invalid peer certificate"));
    fs::write(&root, "half of what is being wri").unwrap();
    let error = PostgresConnection::connect(&options).await.unwrap_err();
    assert!(error.message.ends_with("root.crt`: the file holds no certificate in PEM form"), "{}", error.message);
    fs::write(&root, trusted).unwrap();
    assert!(encrypted(&options).await);
}

#[tokio::test]
async fn a_client_is_known_by_its_certificate() {
    let authority = Authority::new();
    let (path, settings) = ("clients.crt", ["ssl_ca_file=clients.crt"]);
    let clients = Authority::new();
    let server = PrivateServer::start(&[&["ssl=on"][..], &settings].concat(), |data| {
        let (certificate, key) = authority.server();
        for (name, text) in [("server.crt", &certificate), ("server.key", &key), (path, &clients.pem)] {
            fs::write(data.join(name), text).unwrap();
            fs::set_permissions(data.join(name), fs::Permissions::from_mode(0o600)).unwrap();
            own(&data.join(name));
        }
        fs::write(data.join("pg_hba.conf"), "hostssl all app all cert\nhost all all all trust\n").unwrap();
    })
    .await;
    let admin = PostgresConnection::connect(&PostgresOptions::from_url(&server.url(), None).unwrap()).await.unwrap();
    answers(&admin, vec![query("CREATE ROLE app LOGIN")]).await;
    let (certificate, key) = clients.sign(&named("app", &[]));
    let (certificate, key) = (file(&server, "app.crt", &certificate), file(&server, "app.key", &key));
    let url = server.url().replace("postgres@", "app@");
    let options = |certificate: Option<&PathBuf>, key: Option<&PathBuf>| {
        let mut options = PostgresOptions::from_url(&url, Some(SslMode::Require)).unwrap();
        (options.ssl_cert, options.ssl_key) = (certificate.cloned(), key.cloned());
        options
    };
    assert!(encrypted(&options(Some(&certificate), Some(&key))).await);

    let error = async |options: PostgresOptions| PostgresConnection::connect(&options).await.unwrap_err();
    let none = error(options(None, None)).await;
    assert_eq!((none.code(), none.message.as_str()), ("28000", "connection requires a valid client certificate"));
    // One of somebody else, whom the server does not know.
    let (stranger, strange_key) = authority.sign(&named("app", &[]));
    let (stranger, strange_key) = (file(&server, "x.crt", &stranger), file(&server, "x.key", &strange_key));
    let unknown = error(options(Some(&stranger), Some(&strange_key))).await;
    assert_eq!((unknown.kind, unknown.retryable), (ErrorKind::Connection, false), "{}", unknown.message);
    let unfit = error(options(Some(&certificate), Some(&strange_key))).await;
    assert_eq!(unfit.kind, ErrorKind::Config);
    let told =
        format!("use the client's certificate `{}` with the key `{}`: ", certificate.display(), strange_key.display());
    assert!(unfit.message.starts_with(&told), "{}", unfit.message);
    let no_key = error(options(Some(&certificate), Some(&certificate))).await;
    let told = format!(
        "read the client's private key `{}`: the file holds no private key in PEM form that is not encrypted by a passphrase",
        certificate.display()
    );
    assert_eq!(no_key.message, told);
}

#[tokio::test]
async fn a_password_in_clear_goes_over_an_encrypted_line_only() {
    let server = server_of(&Authority::new().server(), &[], "host all app all password\nlocal all app password").await;
    let admin = PostgresConnection::connect(&PostgresOptions::from_url(&server.url(), None).unwrap()).await.unwrap();
    answers(&admin, vec![query("CREATE ROLE app LOGIN PASSWORD 'secret'")]).await;
    let url = server.url().replace("postgres@", "app:secret@");
    let connect = async |url: &str, mode| {
        let options = PostgresOptions::from_url(url, Some(mode)).unwrap();
        PostgresConnection::connect(&options).await.map(drop).map_err(|error| error.message)
    };
    assert_eq!(connect(&url, SslMode::Prefer).await, Ok(()));
    assert!(
        connect(&url, SslMode::Disable)
            .await
            .unwrap_err()
            .starts_with("sign in to the server: it asks for the password itself")
    );
    // A socket of the machine's own is read by nobody else.
    let folder = server.folder().display().to_string().replace('/', "%2F");
    assert_eq!(connect(&url.replace("127.0.0.1", &folder), SslMode::Prefer).await, Ok(()));
}

#[tokio::test]
async fn passwords_are_bound_to_the_channel() {
    let (server, _root) = server().await;
    let admin = PostgresConnection::connect(&PostgresOptions::from_url(&server.url(), None).unwrap()).await.unwrap();
    // Of what means something else in a URL.
    let password = "r@ght: /?#[%25]&= ***";
    answers(&admin, vec![query(&format!("CREATE ROLE scram LOGIN PASSWORD '{password}'"))]).await;
    let url = server.url().replace("postgres@", "scram@") + "?channel_binding=require";
    let mut options = PostgresOptions::from_url(&url, None).unwrap();
    options.set_credentials(None, password);
    assert!(encrypted(&options).await);
    let encoded = "scram:r%40ght%3A%20%2F%3F%23%5B%2525%5D%26%3D%20***@";
    assert!(encrypted(&PostgresOptions::from_url(&url.replace("scram@", encoded), None).unwrap()).await);
    options.set_credentials(None, "wrong");
    let error = PostgresConnection::connect(&options).await.unwrap_err();
    assert_eq!((error.kind, error.code(), error.retryable), (ErrorKind::Connection, "28P01", false));
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_it_is_required() {
    let server = PrivateServer::start(&[], |_| {}).await;
    assert!(!encrypted(&PostgresOptions::from_url(&server.url(), Some(SslMode::Prefer)).unwrap()).await);
    let options = PostgresOptions::from_url(&server.url(), Some(SslMode::Require)).unwrap();
    let error = PostgresConnection::connect(&options).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Connection);
}

#[tokio::test]
async fn a_local_socket_works_like_any_other() {
    let server = PrivateServer::start(&[], |_| {}).await;
    let folder = server.folder().display().to_string().replace('/', "%2F");
    let port = server.url().rsplit_once(':').unwrap().1.split_once('/').unwrap().0.to_owned();
    let url = format!("postgres://postgres@{folder}:{port}/postgres");
    let mut options = PostgresOptions::from_url(&url, None).unwrap();
    options.settings = vec![("app.note".to_owned(), "with a space \\ and more".to_owned())];
    options.set_application_name("by socket");
    assert!(!encrypted(&options).await);
    let connection = PostgresConnection::connect(&options).await.unwrap();
    let note = value(&connection, "SELECT current_setting('app.note') || current_setting('application_name')").await;
    assert_eq!(note, Value::Text("with a space \\ and moreby socket".into()));
}
