//! Omaps.

use anyhow::ensure;

use super::{Entries, Subject, entries, fails, omap_equals, omap_set};
use crate::ErrorKind::{CompareFailed, NotFound};
use crate::{Object, OmapPage, ReadAnswer, ReadOp, WriteStep};

/// Asked keys come back with their bytes; absent ones are left out. The empty key is no part of a page.
pub async fn omap_values_by_key(on: &Subject) -> anyhow::Result<()> {
    let object = on.object("values");
    on.write(&object, [WriteStep::Create]).await?;
    ensure!(on.omap(&object).await?.is_empty());
    let stored = entries(&[("csi.a", "\0binary"), ("csi.b", "")]);
    on.write(&object, [WriteStep::OmapSet(stored.clone())])
        .await?;
    ensure!(on.omap(&object).await? == stored);
    let read = |keys: &[&str]| ReadOp {
        omap_keys: keys.iter().map(|&key| key.to_owned()).collect(),
        ..ReadOp::default()
    };
    let found = on.read(&object, read(&["csi.a", "csi.b", "csi.none"]));
    ensure!(found.await?.omap == stored);
    on.write(&object, [omap_set(&[("csi.a", "new"), ("", "empty key")])])
        .await?;
    let found = on.read(&object, read(&["", "csi.a"])).await?.omap;
    ensure!(found == entries(&[("", "empty key"), ("csi.a", "new")]));
    let listed = on.omap(&object).await?;
    ensure!(listed == entries(&[("csi.a", "new"), ("csi.b", "")]));
    on.write(&object, [WriteStep::Remove]).await?;
    Ok(())
}

/// An absent key equals the empty value and nothing else.
pub async fn omap_equals_compares(on: &Subject) -> anyhow::Result<()> {
    let object = on.object("equals");
    on.write(&object, [omap_set(&[("k", "v"), ("empty", "")])])
        .await?;
    for (key, value, equal) in [
        ("k", "v", true),
        ("k", "", false),
        ("k", "vv", false),
        ("k", "u", false),
        ("empty", "", true),
        ("empty", "v", false),
        ("none", "", true),
        ("none", "v", false),
    ] {
        let compared = on.write(&object, [omap_equals(key, value)]).await;
        if equal {
            compared?;
        } else {
            fails(compared, CompareFailed)?;
        }
    }
    on.write(&object, [WriteStep::Remove]).await?;
    Ok(())
}

/// Removing keys that are not there is no error.
pub async fn omap_remove_ignores_absent_keys(on: &Subject) -> anyhow::Result<()> {
    let object = on.object("remove");
    let remove = |keys: &[&str]| {
        let keys = keys.iter().map(|&key| key.to_owned());
        WriteStep::OmapRemove(keys.collect())
    };
    on.write(&object, [omap_set(&[("a", "1"), ("b", "2"), ("c", "3")])])
        .await?;
    on.write(&object, [remove(&["a", "none", "c"])]).await?;
    ensure!(on.omap(&object).await? == entries(&[("b", "2")]));
    on.write(&object, [remove(&["a"])]).await?;
    on.write(&object, [remove(&["b"])]).await?;
    ensure!(on.omap(&object).await?.is_empty());
    on.write(&object, [WriteStep::Remove]).await?;
    Ok(())
}

/// Pages in key order give every key once, also when an OSD gives less than was asked for.
pub async fn omap_pages_go_through_all_keys(on: &Subject) -> anyhow::Result<()> {
    let object = on.object("pages");
    let all = numbered("csi.volume.", 1300);
    on.write(&object, [WriteStep::OmapSet(all.clone())]).await?;
    for max in [512, 5000] {
        let (found, pages) = walk(on, &object, "", max).await?;
        ensure!(found == all, "{} of {} keys", found.len(), all.len());
        ensure!(pages > 1);
    }
    let read = on.cluster.read_omap(&Subject::cx(), &object, "csi.").await;
    ensure!(read? == all);
    let whole = page_at(on, &object, page("csi.volume.0787", "", 512)).await?;
    ensure!(whole.omap.len() == 512 && !whole.more);
    let but_one = page_at(on, &object, page("csi.volume.0786", "", 512)).await?;
    ensure!(but_one.omap.len() == 512 && but_one.more);
    let past = page_at(on, &object, page("z", "", 512)).await?;
    ensure!(past.omap.is_empty() && !past.more);
    on.write(&object, [WriteStep::Remove]).await?;
    Ok(())
}

/// A prefix page leaves out what comes before and after, and says when it was the last.
pub async fn omap_pages_keep_to_their_prefix(on: &Subject) -> anyhow::Result<()> {
    let object = on.object("prefix");
    let mut all = entries(&[("csi", "no"), ("csi/", "no"), ("csj", "no"), ("z", "no")]);
    let wanted = numbered("csi.", 700);
    all.extend(wanted.clone());
    on.write(&object, [WriteStep::OmapSet(all)]).await?;
    let (found, pages) = walk(on, &object, "csi.", 512).await?;
    ensure!(found == wanted && pages == 2);
    let read = on.cluster.read_omap(&Subject::cx(), &object, "csi.").await;
    ensure!(read? == wanted);
    let last = page_at(on, &object, page("csi.0689", "csi.", 10)).await?;
    ensure!(last.omap.len() == 10 && !last.more);
    let none = page_at(on, &object, page("", "none.", 10)).await?;
    ensure!(none.omap.is_empty() && !none.more);

    let op = ReadOp {
        omap_keys: vec!["z".to_owned()],
        omap_page: Some(page("csi.0698", "csi.", 10)),
        ..ReadOp::default()
    };
    let both = on.read(&object, op).await?.omap;
    ensure!(both == entries(&[("csi.0699", "0699"), ("z", "no")]));
    on.write(&object, [WriteStep::Remove]).await?;
    let gone = on.cluster.read_omap(&Subject::cx(), &object, "").await;
    fails(gone, NotFound)?;
    Ok(())
}

pub(super) fn page(after: &str, prefix: &str, max: u64) -> OmapPage {
    OmapPage {
        after: after.to_owned(),
        prefix: prefix.to_owned(),
        max,
    }
}

fn numbered(prefix: &str, count: usize) -> Entries {
    let entry = |n| (format!("{prefix}{n:04}"), format!("{n:04}").into_bytes());
    (0..count).map(entry).collect()
}

async fn page_at(on: &Subject, object: &Object, page: OmapPage) -> crate::Result<ReadAnswer> {
    let op = ReadOp {
        omap_page: Some(page),
        ..ReadOp::default()
    };
    on.read(object, op).await
}

/// All entries with `prefix`, and the number of pages they came in.
async fn walk(
    on: &Subject,
    object: &Object,
    prefix: &str,
    max: u64,
) -> crate::Result<(Entries, usize)> {
    let (mut found, mut pages, mut after) = (Entries::new(), 0, String::new());
    loop {
        let answer = page_at(on, object, page(&after, prefix, max)).await?;
        pages += 1;
        match answer.omap.keys().next_back() {
            Some(last) if answer.more => after.clone_from(last),
            _ => {
                found.extend(answer.omap);
                return Ok((found, pages));
            }
        }
        found.extend(answer.omap);
    }
}
