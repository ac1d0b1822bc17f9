//! As much HTTP as the tests speak: a request on a connection of its own, and its answer.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde_json::Value;
use spakky::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::api;

/// The service on a port of its own, as somebody of a tenant sees it.
#[derive(Clone, Copy)]
pub(super) struct Client {
    address: SocketAddr,
    tenant: &'static str,
}

pub(super) struct Answer {
    pub(super) status: u16,
    headers: HashMap<String, String>,
    body: String,
}

impl Client {
    /// Starts the service; it stops with the test's runtime.
    pub(super) async fn of(sessions: &SessionManager) -> Client {
        sessions.create_tables(&schema![api::OrderRow, api::LineRow]).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = api::router(sessions);
        tokio::spawn(async { axum::serve(listener, service).await.unwrap() });
        Client { address, tenant: "acme" }
    }

    pub(super) fn tenant(self, tenant: &'static str) -> Client {
        Client { tenant, ..self }
    }

    pub(super) async fn get(self, path: &str) -> Answer {
        self.send("GET", path, "", "").await
    }

    /// What the client has already: `tags` is the `If-None-Match`.
    pub(super) async fn get_unless(self, path: &str, tags: &str) -> Answer {
        self.send("GET", path, &format!("if-none-match: {tags}\r\n"), "").await
    }

    pub(super) async fn post(self, path: &str, body: &str) -> Answer {
        self.send("POST", path, "", body).await
    }

    /// `tag` is the `If-Match`; none if it is empty.
    pub(super) async fn put(self, path: &str, tag: &str, body: &str) -> Answer {
        let header = if tag.is_empty() { String::new() } else { format!("if-match: {tag}\r\n") };
        self.send("PUT", path, &header, body).await
    }

    async fn send(self, method: &str, path: &str, more: &str, body: &str) -> Answer {
        let Client { address, tenant } = self;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nx-tenant: {tenant}\r\nx-actor: ann\r\n\
             x-request-id: r-1\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{more}\r\n{body}"
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        Answer::read(&answer)
    }
}

impl Answer {
    fn read(text: &str) -> Answer {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let (first, rest) = head.split_once("\r\n").unwrap();
        let headers = rest.lines().map(|line| line.split_once(": ").unwrap());
        Answer {
            status: first.split(' ').nth(1).unwrap().parse().unwrap(),
            headers: headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect(),
            body: body.to_owned(),
        }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn text(&self) -> &str {
        &self.body
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The status, what went wrong and the constraint.
    pub(super) fn problem(&self) -> (u16, String, Option<String>) {
        let body = self.json();
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        (self.status, text("error").unwrap(), text("constraint"))
    }
}
