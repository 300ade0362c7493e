//! The declarations of `src/sys.rs` are those of the installed `<rados/librados.h>`.
//!
//! Needs a C compiler and the header (package librados-dev). `ctest` compares constants, types and
//! structs, and that the functions exist, but not their prototypes; so each prototype is translated
//! to C here and declared a second time after the header, which a C compiler accepts only if it is
//! the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

const SYS: &str = include_str!("../src/sys.rs");

#[test]
fn types_constants_and_functions_are_those_of_the_header() {
    let dir = tempfile::tempdir().unwrap();
    let (rust, c, object, program) = (
        dir.path().join("declarations.rs"),
        dir.path().join("checks.c"),
        dir.path().join("checks.o"),
        dir.path().join("checks"),
    );
    std::fs::write(&rust, plain_declarations()).unwrap();
    let mut generator = ctest::TestGenerator::new();
    generator
        .target(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .out_dir(dir.path())
        .header("sys/time.h")
        .header("rados/librados.h")
        .rename_struct_ty(|name| (name == "timeval").then(|| format!("struct {name}")));
    generator.generate_files(&rust, "checks").unwrap();

    let output = run("cc", &["-Wall", "-Werror", "-c"], &[&c], &object);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let both = dir.path().join("both.rs");
    let main = "include!(\"declarations.rs\");\ninclude!(\"checks.rs\");\n";
    std::fs::write(&both, main).unwrap();
    let link = format!("link-arg={}", object.display());
    let arguments = [
        "--edition=2021",
        "-Alinker-messages",
        "-C",
        &link,
        "-lrados",
    ];
    let output = run("rustc", &arguments, &[&both], &program);
    assert!(output.status.success(), "{}", text(&output.stderr));

    let output = command(program.to_str().unwrap()).output().unwrap();
    let report = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{report}");
    assert!(report.contains("PASSED"), "{report}");
}

#[test]
fn prototypes_are_those_of_the_header() {
    let prototypes = prototypes(SYS);
    assert!(prototypes.len() > 30, "{prototypes:#?}");
    if let Err(complaint) = compile_after_header(&prototypes) {
        panic!("{complaint}");
    }
}

/// The check above can fail.
#[test]
fn a_wrong_prototype_is_noticed() {
    for (right, wrong) in [
        ("nspace: *const c_char", "nspace: *mut c_char"),
        ("pool_id: i64", "pool_id: i32"),
        (
            "rados_get_last_version(io: rados_ioctx_t) -> u64",
            "rados_get_last_version(io: rados_ioctx_t) -> c_int",
        ),
        ("pmore: *mut c_uchar", "pmore: *mut c_int"),
        ("cmd: *mut *const c_char", "cmd: *const *const c_char"),
        (
            "rados_getxattrs_end(iter: rados_xattrs_iter_t)",
            "rados_getxattrs_end()",
        ),
    ] {
        assert!(SYS.contains(right), "{right}");
        let complaint = compile_after_header(&prototypes(&SYS.replace(right, wrong)));
        assert!(complaint.is_err(), "not noticed: {wrong}");
    }
}

/// `sys.rs` with an `extern` block in place of our macro.
fn plain_declarations() -> String {
    let (head, functions) = SYS.split_once("crate::library::api! {").unwrap();
    format!("{head}\nextern \"C\" {{{functions}")
}

/// The functions of `sys` as C prototypes.
fn prototypes(sys: &str) -> Vec<String> {
    let (_, functions) = sys.split_once("crate::library::api! {").unwrap();
    let functions = functions.rsplit_once('}').unwrap().0;
    functions
        .split(';')
        .filter_map(|function| function.split_once("fn "))
        .map(|(_, function)| {
            let (name, rest) = function.split_once('(').unwrap();
            let (arguments, answer) = rest.rsplit_once(')').unwrap();
            let arguments: Vec<String> = arguments
                .split(',')
                .filter_map(|argument| argument.split_once(':'))
                .map(|(_, rust)| c_type(rust))
                .collect();
            let arguments = match arguments.join(", ") {
                none if none.is_empty() => "void".to_owned(),
                some => some,
            };
            let answer = answer
                .trim()
                .strip_prefix("->")
                .map_or("void".to_owned(), c_type);
            format!("{answer} {name}({arguments});")
        })
        .collect()
}

fn c_type(rust: &str) -> String {
    let rust = rust.trim();
    if let Some(target) = rust.strip_prefix("*mut ") {
        return format!("{} *", c_type(target));
    }
    if let Some(target) = rust.strip_prefix("*const ") {
        return format!("{} const *", c_type(target));
    }
    let c = match rust {
        "c_char" => "char",
        "c_int" => "int",
        "c_long" => "long",
        "c_uchar" => "unsigned char",
        "c_void" => "void",
        "i32" => "int32_t",
        "i64" => "int64_t",
        "timeval" => "struct timeval",
        "u8" => "uint8_t",
        "u64" => "uint64_t",
        "usize" => "size_t",
        handle if handle.starts_with("rados_") => handle,
        other => panic!("no C type known for `{other}`"),
    };
    c.to_owned()
}

fn compile_after_header(prototypes: &[String]) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let mut source = "#include <sys/time.h>\n#include <rados/librados.h>\n".to_owned();
    for prototype in prototypes {
        writeln!(source, "{prototype}").unwrap();
    }
    let file = dir.path().join("prototypes.c");
    std::fs::write(&file, source).unwrap();
    let output = run(
        "cc",
        &["-Werror", "-c"],
        &[&file],
        &dir.path().join("out.o"),
    );
    if output.status.success() {
        Ok(())
    } else {
        Err(text(&output.stderr))
    }
}

fn run(program: &str, arguments: &[&str], sources: &[&Path], output: &Path) -> Output {
    let mut command = command(program);
    command.args(arguments).args(sources).arg("-o").arg(output);
    command
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"))
}

#[expect(clippy::disallowed_methods, reason = "compilers end by themselves")]
fn command(program: &str) -> Command {
    Command::new(program)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
