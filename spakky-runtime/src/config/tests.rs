use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;
use crate::error::Error;

const URL: &str = "postgres://app:s3cret@db/shop";
const KEYS: &str = "0123456789abcdef0123456789abcdef, another secret of enough bytes for it";

fn from_env(variables: &[(&str, &str)]) -> Result<DatabaseConfig, Error> {
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    DatabaseConfig::read_sources(None, "SPAKKY_DB__", variables)
}

/// A file that is removed when the test ends.
struct SettingsFile(PathBuf);

impl SettingsFile {
    fn new(text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("spakky-config-{}.toml", uuid::Uuid::now_v7()));
        std::fs::write(&path, text).unwrap();
        SettingsFile(path)
    }

    fn read(&self, variables: &[(&str, &str)]) -> Result<DatabaseConfig, Error> {
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        DatabaseConfig::read_sources(Some(&self.0), "SPAKKY_DB__", variables)
    }
}

impl Drop for SettingsFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn from_file(text: &str) -> Result<DatabaseConfig, Error> {
    SettingsFile::new(text).read(&[])
}

fn check(config: &DatabaseConfig) -> Result<(), String> {
    config.validate_for(true, true).map_err(|error| {
        assert!(error.is_config());
        error.to_string().replace("configure the database: ", "")
    })
}

/// A value other than the default for each key, in the environment's spelling and in TOML.
fn another_value(key: &str) -> (&'static str, &'static str) {
    match key {
        "url" => ("sqlite://other.db", "'sqlite://other.db'"),
        "pool_size" => ("11", "11"),
        "pool_max_overflow" => ("3", "3"),
        "pool_timeout" => ("20ms", "'20ms'"),
        "max_connecting" => ("2", "2"),
        "pool_recycle" => ("off", "'off'"),
        "pool_pre_ping" => ("false", "false"),
        "pool_kind" => ("null", "'null'"),
        "connect_timeout" => ("1.5", "1.5"),
        "statement_timeout" => ("2m", "'2m'"),
        "lock_timeout" => ("7", "7"),
        "idle_in_transaction_timeout" => ("1h", "'1h'"),
        "application_name" => ("007", "'007'"),
        "sslmode" => ("verify-full", "'verify-full'"),
        "ssl_root_cert" => ("/etc/ca.pem", "'/etc/ca.pem'"),
        "ssl_cert" => ("/etc/app.pem", "'/etc/app.pem'"),
        "ssl_key" => ("/etc/app.key", "'/etc/app.key'"),
        "require_auth" => ("scram-sha-256,none", "'scram-sha-256, none'"),
        "autoflush" => ("off", "false"),
        "expire_on_commit" => ("yes", "true"),
        "autocommit" => ("1", "1"),
        "echo" => ("TRUE", "true"),
        "slow_log" => ("250ms", "0.25"),
        "statement_cache_size" => ("0", "0"),
        "pooler" => ("rds_proxy", "'rds_proxy'"),
        "commit_token" => ("on", "true"),
        "catalog_guard" => ("off", "false"),
        "file_mode" => ("0600", "0o600"),
        "cursor_keys" => (KEYS, "'0123456789abcdef0123456789abcdef, another secret of enough bytes for it'"),
        other => panic!("the key `{other}` has no value in this test"),
    }
}

#[test]
fn every_key_is_read_from_the_environment_and_from_a_file_and_changes_that_setting_alone() {
    let default = DatabaseConfig::new(URL).shown();
    for (position, key) in DatabaseConfig::KEYS.iter().enumerate() {
        let (variable, toml) = another_value(key);
        let name = format!("SPAKKY_DB__{}", key.to_ascii_uppercase());
        let from_env = from_env(&[("SPAKKY_DB__URL", URL), (&name, variable)]).unwrap().shown();
        let url = if *key == "url" { String::new() } else { format!("url = '{URL}'\n") };
        let from_file = from_file(&format!("{url}{key} = {toml}")).unwrap().shown();

        assert_eq!(from_env, from_file, "{key}");
        for (other, setting) in from_env.iter().enumerate() {
            assert_eq!(*setting != default[other], other == position, "{key} and {}", setting.0);
        }
    }
}

