//! What a killed write leaves in a folder is removed, and nothing else.

use std::{
    fs::{self, File},
    time::{Duration, SystemTime},
};

use bloodbank::Bus;
use bloodbank_archive::Archiver;

use crate::{Folder, assert_same, given::Given, segments::of_events, shared, whole};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_write_left_behind_is_removed_when_nobody_can_be_writing_it() {
    let (folder, source, bus) = (Folder::new(), Given::of(0..50), Bus::embedded());
    let run = async || {
        let archiver = Archiver::new(folder.archive.clone()).source(shared(source.clone())).limits(of_events(20));
        archiver.run_once(&bus).await.unwrap()
    };
    assert_eq!(run().await.segments, 3);
    let root = folder.folder.path();
    let place = |name: &str, age: u64| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = File::create(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        path
    };
    let day = folder.files()[0].split('/').next().unwrap().to_owned();
    let segment = format!("{day}/00000000000000000050-00000000000000000069.parquet");
    let (old, new) = (2 * 3_600, 600);
    let gone = [
        place(&format!("{segment}#1"), old),
        place(&format!("{segment}#27"), old),
        place("_reservations/00000000000000000050.json#1", old),
    ];
    let stay = [
        place(&format!("{segment}#2"), new),
        place(&format!("{day}/notes#1"), old),
        place(&format!("{day}/x.parquet#old"), old),
        place("other/y.parquet#1", old),
    ];
    assert_eq!(run().await.segments, 0);
    assert_eq!(gone.iter().filter(|path| path.exists()).collect::<Vec<_>>(), [] as [&std::path::PathBuf; 0]);
    assert_eq!(stay.iter().filter(|path| !path.exists()).collect::<Vec<_>>(), [] as [&std::path::PathBuf; 0]);
    assert_same(&whole(&folder.archive).await, &whole(&source).await);
}
