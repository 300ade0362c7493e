//! Compiles `proto/` without `protoc`, and finds in the descriptors which fields hold secrets.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use protox::prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, Value};

const PROTO_DIR: &str = "proto";
const CSI: &str = "csi/v1/csi.proto";
const REGISTRATION: &str = "pluginregistration/v1/api.proto";
const SECRET_OPTION: &str = "csi.v1.csi_secret";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO_DIR}");
    println!("cargo::rerun-if-changed=build.rs");
    let out_dir = env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?;
    let out_dir = Path::new(&out_dir);

    let mut compiler = protox::Compiler::new([PROTO_DIR])?;
    compiler.include_imports(true).open_file(CSI)?;
    fs::write(
        out_dir.join("descriptor_set.bin"),
        compiler.encode_file_descriptor_set(),
    )?;

    let secrets = secret_messages(&compiler.descriptor_pool())?;
    fs::write(out_dir.join("redacted.rs"), redacted_debug(&secrets)?)?;

    compiler.open_file(REGISTRATION)?;
    // The comments of the proto files become the documentation of the Rust types.
    compiler.include_source_info(true);
    tonic_prost_build::configure()
        .generate_default_stubs(true)
        .btree_map(".")
        .skip_debug(
            secrets
                .iter()
                .map(|message| format!(".{}", message.full_name())),
        )
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// The messages with at least one field that is marked `csi_secret`.
fn secret_messages(pool: &DescriptorPool) -> Result<Vec<MessageDescriptor>, Box<dyn Error>> {
    let mut found = Vec::new();
    for message in pool.all_messages() {
        let mut has_secret = false;
        for field in message.fields() {
            has_secret |= is_secret(pool, &field)?;
        }
        if has_secret {
            found.push(message);
        }
    }
    if found.is_empty() {
        return Err(format!("no field carries the option {SECRET_OPTION}").into());
    }
    Ok(found)
}

fn is_secret(pool: &DescriptorPool, field: &FieldDescriptor) -> Result<bool, Box<dyn Error>> {
    let option = pool
        .get_extension_by_name(SECRET_OPTION)
        .ok_or_else(|| format!("the option {SECRET_OPTION} is not defined"))?;
    Ok(*field.options().get_extension(&option) == Value::Bool(true))
}

/// One call of the macro in `src/redact.rs` for each message.
fn redacted_debug(messages: &[MessageDescriptor]) -> Result<String, Box<dyn Error>> {
    let mut code = String::new();
    for message in messages {
        let mut fields = Vec::new();
        for field in message.fields() {
            let how = if is_secret(message.parent_pool(), &field)? {
                "secret"
            } else {
                "shown"
            };
            // What the macro does not know how to print stops the build, not the redaction.
            let plain =
                field.containing_oneof().is_none() && !matches!(field.kind(), Kind::Enum(_));
            if !plain || message.parent_message().is_some() {
                return Err(
                    format!("{}: no redacted Debug for such a field", field.full_name()).into(),
                );
            }
            fields.push(format!("{how}({})", field.name()));
        }
        writeln!(
            code,
            "redacted_debug!({}: {});",
            message.name(),
            fields.join(", ")
        )?;
    }
    Ok(code)
}
