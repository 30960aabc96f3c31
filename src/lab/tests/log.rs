//! Expectations about logs of load balancers.

use super::{lines, mistakes};
use crate::lab::plan::{Check, Entries, Log};

/// A load balancer and its target, and `expect` after it.
fn with(expect: &str) -> String {
    format!(
        "title = \"t\"\nbase = \"three-tier\"\n\
         step = [{{ user = {{ get = \"https://your-app.com/\" }} }}]\nexpect = [{expect}]\n"
    )
}

#[test]
fn an_entry_is_named_by_its_number_and_its_fields() {
    let source = with(
        "{ that = \"x\", access-log = { at = \"alb\", nth = 2, elb-status-code = \"502\", client = \"a\" } },\n\
         { that = \"y\", connection-log = { at = \"alb\", count = 3, tls-verify-status = \"Success\" } }",
    );
    let plan = super::plan(&source);
    let checks: Vec<&Check> = plan.expectations.iter().map(|e| &e.check).collect();
    let [
        Check::Logged {
            log: Log::Access,
            entries: Entries::Nth(2),
            fields,
            ..
        },
        Check::Logged {
            log: Log::Connection,
            entries: Entries::Count(3),
            ..
        },
    ] = checks[..]
    else {
        panic!("{checks:?}");
    };
    // In the log's order, not the file's.
    assert_eq!(
        *fields,
        [
            ("client", "a".to_owned()),
            ("elb-status-code", "502".to_owned())
        ]
    );
}

#[test]
fn wrong_entries_are_told() {
    let source = with(
        "{ that = \"x\", access-log = { at = \"alb\", nth = 0, elb-status-code = 502, colour = \"red\" } },\n\
         { that = \"y\", connection-log = { at = \"nobody\", nth = 1, count = 1 } },\n\
         { that = \"z\", connection-log = { at = \"alb\", elb-status-code = \"502\" } }",
    );
    insta::assert_snapshot!(lines(&mistakes(&source)), @r#"
    x.toml:4:58 `nth` is out of range | expected 1 to 1000000
    x.toml:4:79 `elb-status-code` is not a text | expected a text such as "…", found an integer
    x.toml:4:84 unknown key `colour` | not a key of this table | 29 are known here
    x.toml:5:39 unknown node `nobody` | no node has this name | known here: `user`, `resolver`, `alb`, `ec2-a`, `ec2-b`, `web-a`, `web-b`, `internet`, `vpc`
    x.toml:5:58 an entry or a number of entries | expected either `nth` or `count`
    x.toml:6:46 unknown key `elb-status-code` | not a key of this table | known here: `at`, `nth`, `count`, `client-ip`, `client-port`, `listener-port`, `tls-protocol`, `tls-cipher`, `tls-handshake-latency`, `leaf-client-cert-subject`, `leaf-client-cert-validity`, `leaf-client-cert-serial-number`, `tls-verify-status`, `tls-keyexchange`, `elb`, `ip-address`
    "#);
}
