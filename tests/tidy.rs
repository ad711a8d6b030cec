//! Rules of the repository that no compiler knows. Each test reports every breach at once, and each
//! breach is a sentence that says what to do.

#![expect(clippy::panic, reason = "a file that cannot be read fails the test")]

// Beside this file instead of `tidy.rs`'s usual place, where it would be a test of its own.
#[path = "tidy/repository.rs"]
mod repository;

use std::collections::BTreeSet;

use repository::{
    Source, columns, files, has_word, imports, is_of_a_word, lists, root, rust_files, statements,
};

/// What each file or folder at the top of `src/` may import of the others, inner layers first.
/// ARCHITECTURE.md draws it; `lib.rs` and `main.rs` only tie it together.
const LAYERS: &str = "
    background:
    clock:
    lifetime:
    model:      lifetime
    secret:     model
    socket:
    tls:        model socket
    config:     lifetime model secret tls
    store:      background clock config lifetime model secret
    keys:       lifetime model secret store
    directory:  background clock config keys model store
    uses:       background clock model store
    mail:       background clock config model secret
    renewal:    background config model tls
    tokens:     directory keys lifetime model secret store
    logout:     background clock config directory model secret store tokens
    sweep:      clock config logout model store
    users:      config directory logout mail model secret store
    sessions:   directory logout model secret store
    grants:     directory lifetime model secret store tokens users
    audit:      clock config model secret store
    bootstrap:  clock config keys lifetime model secret store
    wire:       app config lifetime model secret tokens
    login:      app audit config directory grants lifetime logout mail model secret sessions store tokens
                users wire
    oauth:      app audit config directory grants lifetime login model secret sessions tokens wire
    management: app audit config directory grants keys lifetime login logout model secret store tokens users
                wire
    telemetry:  background config model secret wire
    openapi:    app wire
    router:     app login management model oauth openapi telemetry wire
    app:        audit background bootstrap clock config directory grants keys login logout mail model
                oauth openapi renewal router secret sessions store sweep tls tokens users uses
    serve:      app background config model router socket tls wire
    cli:        app background bootstrap clock config grants lifetime model openapi router serve store
                telemetry
";

/// The files and folders that speak HTTP.
const EDGES: &str = "login management oauth openapi router serve telemetry wire";
const HTTP_CRATES: &str = "axum http http_body_util hyper hyper_util tower tower_http";

/// Longest file, in lines.
const LINES_MAX: usize = 500;

/// Fails with every breach.
#[track_caller]
fn report(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

/// Puts each file under a rule, which answers a sentence for each breach.
#[track_caller]
fn check<R>(files: Vec<Source>, rule: R)
where
    R: Fn(&Source, &str) -> Vec<String>,
{
    let judge = |file: Source| {
        let breaches = rule(&file, &file.code());
        breaches
            .into_iter()
            .map(move |breach| format!("{} {breach}", file.name))
    };
    report(&files.into_iter().flat_map(judge).collect::<Vec<_>>());
}

/// The sentence where the rule is broken.
fn breach_if(is_broken: bool, breach: &str) -> Vec<String> {
    if is_broken {
        vec![breach.to_owned()]
    } else {
        Vec::new()
    }
}

/// The layers of [`LAYERS`], each with what it may import.
fn layers() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut layers: Vec<(&str, Vec<&str>)> = Vec::new();
    for word in LAYERS.split_whitespace() {
        match (word.strip_suffix(':'), layers.last_mut()) {
            (Some(layer), _) => layers.push((layer, Vec::new())),
            (None, Some((_, allowed))) => allowed.push(word),
            (None, None) => panic!("LAYERS begins with a layer"),
        }
    }
    layers
}

