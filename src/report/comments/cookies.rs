//! The load balancer's cookies, told where it sets them and where a client shows them (AWS "Sticky sessions for your
//! Application Load Balancer").

use super::{Ends, is_alb};
use crate::dissect::message::HttpHead;
use crate::lab::plan::Plan;

/// What it writes in place of a value that is not needed.
const TAKEN_BACK: &str = "_remove_";

/// What a cookie of the load balancer is for. The first name that fits decides.
const USES: [(&str, &str); 3] = [
    ("AWSALBTG", "target group"),
    (
        "AWSALBAPP",
        "target, for as long as the application's own cookie comes with it",
    ),
    ("AWSALB", "target"),
];

/// A sentence, when a load balancer's response sets them.
pub(super) fn set(head: &HttpHead, ends: &Ends, plan: &Plan) -> Option<String> {
    if !is_alb(plan, &ends.from) {
        return None;
    }
    let pairs: Vec<(&str, &str)> = values(head, "set-cookie")
        .filter_map(|field| field.split(';').next()?.split_once('='))
        .collect();
    let names = |taken_back: bool| {
        let pairs = pairs.iter();
        let of_kind = pairs.filter(move |(_, value)| (*value == TAKEN_BACK) == taken_back);
        of_kind.map(|(name, _)| *name)
    };
    let Ends { from, to } = ends;
    let mut said = String::new();
    let set = sorted(names(false));
    for (listed, use_of) in &set {
        let it = if listed.len() == 1 {
            "it"
        } else {
            "one of them"
        };
        said += &format!(
            " {from} sets {}: whoever shows {it} comes to the same {use_of}. Only {from} can read it.",
            listed.join(" and ")
        );
    }
    let of_session = |name: &str| name.starts_with("AWSALBAPP");
    if names(true).any(of_session) && !names(false).any(of_session) {
        said += &format!(
            " {from} takes AWSALBAPP back ({TAKEN_BACK}): {to} showed no session that goes on."
        );
    }
    (!said.is_empty()).then_some(said)
}

/// A sentence, when a client shows them to a load balancer.
pub(super) fn shown(head: &HttpHead, ends: &Ends, plan: &Plan) -> Option<String> {
    if !is_alb(plan, &ends.to) {
        return None;
    }
    let pairs = values(head, "cookie").flat_map(|field| field.split(';'));
    let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    let names = pairs.filter(|(_, value)| *value != TAKEN_BACK);
    let uses = sorted(names.map(|(name, _)| name));
    let listed: Vec<&str> = uses.into_iter().flat_map(|(listed, _)| listed).collect();
    let Ends { from, to } = ends;
    (!listed.is_empty()).then(|| format!(" {from} shows {} to {to}.", listed.join(" and ")))
}

/// The names that are the load balancer's, by their use.
fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(Vec<&'a str>, &'static str)> {
    let mut uses = USES.map(|(_, use_of)| (Vec::new(), use_of));
    for name in names {
        if let Some(index) = USES.iter().position(|(begin, _)| name.starts_with(begin)) {
            uses[index].0.push(name);
        }
    }
    uses.into_iter()
        .filter(|(names, _)| !names.is_empty())
        .collect()
}

fn values<'a>(head: &'a HttpHead, name: &'a str) -> impl Iterator<Item = &'a str> {
    let fields = head.headers.iter();
    let named = fields.filter(move |(n, _)| n.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_by_their_use() {
        let names = ["SESSION", "AWSALBCORS", "AWSALBTG", "AWSALB", "AWSALBAPP-0"];
        let uses = sorted(names.into_iter());
        assert_eq!(uses[0], (vec!["AWSALBTG"], "target group"));
        assert_eq!(uses[1].0, ["AWSALBAPP-0"]);
        assert_eq!(uses[2], (vec!["AWSALBCORS", "AWSALB"], "target"));
        assert_eq!(uses.len(), 3);
    }
}
