//! The fuzzer: mutates inputs, runs them, and keeps those whose answers are new.

use std::collections::HashSet;
use std::time::{Duration, Instant};

/// No input of a target is longer.
const MAX_LEN: usize = 4096;
/// One input may take this long; more means that something grows faster than its input.
const MAX_TIME: Duration = Duration::from_secs(10);
/// The corpus does not grow beyond this.
const MAX_CORPUS: usize = 4096;

/// What is fuzzed.
pub(crate) struct Target {
    /// Inputs to begin with.
    pub(crate) seeds: Vec<Vec<u8>>,
    /// Words that mean something to the parser.
    pub(crate) words: &'static [&'static str],
    /// Runs one input, panics if a promise is broken, and returns the kind of answer.
    pub(crate) answer: fn(&[u8]) -> String,
}

/// When to stop.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    Time(Duration),
    Runs(u64),
}

/// How long `dev/test fuzz` runs each target.
pub(crate) fn seconds() -> Duration {
    Duration::from_secs(number("SPIRULA_FUZZ_SECONDS").unwrap_or(10))
}

#[expect(clippy::disallowed_methods, reason = "a test has no command line")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Fuzzes `target` within `bound`.
pub(crate) fn run(name: &str, target: &Target, bound: Bound) {
    let clock = || std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    let seed = number("SPIRULA_FUZZ_SEED").unwrap_or_else(|| clock().into());
    let mut random = Random(seed | 1);
    let mut corpus = target.seeds.clone();
    let mut answers = HashSet::new();
    let start = Instant::now();
    let mut runs = 0;
    let goes_on = |runs| match bound {
        Bound::Time(limit) => start.elapsed() < limit,
        Bound::Runs(limit) => runs < limit,
    };
    for seed in &target.seeds {
        answers.insert((target.answer)(seed));
    }
    while goes_on(runs) {
        let input = random.mutate(&corpus, target.words);
        let answer = {
            let shown = ShownOnPanic {
                name,
                seed,
                input: &input,
            };
            let start = Instant::now();
            let answer = (target.answer)(&input);
            assert!(start.elapsed() < MAX_TIME, "took {:?}", start.elapsed());
            drop(shown);
            answer
        };
        if answers.insert(answer) && corpus.len() < MAX_CORPUS {
            corpus.push(input);
        }
        runs += 1;
    }
    let (kinds, time) = (answers.len(), start.elapsed());
    println!("{name}: {runs} inputs, {kinds} kinds of answers, {time:.1?}, seed {seed}");
}

/// Prints the input that a target panics on.
struct ShownOnPanic<'a> {
    name: &'a str,
    seed: u64,
    input: &'a [u8],
}

impl Drop for ShownOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { name, seed, input } = self;
            eprintln!(
                "{name} (seed {seed}) fails on b\"{}\"",
                input.escape_ascii()
            );
        }
    }
}

/// xorshift64*: quick, and the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Less than `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    /// A part of `input`, perhaps empty.
    fn part(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(input.len() + 1);
        let longest = (input.len() - start).min(64);
        start..start + self.below(longest + 1)
    }

    /// One of the corpus after one to eight mutations.
    fn mutate(&mut self, corpus: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
        let mut input = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(8) {
            self.mutate_once(&mut input, corpus, words);
        }
        input.truncate(MAX_LEN);
        input
    }

    fn mutate_once(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&str]) {
        let part = self.part(input);
        match self.below(8) {
            0 if !input.is_empty() => {
                let at = self.below(input.len());
                input[at] ^= 1 << self.below(8);
            }
            1 if !input.is_empty() => {
                let at = self.below(input.len());
                input[at] = self.byte();
            }
            2 => drop(input.drain(part)),
            3 => {
                let copy = input[part.clone()].to_vec();
                input.splice(part.end..part.end, copy);
            }
            4 => {
                let bytes = [self.byte(), self.byte()];
                input.splice(part, bytes);
            }
            5 => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.part(other);
                input.splice(part, other[from].iter().copied());
            }
            _ if !words.is_empty() => {
                let word = words[self.below(words.len())];
                input.splice(part, word.bytes());
            }
            _ => input.truncate(part.start),
        }
    }
}
