//! The services, by their command: each test has a folder, and so a server, of its own.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const URL: &str = "SPAKKY_TEST_POSTGRES_URL";
const POOLER_URL: &str = "SPAKKY_TEST_PGBOUNCER_URL";

/// A folder for services; whatever runs out of it is stopped at the end.
struct Checkout {
    folder: PathBuf,
}

impl Checkout {
    fn new(name: &str) -> Self {
        Checkout { folder: std::env::temp_dir().join(format!("spakky-xtask-{}-{name}", std::process::id())) }
    }

    fn command(&self, action: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["services", action]).env("SPAKKY_SERVICES_DIR", &self.folder).env_remove(URL);
        command.env_remove(POOLER_URL);
        command
    }

    /// What the command prints to standard output.
    fn run(&self, action: &str) -> String {
        printed(&self.command(action).output().unwrap())
    }

    /// The same of one release of PostgreSQL.
    fn run_on(&self, release: &str, action: &str) -> String {
        printed(&self.command(action).args(["--postgres", release]).output().unwrap())
    }

    fn data(&self) -> PathBuf {
        self.data_of("postgres")
    }

    fn data_of(&self, service: &str) -> PathBuf {
        self.folder.join(service).join("data")
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let _ = self.command("down").output();
    }
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The port in `export VARIABLE=postgres://postgres@127.0.0.1:PORT/postgres`, a line of what is printed.
fn port_of(variable: &str, printed: &str) -> u16 {
    let start = format!("export {variable}=postgres://postgres@127.0.0.1:");
    let rest = printed.lines().find_map(|line| line.strip_prefix(&start));
    let rest = rest.unwrap_or_else(|| panic!("`{printed}` exports no `{variable}`"));
    rest.strip_suffix("/postgres").unwrap().parse().unwrap()
}

fn port(printed: &str) -> u16 {
    port_of(URL, printed)
}

/// Whether a PostgreSQL server answers here: it says in one byte whether it speaks TLS.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut answer = [0];
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
    stream.read_exact(&mut answer).is_ok() && matches!(answer, [b'N' | b'S'])
}

/// The process id of the server of this data folder, from the file it keeps there.
fn server(data: &Path) -> String {
    fs::read_to_string(data.join("postmaster.pid")).unwrap().lines().next().unwrap().to_owned()
}

#[test]
fn up_and_down_can_be_repeated_and_down_leaves_nothing() {
    let checkout = Checkout::new("repeated");
    assert!(checkout.run("status").contains("not running"));

    let export = checkout.run("up");
    let port = port(&export);
    assert!(answers(port));
    assert_eq!(checkout.run("up"), export);
    let pooler = port_of(POOLER_URL, &export);
    assert!(answers(pooler));
    let status = checkout.run("status");
    let line =
        |name, variable, port| format!("{name}: running, {variable}=postgres://postgres@127.0.0.1:{port}/postgres\n");
    assert_eq!(status, line("postgres", URL, port) + &line("pgbouncer", POOLER_URL, pooler));

    checkout.run("down");
    assert!(!answers(port) && !answers(pooler));
    assert!(!checkout.folder.exists());
    checkout.run("down");
    assert!(checkout.run("status").contains("not running"));
}

#[test]
fn a_killed_server_is_replaced_by_a_new_one() {
    let checkout = Checkout::new("killed");
    checkout.run("up");
    let process = server(&checkout.data());
    assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());

    // The process may take a moment to go; until then it counts as running.
    let replaced = (0..1_000).map(|_| checkout.run("up")).find(|_| server(&checkout.data()) != process).unwrap();
    assert!(answers(port(&replaced)));
    // The pooler that was in front of the killed one would lead nowhere.
    let settings = fs::read_to_string(checkout.folder.join("pgbouncer").join("pgbouncer.ini")).unwrap();
    assert!(settings.contains(&format!("host='127.0.0.1' port={} user='postgres'", port(&replaced))), "{settings}");
    assert!(answers(port_of(POOLER_URL, &replaced)));
}

