//! A server of the test's own, for what one that others use cannot be asked to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::support::LIMIT;

/// A server in a folder of its own, stopped and removed with this.
pub(crate) struct PrivateServer {
    folder: PathBuf,
    port: u16,
    process: Child,
    settings: Vec<String>,
}

impl PrivateServer {
    /// Starts a server with these settings (`name=value`). `prepare` may put files into its folder first.
    pub(crate) async fn start(settings: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("spakky_pg_server_{}_{number}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        own(&folder);
        let made = command("initdb")
            .args(["-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--no-locale", "-D"])
            .arg(folder.join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        prepare(&folder.join("data"));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let process = launch(&folder, port, &settings);
        let server = PrivateServer { folder, port, process, settings };
        server.answering().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Everything the server has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }

    /// Kills the server without a chance to tidy up, and starts it again.
    pub(crate) async fn crash(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = launch(&self.folder, self.port, &self.settings);
        self.answering().await;
    }

    async fn answering(&self) {
        let wait = async {
            while let Err(_refused) = tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await {
                tokio::task::yield_now().await;
            }
        };
        let answered = tokio::time::timeout(LIMIT, wait).await;
        assert!(answered.is_ok(), "the server does not answer; it says: {}", self.log());
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn launch(folder: &Path, port: u16, settings: &[String]) -> Child {
    let log = fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = command("postgres");
    command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder).args(["-p", &port.to_string(), "-c", "fsync=off"]);
    for setting in settings {
        command.args(["-c", setting]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

/// One of the server's programs, by a user who may run it: not as root.
fn command(program: &str) -> Command {
    let folder = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|folder| folder.join(program).exists())
        .max();
    let program = folder.map_or_else(|| PathBuf::from(program), |folder| folder.join(program));
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// Gives a file to the user that the server runs as.
pub(crate) fn own(path: &Path) {
    if is_root() {
        let status = Command::new("chown").arg("postgres:postgres").arg(path).status().unwrap();
        assert!(status.success());
    }
}
