//! House rules that matter, as tests: which room may import which, and what every file owes its reader.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Ground floor first. A room imports only from rooms on its own or an earlier line.
const FLOORS: [&[&str]; 18] = [
    &["units", "time", "rng", "name"],
    &["wire"],
    &["os"],
    &["event"],
    &["dissect"],
    &["impair"],
    &["stack"],
    &["tls"],
    &["capture"],
    &["net"],
    &["world"],
    &["role"],
    &["lab"],
    &["expect"],
    &["report"],
    &["explain"],
    &["run"],
    &["cli"],
];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

/// The room of a file below `src`: its folder, or its own name.
fn room_of(path: &Path) -> Option<String> {
    let below = path.strip_prefix(root().join("src")).unwrap();
    let first = below
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    let room = first.trim_end_matches(".rs");
    (!matches!(room, "lib" | "main")).then(|| room.to_owned())
}

/// Every `crate::name` in a file, with the line it stands on. Comments do not count.
fn imports(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in source.lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for part in line.split("crate::").skip(1) {
            let name: String = part
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            if !name.is_empty() {
                found.push((number + 1, name));
            }
        }
    }
    found
}

#[test]
fn rooms_import_only_from_the_floors_below() {
    let mut wrong = Vec::new();
    let mut rooms = BTreeSet::new();
    for path in rust_files(&root().join("src")) {
        let Some(room) = room_of(&path) else { continue };
        let own = floor(&room).unwrap_or_else(|| panic!("{room} is on no floor"));
        rooms.insert(room);
        for (line, import) in imports(&fs::read_to_string(&path).unwrap()) {
            match floor(&import) {
                Some(other) if other <= own => {}
                Some(_) => wrong.push(format!("{}:{line} imports {import}", path.display())),
                None => wrong.push(format!("{}:{line}: {import} is no room", path.display())),
            }
        }
    }
    assert!(rooms.len() > 10, "the rooms were found: {rooms:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_is_in_it_and_holds_one_room() {
    // The guide is 500; what lies between is a warning to the next who adds to it.
    const LINES_MAX: usize = 700;
    let mut wrong = Vec::new();
    for path in rust_files(&root().join("src")) {
        let source = fs::read_to_string(&path).unwrap();
        if !source.starts_with("//!") {
            wrong.push(format!("{} does not begin with `//!`", path.display()));
        }
        let lines = source.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{} has {lines} lines", path.display()));
        }
        for (number, line) in source.lines().enumerate() {
            let unsafe_here = line.contains("unsafe ") && !line.trim_start().starts_with("//");
            let in_os = room_of(&path).is_some_and(|r| r == "os");
            // Put together here, so that this line is none of them.
            let marks = [
                concat!("to", "do!"),
                concat!("unimple", "mented!"),
                concat!("FIX", "ME"),
                concat!("XX", "X"),
            ];
            if unsafe_here && !in_os {
                wrong.push(format!("{}:{}: unsafe", path.display(), number + 1));
            }
            if marks.iter().any(|m| line.contains(m)) {
                wrong.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_dependency_says_why() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = manifest.split("[dependencies]").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    let silent: Vec<&str> = section
        .lines()
        .filter(|l| l.contains('=') && !l.contains('#'))
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn only_one_room_names_smoltcp() {
    for path in rust_files(&root().join("src")) {
        let source = fs::read_to_string(&path).unwrap();
        let names = source
            .lines()
            .any(|l| l.contains("smoltcp::") && !l.trim_start().starts_with("//"));
        let stack = room_of(&path).is_some_and(|r| r == "stack");
        assert!(stack || !names, "{}", path.display());
    }
}

/// Files that the README names by their path, and families of expectations that it must explain.
#[test]
fn the_readme_knows_its_way_around() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let quoted: Vec<&str> = readme.split('`').skip(1).step_by(2).collect();
    let rooms = ["src/", "tests/", "labs/", "captures/", "fuzz/", "benches/"];
    let paths = quoted
        .iter()
        .filter(|text| rooms.iter().any(|room| text.starts_with(room)))
        .filter(|text| !text.contains([' ', '*', '<', '…']));
    let missing: Vec<_> = paths.clone().filter(|p| !root().join(p).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(paths.count() > 20);
    let families = fs::read_to_string(root().join("src/lab/expectations/mod.rs")).unwrap();
    let families = families.split("FAMILIES: ").nth(1).unwrap();
    let families = families.split("\n];").next().unwrap();
    let names = families.lines().filter_map(|l| l.split('"').nth(1));
    let silent: Vec<_> = names
        .clone()
        .filter(|family| {
            !readme
                .lines()
                .any(|l| l.starts_with("| `") && l.contains(&format!("`{family}`")))
        })
        .collect();
    assert!(silent.is_empty(), "not in the README: {silent:?}");
    assert!(names.count() > 25);
}
