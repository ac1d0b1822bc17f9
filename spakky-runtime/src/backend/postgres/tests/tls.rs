//! Encrypted connections, and those over a local socket.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::server::{PrivateServer, own};
use super::support::*;
use crate::backend::postgres::{PostgresConnection, PostgresOptions};
use crate::config::SslMode;
use crate::error::ErrorKind;
use crate::value::Value;

/// A server with a certificate for `localhost`, and the certificate that it descends from.
async fn server() -> (PrivateServer, std::path::PathBuf) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = authority.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(authority, key);
    let server_key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&server_key, &issuer).unwrap();
    let server = PrivateServer::start(&["ssl=on", "password_encryption=scram-sha-256"], |data| {
        for (name, text) in [("server.crt", certificate.pem()), ("server.key", server_key.serialize_pem())] {
            fs::write(data.join(name), text).unwrap();
            fs::set_permissions(data.join(name), fs::Permissions::from_mode(0o600)).unwrap();
            own(&data.join(name));
        }
        let rules = "hostssl all scram all scram-sha-256\nhost all all all trust\nlocal all all trust\n";
        fs::write(data.join("pg_hba.conf"), rules).unwrap();
    })
    .await;
    let root_file = server.folder().join("root.crt");
    fs::write(&root_file, root.pem()).unwrap();
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
    ] {
        let error = PostgresConnection::connect(&refused).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Connection, "{refused:?}");
    }
    let missing = options(&by_name, SslMode::VerifyFull, Some(&server.folder().join("missing.crt")));
    assert_eq!(PostgresConnection::connect(&missing).await.unwrap_err().kind, ErrorKind::Config);
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
