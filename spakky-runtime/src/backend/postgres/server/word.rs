//! What may stand in a URL beside names and numbers.

use crate::config::words;

words! {
    /// What a parameter of a URL, or a pair, is about.
    pub(crate) Key {
        User = "user",
        Password = "password",
        Database = "dbname",
        Host = "host",
        Address = "hostaddr",
        Port = "port",
        Options = "options",
        ApplicationName = "application_name",
        ConnectTimeout = "connect_timeout",
        SslMode = "sslmode",
        SslRootCert = "sslrootcert",
        SslNegotiation = "sslnegotiation",
        ChannelBinding = "channel_binding",
        TargetSessionAttrs = "target_session_attrs",
        LoadBalanceHosts = "load_balance_hosts",
        TcpUserTimeout = "tcp_user_timeout",
        Keepalives = "keepalives",
        KeepalivesIdle = "keepalives_idle",
        KeepalivesInterval = "keepalives_interval",
        KeepalivesRetries = "keepalives_retries",
    }
}

words! {
    /// How TLS begins.
    pub(crate) SslNegotiation {
        /// The server is asked for it first.
        Postgres = "postgres",
        /// With the first byte.
        Direct = "direct",
    }
}

words! {
    /// Whether the proof of a password is bound to its line.
    pub(crate) ChannelBinding {
        /// Never.
        Disable = "disable",
        /// Where both sides can.
        Prefer = "prefer",
        /// Always.
        Require = "require",
    }
}

words! {
    /// In which order hosts are tried.
    pub(crate) LoadBalanceHosts {
        /// In their own.
        Disable = "disable",
        /// In any.
        Random = "random",
    }
}

words! {
    /// Which kind of server is wanted.
    pub(crate) TargetSessionAttrs {
        /// Any.
        Any = "any",
        /// One that takes writes.
        ReadWrite = "read-write",
        /// One that takes none.
        ReadOnly = "read-only",
        /// One that follows no other.
        Primary = "primary",
        /// One that follows another.
        Standby = "standby",
        /// One that follows another, or any if there is none.
        PreferStandby = "prefer-standby",
    }
}
