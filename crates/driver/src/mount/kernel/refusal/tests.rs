use super::*;

/// Answers of 6.1.0-56 for mounts that were spoilt in one way each.
#[test]
fn the_cause_is_read_from_the_number_and_the_log() {
    let established = "libceph: mon0 (1)192.0.2.1:6789 session established";
    let no_mds = "ceph: No mds server is up or the cluster is laggy";
    let rejected = "libceph: auth protocol 'cephx' mauth authentication failed: -13";
    let cases: &[(Errno, &[&str], Cause)] = &[
        (Errno::HOSTUNREACH, &[rejected, no_mds], Cause::Rejected),
        (Errno::HOSTUNREACH, &[established, no_mds], Cause::NoMds),
        (Errno::HOSTUNREACH, &[no_mds], Cause::NoSession),
        (Errno::HOSTUNREACH, &[], Cause::NoSession),
        (Errno::NOENT, &[established], Cause::NoDirectory),
        (
            Errno::ACCESS,
            &[established, "ceph: mds0 rejected session"],
            Cause::NotAllowed,
        ),
        (
            Errno::INVAL,
            &["ceph: Unknown parameter 'frobnicate'"],
            Cause::BadOption,
        ),
        (
            Errno::INVAL,
            &["libceph: Bad value for 'ms_mode'"],
            Cause::BadOption,
        ),
        (
            Errno::HOSTUNREACH,
            &["libceph: mon0 (2)192.0.2.1:6789 server is speaking msgr1 protocol"],
            Cause::OtherProtocol,
        ),
        (
            Errno::HOSTUNREACH,
            &["libceph: mon0 (1)192.0.2.1:3300 socket closed (con state V1_BANNER)"],
            Cause::OtherProtocol,
        ),
        (Errno::NODEV, &[], Cause::NoModule),
        (Errno::NOMEM, &[], Cause::Other),
    ];
    for (errno, lines, cause) in cases {
        let lines: Vec<_> = lines.iter().map(|&line| line.to_owned()).collect();
        assert_eq!(of_call(*errno, &lines), *cause, "{errno} {lines:?}");
    }
}
