use std::fs::File;
use std::io::{Read as _, Write as _};

use super::*;

fn order(text: &str) -> Order {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"key").unwrap();
    Order {
        program: "ceph-fuse".into(),
        arguments: ["/stage", "", text].map(Into::into).to_vec(),
        stdin: reader.into(),
    }
}

#[test]
fn an_order_arrives_with_its_standard_input() {
    let (ours, theirs) = Order::channel().unwrap();
    let sent = order("an argument\nof two lines");
    sent.send(&ours).unwrap();
    let received = Order::receive(&theirs).unwrap().unwrap();
    assert_eq!(received.program, sent.program);
    assert_eq!(received.arguments, sent.arguments);
    let mut content = String::new();
    drop(sent);
    File::from(received.stdin)
        .read_to_string(&mut content)
        .unwrap();
    assert_eq!(content, "key");
}

#[test]
fn the_order_of_a_driver_that_has_ended_is_not_obeyed() {
    let (ours, theirs) = Order::channel().unwrap();
    drop(ours);
    assert!(Order::receive(&theirs).unwrap().is_none());
    let (ours, theirs) = Order::channel().unwrap();
    order("").send(&ours).unwrap();
    drop(ours);
    assert!(Order::receive(&theirs).unwrap().is_none());
}

#[test]
fn what_cannot_be_obeyed_is_not_sent() {
    let (ours, theirs) = Order::channel().unwrap();
    let error = order(&"x".repeat(LIMIT)).send(&ours).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ArgumentListTooLong);
    order(&"x".repeat(LIMIT / 2)).send(&ours).unwrap();
    assert!(Order::receive(&theirs).unwrap().is_some());
    drop(theirs);
    let error = order("").send(&ours).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}
