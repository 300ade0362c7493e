//! config.json, as CreateVolume meets it.

use tonic::Code::{self, FailedPrecondition, InvalidArgument, Ok as Served};

use crate::create_volume::send;
use crate::lab::{Lab, VOLUME};
use crate::support::create_request;
use crate::table::Report;

pub(crate) fn run(report: &mut Report) {
    for (name, config, code, message) in BROKEN {
        let lab = Lab::with_config(config);
        let request = create_request("pvc-2", 1);
        let name = format!("config.json: {name}");
        report.one(&name, &lab, *code, message, || send(&lab, request));
    }
    for (name, config) in ODD {
        let lab = Lab::with_volume();
        lab.write_config(config);
        let request = create_request(VOLUME, 2);
        let name = format!("config.json: {name}");
        report.one(&name, &lab, Served, "", || send(&lab, request));
    }
    let lab = Lab::without_config();
    let request = create_request("pvc-2", 1);
    let message = "config file `<dir>/config.json`: not found; mount the ConfigMap with key \
                   `config.json` there, or name another file with --config-file";
    report.one(
        "config.json: absent",
        &lab,
        FailedPrecondition,
        message,
        || send(&lab, request),
    );
    println!("config.json: {} cases", BROKEN.len() + ODD.len() + 1);
}