#[test]
fn settings_of_the_builder_are_those_of_the_environment() {
    let built = DatabaseConfig::new("sqlite://other.db")
        .pool_size(11)
        .pool_max_overflow(3)
        .pool_timeout(Duration::from_millis(20))
        .max_connecting(2)
        .pool_recycle(None)
        .pool_pre_ping(false)
        .pool_kind(PoolKind::Null)
        .connect_timeout(Duration::from_millis(1_500))
        .statement_timeout(Duration::from_secs(120))
        .lock_timeout(Duration::from_secs(7))
        .idle_in_transaction_timeout(Duration::from_secs(3_600))
        .application_name("007")
        .sslmode(SslMode::VerifyFull)
        .ssl_root_cert("/etc/ca.pem")
        .ssl_cert("/etc/app.pem")
        .ssl_key("/etc/app.key")
        .require_auth([AuthMethod::ScramSha256, AuthMethod::None])
        .autoflush(false)
        .expire_on_commit(true)
        .autocommit(true)
        .echo(true)
        .slow_log(Duration::from_millis(250))
        .statement_cache_size(0)
        .pooler(Pooler::RdsProxy)
        .commit_token(true)
        .catalog_guard(false)
        .file_mode(0o600)
        .cursor_keys(KEYS.split(", "));
    let names: Vec<_> =
        DatabaseConfig::KEYS.iter().map(|key| format!("SPAKKY_DB__{}", key.to_ascii_uppercase())).collect();
    let variables: Vec<_> =
        names.iter().zip(DatabaseConfig::KEYS).map(|(name, key)| (name.as_str(), another_value(key).0)).collect();

    assert_eq!(built.shown(), from_env(&variables).unwrap().shown());
}

#[test]
fn defaults_are_the_documented_ones() {
    let shown: Vec<_> =
        DatabaseConfig::new(URL).shown().into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        shown.join(" "),
        "url=postgres://app:***@db/shop pool_size=10 pool_max_overflow=0 pool_timeout=5s max_connecting=4 \
         pool_recycle=30m pool_pre_ping=true pool_kind=queue connect_timeout=10s statement_timeout=off \
         lock_timeout=off idle_in_transaction_timeout=off application_name= sslmode=prefer ssl_root_cert= \
         ssl_cert= ssl_key= require_auth= autoflush=true expire_on_commit=false autocommit=false echo=false slow_log=off statement_cache_size=256 \
         pooler=none commit_token=false catalog_guard=true file_mode= cursor_keys=drawn at random"
    );
    assert_eq!(check(&DatabaseConfig::new(URL)), Ok(()));
}

#[test]
fn the_environment_overrides_the_file_which_may_keep_settings_in_a_table() {
    let file = SettingsFile::new(&format!(
        "title = 'shop'\n[database]\nurl = '{URL}'\npool_size = 5\necho = true\n[web]\nport = 80"
    ));
    let config = file.read(&[("SPAKKY_DB__POOL_SIZE", "7"), ("PATH", "/bin")]).unwrap();

    assert_eq!(config.pool_size, 7);
    assert!(config.echo);
    assert_eq!(config.url.expose_secret(), URL);
}