#[test]
fn two_that_come_up_at_once_share_one_server() {
    let checkout = Checkout::new("at-once");
    let both = std::thread::scope(|scope| {
        let one = scope.spawn(|| checkout.run("up"));
        let other = scope.spawn(|| checkout.run("up"));
        [one.join().unwrap(), other.join().unwrap()]
    });
    assert_eq!(both[0], both[1]);
    assert!(answers(port(&both[0])));
}

#[test]
fn servers_named_by_the_environment_are_used_and_nothing_is_started() {
    let checkout = Checkout::new("given");
    let url = "postgres://someone:secret@db.example/postgres";
    let given = |action| checkout.command(action).env(URL, url).env(POOLER_URL, url).output().unwrap();
    let output = given("up");
    assert_eq!(printed(&output), "");
    assert!(!String::from_utf8(output.stderr).unwrap().contains("secret"));
    let status = printed(&given("status"));
    assert_eq!(status, format!("postgres: named by `{URL}`\npgbouncer: named by `{POOLER_URL}`\n"));
    assert!(!checkout.folder.exists());
}

#[test]
fn a_folder_of_programs_that_lacks_some_is_named() {
    let checkout = Checkout::new("programs");
    let output = checkout.command("up").env("SPAKKY_POSTGRES_BIN", "/no/such/folder").output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("`SPAKKY_POSTGRES_BIN` is `/no/such/folder`, which lacks one of"), "{said}");
}

#[test]
fn a_release_has_a_server_and_a_pooler_of_its_own_beside_the_installed_ones() {
    let checkout = Checkout::new("release");
    let installed = checkout.run("up");
    // The variables name the installed server, and a release is not it.
    let url = "postgres://someone:secret@db.example/postgres";
    let mut up = checkout.command("up");
    let export = printed(&up.args(["--postgres", "18"]).env(URL, url).env(POOLER_URL, url).output().unwrap());
    assert_eq!(fs::read_to_string(checkout.data_of("postgres-18").join("PG_VERSION")).unwrap(), "18\n");
    let ports = [&installed, &export].map(|printed| (port(printed), port_of(POOLER_URL, printed)));
    assert!(ports[0].0 != ports[1].0 && ports[0].1 != ports[1].1, "{ports:?}");
    assert!(ports.iter().all(|(server, pooler)| answers(*server) && answers(*pooler)));
    let settings = fs::read_to_string(checkout.folder.join("pgbouncer-18").join("pgbouncer.ini")).unwrap();
    assert!(settings.contains(&format!("port={} ", ports[1].0)), "{settings}");
    let (server, pooler) = ports[1];
    let status = format!(
        "postgres-18: running, {URL}=postgres://postgres@127.0.0.1:{server}/postgres\n\
         pgbouncer-18: running, {POOLER_URL}=postgres://postgres@127.0.0.1:{pooler}/postgres\n"
    );
    assert_eq!(checkout.run_on("18", "status"), status);
    assert!(checkout.run("status").ends_with(&status));

    checkout.run_on("18", "down");
    assert!(!answers(server) && !answers(pooler) && answers(ports[0].0) && answers(ports[0].1));
    checkout.run("down");
    assert!(!checkout.folder.exists());
}

#[test]
fn a_folder_of_programs_that_lacks_some_is_named_for_a_release_too() {
    let checkout = Checkout::new("release-programs");
    let mut up = checkout.command("up");
    up.args(["--postgres", "18"]).env("SPAKKY_POSTGRES_18_BIN", "/no/such/folder");
    let output = up.output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("`SPAKKY_POSTGRES_18_BIN` is `/no/such/folder`, which lacks one of"), "{said}");
}

#[test]
fn a_file_in_place_of_the_folder_is_refused() {
    let checkout = Checkout::new("file");
    fs::write(&checkout.folder, "").unwrap();
    let output = checkout.command("up").output().unwrap();
    fs::remove_file(&checkout.folder).unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("is not a folder of yours"));
}
