//! Who asks, and on whose behalf: what a request carries through every unit of work it starts.

use std::fmt;
use std::future::Future;

use crate::error::{Error, ErrorKind};

tokio::task_local! {
    static CONTEXT: RequestContext;
}

/// Who asks, and on whose behalf.
///
/// Set it once per request with [`scope`](Self::scope); every session opened inside carries it, and hooks and listeners
/// run in it, also those of a unit of work that ends in another task. Its [`settings`](Self::setting) travel with BEGIN and end with the transaction, so that row-level security sees them and
/// nothing of them stays on a pooled connection.
///
/// ```
/// # async fn handle() {}
/// # async fn example() {
/// use spakky_runtime::RequestContext;
///
/// let context = RequestContext::new().tenant("acme").tenant_setting("app.tenant").actor("ann");
/// context.scope(handle()).await;
/// # }
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RequestContext {
    tenant: Option<String>,
    actor: Option<String>,
    correlation_id: Option<String>,
    causation_id: Option<String>,
    traceparent: Option<String>,
    settings: Vec<(String, String)>,
    /// The setting that tells the database the tenant.
    tenant_setting: Option<String>,
}

impl RequestContext {
    /// Nothing is known of the request.
    pub fn new() -> Self {
        Self::default()
    }

    /// The context of the scope around this place; empty outside any.
    pub fn current() -> Self {
        CONTEXT.try_with(Clone::clone).unwrap_or_default()
    }

    /// What `read` makes of the context of the scope around this place, without a copy of it.
    pub(crate) fn with_current<T>(read: impl Fn(&RequestContext) -> T) -> T {
        CONTEXT.try_with(&read).unwrap_or_else(|_| read(&RequestContext::default()))
    }

    /// Calls `work` with this context.
    pub(crate) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        CONTEXT.sync_scope(self.clone(), work)
    }

    /// Runs a future with this context. A spawned task has none: pass it on by wrapping its future.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        CONTEXT.scope(self, future).await
    }

    /// The tenant whose data is meant: on a table with a `#[table(tenant)]` field every statement is confined to it. The empty
    /// text is none.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Who acts, for columns such as `#[table(created_by)]`. The empty text is nobody.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// What ties together all that follows from one request from outside.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = Some(id.into());
        self
    }

    /// What this request follows from directly: the message or command that caused it.
    #[must_use]
    pub fn causation_id(mut self, id: impl Into<String>) -> Self {
        self.causation_id = Some(id.into());
        self
    }

    /// The W3C trace context of the caller.
    #[must_use]
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }

    /// A setting of the database for each transaction of the request (`SET LOCAL name = value`; PostgreSQL). A call outside
    /// any scope is a transaction of its own then, in the same round trip; a stream needs a scope. For the one that tells
    /// the tenant there is [`tenant_setting`](Self::tenant_setting).
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// The setting by which the database itself knows the tenant, for row-level security: each transaction of the request has
    /// it, with the context's [`tenant`](Self::tenant) as its value, empty where there is none (PostgreSQL). So the library
    /// and the database confine to one and the same tenant, whichever of the two is named first. A
    /// [`setting`](Self::setting) of the same name that says another is refused
    /// ([`is_tenant_mismatch`](Error::is_tenant_mismatch)) before anything is sent.
    ///
    /// ```
    /// use spakky_runtime::RequestContext;
    ///
    /// let context = RequestContext::new().tenant("acme").tenant_setting("app.tenant");
    /// ```
    #[must_use]
    pub fn tenant_setting(mut self, name: impl Into<String>) -> Self {
        self.tenant_setting = Some(name.into());
        self
    }

    /// The tenant whose data is meant.
    pub fn get_tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// Who acts.
    pub fn get_actor(&self) -> Option<&str> {
        self.actor.as_deref()
    }

    /// What ties together all that follows from one request from outside.
    pub fn get_correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }

    /// What this request follows from directly.
    pub fn get_causation_id(&self) -> Option<&str> {
        self.causation_id.as_deref()
    }

    /// The W3C trace context of the caller.
    pub fn get_traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    /// Whether there are settings for each transaction.
    pub(crate) fn has_settings(&self) -> bool {
        !self.settings.is_empty() || self.tenant_setting.is_some()
    }

    /// The settings for each transaction.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let tenant = self.tenant_setting.clone().map(|name| (name, self.tenant.clone().unwrap_or_default()));
        self.settings.iter().cloned().chain(tenant).collect()
    }

    /// Refuses settings that name another tenant than the context does.
    pub(crate) fn check_settings(&self) -> Result<(), Error> {
        let Some(name) = &self.tenant_setting else { return Ok(()) };
        let tenant = self.tenant.as_deref().unwrap_or_default();
        // As the server reads names of settings.
        let differs = |(other, value): &(String, String)| other.eq_ignore_ascii_case(name) && value != tenant;
        if !self.settings.iter().any(differs) {
            return Ok(());
        }
        let message = format!(
            "use a context in which the setting `{}` names another tenant than the context itself; leave the setting to \
             `tenant_setting`, which takes the context's",
            name.escape_debug()
        );
        Err(Error::new(ErrorKind::TenantMismatch, message))
    }
}

