//! Cases, and how they are checked.

use std::fmt::Write as _;

use tonic::{Code, Status};

use crate::lab::Lab;

/// One edit of a good request, and the answer that it gets.
pub(crate) struct Case<Q> {
    pub(crate) name: &'static str,
    /// What makes the request bad, or odd.
    pub(crate) edit: fn(&mut Q),
    pub(crate) code: Code,
    /// The whole message. `<uuid>` stands for any uuid, `<dir>` for the directory of config.json.
    pub(crate) message: &'static str,
}

/// A [`Case`].
pub(crate) const fn case<Q>(
    name: &'static str,
    edit: fn(&mut Q),
    code: Code,
    message: &'static str,
) -> Case<Q> {
    Case {
        name,
        edit,
        code,
        message,
    }
}

/// What has run, and what was not as expected.
#[derive(Default)]
pub(crate) struct Report {
    cases: usize,
    wrong: String,
}

impl Report {
    /// Sends the request of each case to a lab of its own. What `send` returns when it is served is the
    /// message of an answer that has one.
    pub(crate) fn check<Q>(
        &mut self,
        table: &str,
        lab: impl Fn() -> Lab,
        request: impl Fn(&Lab) -> Q,
        send: impl Fn(&Lab, Q) -> Result<String, Status>,
        cases: &[Case<Q>],
    ) {
        for case in cases {
            let lab = lab();
            let mut request = request(&lab);
            (case.edit)(&mut request);
            let name = format!("{table}: {}", case.name);
            self.one(&name, &lab, case.code, case.message, || send(&lab, request));
        }
        println!("{table}: {} cases", cases.len());
    }

    /// One case.
    pub(crate) fn one(
        &mut self,
        name: &str,
        lab: &Lab,
        code: Code,
        message: &str,
        send: impl FnOnce() -> Result<String, Status>,
    ) {
        self.cases += 1;
        let before = lab.state();
        let (found_code, found) = match send() {
            Ok(message) => (Code::Ok, message),
            Err(status) => (status.code(), status.message().to_owned()),
        };
        let found = without_uuids(&found.replace(&lab.directory(), "<dir>"));
        let wrong = &mut self.wrong;
        if (found_code, &*found) != (code, message) {
            let _ = writeln!(
                wrong,
                "{name}\n  expected {code:?}: {message}\n  found    {found_code:?}: {found}"
            );
        }
        let after = lab.state();
        if before != after {
            let _ = writeln!(wrong, "{name}\n  before: {before}\n  after:  {after}");
        }
    }

    /// Fails if anything was wrong; else returns how many cases there were.
    pub(crate) fn finish(self) -> usize {
        println!("{} cases of bad input", self.cases);
        assert!(self.wrong.is_empty(), "\n{}", self.wrong);
        self.cases
    }
}

/// The only volatile part of messages: volumes that a test made have random uuids.
fn without_uuids(text: &str) -> String {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    let is_uuid = |text: &str| {
        let groups: Vec<_> = text.split('-').collect();
        let lengths = groups.iter().map(|group| group.len());
        lengths.eq(GROUPS) && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let mut result = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match rest.get(..36).filter(|start| is_uuid(start)) {
            Some(uuid) => {
                result.push_str("<uuid>");
                rest = &rest[uuid.len()..];
            }
            None => {
                result.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    result
}