#[test]
fn layers_import_only_what_lies_below_them() {
    let layers = layers();
    let program = files("src", "rs")
        .into_iter()
        .filter(|file| !lists("lib main", file.top()));
    check(program.collect(), |file, code| {
        let top = file.top();
        let Some((_, allowed)) = layers.iter().find(|(layer, _)| *layer == top) else {
            return vec![format!(
                "has no layer: give '{top}' one in LAYERS (tests/tidy.rs) and a line in ARCHITECTURE.md."
            )];
        };
        let is_fine = |path: &String| {
            let module = path.split("::").next().unwrap_or("");
            module == top || allowed.contains(&module)
        };
        let breaches = imports(code).into_iter().filter(|path| !is_fine(path));
        breaches
            .map(|path| {
                format!(
                    "imports crate::{path}, but {top} may use only {allowed:?}: move what both need to a layer below them."
                )
            })
            .collect()
    });
}

#[test]
fn the_list_of_layers_begins_with_the_innermost() {
    let layers = layers();
    for (n, (layer, allowed)) in layers.iter().enumerate() {
        let is_below = |name: &str| layers.iter().take(n).any(|(below, _)| *below == name);
        // Handlers take `App`, and its router names them.
        let above: Vec<_> = allowed
            .iter()
            .filter(|name| **name != "app" && !is_below(name))
            .collect();
        assert!(
            above.is_empty() || *layer == "app",
            "{layer} stands before {above:?}"
        );
    }
}

#[test]
fn nothing_below_the_edges_knows_http() {
    let below = files("src", "rs")
        .into_iter()
        .filter(|file| !lists(EDGES, file.top()));
    check(below.collect(), |_, code| {
        let known = HTTP_CRATES
            .split_whitespace()
            .filter(|name| has_word(code, &format!("{name}::")));
        known
            .map(|name| format!("uses {name}, but only {EDGES} speak HTTP: answer a type, and let an edge render it."))
            .collect()
    });
}

#[test]
fn only_the_store_holds_sql() {
    let others = files("src", "rs")
        .into_iter()
        .filter(|file| file.top() != "store");
    check(others.collect(), |_, code| {
        let is_statement = ["select", "insert", "update", "delete"].iter().any(|verb| {
            code.contains(&format!("\"{verb} "))
                || code.contains(&format!("\"{} ", verb.to_uppercase()))
        });
        let breach = "talks to the database itself: write a function in src/store/ and call that.";
        breach_if(is_statement || has_word(code, "sqlx"), breach)
    });
}

#[test]
fn the_protocol_endpoints_leave_the_store_to_the_layers_below() {
    check(files("src/oauth", "rs"), |_, code| {
        let breach = "takes App's store: ask the directory, the mint or the recogniser.";
        breach_if(code.contains("app.store"), breach)
    });
}

#[test]
fn one_text_of_each_statement_serves_both_databases() {
    const MAY_MATCH: &str = "mod connect migrate pooler";
    const BACKENDS: &str = "Raw Pools Handle Sqlite Postgres";
    const ONE_SIDED: &str =
        " now()|(now()|current_timestamp|for update|skip locked|->>|unnest(|insert or";
    check(files("src/store", "rs"), |file, code| {
        let backends = BACKENDS
            .split(' ')
            .filter(|name| !lists(MAY_MATCH, file.stem()) && has_word(code, name));
        let backends = backends.map(|name| {
            format!("knows {name}: only {MAY_MATCH} of src/store/ may tell the databases apart; use run! or execute!.")
        });
        let words = ONE_SIDED.split('|').filter(|words| code.contains(words));
        let words = words.map(|words| {
            format!("holds '{words}', which the databases do not share: pass times as arguments, and settle races by one conditional statement.")
        });
        backends.chain(words).collect()
    });
}

#[test]
fn a_long_file_is_two_things() {
    check(rust_files(), |file, _| {
        let lines = file.text.lines().count();
        let breach = format!(
            "has {lines} lines, more than {LINES_MAX}: split it by what its halves are about."
        );
        breach_if(lines > LINES_MAX, &breach)
    });
}

