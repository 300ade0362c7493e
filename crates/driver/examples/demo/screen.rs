//! What the reader sees. Bold and colour only on a terminal, and never with `NO_COLOR`.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::ensure;
use tonic::{Code, Status};

/// Columns of a text.
const WIDTH: usize = 92;

/// How many statements were checked.
static CHECKED: AtomicUsize = AtomicUsize::new(0);

/// The beginning of a step: its number and name, and what is done and why.
pub(crate) fn step(number: u32, name: &str, text: &str) {
    line("");
    line(&bold(&format!("{number}. {name}")));
    paragraph(text);
}

/// Some sentences.
pub(crate) fn paragraph(text: &str) {
    line("");
    let mut row = String::new();
    for word in text.split_whitespace() {
        if row.len() + word.len() >= WIDTH {
            line(&row);
            row.clear();
        }
        row += if row.is_empty() { "" } else { " " };
        row += word;
    }
    line(&row);
    line("");
}

/// A call that is about to be made.
pub(crate) fn call(name: &str, fields: &[(&str, String)]) {
    line(&paint("36;1", &format!("   -> {name}")));
    self::fields(fields);
}

/// The fields of a call or an answer.
pub(crate) fn fields(fields: &[(&str, String)]) {
    for (name, value) in fields {
        line(&format!("        {name:<20} {value}"));
    }
}

/// How a call was answered, and after what time.
pub(crate) fn answer(status: Option<&Status>, after: Duration) {
    let after = format!("after {:.1} ms", after.as_secs_f64() * 1000.0);
    match status {
        None => line(&paint("36;1", &format!("   <- OK {after}"))),
        Some(status) => {
            let code = name(status.code());
            line(&paint("33;1", &format!("   <- {code} {after}")));
            line(&format!("        {}", status.message()));
        }
    }
}

/// A command that was run, and of its output the lines worth reading.
pub(crate) fn command<'a>(prompt: &str, command: &str, output: impl IntoIterator<Item = &'a str>) {
    line(&format!(
        "   {}",
        paint("2", &format!("{prompt}$ {command}"))
    ));
    for row in output {
        line(&format!("        {}", row.trim_start()));
    }
}

/// Says what holds now, or fails.
pub(crate) fn check(holds: bool, what: &str) -> anyhow::Result<()> {
    ensure!(holds, "expected: {what}");
    CHECKED.fetch_add(1, Ordering::Relaxed);
    line(&format!("   {} {what}", paint("32;1", "ok")));
    Ok(())
}

/// The end of a demo in which all was as told.
pub(crate) fn success() {
    let checked = CHECKED.load(Ordering::Relaxed);
    line("");
    line(&paint(
        "32;1",
        &format!("All is as told: {checked} statements checked."),
    ));
}

/// The end of a demo that found something not to be as told.
pub(crate) fn failure(why: &str) {
    line("");
    line(&paint("31;1", &format!("NOT AS TOLD: {why}")));
}

/// As gRPC writes it: `InvalidArgument` is INVALID_ARGUMENT.
fn name(code: Code) -> String {
    let camel = format!("{code:?}");
    let mut name = String::new();
    for letter in camel.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_uppercase());
    }
    name
}

fn bold(text: &str) -> String {
    paint("1", text)
}

fn paint(colour: &str, text: &str) -> String {
    static COLOURS: OnceLock<bool> = OnceLock::new();
    let wanted = COLOURS.get_or_init(|| {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        io::stdout().is_terminal() && !refused
    });
    if *wanted {
        format!("\x1b[{colour}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

fn line(text: &str) {
    // A reader who has gone away does not stop the checks.
    let _ = writeln!(io::stdout(), "{text}");
}
