//! What survives a restart, and what a write that failed leaves.

use super::*;
use crate::model::Wanted;

fn receipt() -> Receipt {
    let wanted = Wanted { versions: BTreeMap::new(), mapping: "m".to_owned() };
    Receipt::of(&wanted, Stamp::fresh(), Some(Mark("v1".to_owned())))
}

#[test]
fn a_receipts_file_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("receipts.json");
    let name = TargetName::parse("orders-api").unwrap();
    let delivered = Delivered { receipt: receipt(), mark: Some(Mark("v2".to_owned())) };
    let pending = Pending {
        receipt: receipt(),
        mark: Some(Mark("v3".to_owned())),
        since: Timestamp::from_second(1_790_000_000).unwrap(),
        tries: 2,
        answered: true,
        doubts: 0,
    };
    let memory = TargetMemory {
        delivered: Some(delivered.clone()),
        pending: Some(Box::new(pending.clone())),
        ..TargetMemory::default()
    };
    Memory::open(&file).unwrap().set(&name, memory).unwrap();

    let read = Memory::open(&file).unwrap().of(&name);
    assert_eq!(read.delivered, Some(delivered.clone()));
    let answered = read.pending.unwrap();
    // A write that is not known to be answered is one in a row: how many there were is not kept.
    assert_eq!(*answered, Pending { tries: 1, ..pending.clone() });

    let unanswered = Pending { mark: None, answered: false, ..pending };
    let memory = TargetMemory {
        delivered: Some(delivered),
        pending: Some(Box::new(unanswered)),
        ..TargetMemory::default()
    };
    Memory::open(&file).unwrap().set(&name, memory).unwrap();
    let crashed = Memory::open(&file).unwrap().of(&name).pending.unwrap();
    assert!(!crashed.answered, "after a crash nobody knows whether the write was answered");
}

#[test]
fn a_delivery_that_is_seen_again_is_not_mistaken_for_the_write_that_got_lost() {
    let (delivered, lost) = (receipt(), receipt());
    let mut memory = TargetMemory {
        delivered: Some(Delivered { receipt: delivered.clone(), mark: Some(Mark("v2".to_owned())) }),
        ..TargetMemory::default()
    };
    memory.begin(&lost, Timestamp::UNIX_EPOCH);
    let seen = Observation {
        receipt: Some(delivered.clone()),
        mark: Some(Mark("v2".to_owned())),
        stage: Stage::Settled,
        refusal: None,
        provable: true,
    };
    assert!(!memory.prove(Some(&seen)));
    assert_eq!(memory.delivered.map(|delivered| delivered.receipt), Some(delivered));
    assert_eq!(memory.pending, None);
}

#[test]
fn what_could_not_be_kept_is_not_remembered_either() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    std::fs::create_dir(&gone).unwrap();
    let memory = Memory::open(&gone.join("receipts.json")).unwrap();
    let name = TargetName::parse("orders-api").unwrap();
    let mut begun = TargetMemory::default();
    begun.begin(&receipt(), Timestamp::UNIX_EPOCH);
    std::fs::remove_dir(&gone).unwrap();

    memory.set(&name, begun.clone()).unwrap_err();
    assert_eq!(memory.of(&name), TargetMemory::default());
    memory.set(&name, begun.clone()).expect_err("the second try says so as well");
    std::fs::create_dir(&gone).unwrap();
    memory.set(&name, begun.clone()).unwrap();
    assert_eq!(memory.of(&name), begun);
}

#[test]
fn a_slow_disk_holds_up_no_reader_and_is_written_for_all_who_wait() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("receipts.json");
    let memory = Memory::open(&file).unwrap();
    let begun = || {
        let mut begun = TargetMemory::default();
        begun.begin(&receipt(), Timestamp::UNIX_EPOCH);
        begun
    };
    let all = ["a", "b", "c"].map(|name| (TargetName::parse(name).unwrap(), begun()));
    std::thread::scope(|scope| {
        let disk = memory.kept.lock().unwrap();
        let sets = all.clone().map(|(name, begun)| {
            let memory = &memory;
            scope.spawn(move || memory.set(&name, begun).unwrap())
        });
        while all.iter().any(|(name, begun)| memory.of(name) != *begun) {
            std::thread::yield_now();
        }
        assert!(!file.exists() && sets.iter().all(|set| !set.is_finished()));
        drop(disk);
    });
    let read = Memory::open(&file).unwrap();
    for (name, begun) in &all {
        assert_eq!(read.of(name).pending.unwrap().receipt, begun.pending.as_ref().unwrap().receipt);
    }
    assert_eq!(*memory.kept.lock().unwrap(), 3);
}

#[test]
fn a_broken_receipts_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("receipts.json");
    std::fs::write(&file, b"{\"orders\": {\"delivered\": \"nonsense\"}}").unwrap();
    let error = Memory::open(&file).err().unwrap();
    assert_eq!(error.to_string(), "orders: not a receipt of this relay");
    assert!(std::fs::read(&file).unwrap().starts_with(b"{\"orders\""));
}

#[test]
fn pauses_are_kept_beside_what_the_runs_remember() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("receipts.json");
    let memory = Memory::open(&file).unwrap();
    let (orders, stranger) = (TargetName::parse("orders").unwrap(), TargetName::parse("stranger").unwrap());
    let until = Some(Timestamp::from_second(1_790_000_000).unwrap());
    let pause = Pause { since: Timestamp::UNIX_EPOCH, until, reason: "a freeze".to_owned() };
    let open = Pause { until: None, ..pause.clone() };
    memory.set_pause(&orders, Some(pause.clone())).unwrap();
    memory.set_pause(&stranger, Some(open.clone())).unwrap();
    let given_up = TargetMemory { failing: true, ..TargetMemory::default() };
    memory.set(&orders, given_up).unwrap();

    let again = Memory::open(&file).unwrap();
    assert_eq!(again.pauses(), [(orders.clone(), pause), (stranger.clone(), open)].into());
    assert!(again.survives_restart() && !Memory::volatile().survives_restart());
    again.set_pause(&stranger, None).unwrap();
    let last: Vec<_> = Memory::open(&file).unwrap().pauses().into_keys().collect();
    assert_eq!(last, [orders]);
}
