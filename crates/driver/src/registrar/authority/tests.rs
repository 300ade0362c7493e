use super::*;

/// A request as the kubelet's gRPC writes it: `:method: POST` and `:scheme: http` by index, then literals
/// that go into the table: `:path`, and `:authority` with what was dialled.
const BLOCK: &[u8] =
    b"\x83\x86\x45\x1c/pluginregistration.v1/Get-x\x41\x10/kubelet/reg.sck\x5f\x10application/grpc";

fn frame(flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, HEADERS, flags, 0, 0, 0, 1], payload].concat()
}

#[test]
fn the_path_of_the_socket_becomes_a_host() {
    let expected =
        b"\x83\x86\x45\x1c/pluginregistration.v1/Get-x\x41\x09localhost\x5f\x10application/grpc";
    assert_eq!(block_with_authority(BLOCK).unwrap(), expected);
    assert_eq!(
        with_authority(&frame(4, BLOCK)).unwrap(),
        frame(4, expected)
    );
}

#[test]
fn padding_and_priority_stay() {
    let payload = [b"\x02\0\0\0\0\x10", &b"\x41\x01/"[..], b"\0\0"].concat();
    let expected = [b"\x02\0\0\0\0\x10", &b"\x41\x09localhost"[..], b"\0\0"].concat();
    let flags = PADDED | PRIORITY | 4;
    assert_eq!(
        with_authority(&frame(flags, &payload)).unwrap(),
        frame(flags, &expected)
    );
}

#[test]
fn an_authority_from_the_table_and_other_frames_stay() {
    assert_eq!(
        block_with_authority(b"\x83\xbe\x3f\xe1\x1f").unwrap(),
        b"\x83\xbe\x3f\xe1\x1f"
    );
    assert_eq!(with_authority(b"\0\0\0\x04\0\0\0\0\0"), None);
}

#[test]
fn what_cannot_be_read_is_left_to_the_server() {
    for block in [
        &b"\x41\x05abc"[..],
        b"\x41",
        b"\x7f\xff\xff\xff\xff",
        b"\x00\x03ab",
    ] {
        assert_eq!(block_with_authority(block), None, "{block:x?}");
    }
    assert_eq!(with_authority(&frame(PADDED, b"\x09\x83")), None);
    assert_eq!(with_authority(&frame(PADDED, b"")), None);
}

#[test]
fn integers_are_those_of_the_standard() {
    // The examples of RFC 7541, appendix C.1.
    assert_eq!(integer(b"\x0a", 5), Some((10, 1)));
    assert_eq!(integer(b"\x1f\x9a\x0a", 5), Some((1337, 3)));
    assert_eq!(integer(b"\x2a", 8), Some((42, 1)));
    assert_eq!(integer(b"\x1f\x9a", 5), None);
}
