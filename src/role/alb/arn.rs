//! Names that AWS gives its resources. A lab has no account and no region: those of AWS's own examples stand for them,
//! and what AWS draws at random is made of the resource's name, so that it is the same in every run.

use sha2::{Digest, Sha256};

const REGION: &str = "us-east-2";
const ACCOUNT: &str = "123456789012";

/// As in `app/my-loadbalancer/50dc6c495c0c9188`: the resource ID of the load balancer.
pub(super) fn load_balancer(name: &str) -> String {
    format!("app/{name}/{}", digits("loadbalancer", name, 16))
}

/// As in `arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067`.
pub(super) fn target_group(name: &str) -> String {
    let id = digits("targetgroup", name, 16);
    format!("arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/{name}/{id}")
}

/// As in `arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012`.
pub(super) fn certificate(name: &str) -> String {
    let id = digits("certificate", name, 32);
    let id = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-");
    format!("arn:aws:acm:{REGION}:{ACCOUNT}:certificate/{id}")
}

/// As in `TID_3180a73013c8ca4bac2f731159d4b0fe`: the traceability ID of a connection, which `of` tells from others.
pub(super) fn connection(of: &str) -> String {
    format!("TID_{}", digits("connection", of, 32))
}

/// The first `count` hexadecimal digits of a digest.
fn digits(kind: &str, name: &str, count: usize) -> String {
    let digest = Sha256::digest(format!("{kind}/{name}"));
    let mut digits: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    digits.truncate(count);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_forms_of_aws() {
        let form = |text: String| {
            let form = text.chars().map(|c| match c {
                '0'..='9' | 'a'..='f' => 'h',
                other => other,
            });
            form.collect::<String>()
        };
        let id = load_balancer("x");
        let id = id.strip_prefix("app/x/").unwrap();
        assert_eq!(form(id.to_owned()), "h".repeat(16));
        let arn = target_group("web");
        let id = arn
            .strip_prefix("arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/web/")
            .unwrap();
        assert_eq!(form(id.to_owned()), "h".repeat(16));
        let arn = certificate("your-app");
        let id = arn.rsplit('/').next().unwrap();
        assert_eq!(form(id.to_owned()), "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh");
        assert_eq!(connection("a").len(), 36);
        assert_ne!(connection("a"), connection("b"));
    }
}