#[test]
fn every_mistake_is_reported_at_once_in_the_users_spelling() {
    let error = from_env(&[
        ("SPAKKY_DB__POOL_SZE", "5"),
        ("SPAKKY_DB__COLOUR", "red"),
        ("SPAKKY_DB__SSLMODE", "tls"),
        ("SPAKKY_DB__POOL_TIMEOUT", "soon"),
    ])
    .unwrap_err();
    assert!(error.is_config());
    assert_eq!(
        error.to_string(),
        format!(
            "configure the database: `SPAKKY_DB__COLOUR` is not a setting; there are {}; `SPAKKY_DB__POOL_SZE` is not a \
             setting; did you mean `SPAKKY_DB__POOL_SIZE`?; `SPAKKY_DB__URL` is not set; `SPAKKY_DB__POOL_TIMEOUT` must \
             be a span of time such as `20ms`, `5s` or `2m`, found `soon`; `SPAKKY_DB__SSLMODE` must be one of \
             `disable`, `prefer`, `require`, `verify-ca`, `verify-full`, found `tls`",
            DatabaseConfig::KEYS.join(", ")
        )
    );

    let error = from_file(&format!("url = '{URL}'\npool_tiemout = '5s'\npool_size = [1]\nstatement_cache_size = -1"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "configure the database: `pool_tiemout` is not a setting; did you mean `pool_timeout`?; `pool_size` must be a \
         whole number, found a table, list or date; `statement_cache_size` must be a whole number, found -1"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named_without_showing_its_text() {
    let file = SettingsFile::new("pool_size = 1\nurl = postgres://app:s3cret@db/shop");
    let error = file.read(&[]).unwrap_err();
    assert_eq!(error.to_string(), format!("read the settings in `{}`: line 2 is not valid TOML", file.0.display()));
    assert!(!format!("{error:?}").contains("s3cret"));

    let error = DatabaseConfig::from_file("/nowhere/spakky.toml").unwrap_err();
    assert!(error.is_config());
    assert!(error.to_string().starts_with("read the settings in `/nowhere/spakky.toml`: "), "{error}");
}

#[test]
fn a_value_out_of_range_is_refused_with_its_key() {
    let config = |change: fn(DatabaseConfig) -> DatabaseConfig| check(&change(DatabaseConfig::new(URL))).unwrap_err();
    let long = Duration::from_secs(10_000_000);

    assert_eq!(config(|c| c.pool_size(0)), "`pool_size` must be between 1 and 10000, found 0");
    assert_eq!(config(|c| c.pool_size(10_001)), "`pool_size` must be between 1 and 10000, found 10001");
    assert_eq!(config(|c| c.pool_max_overflow(10_001)), "`pool_max_overflow` must be between 0 and 10000, found 10001");
    assert_eq!(config(|c| c.pool_timeout(Duration::ZERO)), "`pool_timeout` must be between 1ms and 1h, found 0s");
    assert_eq!(config(|c| c.max_connecting(0)), "`max_connecting` must be between 1 and 1000, found 0");
    assert_eq!(config(|c| c.pool_recycle(Duration::ZERO)), "`pool_recycle` must be between 1s and 8760h, found 0s");
    assert_eq!(config(|c| c.connect_timeout(Duration::ZERO)), "`connect_timeout` must be between 1ms and 1h, found 0s");
    let server = |key: &str, found: &str| format!("`{key}` must be between 1ms and 2147483647ms, found {found}");
    assert_eq!(config(|c| c.statement_timeout(Duration::ZERO)), server("statement_timeout", "0s"));
    assert_eq!(config(|c| c.lock_timeout(Duration::ZERO)), server("lock_timeout", "0s"));
    assert_eq!(
        check(&DatabaseConfig::new(URL).idle_in_transaction_timeout(long)),
        Err(server("idle_in_transaction_timeout", "10000000s"))
    );
    assert_eq!(
        config(|c| c.statement_cache_size(100_001)),
        "`statement_cache_size` must be between 0 and 100000, found 100001"
    );
    assert_eq!(config(|c| c.application_name("ü")), "`application_name` must be at most 63 printable ASCII characters");
    assert_eq!(
        config(|c| c.pool_size(0).max_connecting(0)),
        "`pool_size` must be between 1 and 10000, found 0; `max_connecting` must be between 1 and 1000, found 0"
    );
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let memory = DatabaseConfig::new("sqlite::memory:");
    assert_eq!(check(&memory), Ok(()));
    assert_eq!(
        check(&memory.credentials(|| async { Ok(Credentials::new("app", "s3cret")) })).unwrap_err(),
        "`credentials` has no meaning for an SQLite database; remove it"
    );
    assert_eq!(
        check(&DatabaseConfig::new(URL).sslmode(SslMode::Disable).ssl_root_cert("ca.pem")).unwrap_err(),
        "`ssl_root_cert` has no meaning with `sslmode` = `disable`; remove one of them"
    );
    assert_eq!(
        check(&DatabaseConfig::new(URL).ssl_root_cert("ca.pem")).unwrap_err(),
        "`ssl_root_cert` is not looked at with `sslmode` = `prefer`, which is what it is unless set; set `sslmode` to \
         `verify-full`, or to `verify-ca` where the name of the host is not that of the certificate"
    );
    for (sslmode, problem) in [
        (
            SslMode::Disable,
            "`ssl_root_cert` = `system` needs `sslmode` = `verify-full`: with `disable`, a server of whatever name would be trusted",
        ),
        (
            SslMode::Prefer,
            "`ssl_root_cert` = `system` needs `sslmode` = `verify-full`: with `prefer`, a server of whatever name would be trusted",
        ),
        (
            SslMode::VerifyCa,
            "`ssl_root_cert` = `system` needs `sslmode` = `verify-full`: with `verify-ca`, a server of whatever name would be trusted",
        ),
        (
            SslMode::Require,
            "`ssl_root_cert` = `system` needs `sslmode` = `verify-full`: with `require`, a server of whatever name would be trusted",
        ),
    ] {
        assert_eq!(check(&DatabaseConfig::new(URL).sslmode(sslmode).ssl_root_cert("system")).unwrap_err(), problem);
    }
    assert_eq!(check(&DatabaseConfig::new(URL).sslmode(SslMode::VerifyFull).ssl_root_cert("system")), Ok(()));
    assert_eq!(
        check(&DatabaseConfig::new(URL).sslmode(SslMode::VerifyCa)).unwrap_err(),
        "`sslmode` = `verify-ca` needs the certificates that the server's descends from; set `ssl_root_cert`"
    );
    for (config, problem) in [
        (DatabaseConfig::new(URL).ssl_cert("a"), "`ssl_cert` needs the private key that belongs to it; set `ssl_key`"),
        (DatabaseConfig::new(URL).ssl_key("a"), "`ssl_key` needs the certificate that belongs to it; set `ssl_cert`"),
        (
            DatabaseConfig::new(URL).ssl_cert("a").ssl_key("b").sslmode(SslMode::Disable),
            "`ssl_cert` has no meaning with `sslmode` = `disable`; remove one of them",
        ),
        (
            DatabaseConfig::new(format!("{URL}?sslnegotiation=direct")),
            "`url` has `sslnegotiation=direct`, which leaves no choice whether to encrypt; set `sslmode` to `verify-full`, found \
             `prefer`",
        ),
    ] {
        assert_eq!(check(&config).unwrap_err(), problem);
    }
    assert_eq!(
        check(&DatabaseConfig::new(format!("{URL}?require_auth=scram"))).unwrap_err(),
        "`url` has a `require_auth` with a value it cannot have; it takes any of `none`, `password`, `md5`, `scram-sha-256` with \
         commas between them, or each with a `!` ahead of it for all others"
    );
    assert_eq!(
        check(&DatabaseConfig::new(URL).pool_kind(PoolKind::Null).pool_max_overflow(1)).unwrap_err(),
        "`pool_max_overflow` has no meaning with `pool_kind` = `null`; remove one of them"
    );
}

#[test]
fn an_unknown_scheme_names_the_supported_ones_and_their_features() {
    let supported =
        "use `postgres://…` (cargo feature `postgres` of `spakky`) or `sqlite://…` (cargo feature `sqlite`)";
    for (url, problem) in [
        ("mysql://app:s3cret@db/shop", "`url` has the unknown scheme `mysql`"),
        ("host=db password=s3cret", "`url` is no database URL"),
        ("s3cret", "`url` is no database URL"),
        ("", "`url` is missing"),
    ] {
        assert_eq!(check(&DatabaseConfig::new(url)).unwrap_err(), format!("{problem}; {supported}"));
    }
    let error = DatabaseConfig::new(URL).validate_for(false, true).unwrap_err();
    assert_eq!(
        error.to_string(),
        "configure the database: `url` is that of a PostgreSQL database; turn on the cargo feature `postgres` of `spakky`"
    );
    let error = DatabaseConfig::new("sqlite://a.db").validate_for(true, false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "configure the database: `url` is that of an SQLite database; turn on the cargo feature `sqlite` of `spakky`"
    );
}

#[test]
fn settings_in_the_url_count_unless_set_elsewhere() {
    let url = format!(
        "{URL}?sslmode=verify-full&sslrootcert=%2Fa%20b&sslcert=c&sslkey=d&require_auth=!md5&target_session_attrs=read-write&application_name=the%20shop&connect_timeout=3"
    );
    let config = DatabaseConfig::new(url.as_str());
    assert_eq!(config.sslmode, SslMode::VerifyFull);
    assert_eq!(config.ssl_root_cert, Some("/a b".into()));
    assert_eq!((&config.ssl_cert, &config.ssl_key), (&Some("c".into()), &Some("d".into())));
    assert_eq!(config.require_auth.to_string(), "!md5");
    assert_eq!(config.application_name.as_deref(), Some("the shop"));
    assert_eq!(config.connect_timeout, Duration::from_secs(3));
    assert_eq!(config.url.expose_secret(), format!("{URL}?target_session_attrs=read-write"));
    assert_eq!(check(&config), Ok(()));

    let config = from_env(&[("SPAKKY_DB__URL", &url), ("SPAKKY_DB__APPLICATION_NAME", "mine")]).unwrap();
    assert_eq!(config.application_name.as_deref(), Some("mine"));
    assert_eq!(config.sslmode, SslMode::VerifyFull);

    let config = DatabaseConfig::new(format!("{URL}?sslmode=allow"));
    assert_eq!(
        check(&config).unwrap_err(),
        "`url` has a `sslmode` with a value it cannot have; it takes one of `disable`, `prefer`, `require`, `verify-ca`, `verify-full`"
    );
}

#[test]
fn the_password_is_in_no_text_made_of_the_settings() {
    let config = DatabaseConfig::new(format!("{URL}?password=s3cret"))
        .credentials(|| async { Ok(Credentials::new("a", "s3cret")) });
    let provided = Credentials::new("a", "s3cret");
    let error = config.clone().pool_size(0).validate().unwrap_err();

    let texts = [
        format!("{config:?}"),
        format!("{config:#?}"),
        config.to_string(),
        serde_json::to_string(&config).unwrap(),
        format!("{error} {error:?}"),
        format!("{provided:?}"),
    ];
    for text in texts {
        assert!(!text.contains("s3cret"), "{text}");
    }
    assert!(format!("{config:?}").contains("url: postgres://app:***@db/shop"));
}

#[cfg(feature = "sqlite")]
#[test]
fn a_url_that_sqlite_does_not_understand_is_refused() {
    assert_eq!(
        check(&DatabaseConfig::new("sqlite://a.db?colour=red")).unwrap_err(),
        "`url` is not understood: `colour` is not known there; only `mode` is, the rest are settings of their own"
    );
    assert_eq!(check(&DatabaseConfig::new("sqlite://a.db?mode=ro")), Ok(()));
}

#[test]
fn a_file_has_neither_user_nor_password() {
    let problem = "`url` names a user and a password, which a file does not have; write `%40` for an `@` of its path";
    assert_eq!(check(&DatabaseConfig::new("sqlite://app:s3cret@db/shop")).unwrap_err(), problem);
    assert_eq!(check(&DatabaseConfig::new("sqlite://a%40b:c.db")), Ok(()));
}

#[cfg(unix)]
#[test]
fn permissions_are_octal_and_let_the_owner_read_and_write() {
    let file = || DatabaseConfig::new("sqlite://a.db");
    assert_eq!(check(&file().file_mode(0o600)), Ok(()));
    assert_eq!(check(&file().file_mode(0o664)), Ok(()));
    for (mode, shown) in [(0o400, "0400"), (0o60, "0060"), (0o1600, "1600"), (600, "1130")] {
        let problem =
            format!("`file_mode` must be between 0600 and 0777, with both rights of the owner, found {shown}");
        assert_eq!(check(&file().file_mode(mode)).unwrap_err(), problem);
    }
    let error = from_env(&[("SPAKKY_DB__URL", "sqlite://a.db"), ("SPAKKY_DB__FILE_MODE", "rw-------")]).unwrap_err();
    assert!(error.to_string().contains("permissions in octal digits such as `0600`"), "{error}");
    let server = DatabaseConfig::new(URL).file_mode(0o600);
    assert_eq!(check(&server).unwrap_err(), "`file_mode` has no meaning for a PostgreSQL database; remove it");
}

#[cfg(feature = "sqlite")]
#[test]
fn a_database_in_memory_is_not_thrown_away_with_each_connection() {
    assert_eq!(
        check(&DatabaseConfig::new("sqlite::memory:").pool_kind(PoolKind::Null)).unwrap_err(),
        "`pool_kind` = `null` would lose a database in memory with its connection; use `queue` or a file"
    );
}

#[cfg(feature = "postgres")]
#[test]
fn a_url_that_is_not_understood_is_refused() {
    let advice = "`url` is not understood; use `postgres://user:password@host:port/database`, with any of `:/?#@%` in \
                  user and password written as `%` and two digits";
    for (url, problem) in [
        ("postgres://db/shop?keepalives", advice),
        ("postgres://[db/shop", "`url` has a `host` with a value it cannot have"),
        ("postgres://app:s3cret/shop", "`url` has a `port` with a value it cannot have"),
        ("postgres://db:port/shop", "`url` has a `port` with a value it cannot have"),
        ("postgres://db/shop?keepalives=never", "`url` has a `keepalives` with a value it cannot have"),
        (
            "postgres://db/shop?target_session_attrs=master",
            "`url` has a `target_session_attrs` with a value it cannot have; it takes one of `any`, `read-write`, `read-only`, \
             `primary`, `standby`, `prefer-standby`",
        ),
        (
            "postgres://db/shop?gssencmode=disable",
            "`url` has the parameter `gssencmode`, which is not known here; remove it",
        ),
        (
            "postgres://db/shop?connect_timeout=s3cret",
            "`url` has a `connect_timeout` with a value it cannot have; it takes a span of time such as `20ms`, `5s` or `2m`",
        ),
        (
            "postgres://a,b/shop?port=1,2,3",
            "`url` names other numbers of ports and hosts; write each port behind its host, as in `host:5433`",
        ),
        (
            "postgres://a,b/shop?hostaddr=::1",
            "`url` names 2 hosts and 1 `hostaddr`; name as many of one as of the other",
        ),
        ("postgres:///shop", "`url` names no host; use `postgres://user:password@host/database`"),
    ] {
        assert_eq!(check(&DatabaseConfig::new(url)).unwrap_err(), problem, "{url}");
    }
}

#[tokio::test]
async fn credentials_come_from_the_provider_each_time() {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = asked.clone();
    let config = DatabaseConfig::new(URL).credentials(move || {
        let number = counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move { Ok(Credentials::new("app", format!("token {number}"))) }
    });
    let provider = config.credentials.unwrap();

    assert_eq!(provider.credentials().await.unwrap().password.expose_secret(), "token 0");
    assert_eq!(provider.clone().credentials().await.unwrap().password.expose_secret(), "token 1");
    assert_eq!(provider.credentials().await.unwrap().user, "app");
}

#[test]
fn the_keys_of_cursors_are_told_to_nobody_and_are_long_enough() {
    let config = from_env(&[("SPAKKY_DB__URL", URL), ("SPAKKY_DB__CURSOR_KEYS", KEYS)]).unwrap();
    assert!(config.shown().contains(&("cursor_keys", "2 secrets".to_owned())));
    for key in KEYS.split(", ") {
        assert!(!format!("{config:?}").contains(key));
    }
    let keys: Vec<_> = config.cursor_keys.accepted().unwrap().map(ExposeSecret::expose_secret).collect();
    assert_eq!(keys, KEYS.split(", ").collect::<Vec<_>>());

    let short = config.cursor_keys(["0123456789abcdef0123456789abcdef", "hunter2"]);
    let message = "`cursor_keys` must be secrets of 32 bytes or more; number 2 is shorter";
    assert_eq!(check(&short), Err(message.to_owned()));
    let error = from_file(&format!("url = '{URL}'\ncursor_keys = 1234567")).unwrap_err();
    let message = "configure the database: `cursor_keys` must be text: secrets with commas between them";
    assert_eq!(error.to_string(), message);
}
