//! Patterns with wildcards, as rules compare with them.

/// A text in which `*` stands for any number of characters and `?` for exactly one. A backslash takes the meaning from
/// the wildcard after it (AWS "Listener rules for your Application Load Balancer").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// `*`
    Any,
    /// `?`
    One,
    Literal(u8),
}

impl Pattern {
    /// Reads a pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            parts.push(match byte {
                b'*' => Part::Any,
                b'?' => Part::One,
                b'\\' => match bytes.next_if(|b| matches!(b, b'*' | b'?' | b'\\')) {
                    Some(escaped) => Part::Literal(escaped),
                    None => Part::Literal(byte),
                },
                _ => Part::Literal(byte),
            });
        }
        Self {
            text: text.to_owned(),
            parts,
        }
    }

    /// As written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many wildcards it has.
    #[must_use]
    pub fn wildcards(&self) -> usize {
        let wild = |p: &&Part| matches!(p, Part::Any | Part::One);
        self.parts.iter().filter(wild).count()
    }

    /// Whether it covers the whole of `text`, upper and lower case being different.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        self.covers(text, |a, b| a == b)
    }

    /// Whether it covers the whole of `text`, upper and lower case being the same.
    #[must_use]
    pub fn matches_any_case(&self, text: &[u8]) -> bool {
        self.covers(text, |a, b| a.eq_ignore_ascii_case(&b))
    }

    /// Goes on where it can and returns to the last `*` where it cannot: no more steps than pattern times text, which a
    /// backtracking matcher would not promise.
    fn covers(&self, text: &[u8], same: impl Fn(u8, u8) -> bool) -> bool {
        let (mut part, mut at) = (0, 0);
        // The last `*`, and how far it reaches.
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.parts.get(part) {
                Some(Part::Any) => {
                    star = Some((part, at));
                    part += 1;
                    continue;
                }
                Some(Part::One) => {
                    (part, at) = (part + 1, at + 1);
                    continue;
                }
                Some(Part::Literal(byte)) if same(*byte, text[at]) => {
                    (part, at) = (part + 1, at + 1);
                    continue;
                }
                Some(Part::Literal(_)) | None => {}
            }
            let Some((from, reach)) = star else {
                return false;
            };
            star = Some((from, reach + 1));
            (part, at) = (from + 1, reach + 1);
        }
        self.parts[part..].iter().all(|p| *p == Part::Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_number_and_a_question_mark_one() {
        let any =
            |pattern: &str, text: &str| Pattern::new(pattern).matches_any_case(text.as_bytes());
        assert!(any("*.example.com", "Test.EXAMPLE.com"));
        assert!(
            !any("*.example.com", "example.com"),
            "the dot must be there"
        );
        assert!(any("*.example.com", "a.b.example.com"));
        assert!(any("test.example.???", "test.example.org"));
        assert!(!any("test.example.???", "test.example.info"));
        assert!(any("*", ""));
        assert!(any("a*b*c", "a-b-b-c") && !any("a*b*c", "a-b-b-c-"));
        assert!(!any("?", "") && !any("", "x") && any("", ""));
    }

    #[test]
    fn paths_differ_by_case_and_a_backslash_makes_a_wildcard_plain() {
        let path = Pattern::new("/img/*/pics");
        assert!(path.matches(b"/img/a/b/pics") && !path.matches(b"/IMG/a/pics"));
        let plain = Pattern::new("\\*price\\?");
        assert_eq!(plain.wildcards(), 0);
        assert!(plain.matches(b"*price?") && !plain.matches(b"xprice?"));
        assert_eq!(Pattern::new("a?*").wildcards(), 2);
    }

    #[test]
    fn many_stars_cost_no_more_than_pattern_times_text() {
        let text = vec![b'a'; 20_000];
        assert!(!Pattern::new("*a*a*a*a*b").matches(&text));
    }
}
