//! The frame around each RPC: its number and name in the log, its deadline, its task, its error.

mod requests;

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ceph::{Context, Progress};
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use crate::error::Error;
use crate::metrics::Rpcs;
use crate::operations::{Call, Held, InFlight, Key, Operations};
use crate::status;

/// A request message of CSI.
pub trait Rpc: prost::Message + fmt::Debug + Sized + 'static {
    /// The answer.
    type Answer: fmt::Debug + Clone + Send + Sync + 'static;
    /// `/csi.v1.Service/Method`.
    const METHOD: &'static str;
    /// What log lines call the request by: its name, or the id it is about.
    fn subject(&self) -> &str;
    /// What it excludes others by.
    fn key(&self) -> Option<Key>;
}

/// How long RPCs may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The deadline of one RPC: also of those whose caller gives more time, or no limit.
    pub longest: Duration,
    /// A request that runs this long is logged, and again after each further such time.
    pub slow: Option<Duration>,
}

/// What all RPCs of a process share.
#[derive(Debug)]
pub struct Frame {
    operations: Operations,
    limits: Limits,
    count: AtomicU64,
    rpcs: Rpcs,
    hashers: [RandomState; 2],
}

impl Frame {
    /// A frame for all services of this process.
    pub fn new(limits: Limits) -> Self {
        let hashers = [RandomState::new(), RandomState::new()];
        Self {
            operations: Operations::default(),
            limits,
            count: AtomicU64::new(0),
            rpcs: Rpcs::default(),
            hashers,
        }
    }

    /// Serves one request with `run`.
    ///
    /// # Errors
    /// The status of the error of `run`, or of the frame itself: see [`Operations::run`].
    pub async fn serve<Q, F>(
        &self,
        request: Request<Q>,
        run: impl FnOnce(Context, Held, Q) -> F,
    ) -> Result<Response<Q::Answer>, Status>
    where
        Q: Rpc,
        F: Future<Output = Result<Q::Answer, Error>> + Send + 'static,
    {
        let id = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let method = Q::METHOD.rsplit('/').next().unwrap_or(Q::METHOD);
        let subject = request.get_ref().subject().to_owned();
        let span = tracing::info_span!("rpc", id, req_id = subject, method);
        let started = Instant::now();
        let answer = async {
            crate::logging::extended!("GRPC call: {}", Q::METHOD);
            tracing::trace!("GRPC request: {:?}", request.get_ref());
            let cx = Context::new(self.deadline(&request), Progress::default());
            let call = Call {
                rpc: method,
                subject,
                key: request.get_ref().key(),
                fingerprint: self.fingerprint(request.get_ref()),
            };
            let progress = cx.progress().clone();
            let operation = self.operations.run(call, &cx, |held| {
                run(cx.clone(), held, request.into_inner())
            });
            let answer = self.watch(operation, started, &progress).await;
            tracing::debug!("{method} {}", Took(started.elapsed(), &progress));
            answer
        };
        let answer: Result<Q::Answer, Arc<Error>> = answer.instrument(span.clone()).await;
        let _entered = span.enter();
        match answer {
            Ok(answer) => {
                tracing::trace!("GRPC response: {answer:?}");
                self.rpcs.answered(method, started.elapsed(), Ok(()));
                Ok(Response::new(answer))
            }
            Err(error) => {
                let status = status::of(&error);
                tracing::error!("GRPC error: {:?}: {}", status.code(), status.message());
                let code = Err(status.code());
                self.rpcs.answered(method, started.elapsed(), code);
                Err(status)
            }
        }
    }

