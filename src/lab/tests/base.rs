//! Labs that are laid over a base or over another lab.

use std::fs;
use std::path::Path;

use super::{lines, show, small};
use crate::lab::plan::Plan;
use crate::lab::{LabErrors, LoadError, load, parse};

/// `my-lab.toml`, read by path from a folder with the other files.
fn load_beside(lab: &str, others: &[(&str, &str)]) -> Result<Plan, LoadError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my-lab.toml");
    fs::write(&path, lab).unwrap();
    for (name, text) in others {
        fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
    }
    load(path.to_str().unwrap())
}

/// A lab and a base of its own.
fn load_files(lab: &str, base: &str) -> Result<Plan, LoadError> {
    load_beside(lab, &[("my-base", base)])
}

fn wrong(result: Result<Plan, LoadError>) -> LabErrors {
    match result {
        Err(LoadError::Lab(errors)) => errors,
        Err(e) => panic!("{e}"),
        Ok(_) => panic!("the files should be wrong"),
    }
}

/// A lab over the smallest one: with a title, an expectation and the mark of its fault.
fn faulty(more: &str) -> String {
    small(&format!(
        "look_for = [\"the fault\"]\nnotes = [\"so\"]\nexpert = [\"fault\"]\nlimit = \"20 s\"\n{more}\n\
         [link.user]\nbetween = [\"user\", \"internet\"]\ndelay = \"5 ms\"\ndrop-nth = {{ nth = [1] }}\n\
         [[expect]]\nthat = \"it fails\"\nstatus = {{ at = \"user\", is = 200 }}"
    ))
}

#[test]
fn mistakes_in_the_base_are_placed_in_the_base() {
    let lab = "base = \"my-base\"\ntitle = \"mine\"\n[link.user]\nmtu = 9\n";
    let base = small("\n[link.user]\nbetween = [\"user\", \"internet\"]\ndelya = \"5 ms\"");
    let plan = load_files("base = \"my-base\"\ntitle = \"mine\"", &small("")).unwrap();
    assert_eq!(
        (plan.name.as_str(), plan.title.as_str()),
        ("my-lab", "mine")
    );
    let errors = wrong(load_files(lab, &base));
    let places = errors.mistakes().iter().map(|m| {
        let file = Path::new(m.file()).file_name().unwrap().to_str().unwrap();
        (file, m.position(), m.to_string())
    });
    assert_eq!(
        places.collect::<Vec<_>>(),
        [
            ("my-lab.toml", (4, 7), "`mtu` is out of range".to_owned()),
            ("my-base.toml", (13, 1), "unknown key `delya`".to_owned()),
        ]
    );
}

#[test]
fn a_base_is_a_name_and_has_no_base() {
    let errors = wrong(load_files("base = \"my-base\"", "base = \"three-tier\""));
    assert_eq!(
        errors.mistakes()[0].to_string(),
        "a base has no base of its own"
    );
    for name in ["../my-base", "/etc/passwd", "nowhere", ""] {
        let errors = wrong(load_files(&format!("base = \"{name}\""), ""));
        assert_eq!(
            errors.mistakes()[0].to_string(),
            format!("unknown base `{name}`")
        );
    }
}

#[test]
fn a_lab_over_a_lab_says_only_how_it_differs() {
    let fixed = "base = \"x\"\ntitle = \"mended\"\nwithout = [\"link.user.drop-nth\"]\n\
                 [link.user]\ndelay = \"7 ms\"\n";
    let plan = load_beside(fixed, &[("x", &faulty(""))]).unwrap();
    assert_eq!(plan.title, "mended");
    assert_eq!(plan.steps.len(), 1, "what is done stays");
    assert_eq!(plan.limit.as_secs(), 20);
    let own = (plan.look_for.len(), plan.notes.len(), plan.expert.len());
    assert_eq!((own, plan.expectations.len()), ((0, 0, 0), 0));
    let link = plan
        .topology
        .links
        .iter()
        .find(|l| l.name.as_str() == "user");
    let words: Vec<_> = link.unwrap().impairments[0]
        .iter()
        .map(|i| i.word())
        .collect();
    assert_eq!(words, ["delay"]);
}

#[test]
fn a_lab_over_a_lab_has_a_title_of_its_own() {
    let errors = wrong(load_beside("base = \"x\"", &[("x", &faulty(""))]));
    assert_eq!(errors.mistakes()[0].to_string(), "`title` is missing");
}

#[test]
fn a_shipped_lab_is_a_base_and_its_own_base_is_below_it() {
    let source = "base = \"tls/tls13-post-quantum-loss\"\ntitle = \"nothing is lost\"\n\
                  without = [\"link.edge.there\"]\n";
    let plan = parse("x.toml", source).unwrap_or_else(|e| panic!("{}", show(&e)));
    assert!(plan.topology.node("web-b").is_some(), "of the three tiers");
    assert!(plan.expectations.is_empty());
}

#[test]
fn three_files_are_the_most() {
    let lab = |base: &str| format!("base = \"{base}\"\ntitle = \"t\"\n");
    let others = [("a", lab("b")), ("b", lab("three-tier"))];
    let others: Vec<_> = others.iter().map(|(n, t)| (*n, t.as_str())).collect();
    let errors = wrong(load_beside(&lab("a"), &others));
    let mistake = &errors.mistakes()[0];
    assert_eq!(mistake.to_string(), "a lab is made of three files at most");
    assert!(mistake.file().ends_with("b.toml"), "{}", mistake.file());
    // One that is its own base ends there too.
    let errors = wrong(load_beside(&lab("my-lab"), &[]));
    assert_eq!(errors.mistakes().len(), 1);
}

#[test]
fn what_a_lab_is_without_must_be_there() {
    let source = "base = \"tls/tls13-post-quantum-loss\"\ntitle = \"t\"\n\
                  without = [\"link.edge.their\", \"a b\", \"link.edge.delay.x\", 5, 'node.web-a.app.route.\"/x\"']\n";
    let errors = parse("x.toml", source).unwrap_err();
    insta::assert_snapshot!(lines(&errors), @r#"
x.toml:3:12 the base has no `link.edge.their` | there is no `their` | did you mean `there`? known here: `between`, `delay`, `there`
x.toml:3:31 `a b` is not a key | expected a key such as "link.edge.there.drop-nth"
x.toml:3:38 the base has no `link.edge.delay.x` | there is no `x` | there is none that could stand here
x.toml:3:59 `without` is not a text | expected a text such as "…", found an integer
x.toml:3:62 the base has no `node.web-a.app.route."/x"` | there is no `/x` | did you mean `/`? known here: `/notification/health/check`, `/`
"#);
    let errors = parse("x.toml", &small("without = [\"limit\"]")).unwrap_err();
    insta::assert_snapshot!(lines(&errors), @"x.toml:10:1 nothing to be without | expected no `without` where there is no `base`");
    let near = parse("x.toml", "base = \"tls/tls13-post-quantum-los\"").unwrap_err();
    insta::assert_snapshot!(lines(&near), @r#"x.toml:1:8 unknown base `tls/tls13-post-quantum-los` | neither a shipped base or lab nor a file beside this one | did you mean `tls/tls13-post-quantum-loss`?"#);
}
