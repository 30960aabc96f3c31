//! HTTP: statuses, headers, chosen targets.

use super::Reader;
use super::packets::count;
use crate::lab::decode::{Fields, Item};
use crate::lab::plan::{Check, ResponseCheck};

/// Which one, from 1.
pub(super) fn nth(item: Item<'_>) -> Option<usize> {
    usize::try_from(item.integer(1..=1_000_000)?).ok()
}

/// A token of RFC 9110 §5.6.2.
fn header_name(item: Item<'_>) -> Option<String> {
    let name = item.text()?;
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        let label = "expected a header's name such as \"X-Forwarded-For\"";
        item.wrong(
            format!("`{}` is not a header's name", item.key),
            label,
            None,
        );
        return None;
    }
    Some(name.to_owned())
}

impl Reader<'_, '_> {
    pub(super) fn header(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = table.or("at", None, |i| self.node(Some(i)).map(Some));
        let header = table.required("name", "\"X-Forwarded-For\"");
        let header = header.and_then(header_name);
        let value = table.or("value", None, |i| i.header_value().map(Some));
        Some(Check::HeaderAtApp {
            node: node?,
            header: header?,
            value: value?,
        })
    }

    pub(super) fn status(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("at", "\"user\""));
        let status = table.required("is", "200");
        let status = status.and_then(|i| i.integer(100..=599));
        let nth_item = table.optional("nth");
        let counts = ["count", "at-least", "at-most"].map(|key| table.optional(key));
        if counts.iter().any(Option::is_some) {
            if let Some(nth) = nth_item {
                let label = "expected `nth` or a number of responses";
                nth.wrong_key(
                    "which one does not matter where all are counted",
                    label,
                    None,
                );
            }
            return Some(Check::Statuses {
                node: node?,
                count: count(table)?,
                status: u16::try_from(status?).ok()?,
            });
        }
        let nth = nth_item.map_or(Some(1), nth);
        Some(Check::Status {
            node: node?,
            status: u16::try_from(status?).ok()?,
            nth: nth?,
        })
    }

    pub(super) fn response(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("at", "\"user\""));
        let nth = table.or("nth", 1, nth);
        let value = table.optional("value");
        let absent = table.optional("absent");
        let what = table.exactly_one(&["header", "trailer", "grpc-status", "body", "after"])?;
        for extra in [value, absent].into_iter().flatten() {
            let has = what.key == "header" || what.key == "trailer" && extra.key == "value";
            if !has {
                let label = match extra.key {
                    "value" => "expected it beside `header` or `trailer` only",
                    _ => "expected it beside `header` only",
                };
                extra.wrong_key(
                    format!("`{}` has no `{}`", what.key, extra.key),
                    label,
                    None,
                );
            }
        }
        if let (Some(_), Some(absent)) = (value, absent) {
            let label = "expected `value` or `absent`";
            absent.wrong_key("a header that is absent has no value", label, None);
        }
        let check = match what.key {
            "header" => {
                let name = header_name(what);
                match (value, absent.map(Item::boolean)) {
                    (_, Some(absent)) if absent? => ResponseCheck::NoHeader(name?),
                    (Some(value), _) => ResponseCheck::Header(name?, Some(value.header_value()?)),
                    (None, _) => ResponseCheck::Header(name?, None),
                }
            }
            "trailer" => {
                let name = header_name(what);
                let value = value.map_or(Some(None), |v| v.header_value().map(Some));
                ResponseCheck::Trailer(name?, value?)
            }
            "grpc-status" => ResponseCheck::GrpcStatus(u8::try_from(what.integer(0..=99)?).ok()?),
            "body" => ResponseCheck::Body(what.text()?.to_owned()),
            _ => ResponseCheck::After(what.duration()?),
        };
        Some(Check::Response {
            node: node?,
            nth: nth?,
            check,
        })
    }

    pub(super) fn requests(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("at", "\"web-a\""));
        let path = table.or("path", None, |i| i.text().map(|t| Some(t.to_owned())));
        let count = count(table);
        Some(Check::Requests {
            node: node?,
            path: path?,
            count: count?,
        })
    }

    pub(super) fn websocket(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("at", "\"user\""));
        let counts = ["count", "at-least", "at-most"].map(|key| table.optional(key));
        let closed = table.optional("closed");
        let messages = match counts.iter().any(Option::is_some) || closed.is_none() {
            true => count(table).map(Some),
            false => Some(None),
        };
        let closed = closed.map_or(Some(None), |i| i.integer(1000..=4999).map(Some));
        Some(Check::WebSocket {
            node: node?,
            messages: messages?,
            closed: closed?.and_then(|code| u16::try_from(code).ok()),
        })
    }

    pub(super) fn connections(&self, table: &mut Fields<'_>) -> Option<Check> {
        let on = table.required("on", "\"alb -> web:8080\"");
        let connection = on.and_then(|i| self.connection(i));
        let count = count(table);
        Some(Check::Connections {
            connection: connection?,
            count: count?,
        })
    }

    pub(super) fn target(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("node", "\"ec2-a\""));
        let address = table.or("address", None, |i| {
            i.parsed("an address with its port", "\"10.0.2.21:32768\"")
                .map(Some)
        });
        Some(Check::Target {
            node: node?,
            address: address?,
        })
    }
}
