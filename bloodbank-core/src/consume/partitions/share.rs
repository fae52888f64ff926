//! The share of a process: which partitions it takes, and which it gives up.
//!
//! A partition that nobody consumes is taken by a process that has less than its share; a process that has more than its share, because
//! others have come, gives the rest up. All that a process knows is how many there are, and what nobody consumes: quorum queues do not
//! say who waits behind their one consumer.

/// The number of looks after which a partition that nobody consumes is taken by anybody: the number of processes may be wrong for a
/// while.
const ORPHANED: u8 = 4;

/// What a process sees.
pub(super) struct Seen {
    /// The number of processes.
    pub(super) processes: u64,
    pub(super) partitions: Vec<SeenPartition>,
}

/// What it sees of a partition.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SeenPartition {
    pub(super) is_mine: bool,
    /// For how many looks nobody has consumed it, this one included.
    pub(super) alone: u8,
}

/// What it does then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Take(usize),
    GiveUp(usize),
}

impl Seen {
    pub(super) fn steps(&self) -> Vec<Step> {
        let processes = usize::try_from(self.processes).unwrap_or(usize::MAX).max(1);
        let share = self.partitions.len().div_ceil(processes);
        let mut mine = self.of(|partition| partition.is_mine);
        let mut alone = self.of(|partition| !partition.is_mine && partition.alone > 0);
        // Others look at the same ones.
        fastrand::shuffle(&mut alone);
        let (missing, too_many) = (share.saturating_sub(mine.len()), mine.len().saturating_sub(share));
        let taken = alone.iter().enumerate().filter_map(|(place, partition)| {
            let is_orphaned = self.partitions[*partition].alone >= ORPHANED;
            (place < missing || is_orphaned).then_some(Step::Take(*partition))
        });
        fastrand::shuffle(&mut mine);
        let given_up = mine.into_iter().take(too_many).map(Step::GiveUp);
        taken.chain(given_up).collect()
    }

    fn of(&self, which: impl Fn(&SeenPartition) -> bool) -> Vec<usize> {
        let all = self.partitions.iter().enumerate();
        all.filter(|(_, partition)| which(partition)).map(|(number, _)| number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processes that look in turn, each at what the ones before have made of it.
    struct Processes {
        /// Who consumes each partition; the first one has its turn.
        partitions: Vec<Vec<usize>>,
        alive: Vec<usize>,
        alone: Vec<[u8; 8]>,
    }

    impl Processes {
        fn new() -> Self {
            Self { partitions: vec![Vec::new(); 8], alive: vec![0], alone: vec![[0; 8]; 4] }
        }

        fn look(&mut self, process: usize) -> usize {
            let mut seen = Seen { processes: self.alive.len() as u64, partitions: Vec::new() };
            for (partition, consumers) in self.partitions.iter().enumerate() {
                let alone = &mut self.alone[process][partition];
                *alone = if consumers.is_empty() { *alone + 1 } else { 0 };
                seen.partitions.push(SeenPartition { is_mine: consumers.contains(&process), alone: *alone });
            }
            let steps = seen.steps();
            for step in &steps {
                match *step {
                    Step::Take(partition) => self.partitions[partition].push(process),
                    Step::GiveUp(partition) => self.partitions[partition].retain(|other| *other != process),
                }
            }
            steps.len()
        }

        /// Until nobody does anything any more.
        fn settle(&mut self) {
            for _ in 0..100 {
                if self.alive.clone().into_iter().map(|process| self.look(process)).sum::<usize>() == 0 {
                    return;
                }
            }
            panic!("they never come to rest: {:?}", self.partitions);
        }

        /// How many partitions each process handles.
        fn shares(&self) -> Vec<usize> {
            let handles = |process: &usize| self.partitions.iter().filter(|who| who.first() == Some(process)).count();
            self.alive.iter().map(handles).collect()
        }
    }

    #[test]
    fn processes_come_and_go_and_share_what_there_is() {
        for seed in 0..200 {
            fastrand::seed(seed);
            let mut processes = Processes::new();
            processes.settle();
            assert_eq!(processes.shares(), [8]);
            processes.alive.push(1);
            processes.settle();
            assert_eq!(processes.shares(), [4, 4]);
            processes.alive.push(2);
            processes.settle();
            let shares = processes.shares();
            assert_eq!(shares.iter().sum::<usize>(), 8);
            assert!(shares.iter().all(|share| (2..=3).contains(share)), "{shares:?}");
            // The first one dies.
            processes.alive.remove(0);
            processes.partitions.iter_mut().for_each(|consumers| consumers.retain(|process| *process != 0));
            processes.settle();
            assert_eq!(processes.shares(), [4, 4]);
        }
    }

    #[test]
    fn what_nobody_consumes_for_long_is_taken_whatever_the_share() {
        let alone = |alone| SeenPartition { is_mine: false, alone };
        let seen = |partition| Seen {
            processes: 1_000,
            partitions: vec![SeenPartition { is_mine: true, alone: 0 }, partition],
        };
        assert_eq!(seen(alone(ORPHANED - 1)).steps(), []);
        assert_eq!(seen(alone(ORPHANED)).steps(), [Step::Take(1)]);
    }
}
