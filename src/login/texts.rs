//! The catalogue: every text that people read, in each language, and which language they read.

use std::sync::LazyLock;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::types::FluentNumber;
use fluent_bundle::{FluentArgs, FluentResource};
use fluent_langneg::{NegotiationStrategy, negotiate_languages, parse_accepted_languages};
use unic_langid::LanguageIdentifier;

/// The bytes of a list of wished languages that are looked at.
const WISHES_BYTES_MAX: usize = 500;

/// A language that pages and mails speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Also where nobody asks for anything that we speak.
    English,
    /// With "Sie".
    German,
    /// With "usted".
    Spanish,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::English, Self::German, Self::Spanish];

    /// The first language that we speak of `ui_locales` (OpenID Connect Core §3.1.2.1), else of
    /// `Accept-Language`, else English. Weights are not looked at: browsers list what they like best
    /// first.
    #[must_use]
    pub fn choose(ui_locales: Option<&str>, headers: &HeaderMap) -> Self {
        let accepted = headers
            .get(ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok());
        let wished = |wishes: Option<&str>| Self::first_of(&wishes?.replace(' ', ","));
        wished(ui_locales)
            .or_else(|| wished(accepted))
            .unwrap_or(Self::English)
    }

    fn first_of(wishes: &str) -> Option<Self> {
        let end = wishes.floor_char_boundary(WISHES_BYTES_MAX);
        let wishes = parse_accepted_languages(wishes.get(..end)?);
        let spoken = Self::ALL.map(Self::identifier);
        let found = negotiate_languages(&wishes, &spoken, None, NegotiationStrategy::Lookup);
        let found = found.first().copied()?;
        Self::ALL
            .into_iter()
            .find(|language| language.identifier() == *found)
    }

    /// As `lang` says it (BCP 47).
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::Spanish => "es",
        }
    }

    fn identifier(self) -> LanguageIdentifier {
        // The tags are well formed, as the test of `choose` shows; `und` would speak to nobody.
        self.tag().parse().unwrap_or_default()
    }

    const fn source(self) -> &'static str {
        match self {
            Self::English => include_str!("../../texts/en.ftl"),
            Self::German => include_str!("../../texts/de.ftl"),
            Self::Spanish => include_str!("../../texts/es.ftl"),
        }
    }

    fn catalogue(self) -> &'static FluentBundle<FluentResource> {
        static CATALOGUES: LazyLock<[FluentBundle<FluentResource>; 3]> =
            LazyLock::new(|| Language::ALL.map(load));
        let [english, german, spanish] = &*CATALOGUES;
        match self {
            Self::English => english,
            Self::German => german,
            Self::Spanish => spanish,
        }
    }

    /// A text without gaps. Where there is none under the key, the key; a test sees to it that there
    /// is one.
    #[must_use]
    pub fn say(self, key: &str) -> String {
        self.say_all(key, None)
    }

    /// A text with one gap, for text.
    #[must_use]
    pub fn say_of(self, key: &str, gap: &str, text: impl AsRef<str>) -> String {
        self.say_all(key, Some(&gaps([(gap, text.as_ref())])))
    }

    /// A text with the gap `$count`, for a number, with which the words may agree.
    #[must_use]
    pub fn say_count(self, key: &str, count: impl Into<FluentNumber>) -> String {
        let mut arguments = FluentArgs::with_capacity(1);
        arguments.set("count", count.into());
        self.say_all(key, Some(&arguments))
    }

    /// A text with any gaps.
    #[must_use]
    pub(super) fn say_all(self, key: &str, gaps: Option<&FluentArgs<'_>>) -> String {
        let catalogue = self.catalogue();
        let message = catalogue.get_message(key);
        let Some(pattern) = message.and_then(|message| message.value()) else {
            return key.to_owned();
        };
        let mut errors = Vec::new();
        let text = catalogue
            .format_pattern(pattern, gaps, &mut errors)
            .into_owned();
        debug_assert!(errors.is_empty(), "{key}: {errors:?}");
        text
    }
}

/// Texts for several gaps.
pub(super) fn gaps<'v, const N: usize>(texts: [(&'v str, &'v str); N]) -> FluentArgs<'v> {
    texts.into_iter().collect()
}

fn load(language: Language) -> FluentBundle<FluentResource> {
    // What is broken in a catalogue is left out of it, and the tests find it.
    let resource = FluentResource::try_new(language.source().to_owned());
    let resource = resource.unwrap_or_else(|(whole_part, _)| whole_part);
    let mut bundle = FluentBundle::new_concurrent(vec![language.identifier()]);
    // Marks around each gap would stop one name from turning the text about it around; they would
    // also be in every text that somebody copies. `plain` takes out what turns text.
    bundle.set_use_isolating(false);
    bundle.add_resource_overriding(resource);
    bundle
}