#[test]
fn a_file_begins_with_the_sentence_that_a_newcomer_needs() {
    check(rust_files(), |file, _| {
        let breach = "does not begin with a //! line: say in a sentence what it is.";
        breach_if(!file.text.starts_with("//! "), breach)
    });
}

#[test]
fn every_store_function_runs_in_the_conformance_suite() {
    let tests = files("tests/it", "rs").into_iter();
    let suite: String = tests
        .filter(|file| file.name.contains("/store_conformance"))
        .map(|file| file.code())
        .collect();
    check(files("src/store", "rs"), |file, code| {
        let declared = code
            .lines()
            .filter_map(|line| line.strip_prefix("pub async fn "));
        let names = declared.filter_map(|rest| rest.split(['(', '<']).next());
        let called = names.map(|name| format!("{}::{name}", file.stem()));
        called
            .filter(|called| !has_word(&suite, called))
            .map(|called| {
                format!("has {called}, which tests/it/store_conformance names nowhere: write its case, which runs on both databases.")
            })
            .collect()
    });
}

#[test]
fn nothing_is_put_off_skipped_or_silenced_without_a_reason() {
    // In halves, so that this file does not find itself.
    let unfinished = [concat!("todo", "!("), concat!("unimplemented", "!(")];
    let silenced = [concat!("#[", "allow("), concat!("#![", "allow(")];
    check(rust_files(), |_, code| {
        let is_unfinished = unfinished.iter().any(|mark| code.contains(mark));
        let skips = code.contains(concat!("#[", "ignore"));
        let attributes = silenced.iter().flat_map(|mark| code.split(mark).skip(1));
        let has_no_reason = |rest: &str| {
            let arguments = rest.split(")]").next().unwrap_or("");
            !arguments.contains("reason = ")
        };
        [
            breach_if(is_unfinished, "is not finished: finish it."),
            breach_if(skips, "skips a test: mend it or take it out."),
            breach_if(
                attributes.into_iter().any(has_no_reason),
                "silences a lint without a reason: write #[expect(…, reason = \"…\")].",
            ),
        ]
        .concat()
    });
}

#[test]
fn time_and_randomness_come_from_one_place_each() {
    /// Signing wants a source of the library's own, for blinding.
    const SIGNS: &str = "src/keys/pair.rs";
    check(files("src", "rs"), |file, code| {
        let reads_time = code.contains("SystemTime") || code.contains("Timestamp::now");
        let draws = has_word(code, "rand::") && file.name != SIGNS;
        [
            breach_if(
                reads_time && file.top() != "clock",
                "reads the time of day: take `now` as an argument; it comes from clock.rs.",
            ),
            breach_if(
                draws && file.top() != "secret",
                "draws random bytes: call a function of secret.rs.",
            ),
        ]
        .concat()
    });
}

#[test]
fn a_migration_reads_the_same_on_both_databases() {
    const TYPES: &str = "text bigint boolean";
    const ONE_SIDED: &str = "now current_timestamp autoincrement serial bigserial sequence json \
                             jsonb timestamp timestamptz uuid interval";
    check(files("migrations", "sql"), |file, _| {
        let statements = statements(file);
        let columns = statements.iter().flat_map(|statement| columns(statement));
        let is_wrong = |(name, kind): &(String, String)| {
            let is_time = name.ends_with("_at") || name.ends_with("_seconds");
            !lists(TYPES, kind) || (is_time && kind != "bigint")
        };
        let columns = columns.filter(is_wrong).map(|(name, kind)| {
            format!("makes column {name} '{kind}': columns are {TYPES}; times (*_at) and durations (*_seconds) are seconds in bigint.")
        });
        let text = statements.join(";");
        let words = ONE_SIDED
            .split_whitespace()
            .filter(|word| has_word(&text, word));
        let words = words.map(|word| {
            format!("says '{word}', which the databases do not share: times, ids and JSON text come from the program.")
        });
        columns.chain(words).collect()
    });
}

