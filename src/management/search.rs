//! How the search languages of lists are written: words and quoted texts, names with a colon, values in
//! parentheses, ranges. What a name means is said where a list has it (`logs/query.rs`,
//! `users/query.rs`).

use crate::model::instant;

/// Most values between which one test may choose.
pub(super) const VALUES_MAX: usize = 20;
const DAY_MS: i64 = 86_400_000;

/// From and until, either of which may be open.
pub(super) type Range = (Option<i64>, Option<i64>);

/// What is left to read.
pub(super) struct Reader<'q> {
    pub(super) rest: &'q str,
}

/// A value as it is written.
pub(super) struct Value {
    pub(super) text: String,
    pub(super) is_quoted: bool,
    /// The same with a space for each character that a quote or a backslash says is only itself.
    bare: String,
}

impl Value {
    /// True where a `*` at its end stands for anything.
    pub(super) fn is_prefix(&self) -> bool {
        self.bare.ends_with('*')
    }

    /// What stands before a `*` at the end; `None` where there is none.
    ///
    /// # Errors
    /// Where a `*` stands elsewhere.
    pub(super) fn prefix(&self) -> Result<Option<&str>, String> {
        let start = self.bare.trim_end_matches('*');
        if start.contains('*') {
            return Err(
                "* stands at the end of a value only: name:ann*; as itself it stands in double quotes"
                    .to_owned(),
            );
        }
        let cut = self.bare.len() - start.len();
        let end = self.text.len() - cut;
        Ok(self.text.get(..end).filter(|_| cut > 0))
    }

    /// Fails where Lucene reads an operator, which would only be looked for as it is written.
    ///
    /// # Errors
    /// What to write.
    pub(super) fn check_plain(&self) -> Result<(), String> {
        if self.bare.starts_with(['[', '{', '<', '>']) {
            return Err(
                "ranges are for dates and counts; text that begins like one stands in double quotes"
                    .to_owned(),
            );
        }
        if self.bare.starts_with('/') || self.bare.contains(['?', '~', '^']) {
            return Err("text with ?, ~ or ^, or / at its beginning, stands in double quotes; the one wildcard is * at the end".to_owned());
        }
        Ok(())
    }
}

/// How a test stands to the others.
#[derive(Clone, Copy)]
pub(super) struct Link {
    /// Either this test passes or the one before it.
    pub(super) by_or: bool,
    /// False: what does not pass is wanted.
    pub(super) wanted: bool,
}

/// What is said of a name that a list does not have.
pub(super) fn no_field(names: &[&str]) -> String {
    format!(
        "there is no field of this name before a colon; there are {}; text with a colon stands in double quotes",
        names.join(", ")
    )
}

