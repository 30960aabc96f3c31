//! HTTP: statuses, headers, chosen targets.

use super::Reader;
use crate::lab::decode::Fields;
use crate::lab::plan::Check;

impl Reader<'_, '_> {
    pub(super) fn header(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = table.or("at", None, |i| self.node(Some(i)).map(Some));
        let header = table.required("name", "\"X-Forwarded-For\"");
        let header = header.and_then(|i| {
            // A token of RFC 9110 §5.6.2.
            let name = i.text()?;
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if name.is_empty() || !name.chars().all(token) {
                let label = "expected a header's name such as \"X-Forwarded-For\"";
                i.wrong("`name` is not a header's name", label, None);
                return None;
            }
            Some(name.to_owned())
        });
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
        Some(Check::Status {
            node: node?,
            status: u16::try_from(status?).ok()?,
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
