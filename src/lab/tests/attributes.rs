//! Attributes of a load balancer: what is read, and what is said about mistakes.

use std::time::Duration;

use super::{lines, mistakes, plan, small};
use crate::role::config::{Alb, Attributes, DesyncMode, ForwardedFor, Role};

/// A lab whose load balancer has these attributes.
fn with(attributes: &str) -> String {
    small(&format!(
        "node.alb.address.home = \"203.192.1.70\"\n\
         node.alb.alb = {{ name = \"a\", {attributes} listener = [{{ port = 80, forward = \"web\" }}] }}\n\
         target-group.web.targets = [\"web:80\"]"
    ))
}

fn alb(source: &str) -> Alb {
    let albs = plan(source).roles.into_iter().filter_map(|(_, role)| {
        let Role::Alb(alb) = role else {
            return None;
        };
        Some(alb)
    });
    albs.last().expect("there is a load balancer")
}

#[test]
fn attributes_have_the_defaults_of_aws() {
    assert_eq!(alb(&with("")).attributes, Attributes::default());
}

#[test]
fn every_attribute_is_read() {
    let text = "idle-timeout = \"4000 s\", client-keep-alive = \"60 s\", http2 = false, xff-client-port = true, \
                preserve-host-header = true, drop-invalid-header-fields = true, desync-mitigation-mode = \"strictest\", \
                tls-version-and-cipher-suite-headers = true, cross-zone = true,";
    let expected = Attributes {
        idle_timeout: Duration::from_secs(4000),
        client_keep_alive: Duration::from_secs(60),
        http2: false,
        forwarded_for: ForwardedFor::Append { port: true },
        preserve_host: true,
        drop_invalid_fields: true,
        desync: DesyncMode::Strictest,
        tls_fields: true,
    };
    assert_eq!(alb(&with(text)).attributes, expected);
    let remove = alb(&with("xff-header-processing = \"remove\","));
    assert_eq!(remove.attributes.forwarded_for, ForwardedFor::Remove);
}

#[test]
fn wrong_attributes_are_all_told() {
    let text = "idle-timeout = \"0.5 s\", client-keep-alive = \"59 s\", xff-header-processing = \"preserve\", \
                xff-client-port = true, desync-mitigation-mode = \"strict\", http2 = 1, cross-zone = false,";
    insta::assert_snapshot!(lines(&mistakes(&with(text))), @r#"
    x.toml:11:45 `idle-timeout` is out of range | expected whole seconds, 1 s to 4000 s
    x.toml:11:74 `client-keep-alive` is out of range | expected whole seconds, 60 s to 604800 s
    x.toml:11:118 `xff-client-port` has nothing to add its port to | only with `xff-header-processing = "append"`
    x.toml:11:167 unknown desync mitigation mode `strict` | no desync mitigation mode has this name | did you mean `strictest`? known here: `monitor`, `defensive`, `strictest`
    x.toml:11:185 `http2` is not a truth | expected a truth such as true, found an integer
    x.toml:11:201 an Application Load Balancer always crosses zones | expected true, or nothing | `[target-group.NAME]` may say `cross-zone = false`
    "#);
}