impl Reader<'_> {
    /// Reads tests to the end: beside each other, with AND or OR between them, NOT or - before them.
    pub(super) fn tests(
        mut self,
        mut test: impl FnMut(&mut Self, Link) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut is_first = true;
        while self.skip_spaces() {
            let by_and = self.takes_word("AND");
            let by_or = !by_and && self.takes_word("OR");
            if (by_and || by_or) && (is_first || !self.skip_spaces()) {
                return Err("AND and OR stand between two tests".to_owned());
            }
            is_first = false;
            let is_negated = self.takes_word("NOT") || self.takes_minus();
            self.skip_spaces();
            if self.rest.starts_with('(') {
                return Err(
                    "parentheses stand behind a field, around its values: name:(\"a\" OR \"b\")"
                        .to_owned(),
                );
            }
            let wanted = !is_negated;
            test(&mut self, Link { by_or, wanted })?;
        }
        Ok(())
    }

    /// One value, or several in parentheses with OR between them.
    pub(super) fn values(&mut self) -> Result<Vec<Value>, String> {
        if !self.takes('(') {
            return Ok(vec![self.value(false)?]);
        }
        let mut values = Vec::new();
        loop {
            self.skip_spaces();
            values.push(self.value(false)?);
            self.skip_spaces();
            if self.takes(')') {
                break;
            }
            if !self.takes_word("OR") {
                return Err("between the values of a field stands OR, and ) behind them".to_owned());
            }
        }
        if values.len() > VALUES_MAX {
            return Err(format!("a field has at most {VALUES_MAX} values"));
        }
        Ok(values)
    }

    /// `[a TO b]`, `{a TO b}`, `>=a` and its like, or one. `unit` says from where until where one
    /// lasts; it answers `None` for `*`.
    pub(super) fn range(
        &mut self,
        unit: impl Fn(&str) -> Result<Option<(i64, i64)>, String>,
    ) -> Result<Range, String> {
        let opening = self.rest.chars().next();
        if !matches!(opening, Some('[' | '{')) {
            return self.one(unit);
        }
        let (inside, closing) = self
            .rest
            .find([']', '}'])
            .and_then(|end| Some((self.rest.get(1..end)?, self.rest.get(end..=end)?)))
            .ok_or("a range ends with ] or }")?;
        let (from, to) = inside
            .split_once(" TO ")
            .ok_or("a range is written [2026-11-01 TO 2026-11-30]; * is an open end")?;
        let (from, to) = (unit(from.trim())?, unit(to.trim())?);
        let from = from.map(|(begins, ends)| if opening == Some('[') { begins } else { ends });
        let to = to.map(|(begins, ends)| if closing == "]" { ends } else { begins });
        let length = inside.len() + 2;
        self.rest = self.rest.get(length..).unwrap_or("");
        Ok((from, to))
    }

    fn one(
        &mut self,
        unit: impl Fn(&str) -> Result<Option<(i64, i64)>, String>,
    ) -> Result<Range, String> {
        let sign = [">=", "<=", ">", "<"]
            .into_iter()
            .find(|sign| self.rest.starts_with(sign))
            .unwrap_or("");
        self.rest = self.rest.get(sign.len()..).unwrap_or("");
        let value = self.value(false)?;
        let Some((begins, ends)) = unit(&value.text)? else {
            return Ok((None, None));
        };
        Ok(match sign {
            ">=" => (Some(begins), None),
            ">" => (Some(ends), None),
            "<=" => (None, Some(ends)),
            "<" => (None, Some(begins)),
            _ => (Some(begins), Some(ends)),
        })
    }

    /// A word, up to a space, a parenthesis or (as a name) a colon; or what stands in double quotes.
    /// A backslash takes the next character as it is.
    pub(super) fn value(&mut self, is_name: bool) -> Result<Value, String> {
        let is_quoted = self.takes('"');
        let (mut text, mut bare) = (String::new(), String::new());
        let mut characters = self.rest.char_indices();
        let mut end = None;
        while let Some((at, c)) = characters.next() {
            let ends = match (is_quoted, c) {
                (true, '"') | (false, '(' | ')' | '"') => true,
                (false, ':') => is_name,
                (false, c) => c.is_whitespace(),
                (true, _) => false,
            };
            if ends {
                end = Some(at);
                break;
            }
            let (c, is_bare) = match c {
                '\\' => (characters.next().map(|(_, c)| c), false),
                c => (Some(c), !is_quoted),
            };
            text.extend(c);
            bare.extend(c.map(|c| if is_bare { c } else { ' ' }));
        }
        if is_quoted && end.is_none() {
            return Err("a double quote is missing".to_owned());
        }
        let end = end.unwrap_or(self.rest.len());
        self.rest = self.rest.get(end..).unwrap_or("");
        if is_quoted {
            self.takes('"');
        } else if text.is_empty() {
            return Err(
                "a value is missing: write field:value, field:\"value\" or \"text\"".to_owned(),
            );
        }
        Ok(Value {
            text,
            is_quoted,
            bare,
        })
    }

    /// True where something follows.
    pub(super) fn skip_spaces(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        !self.rest.is_empty()
    }

    pub(super) fn takes(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A word in capitals that stands alone.
    pub(super) fn takes_word(&mut self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word);
        let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with([' ', '(', '"']));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A minus before a test.
    pub(super) fn takes_minus(&mut self) -> bool {
        self.rest.len() > 1 && self.takes('-')
    }
}

/// The milliseconds from which and until which a day or a second lasts; `None` for `*`.
pub(super) fn period(text: &str) -> Result<Option<(i64, i64)>, String> {
    if text == "*" {
        return Ok(None);
    }
    let text = text.trim_matches('"');
    if let Some(begins) = instant::from_rfc3339(&format!("{text}T00:00:00Z")) {
        let begins = begins.saturating_mul(1000);
        return Ok(Some((begins, begins.saturating_add(DAY_MS))));
    }
    let second = instant::from_rfc3339(text)
        .ok_or("a date is written 2026-11-20, or 2026-11-20T15:55:38Z with any offset")?;
    let begins = second.saturating_mul(1000);
    Ok(Some((begins, begins.saturating_add(1000))))
}
