//! The example that serves HTTP: started, asked, stopped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Result;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(60);

const ORDER: &str = r#"{"number": "A-1", "lines": [{"sku": "bolt", "quantity": 5}]}"#;

/// Starts the service on this database, has it take an order, and reads it back in a page.
pub(super) fn check(command: &mut Command, url: &str) -> Result<()> {
    let service = Service::start(command.args(["--", "--listen", "127.0.0.1:0", "--url", url]))?;
    service.ask("POST", "201 Created", "location: /orders/")?;
    service.ask("GET", "200 OK", r#""number":"A-1""#)
}

/// A running service, stopped when it is dropped.
struct Service {
    process: Child,
    address: String,
}

impl Service {
    fn start(command: &mut Command) -> Result<Self> {
        let process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let process = process.map_err(|error| format!("start the service: {error}"))?;
        let mut service = Service { process, address: String::new() };
        let mut line = String::new();
        if let Some(output) = service.process.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        println!("{}", line.trim_end());
        service.address = address(&line).ok_or("the service does not say where it listens")?.to_owned();
        Ok(service)
    }

    /// Sends a request whose answer has this status and holds this text.
    fn ask(&self, method: &str, status: &str, text: &str) -> Result<()> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = if method == "POST" { ORDER } else { "" };
        write!(
            stream,
            "{method} /orders HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nx-tenant: acme\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with(&format!("HTTP/1.1 {status}\r\n")) && answer.contains(text) {
            return Ok(());
        }
        Err(format!("the service answered a {method} with `{}`", answer.trim_end()).into())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Err(error) = self.process.kill().and_then(|()| self.process.wait()) {
            eprintln!("warning: stop the service: {error}");
        }
    }
}

/// The address in `listening on http://127.0.0.1:3000 with SQLite`.
fn address(line: &str) -> Option<&str> {
    line.split_once("http://")?.1.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_the_line() {
        assert_eq!(address("listening on http://127.0.0.1:3000 with SQLite\n"), Some("127.0.0.1:3000"));
        assert_eq!(address("it cannot listen"), None);
    }
}