/// A name for the case, the file, and the answer.
const BROKEN: &[(&str, &str, Code, &str)] = &[
    (
        "empty",
        "",
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: it is empty, and should hold a JSON array of clusters",
    ),
    (
        "white space",
        " \n",
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: it is empty, and should hold a JSON array of clusters",
    ),
    (
        "YAML",
        "- clusterID: c1\n",
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: not valid JSON at line 1, column 2: invalid number",
    ),
    (
        "cut off",
        r#"[{"clusterID": "c1", "monitors": ["#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: not valid JSON at line 1, column 34: EOF while parsing a list",
    ),
    (
        "trailing comma",
        r#"[{"clusterID": "c1",}]"#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: not valid JSON at line 1, column 21: trailing comma",
    ),
    (
        "two documents",
        "[][]",
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: not valid JSON at line 1, column 3: trailing characters",
    ),
    (
        "half a surrogate pair",
        r#"["\ud800"]"#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: not valid JSON at line 1, column 9: unexpected end of hex escape",
    ),
    (
        "an object",
        r#"{"clusterID": "c1"}"#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: the file: expected an array of clusters, \
         found an object",
    ),
    (
        "a string",
        r#""c1""#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: the file: expected an array of clusters, \
         found a string",
    ),
    (
        "no clusters",
        "[]",
        InvalidArgument,
        "clusterID `c1` is not in config.json; it has: no clusters",
    ),
    (
        "null",
        "null",
        InvalidArgument,
        "clusterID `c1` is not in config.json; it has: no clusters",
    ),
    (
        "an entry that is a string",
        r#"["c1"]"#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: entry 1: expected an object, found a string",
    ),
    (
        "a clusterID that is a number",
        r#"[{"clusterID": 1}]"#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: entry 1, key `clusterID`: expected a string, \
         found a number",
    ),
    (
        "monitors that are a string",
        r#"[{"clusterID": "c1", "monitors": "127.0.0.1:6789"}]"#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: entry 1 (clusterID `c1`), key `monitors`: \
         expected an array of strings, found a string",
    ),
    (
        "a monitor that is a number",
        r#"[{"clusterID": "c1", "monitors": [6789]}]"#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: entry 1 (clusterID `c1`), a value in \
         `monitors`: expected a string, found a number",
    ),
    (
        "no monitors",
        r#"[{"clusterID": "c1"}]"#,
        FailedPrecondition,
        "clusterID `c1` has no monitors in config.json; list at least one in `monitors`",
    ),
    (
        "an empty list of monitors",
        r#"[{"clusterID": "c1", "monitors": []}]"#,
        FailedPrecondition,
        "clusterID `c1` has no monitors in config.json; list at least one in `monitors`",
    ),
    (
        "monitors of white space",
        r#"[{"clusterID": "c1", "monitors": ["", " ", null]}]"#,
        FailedPrecondition,
        "clusterID `c1` has no monitors in config.json; list at least one in `monitors`",
    ),
    (
        "null monitors",
        r#"[{"clusterID": "c1", "monitors": null}]"#,
        FailedPrecondition,
        "clusterID `c1` has no monitors in config.json; list at least one in `monitors`",
    ),
    (
        "two entries of one cluster, the first without monitors",
        r#"[{"clusterID": "c1"}, {"clusterID": "c1", "monitors": ["127.0.0.1:6789"]}]"#,
        FailedPrecondition,
        "clusterID `c1` has no monitors in config.json; list at least one in `monitors`",
    ),
    (
        "cephFS that is a string",
        r#"[{"clusterID": "c1", "monitors": ["m"], "cephFS": "csi"}]"#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: entry 1 (clusterID `c1`), key `cephFS`: \
         expected an object, found a string",
    ),
    (
        "subvolumeGroup that is a number, in another entry",
        r#"[{"clusterID": "c1", "monitors": ["m"]},
            {"clusterID": "c2", "cephFS": {"subvolumeGroup": 7}}]"#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: entry 2 (clusterID `c2`), key \
         `cephFS.subvolumeGroup`: expected a string, found a number",
    ),
    (
        "radosNamespace that is a list",
        r#"[{"clusterID": "c1", "monitors": ["m"], "cephFS": {"radosNamespace": ["csi"]}}]"#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: entry 1 (clusterID `c1`), key \
         `cephFS.radosNamespace`: expected a string, found an array",
    ),
    (
        "kernelMountOptions that are a list",
        r#"[{"clusterID": "c1", "monitors": ["m"], "cephFS": {"kernelMountOptions": ["ro"]}}]"#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: entry 1 (clusterID `c1`), key \
         `cephFS.kernelMountOptions`: expected a string, found an array",
    ),
    (
        "fuseMountOptions that are a flag",
        r#"[{"clusterID": "c1", "monitors": ["m"], "cephFS": {"fuseMountOptions": true}}]"#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: entry 1 (clusterID `c1`), key \
         `cephFS.fuseMountOptions`: expected a string, found true or false",
    ),
    (
        "netNamespaceFilePath that is an object",
        r#"[{"clusterID": "c1", "monitors": ["m"], "cephFS": {"netNamespaceFilePath": {}}}]"#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: entry 1 (clusterID `c1`), key \
         `cephFS.netNamespaceFilePath`: expected a string, found an object",
    ),
    (
        "controllerPublishSecretRef that is a string",
        r#"[{"clusterID": "c1", "monitors": ["m"], "cephFS": {"controllerPublishSecretRef": "s"}}]"#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: entry 1 (clusterID `c1`), key \
         `cephFS.controllerPublishSecretRef`: expected an object, found a string",
    ),
    (
        "readAffinity.enabled that is a string",
        r#"[{"clusterID": "c1", "monitors": ["m"], "readAffinity": {"enabled": "true"}}]"#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: entry 1 (clusterID `c1`), key \
         `readAffinity.enabled`: expected true or false, found a string",
    ),
    (
        "crushLocationLabels that are a string",
        r#"[{"clusterID": "c1", "monitors": ["m"], "readAffinity": {"crushLocationLabels": "zone"}}]"#,
        FailedPrecondition,
        "config file `<dir>/config.json`: cannot be used: entry 1 (clusterID `c1`), key \
         `readAffinity.crushLocationLabels`: expected an array of strings, found a string",
    ),
    (
        "many clusters, and not this one",
        r#"[{"clusterID": "01"}, {"clusterID": "02"}, {"clusterID": "03"}, {"clusterID": "04"},
            {"clusterID": "05"}, {"clusterID": "06"}, {"clusterID": "07"}, {"clusterID": "08"},
            {"clusterID": "09"}, {"clusterID": "10"}, {"clusterID": "11"}, {"clusterID": "12"},
            {"clusterID": "13"}, {"clusterID": "14"}, {"clusterID": "15"}, {"clusterID": "16"},
            {"clusterID": "17"}, {"clusterID": "18"}, {"clusterID": "19"}, {"clusterID": "20"},
            {"clusterID": "21"}, {"clusterID": "22"}]"#,
        InvalidArgument,
        "clusterID `c1` is not in config.json; it has: 01, 02, 03, 04, 05, 06, 07, 08, 09, 10, 11, 12, \
         13, 14, 15, 16, 17, 18, 19, 20 and 2 more",
    ),
];

/// A name for the case and the file, which takes the place of a good one while the driver runs.
const ODD: &[(&str, &str)] = &[
    (
        "keys in another case",
        r#"[{"CLUSTERID": "c1", "Monitors": ["127.0.0.1:6789"], "CephFS": {"SubvolumeGroup": "csi"}}]"#,
    ),
    (
        "keys that nobody knows",
        r#"[{"clusterID": "c1", "monitors": ["127.0.0.1:6789"], "color": 7, "rbd": {"a": []}}]"#,
    ),
    (
        "null wherever it can be",
        r#"[null, {"clusterID": "c1", "monitors": ["127.0.0.1:6789"], "cephFS": null, "nfs": null}]"#,
    ),
    (
        "two entries of one cluster, the first with monitors",
        r#"[{"clusterID": "c1", "monitors": ["127.0.0.1:6789"]}, {"clusterID": "c1"}]"#,
    ),
    ("broken while the driver runs", "[{"),
];
