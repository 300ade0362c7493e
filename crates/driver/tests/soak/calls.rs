//! Requests as sidecars make them: again and again until they are served, since the driver may be gone
//! or Ceph not answer; and what became of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tonic::{Code, Request, Response, Status};

/// What a client gives each request.
const PATIENCE: Duration = Duration::from_secs(30);
/// A request that is not served after this time, repeats and all, is stuck.
const STUCK: Duration = Duration::from_mins(5);

/// How many requests there were, by RPC.
#[derive(Debug, Default)]
pub(crate) struct Report(Mutex<BTreeMap<&'static str, Line>>);

#[derive(Debug, Default)]
struct Line {
    served: Vec<Duration>,
    /// By cause, with how often and what the first one said.
    repeats: BTreeMap<String, (u32, String)>,
}

impl Report {
    /// Makes a request until it is served.
    pub(crate) async fn served<Q: Clone + fmt::Debug, A>(
        &self,
        rpc: &'static str,
        request: Q,
        call: impl AsyncFn(Request<Q>) -> Result<Response<A>, Status>,
    ) -> A {
        let began = Instant::now();
        loop {
            let asked = Instant::now();
            let mut asking = Request::new(request.clone());
            asking.set_timeout(PATIENCE);
            match call(asking).await {
                Ok(answer) => {
                    self.line(rpc, |line| line.served.push(asked.elapsed()));
                    return answer.into_inner();
                }
                Err(status) => {
                    let cause = asks_again(rpc, &status);
                    let cause = cause.unwrap_or_else(|| panic!("{rpc}: {status:?}\n{request:?}"));
                    self.line(rpc, |line| {
                        let message = || (0, status.message().to_owned());
                        line.repeats.entry(cause).or_insert_with(message).0 += 1;
                    });
                    assert!(began.elapsed() < STUCK, "{rpc} is stuck: {status:?}");
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
            }
        }
    }

    fn line(&self, rpc: &'static str, note: impl FnOnce(&mut Line)) {
        note(self.0.lock().unwrap().entry(rpc).or_default());
    }
}

/// Why a sidecar would ask again after this failure; not at all after others.
pub(crate) fn asks_again(rpc: &str, status: &Status) -> Option<String> {
    // What the transport says, not the driver, which is dead then.
    if std::error::Error::source(status).is_some() {
        return Some("no driver".to_owned());
    }
    let may = match status.code() {
        Code::Aborted | Code::DeadlineExceeded | Code::Unavailable | Code::Cancelled => true,
        // A clone lets go of its snapshot a moment after it is complete.
        Code::FailedPrecondition => rpc == "DeleteSnapshot",
        _ => false,
    };
    may.then(|| format!("{:?}", status.code()))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<28} {:>7} {:>9} {:>9}  asked again after",
            "RPC", "served", "median ms", "most ms"
        )?;
        let mut lines = self.0.lock().unwrap();
        for (rpc, line) in &mut *lines {
            line.served.sort();
            let milliseconds = |time: Option<&Duration>| time.map_or(0, Duration::as_millis);
            let middle = line.served.get(line.served.len() / 2);
            let repeats: Vec<_> = line
                .repeats
                .iter()
                .map(|(cause, (count, _))| format!("{count} {cause}"))
                .collect();
            writeln!(
                f,
                "{rpc:<28} {:>7} {:>9} {:>9}  {}",
                line.served.len(),
                milliseconds(middle),
                milliseconds(line.served.last()),
                repeats.join(", ")
            )?;
        }
        for (rpc, line) in &*lines {
            for (cause, (_, message)) in &line.repeats {
                writeln!(f, "{rpc}, {cause}: {message}")?;
            }
        }
        Ok(())
    }
}