#[test]
fn every_decision_record_can_be_found() {
    let index = Source::read(&root().join("docs/decisions/README.md")).text;
    let mut numbers = 1..;
    let mut breaches = Vec::new();
    for record in files("docs/decisions", "md") {
        let file = record.name.rsplit('/').next().unwrap_or("");
        if file == "README.md" {
            continue;
        }
        let number = format!("{:04}-", numbers.next().unwrap_or(0));
        if !file.starts_with(&number) {
            breaches.push(format!("{file} is out of step: records are numbered without gaps, and here {number} is next."));
        }
        if !index.contains(&format!("]({file})")) {
            breaches.push(format!(
                "{file} is linked from nowhere: add its line to docs/decisions/README.md."
            ));
        }
    }
    report(&breaches);
}

#[test]
fn the_architecture_page_names_only_what_is_there() {
    let page = Source::read(&root().join("ARCHITECTURE.md")).text;
    let everything: String = rust_files().iter().map(Source::code).collect();
    let is_path =
        |name: &str| name.contains("::") && name.chars().all(|c| is_of_a_word(c) || c == ':');
    let is_file = |name: &str| {
        [".rs", ".sql", ".toml"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    let is_missing = |name: &str| {
        let is_there = |folder: &str| root().join(folder).join(name).exists();
        (is_path(name) && !name.split("::").all(|part| has_word(&everything, part)))
            || (is_file(name) && !["", "src", "tests/it"].into_iter().any(is_there))
    };
    let named = page.split('`').skip(1).step_by(2);
    let gone = named
        .filter(|name| is_missing(name))
        .map(|name| format!("ARCHITECTURE.md names `{name}`, which is not there: say what is."));
    let layers = layers().into_iter().map(|(layer, _)| layer);
    let unnamed = layers
        .filter(|layer| !page.contains(&format!("`{layer}")))
        .map(|layer| {
            format!("ARCHITECTURE.md has no line for src/{layer}: add it to the code map.")
        });
    report(&gone.chain(unnamed).collect::<Vec<_>>());
}

#[test]
fn the_security_page_names_only_tests_that_exist() {
    let page = Source::read(&root().join("docs/security.md")).text;
    let named = page.split('`').skip(1).step_by(2);
    let is_missing = |name: &&str| {
        let Some((file, test)) = name.split_once("::") else {
            return false;
        };
        let path = root().join(format!("tests/it/{file}.rs"));
        !path.exists() || !Source::read(&path).text.contains(&format!("fn {test}("))
    };
    let missing = named
        .filter(is_missing)
        .map(|name| format!("docs/security.md names the test `{name}`, which does not exist."));
    report(&missing.collect::<Vec<_>>());
}

#[test]
fn the_audits_page_has_a_line_for_each_kind_of_record_and_for_no_other() {
    let record = Source::read(&root().join("src/model/record.rs")).code();
    let codes = record.split_once("fn as_str(self)");
    let codes = codes.and_then(|(_, rest)| rest.split_once("\n    }\n"));
    let codes = codes.map_or("", |(body, _)| body);
    let written: BTreeSet<&str> = codes.split('"').skip(1).step_by(2).collect();
    let page = Source::read(&root().join("docs/audit.md")).text;
    let table = page
        .lines()
        .skip_while(|line| !line.starts_with("| `type` |"))
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    let first_cells = table.filter_map(|row| row.split('|').nth(1));
    let told: BTreeSet<&str> = first_cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let untold = written.difference(&told).map(|code| {
        format!("`{code}` is a kind of record that docs/audit.md does not tell of: add its line.")
    });
    let unwritten = told.difference(&written).map(|code| {
        format!("docs/audit.md tells of `{code}`, which no record is: take its line away.")
    });
    let mut breaches: Vec<_> = untold.chain(unwritten).collect();
    if written.is_empty() {
        breaches.push(
            "src/model/record.rs has no `Kind::as_str` any more: say here where the codes are."
                .into(),
        );
    }
    report(&breaches);
}