/// Text from outside without the characters that turn the text about it around (Unicode UAX #9):
/// a name must not be able to change what a sentence says.
#[must_use]
pub(super) fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|c| !turns(*c)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The texts of a language: the key and what stands behind it.
    fn texts(language: Language) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        let mut last = String::new();
        for line in language.source().lines() {
            if let Some((key, text)) = line
                .split_once(" = ")
                .filter(|_| !line.starts_with([' ', '#']))
            {
                key.clone_into(&mut last);
                let before = texts.insert(last.clone(), text.to_owned());
                assert_eq!(before, None, "{key} is there twice");
            } else if line.starts_with([' ', '}']) {
                texts.entry(last.clone()).or_default().push_str(line);
            }
        }
        texts
    }

    /// The gaps of a text.
    fn gaps_of(text: &str) -> BTreeSet<String> {
        let names = text.split('$').skip(1);
        names
            .map(|rest| rest.split([' ', '}']).next().unwrap_or("").to_owned())
            .collect()
    }

    #[test]
    fn every_language_has_the_same_texts_with_the_same_gaps() {
        for language in Language::ALL {
            let broken = FluentResource::try_new(language.source().to_owned()).err();
            assert!(broken.is_none(), "{language:?}: {:?}", broken.unwrap().1);
        }
        let shape = |language| -> BTreeMap<_, _> {
            let texts = texts(language).into_iter();
            texts.map(|(key, text)| (key, gaps_of(&text))).collect()
        };
        assert_eq!(shape(Language::German), shape(Language::English));
        assert_eq!(shape(Language::Spanish), shape(Language::English));
        assert!(shape(Language::English).len() > 100);
    }

    /// Everything below a folder of the repository that may use a text.
    fn sources(folder: &Path, found: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if !path.ends_with("tests.rs") {
                let text = fs::read_to_string(path).unwrap();
                // What a file's own tests use nobody reads.
                found.push_str(text.split("#[cfg(test)]").next().unwrap());
            }
        }
    }

    #[test]
    fn every_text_is_used_and_every_text_that_is_used_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut used = String::new();
        sources(&root.join("templates"), &mut used);
        sources(&root.join("src/login"), &mut used);
        let texts = texts(Language::English);
        for key in texts.keys() {
            assert!(used.contains(&format!("\"{key}\"")), "nobody uses {key}");
        }
        for method in ["say", "say_of", "say_count", "say_all"] {
            for call in used.split(&format!("{method}(\"")).skip(1) {
                let key = call.split('"').next().unwrap();
                assert!(texts.contains_key(key), "there is no {key}");
            }
        }
    }

    fn chosen(ui_locales: Option<&str>, accepted: &str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, accepted.parse().unwrap());
        Language::choose(ui_locales, &headers)
    }

    #[test]
    fn the_application_wishes_first_then_the_browser_and_english_is_for_everybody() {
        use Language::{English, German, Spanish};
        let long = format!("{}de", "x,".repeat(300));
        for (ui_locales, accepted, language) in [
            (None, "de", German),
            (None, "de-AT,en;q=0.5", German),
            (None, "fr-CH, fr;q=0.9, es-419;q=0.8, en;q=0.7", Spanish),
            (None, "fr", English),
            (None, "*", English),
            (None, "ä;;,,-", English),
            (None, long.as_str(), English),
            (Some("es de"), "de", Spanish),
            (Some("fr-CA es-MX"), "de", Spanish),
            (Some("fr"), "de", German),
            (Some(""), "de", German),
            (Some("DE"), "en", German),
        ] {
            assert_eq!(
                chosen(ui_locales, accepted),
                language,
                "{ui_locales:?} {accepted}"
            );
        }
        assert_eq!(Language::choose(None, &HeaderMap::new()), English);
    }

    #[test]
    fn words_agree_with_numbers() {
        let say = |language: Language, count: i64| language.say_count("limited", count);
        assert!(say(Language::English, 1).ends_with("in one minute."));
        assert!(say(Language::English, 5).ends_with("in 5 minutes."));
        assert!(say(Language::German, 1).ends_with("in einer Minute wieder."));
        assert!(say(Language::Spanish, 2).ends_with("dentro de 2 minutos."));
    }

    #[test]
    fn a_name_cannot_turn_a_sentence_around() {
        assert_eq!(plain("Bank\u{202e}evil\u{2066}"), "Bankevil");
        assert_eq!(plain("בנק ünal"), "בנק ünal");
    }
}
