//! What a lab says about links.

use std::time::Duration;

use super::{lines, mistakes, plan, small};
use crate::impair::{Distribution, Impairment, Jitter, Matching, Pick, Span, Which};

const LINK: &str = "[link.user]\nbetween = [\"user\", \"internet\"]\n";

fn there(more: &str) -> Vec<Impairment> {
    let plan = plan(&small(&format!("{LINK}{more}")));
    let mut links = plan.topology.links.into_iter();
    let link = links.find(|l| l.name.as_str() == "user").unwrap();
    link.impairments.into_iter().next().unwrap()
}

#[test]
fn every_impairment_can_be_said_and_they_judge_in_a_fixed_order() {
    let all = there(
        "duplicate = { share = \"1 %\" }\nreorder = { nth = [3], matching = \"data\", by = 2, at-most = \"5 ms\" }\n\
         corrupt = { nth = [1, 4] }\ndrop-nth = { nth = [2] }\nloss = \"1 %\"\n\
         jitter = { up-to = \"3 ms\", distribution = \"normal\", reorder = true }\ndelay = \"1 ms\"\n\
         rate = { rate = \"8 Mbit/s\", queue-packets = 5 }\noutage = { from = \"1 s\", to = \"2 s\" }\n",
    );
    let words: Vec<&str> = all.iter().map(Impairment::word).collect();
    assert_eq!(
        words,
        [
            "outage",
            "rate",
            "delay",
            "jitter",
            "loss",
            "drop-nth",
            "corrupt",
            "reorder",
            "duplicate"
        ]
    );
    let jitter = Jitter {
        up_to: Duration::from_millis(3),
        distribution: Distribution::Normal,
        reorder: true,
    };
    assert_eq!(all[3], Impairment::Jitter(jitter));
    let reorder = Impairment::Reorder {
        pick: Pick {
            matching: Matching::Data,
            which: Which::Nth(vec![3]),
        },
        by: 2,
        at_most: Duration::from_millis(5),
    };
    assert_eq!(all[7], reorder);
}

#[test]
fn outages_may_be_several() {
    let spans =
        there("outage = [{ from = \"0\", to = \"1 s\" }, { from = \"2 s\", to = \"3 s\" }]");
    let span = |from, to| Span {
        from: Duration::from_secs(from),
        to: Duration::from_secs(to),
    };
    assert_eq!(spans, [Impairment::Outage(vec![span(0, 1), span(2, 3)])]);
}

#[test]
fn wrong_impairments_say_what_is_wrong() {
    let errors = mistakes(&small(&format!(
        "{LINK}outage = [{{ from = \"2 s\", to = \"1 s\" }}, {{ from = \"1 s\" }}]\n\
         jitter = {{ up-to = 5, distribution = \"pareto\" }}\n\
         reorder = {{ by = 0, nth = [1], share = \"1 %\" }}\n\
         duplicate = {{ nth = [], later = \"soon\" }}\n\
         corrupt = {{ matching = \"tcp\" }}\n\
         rate = {{ rate = \"1 Mbit/s\", queue-packets = -1 }}\n"
    )));
    insta::assert_snapshot!(lines(&errors));
}
