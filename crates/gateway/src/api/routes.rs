//! Routes gathered into a router, each behind the guard that its line of the table asks for. There is no other way to add
//! one. It must not know what a route does.

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::api::access::{Access, Line};
use crate::api::door::{Door, Guard, admit};
use crate::api::oauth::crowd::watch;
use crate::api::openapi;

/// A router that is being put together.
pub struct Routes {
    router: OpenApiRouter,
    door: Arc<Door>,
    table: &'static [Line],
    /// By the lines of the table: whether there is a route for it.
    found: Vec<bool>,
    unlisted: Vec<String>,
}

/// Why a gateway does not start: its routes are not those of the table.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the table of routes does not fit: without a line of their own {unlisted:?}, without a route {missing:?}"
)]
pub struct Misfit {
    pub unlisted: Vec<String>,
    pub missing: Vec<String>,
}

impl Routes {
    pub fn new(door: Arc<Door>, table: &'static [Line]) -> Self {
        Self {
            router: OpenApiRouter::with_openapi(openapi::base()),
            door,
            table,
            found: vec![false; table.len()],
            unlisted: Vec::new(),
        }
    }

    /// Adds what `routes!` made. Methods in one call of it have one guard, so they must have the same access.
    pub fn mount(mut self, (schemas, mut paths, routes): UtoipaMethodRouter) -> Self {
        let mut line_of: Option<&Line> = None;
        for (method, path) in openapi::methods(&paths) {
            let line = self
                .table
                .iter()
                .position(|line| line.method == method && line.path == path)
                .filter(|place| {
                    line_of.is_none_or(|line| line.access == self.table[*place].access)
                });
            match line {
                Some(place) if !self.found[place] => {
                    self.found[place] = true;
                    line_of = Some(&self.table[place]);
                }
                _ => self.unlisted.push(format!("{method} {path}")),
            }
        }
        let routes = match line_of.map(|line| (line, line.access)) {
            Some((line, Access::Caller(need))) => {
                openapi::guarded(&mut paths, need);
                let door = Arc::clone(&self.door);
                routes.route_layer(from_fn_with_state(Guard { door, need, line }, admit))
            }
            Some((_, Access::Open(refusals))) => {
                openapi::open(&mut paths, refusals);
                routes
            }
            Some((_, Access::Browser(refusals))) => {
                openapi::open(&mut paths, refusals);
                let limits = Arc::clone(&self.door.limits);
                routes.route_layer(from_fn_with_state(limits, watch))
            }
            // It is unlisted, so this router is never served.
            None => routes,
        };
        self.router = self.router.routes((schemas, paths, routes));
        self
    }

    /// The router, if every route has its line and every line its route.
    pub fn finish(self) -> Result<OpenApiRouter, Misfit> {
        let lines = self.table.iter().zip(&self.found);
        let missing: Vec<String> = lines
            .filter(|(_, found)| !**found)
            .map(|(line, _)| format!("{} {}", line.method, line.path))
            .collect();
        if self.unlisted.is_empty() && missing.is_empty() {
            return Ok(self.router);
        }
        Err(Misfit {
            unlisted: self.unlisted,
            missing,
        })
    }
}

#[cfg(test)]
mod tests {
    use hongyan_courier::time::Clock;
    use hongyan_store::sqlite::SqliteStore;
    use tempfile::TempDir;
    use utoipa_axum::routes;

    use super::*;
    use crate::api::access::{Need, OPS, SERVICE};
    use crate::auth::authenticator::Authenticator;
    use crate::auth::bearer::Issuers;
    use crate::auth::client::Clients;
    use crate::auth::refused::RefusedNonces;
    use crate::auth::scope::Scope;
    use crate::clock::SystemClock;
    use crate::limits::governor::GovernorLimiter;
    use crate::limits::{Allowances, Limits};

    #[utoipa::path(get, path = "/here", responses((status = 200)))]
    async fn look() {}

    #[utoipa::path(post, path = "/here", responses((status = 200)))]
    async fn change() {}

    const GET_HERE: Line = Line {
        method: "GET",
        path: "/here",
        access: Access::Caller(Need::Read(&[Scope::Accounts])),
        noted: None,
        whole: false,
    };
    const POST_HERE: Line = Line {
        method: "POST",
        access: Access::Caller(Need::Write(&[Scope::Accounts])),
        ..GET_HERE
    };

    fn table(lines: &'static [Line]) -> Routes {
        let (clock, dir) = (SystemClock::new(), TempDir::new().unwrap());
        let ledger = SqliteStore::open(&dir.path().join("store.db"), clock.now()).unwrap();
        let door = Door {
            refused: RefusedNonces::new(ledger),
            authenticator: Authenticator::new(
                Clients::new(&[]),
                Issuers::default(),
                Arc::default(),
            ),
            clock: Arc::new(clock),
            limits: Arc::new(Limits::new(
                Allowances::default(),
                Vec::new(),
                Arc::new(GovernorLimiter::default()),
            )),
            body_bytes_max: 1024,
        };
        Routes::new(Arc::new(door), lines)
    }

    fn misfit(routes: Routes) -> (Vec<String>, Vec<String>) {
        let misfit = routes.finish().err().expect("it does not fit");
        (misfit.unlisted, misfit.missing)
    }

    #[tokio::test]
    async fn a_route_without_a_line_does_not_start() {
        let routes = table(&[GET_HERE])
            .mount(routes!(look))
            .mount(routes!(change));
        assert_eq!(misfit(routes), (vec!["POST /here".to_owned()], vec![]));
        let both = table(&[GET_HERE, POST_HERE]);
        assert!(
            both.mount(routes!(look))
                .mount(routes!(change))
                .finish()
                .is_ok()
        );
    }

    #[tokio::test]
    async fn a_line_without_a_route_does_not_start() {
        let routes = table(&[GET_HERE, POST_HERE]).mount(routes!(look));
        assert_eq!(misfit(routes), (vec![], vec!["POST /here".to_owned()]));
    }

    #[tokio::test]
    async fn methods_that_ask_for_different_things_are_not_added_as_one() {
        let routes = table(&[GET_HERE, POST_HERE]).mount(routes!(look, change));
        let (unlisted, missing) = misfit(routes);
        assert_eq!((unlisted.len(), &unlisted), (1, &missing));
    }

    #[tokio::test]
    async fn what_changes_something_is_written_down() {
        // Messages are records of their own, rows are a part of their broadcast, and receipts are WeChat's word.
        let own = [
            "/v1/messages",
            "/v1/messages/batch",
            "/v1/broadcasts/{id}/rows",
            "/v1/accounts/{name}/receipts",
        ];
        for line in SERVICE {
            let changes = matches!(line.access, Access::Caller(Need::Write(_)));
            let expected = changes && !own.contains(&line.path);
            let reveals = line.path == "/v1/accounts/{name}/token";
            assert_eq!(line.noted.is_some(), expected || reveals, "{line:?}");
        }
    }

    #[tokio::test]
    async fn what_changes_something_spends_its_nonce_with_the_change() {
        for line in SERVICE.iter().chain(OPS) {
            if let Access::Caller(need) = line.access {
                assert_eq!(
                    matches!(need, Need::Read(_)),
                    line.method == "GET",
                    "{line:?}"
                );
                assert!(!need.scopes().is_empty(), "{line:?}");
            }
        }
    }
}