/// What is known, and the names of the settings. The values are people's, and a log is no place for them.
impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RequestContext { tenant, actor, correlation_id, causation_id, traceparent, settings, tenant_setting } =
            self;
        let known = [
            ("tenant", tenant),
            ("actor", actor),
            ("correlation_id", correlation_id),
            ("causation_id", causation_id),
            ("traceparent", traceparent),
        ];
        let mut debug = f.debug_struct("RequestContext");
        for (name, value) in known {
            debug.field(name, &format_args!("{}", if value.is_some() { "***" } else { "none" }));
        }
        let settings = settings.iter().map(|(name, _)| name).chain(tenant_setting);
        debug.field("settings", &settings.collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_form_shows_no_value() {
        let context = RequestContext::new().tenant("acme").actor("ann").setting("app.token", "s3cret");
        assert_eq!(
            format!("{context:?}"),
            "RequestContext { tenant: ***, actor: ***, correlation_id: none, causation_id: none, traceparent: none, \
             settings: [\"app.token\"] }"
        );
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn the_tenants_setting_has_the_value_of_the_tenant_in_whatever_order_they_are_named() {
        let first = RequestContext::new().tenant_setting("app.tenant").tenant("acme").setting("app.zone", "b");
        let last =
            RequestContext::new().tenant("other").setting("app.zone", "b").tenant_setting("app.tenant").tenant("acme");
        for context in [first, last] {
            assert!(context.has_settings());
            assert_eq!(context.settings(), [pair("app.zone", "b"), pair("app.tenant", "acme")]);
            assert!(context.check_settings().is_ok());
        }
        let none = RequestContext::new().tenant_setting("app.tenant");
        assert_eq!(none.settings(), [pair("app.tenant", "")]);
        assert!(!RequestContext::new().tenant("acme").has_settings());
    }

    #[test]
    fn a_setting_that_names_another_tenant_is_refused_without_a_word_of_either() {
        let context = RequestContext::new().tenant("acme").tenant_setting("app.tenant");
        assert!(context.clone().setting("app.tenant", "acme").check_settings().is_ok());
        let error = context.setting("APP.Tenant", "globex").check_settings().unwrap_err();
        assert!(error.is_tenant_mismatch());
        assert_eq!(
            error.to_string(),
            "use a context in which the setting `app.tenant` names another tenant than the context itself; leave the setting \
             to `tenant_setting`, which takes the context's"
        );
        let none = RequestContext::new().tenant_setting("app.tenant").setting("app.tenant", "globex");
        assert!(none.check_settings().is_err());
    }

    #[tokio::test]
    async fn the_context_is_that_of_the_innermost_scope_and_not_of_a_spawned_task() {
        let outer = RequestContext::new().tenant("acme");
        let inner = RequestContext::new().tenant("globex").actor("ann");
        assert_eq!(RequestContext::current(), RequestContext::new());
        outer
            .clone()
            .scope(async {
                assert_eq!(RequestContext::current().get_tenant(), Some("acme"));
                inner.scope(async { assert_eq!(RequestContext::current().get_actor(), Some("ann")) }).await;
                assert_eq!(RequestContext::current(), outer);
                let spawned = tokio::spawn(async { RequestContext::current() }).await.unwrap();
                assert_eq!(spawned, RequestContext::new());
            })
            .await;
    }
}
