//! What is looked for in packets, and where: the table `who-reads`.

use super::decode::{Fields, Item, all};
use super::expectations::tap;
use super::plan::{Mark, ReadItem, WhoReads};
use crate::net::topology::Topology;

/// Reads the table; nothing where there is none, `None` after a mistake. Without a topology, which has mistakes then,
/// links and taps are not looked up.
pub(super) fn read(root: &mut Fields<'_>, topology: Option<&Topology>) -> Option<WhoReads> {
    root.or("who-reads", WhoReads::default(), |item| {
        let mut table = item.fields()?;
        let on = table.required("on", "[\"user\", \"vpc\"]");
        let on = on.and_then(|i| i.some(|link| topology.and_then(|t| tap(link, t))));
        let items = table.required("item", "{ \"the path\" = \"/account\" }");
        let items = items.and_then(|i| all(i.fields()?.entries().map(self::item)));
        table.finish();
        Some(WhoReads {
            on: on?,
            items: items?,
        })
    })
}

/// Its name, and a text or `{ address = … }`.
fn item(item: Item<'_>) -> Option<ReadItem> {
    let what = item.key.to_owned();
    // It stands in a column of the report.
    if what.is_empty() || what.chars().count() > 30 || what.chars().any(char::is_control) {
        let label = "expected a name of 1 to 30 characters such as \"the path\"";
        item.wrong_key("this is no name for something to read", label, None);
        return None;
    }
    if let Some(text) = item.as_text() {
        if !(3..=1_000).contains(&text.len()) {
            // One or two bytes stand somewhere in any ciphertext.
            item.wrong("the text does not fit", "expected 3 to 1000 bytes", None);
            return None;
        }
        let mark = Mark::Text(text.to_owned());
        return Some(ReadItem { what, mark });
    }
    let mut table = item.fields()?;
    let address = table.required("address", "\"203.192.1.50\"");
    let address = address.and_then(Item::ip);
    table.finish();
    Some(ReadItem {
        what,
        mark: Mark::Address(address?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::parse;

    fn lab(table: &str, expect: &str) -> String {
        format!(
            "base = \"three-tier\"\ntitle = \"t\"\n\
             step = [{{ user = {{ get = \"https://your-app.com/\" }} }}]\n\
             [who-reads]\n{table}\n[[expect]]\nthat = \"t\"\nreads = {expect}\n"
        )
    }

    #[test]
    fn things_and_places_are_named() {
        let table = "on = [\"user\", \"alb-vpc\"]\nitem.path = \"/path\"\nitem.whom = { address = \"::1\" }";
        let plan = parse("x.toml", &lab(table, "{ what = \"path\", on = \"user\" }")).unwrap();
        let on: Vec<&str> = plan.who_reads.on.iter().map(|n| n.as_str()).collect();
        assert_eq!(on, ["user", "alb-vpc"]);
        let marks: Vec<&Mark> = plan.who_reads.items.iter().map(|i| &i.mark).collect();
        let address = Mark::Address("::1".parse().unwrap());
        assert_eq!(marks, [&Mark::Text("/path".into()), &address]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |table: &str, expect: &str| -> String {
            let errors = parse("x.toml", &lab(table, expect)).expect_err("wrong");
            let said = errors.mistakes().iter().map(|m| {
                let (line, column) = m.position();
                format!("{line}:{column} {m} | {}\n", m.label())
            });
            said.collect()
        };
        let good = "on = [\"user\"]\nitem.path = \"/path\"";
        insta::assert_snapshot!(
            [
                wrong(
                    "on = []\nitem.a = \"ab\"",
                    "{ what = \"a\", on = \"user\" }"
                ),
                wrong("item.\"\" = { adress = \"::1\" }", "{}"),
                wrong("on = [\"usr\"]\nitem = {}", "{ on = \"user\", is = 1 }"),
                wrong(good, "{ what = \"pth\", on = \"vpc\", as = \"me\" }"),
            ]
            .join("\n")
        );
    }
}
