//! The rooms of the program import downwards only, as ARCHITECTURE.md draws them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Rank of each room in the list of ARCHITECTURE.md: the first line that begins with a room and an arrow, up to the blank
/// line after it. A greater rank lies deeper; rooms between two arrows share a rank.
fn table(architecture: &str) -> BTreeMap<String, usize> {
    let paragraph = architecture
        .split("\n\n")
        .find(|paragraph| paragraph.starts_with('`') && paragraph.contains('→'))
        .expect("ARCHITECTURE.md has no list of rooms");
    let mut table = BTreeMap::new();
    for (rank, rooms) in paragraph.split('→').enumerate() {
        for room in rooms.split('`').skip(1).step_by(2) {
            table.insert(room.to_owned(), rank);
        }
    }
    table
}

/// The first names after `crate::` in code; `crate::{a, b::c}` counts as `a` and `b`.
fn imports(source: &str) -> BTreeSet<String> {
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let Some(group) = after.strip_prefix('{') else {
            found.insert(word(after));
            continue;
        };
        let mut depth = 0;
        let mut at_start = true;
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => at_start = true,
                c if at_start && !c.is_whitespace() => {
                    found.insert(word(&group[at..]));
                    at_start = false;
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = table(&std::fs::read_to_string(repository.join("ARCHITECTURE.md")).unwrap());
    let mut wrong = Vec::new();
    for file in walkdir::WalkDir::new(repository.join("src")).sort_by_file_name() {
        let file = file.unwrap();
        let path = file.path().strip_prefix(repository.join("src")).unwrap();
        if path.extension().is_none_or(|extension| extension != "rs") || path.components().count() == 1 {
            continue;
        }
        let room = path.components().next().unwrap().as_os_str().to_str().unwrap();
        let Some(rank) = table.get(room) else {
            wrong.push(format!("{room} is not in the table"));
            continue;
        };
        for import in imports(&std::fs::read_to_string(file.path()).unwrap()) {
            if import != room && table.get(&import).is_none_or(|other| other <= rank) {
                wrong.push(format!("{} imports {import}", path.display()));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_and_the_imports_are_read() {
    let table = table("# A\n\n`a` → `b`, `c` →\n`d`\n\nNot `e`.\n");
    let ranks: Vec<(&str, usize)> = table.iter().map(|(room, rank)| (room.as_str(), *rank)).collect();
    assert_eq!(ranks, [("a", 0), ("b", 1), ("c", 1), ("d", 2)]);
    let source = "use crate::{a::{X, Y}, b};\n// crate::z\nfn f() { crate::c::g(); }\n";
    assert_eq!(imports(source).into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
}