    /// Does what nobody has asked for as if it were a request: with a number in the log, a task, and a
    /// deadline, and keeping requests from `key` meanwhile.
    ///
    /// # Errors
    /// Those of `run`, and of [`Operations::run`].
    pub async fn background<T, F>(
        &self,
        what: &'static str,
        subject: &str,
        key: Key,
        longest: Duration,
        run: impl FnOnce(Context, Held) -> F,
    ) -> Result<T, Arc<Error>>
    where
        T: Clone + Send + Sync + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let id = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let span = tracing::info_span!("rpc", id, req_id = subject, method = what);
        let cx = Context::with_timeout(longest);
        let call = Call {
            rpc: what,
            subject: subject.to_owned(),
            key: Some(key),
            fingerprint: self.hashers.each_ref().map(|hasher| hasher.hash_one(id)),
        };
        let started = Instant::now();
        let operation = self.operations.run(call, &cx, |held| run(cx.clone(), held));
        let outcome = operation.instrument(span).await;
        let code = outcome.as_ref().map(drop);
        let code = code.map_err(|error| status::of(error).code());
        self.rpcs.answered(what, started.elapsed(), code);
        outcome
    }

    /// What has been answered so far.
    pub fn rpcs(&self) -> &Rpcs {
        &self.rpcs
    }

    /// What runs now.
    pub fn in_flight(&self) -> Vec<InFlight> {
        self.operations.in_flight()
    }

    /// Waits until no request is in flight, at most for `grace`; names those that still run.
    pub async fn drain(&self, grace: Duration) -> Vec<String> {
        self.operations.drain(grace).await
    }

    /// The caller's deadline, a little early so that our answer, which says what was waited for, reaches
    /// it in time on a busy machine too; or our longest.
    fn deadline<Q>(&self, request: &Request<Q>) -> Instant {
        let callers = request
            .metadata()
            .get("grpc-timeout")
            .and_then(|value| value.to_str().ok());
        let callers = callers
            .and_then(parse_grpc_timeout)
            .unwrap_or(Duration::MAX);
        let margin = (callers / 8).min(Duration::from_secs(1));
        Instant::now() + callers.saturating_sub(margin).min(self.limits.longest)
    }

    /// Equal requests are equal in every field, secrets too: who has no valid ones joins nobody.
    fn fingerprint<Q: Rpc>(&self, request: &Q) -> [u64; 2] {
        let bytes = zeroize::Zeroizing::new(request.encode_to_vec());
        self.hashers
            .each_ref()
            .map(|hasher| hasher.hash_one(&*bytes))
    }

    /// Says in the log what a slow request is doing.
    async fn watch<T>(
        &self,
        operation: impl Future<Output = T>,
        started: Instant,
        progress: &Progress,
    ) -> T {
        let mut operation = std::pin::pin!(operation);
        let Some(slow) = self.limits.slow else {
            return operation.await;
        };
        loop {
            match tokio::time::timeout(slow, &mut operation).await {
                Ok(answer) => return answer,
                Err(_) => {
                    let step = progress.current().map_or_else(String::new, |step| {
                        format!(
                            ", for {:.1?} at this step: {}",
                            step.since.elapsed(),
                            step.what
                        )
                    });
                    tracing::warn!("slow: still running after {:.1?}{step}", started.elapsed());
                }
            }
        }
    }
}

/// How long a request took, and its steps: `took 14.20 ms: 12.90 mgr command ...; 1.10 write ...`.
struct Took<'a>(Duration, &'a Progress);

impl fmt::Display for Took<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        write!(f, "took {:.2} ms", ms(self.0))?;
        for (index, (what, took)) in self.1.durations().into_iter().enumerate() {
            let separator = if index == 0 { ": " } else { "; " };
            write!(f, "{separator}{:.2} {what}", ms(took))?;
        }
        Ok(())
    }
}

/// The `grpc-timeout` header: up to eight digits and a unit.
fn parse_grpc_timeout(value: &str) -> Option<Duration> {
    let unit = value.chars().last()?;
    let digits = value.strip_suffix(unit)?;
    let well_formed = digits.len() <= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| well_formed)?;
    match unit {
        'H' => Some(Duration::from_secs(number * 3600)),
        'M' => Some(Duration::from_secs(number * 60)),
        'S' => Some(Duration::from_secs(number)),
        'm' => Some(Duration::from_millis(number)),
        'u' => Some(Duration::from_micros(number)),
        'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeouts() {
        let cases = [
            ("150S", Some(Duration::from_secs(150))),
            ("2M", Some(Duration::from_mins(2))),
            ("1H", Some(Duration::from_hours(1))),
            ("149999m", Some(Duration::from_millis(149_999))),
            ("5u", Some(Duration::from_micros(5))),
            ("5n", Some(Duration::from_nanos(5))),
            ("", None),
            ("5", None),
            ("-5S", None),
            ("5s", None),
            ("+5S", None),
            ("99999999H", Some(Duration::from_hours(99_999_999))),
            ("999999999H", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_grpc_timeout(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_deadline_is_the_callers_but_never_beyond_the_longest() {
        let frame = Frame::new(Limits {
            longest: Duration::from_secs(100),
            slow: None,
        });
        let left = |timeout: Option<&str>| {
            let mut request = Request::new(());
            if let Some(timeout) = timeout {
                request
                    .metadata_mut()
                    .insert("grpc-timeout", timeout.parse().unwrap());
            }
            frame
                .deadline(&request)
                .saturating_duration_since(Instant::now())
                .as_secs_f64()
        };
        assert!((90.0..100.1).contains(&left(None)));
        assert!((90.0..100.1).contains(&left(Some("200S"))));
        assert!((8.0..9.1).contains(&left(Some("10S"))));
        assert!((0.1..0.9).contains(&left(Some("1S"))));
    }
}
