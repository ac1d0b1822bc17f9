//! Orders over HTTP, on SQLite or PostgreSQL: the service is in `http/api.rs`.
//!
//! ```console
//! $ cargo run --example http -- --listen 0.0.0.0:3000 --url postgres://user@localhost/orders
//! $ cargo run --example http -- --url-file /run/secrets/orders      # or the variable `SPAKKY_DB__URL`
//! $ curl -i localhost:3000/orders -H 'x-tenant: acme' --json '{"number": "A-1", "lines": [{"sku": "bolt", "quantity": 5}]}'
//! $ curl -i 'localhost:3000/orders?sort=-number&page_size=10' -H 'x-tenant: acme'
//! ```

#[path = "http/api.rs"]
mod api;

use spakky::prelude::*;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let option = |name| std::env::args().skip_while(move |argument| argument != name).nth(1);
    // Whoever lists the processes sees the arguments: a URL with a password is better in a file or the environment.
    let config = match (option("--url"), option("--url-file")) {
        (Some(url), _) => DatabaseConfig::new(url),
        (None, Some(file)) => DatabaseConfig::from_url_file(file)?,
        (None, None) if std::env::var_os("SPAKKY_DB__URL").is_some() => DatabaseConfig::from_env()?,
        (None, None) => DatabaseConfig::new("sqlite://http.db"),
    };
    let sessions = SessionManager::from_config(config).await?;
    sessions.create_tables(&schema![api::OrderRow, api::LineRow]).await?;
    let listener = TcpListener::bind(option("--listen").as_deref().unwrap_or("127.0.0.1:3000")).await?;
    println!("listening on http://{} with {}", listener.local_addr()?, sessions.backend());
    Ok(axum::serve(listener, api::router(&sessions)).await?)
}
