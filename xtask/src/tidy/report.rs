//! `cargo xtask tidy --report`: the largest files and the longest functions. Nothing to fail on;
//! something to look at.

use super::TextFile;

const SHOWN: usize = 10;

pub(super) fn print(files: &[TextFile]) {
    let rust: Vec<&TextFile> = files.iter().filter(|file| file.path.ends_with(".rs")).collect();
    let mut sizes: Vec<(usize, String)> =
        rust.iter().map(|file| (file.text.lines().count(), file.path.clone())).collect();
    let mut functions: Vec<(usize, String)> = Vec::new();
    for file in &rust {
        for (line, length) in lengths(&file.text) {
            functions.push((length, format!("{}:{line}", file.path)));
        }
    }
    for (title, list) in [("Largest files", &mut sizes), ("Longest functions", &mut functions)] {
        println!("{title}, in lines (median {})", median(list));
        list.sort_by(|a, b| b.cmp(a));
        for (length, place) in list.iter().take(SHOWN) {
            println!("{length:>6}  {place}");
        }
    }
}

fn median(list: &[(usize, String)]) -> usize {
    let mut lengths: Vec<usize> = list.iter().map(|(length, _)| *length).collect();
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied().unwrap_or_default()
}

/// First line and length of every function. The source is formatted, so a function ends at the
/// first brace that stands as far to the right as its first line.
fn lengths(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if !starts_function(line.trim_start()) {
            continue;
        }
        if line.ends_with('}') {
            found.push((index + 1, 1));
            continue;
        }
        let end = format!("{}}}", " ".repeat(indent));
        let declaration = format!("{});", " ".repeat(indent));
        let rest = &lines[index + 1..];
        let Some(last) = rest.iter().position(|line| *line == end || *line == declaration) else {
            continue;
        };
        if !line.ends_with(';') && rest[last] == end {
            found.push((index + 1, last + 2));
        }
    }
    found
}

fn starts_function(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words
        .find(|word| {
            let modifier = matches!(*word, "const" | "async" | "unsafe" | "extern" | "pub");
            !modifier && !word.starts_with("pub(") && !word.starts_with('"')
        })
        .is_some_and(|word| word == "fn")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_functions() {
        let text = "impl A {\n    pub(crate) const fn short(self) -> u8 { 1 }\n\n    fn long(\n        a: u8,\n    ) -> u8 {\n        if a { }\n        2\n    }\n}\n\
                    trait B {\n    fn declared(&self);\n}\n\
                    unsafe extern \"C\" fn asm() {\n    x();\n}\n";
        assert_eq!(lengths(text), [(2, 1), (4, 6), (14, 3)]);
    }
}
