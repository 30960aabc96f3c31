//! What an application is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::decode::{Item, all};
use super::roles::own_port;
use crate::role::config::{App, Reply, Role};

pub(super) fn app(item: Item<'_>, ports: &mut BTreeSet<u16>) -> Option<Role> {
    let mut table = item.fields()?;
    let port = table.required("port", "8080");
    let port = port.and_then(|i| own_port(i, ports));
    let takes = table.or("takes", Duration::ZERO, Item::duration);
    let routes = table.or("route", BTreeMap::new(), |item| {
        let routes = all(item.fields()?.entries().map(route))?;
        Some(routes.into_iter().collect())
    });
    table.finish();
    Some(Role::App(App {
        port: port?,
        takes: takes?,
        routes: routes?,
    }))
}

fn route(item: Item<'_>) -> Option<(String, Reply)> {
    let path = item.key;
    let is_path = path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic() && c != '?');
    if !is_path {
        let label = "expected a path such as \"/health\"";
        item.wrong_key(format!("`{path}` is not a path"), label, None);
    }
    let mut table = item.fields()?;
    // 1xx answers are not final (RFC 9110 §15.2).
    let status = table.or("status", 200, |i| i.integer(200..=599));
    let content_type = table.or("type", "text/plain".to_owned(), Item::header_value);
    let body = table.or("body", String::new(), |i| i.text().map(str::to_owned));
    table.finish();
    let reply = Reply {
        status: u16::try_from(status?).ok()?,
        content_type: content_type?,
        body: body?,
    };
    is_path.then(|| (path.to_owned(), reply))
}
