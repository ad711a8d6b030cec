//! Turns at scarce work: a few at once. Each kind of work waits in a queue of its own, and the queues take
//! turns. A full queue takes a place from whoever has the most places in it and gives it to a newcomer.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::model::fault::Fault;

/// Queues that share the same few turns. With a turn comes a resource `R`, which is passed to the next
/// turn while somebody waits, and is dropped when nobody does.
pub struct FairQueues<R: Default> {
    state: Arc<Mutex<State<R>>>,
}

/// One of the queues.
pub struct FairQueue<R: Default> {
    queues: FairQueues<R>,
    index: usize,
    waiting_max: usize,
}

/// The right to work now; it ends when this is dropped.
struct Turn<R: Default> {
    /// `None` where the turn was passed on already.
    queues: Option<FairQueues<R>>,
    resource: R,
}

struct State<R: Default> {
    /// Turns that nobody has. While there are any, nobody waits.
    free: usize,
    queues: Vec<VecDeque<Waiter<R>>>,
    /// The queue that is asked first when a turn ends.
    next: usize,
    latest_number: u64,
}

struct Waiter<R: Default> {
    number: u64,
    /// Whom it is for, the widest group first.
    subjects: Vec<String>,
    turn: oneshot::Sender<Turn<R>>,
}

/// Removes a waiter that goes away before its turn comes.
struct WaiterGuard<'a, R: Default> {
    queue: &'a FairQueue<R>,
    number: u64,
}

impl<R: Default> Clone for FairQueues<R> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
        }
    }
}

impl<R: Default> Clone for FairQueue<R> {
    fn clone(&self) -> Self {
        Self {
            queues: self.queues.clone(),
            ..*self
        }
    }
}

impl<R: Default> FairQueues<R> {
    /// So many turns at one time.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                free: at_once,
                queues: Vec::new(),
                next: 0,
                latest_number: 0,
            })),
        }
    }

    /// Another queue, in which so many may wait.
    #[must_use]
    pub fn queue(&self, waiting_max: usize) -> FairQueue<R> {
        let mut state = self.lock();
        state.queues.push(VecDeque::new());
        FairQueue {
            queues: self.clone(),
            index: state.queues.len() - 1,
            waiting_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a turn that has ended to the next waiter that is still there.
    fn pass_on(&self, mut resource: R) {
        loop {
            let Some(waiter) = self.lock().next_waiter() else {
                return;
            };
            let turn = Turn {
                queues: Some(self.clone()),
                resource,
            };
            let Err(mut turn) = waiter.turn.send(turn) else {
                return;
            };
            turn.queues = None;
            resource = mem::take(&mut turn.resource);
        }
    }
}

impl<R: Default> State<R> {
    /// The waiter whose turn it is. Where nobody waits, the turn is free.
    fn next_waiter(&mut self) -> Option<Waiter<R>> {
        let count = self.queues.len();
        for index in (self.next..count).chain(0..self.next) {
            let waiter = self.queues.get_mut(index).and_then(VecDeque::pop_front);
            if waiter.is_some() {
                self.next = (index + 1) % count;
                return waiter;
            }
        }
        self.free += 1;
        None
    }
}

impl<R: Default + Send + 'static> FairQueue<R> {
    /// Runs work on a thread that may block, when its turn comes; `None` where it finds no place in the
    /// queue, or loses it. `subjects` name the groups that the work is for, the widest first (a network, a
    /// part of it, an address): of those with the most places, the latest loses. The turn ends with the
    /// work: a request that goes away does not make room before.
    ///
    /// # Errors
    /// A fault where the work panics.
    pub async fn run<T: Send + 'static>(
        &self,
        subjects: Vec<String>,
        work: impl FnOnce(&mut R) -> T + Send + 'static,
    ) -> Result<Option<T>, Fault> {
        let Some(mut turn) = self.turn(subjects).await else {
            return Ok(None);
        };
        let work = move || {
            let result = work(&mut turn.resource);
            drop(turn);
            result
        };
        let worked = tokio::task::spawn_blocking(work).await;
        worked.map(Some).map_err(Fault::internal)
    }
}

impl<R: Default> FairQueue<R> {
    /// Waits for a turn; `None` where the queue is full and everybody in it has no more places than the
    /// newcomer, or where a newcomer took the place.
    async fn turn(&self, subjects: Vec<String>) -> Option<Turn<R>> {
        let (sender, receiver) = oneshot::channel();
        let number = {
            let mut state = self.queues.lock();
            if state.free > 0 {
                state.free -= 1;
                drop(state);
                return Some(Turn {
                    queues: Some(self.queues.clone()),
                    resource: R::default(),
                });
            }
            state.latest_number += 1;
            let number = state.latest_number;
            let waiting = state.queues.get_mut(self.index)?;
            waiting.push_back(Waiter {
                number,
                subjects,
                turn: sender,
            });
            if waiting.len() > self.waiting_max {
                remove_the_most_crowding(waiting);
            }
            number
        };
        let _guard = WaiterGuard {
            queue: self,
            number,
        };
        receiver.await.ok()
    }
}

/// Removes the latest waiter of the group that has the most places: of the widest groups first, then of
/// the narrower ones within it.
fn remove_the_most_crowding<R: Default>(waiting: &mut VecDeque<Waiter<R>>) {
    let mut places: HashMap<&str, usize> = HashMap::new();
    for subject in waiting.iter().flat_map(|waiter| &waiter.subjects) {
        *places.entry(subject).or_default() += 1;
    }
    let places_of = |waiter: &Waiter<R>| -> Vec<usize> {
        let subjects = waiter.subjects.iter();
        subjects
            .map(|subject| places.get(subject.as_str()).copied().unwrap_or(0))
            .collect()
    };
    // Of several that are equal, `max_by_key` takes the last one.
    let last_of_most = waiting.iter().enumerate();
    let last_of_most = last_of_most.max_by_key(|(_, waiter)| places_of(waiter));
    if let Some(index) = last_of_most.map(|(index, _)| index) {
        waiting.remove(index);
    }
}

impl<R: Default> Drop for WaiterGuard<'_, R> {
    fn drop(&mut self) {
        let mut state = self.queue.queues.lock();
        if let Some(waiting) = state.queues.get_mut(self.queue.index) {
            waiting.retain(|waiter| waiter.number != self.number);
        }
    }
}

impl<R: Default> Drop for Turn<R> {
    fn drop(&mut self) {
        if let Some(queues) = self.queues.take() {
            queues.pass_on(mem::take(&mut self.resource));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Waits in a queue and notes its name when its turn comes.
    fn wait(
        queue: &FairQueue<()>,
        subjects: &[&str],
        turns: &Arc<Mutex<Vec<String>>>,
    ) -> tokio::task::JoinHandle<bool> {
        let (queue, turns) = (queue.clone(), Arc::clone(turns));
        let subjects: Vec<String> = subjects.iter().map(|text| (*text).to_owned()).collect();
        tokio::spawn(async move {
            let name = subjects.last().cloned().unwrap_or_default();
            let turn = queue.turn(subjects).await;
            if turn.is_some() {
                turns.lock().unwrap().push(name);
            }
            turn.is_some()
        })
    }

    async fn all_wait() {
        // One thread: each yield lets every task come as far as it can.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn queues_take_turns() {
        let queues = FairQueues::new(1);
        let (crowded, other) = (queues.queue(10), queues.queue(10));
        let running = crowded.turn(Vec::new()).await.unwrap();
        let turns = Arc::default();
        let waiting: Vec<_> = ["a", "b", "c"]
            .iter()
            .map(|name| wait(&crowded, &[name], &turns))
            .collect();
        all_wait().await;
        let last = wait(&other, &["z"], &turns);
        all_wait().await;
        drop(running);
        assert!(last.await.unwrap());
        for waiting in waiting {
            assert!(waiting.await.unwrap());
        }
        let turns = turns.lock().unwrap().clone();
        assert!(
            turns.iter().position(|name| name == "z") < Some(2),
            "{turns:?}"
        );
    }

    #[tokio::test]
    async fn whoever_crowds_a_full_queue_loses_a_place_to_a_newcomer() {
        let queues = FairQueues::new(1);
        let queue = queues.queue(4);
        let running = queue.turn(Vec::new()).await.unwrap();
        let turns = Arc::default();
        let names: [&[&str]; 6] = [
            &["net1", "net1/1"],
            &["net1", "net1/2"],
            &["net1", "net1/2"],
            &["net2", "net2/1"],
            // Takes the place of the second at net1/2.
            &["net3", "net3/1"],
            // Has as many places as net1 would have, and comes last.
            &["net1", "net1/3"],
        ];
        let mut waiting = Vec::new();
        for subjects in names {
            waiting.push(wait(&queue, subjects, &turns));
            all_wait().await;
        }
        drop(running);
        let mut admitted = Vec::new();
        for waiting in waiting {
            admitted.push(waiting.await.unwrap());
        }
        assert_eq!(admitted, [true, true, false, true, true, false]);
    }

    #[tokio::test]
    async fn a_waiter_that_goes_away_leaves_place_and_turn_to_others() {
        let queues = FairQueues::new(1);
        let queue = queues.queue(1);
        let running = queue.turn(Vec::new()).await.unwrap();
        let turns = Arc::default();
        let gone = wait(&queue, &["gone"], &turns);
        all_wait().await;
        gone.abort();
        all_wait().await;
        let there = wait(&queue, &["there"], &turns);
        all_wait().await;
        drop(running);
        assert!(there.await.unwrap());
        // The turn is free again.
        assert!(queue.turn(Vec::new()).await.is_some());
    }

    #[tokio::test]
    async fn a_resource_is_passed_on_while_somebody_waits_and_dropped_after_that() {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        struct Counted;
        impl Default for Counted {
            fn default() -> Self {
                MADE.fetch_add(1, Ordering::Relaxed);
                Self
            }
        }
        /// What a turn leaves when it takes out a resource is a default too.
        #[derive(Default)]
        struct Lazy(Option<Counted>);
        let queues: FairQueues<Lazy> = FairQueues::new(1);
        let queue = queues.queue(9);
        let mut running = queue.turn(Vec::new()).await.unwrap();
        running.resource.0.get_or_insert_default();
        let work = |queue: FairQueue<Lazy>| async move {
            let mut turn = queue.turn(Vec::new()).await.unwrap();
            turn.resource.0.get_or_insert_default();
        };
        let waiting: Vec<_> = (0..9).map(|_| tokio::spawn(work(queue.clone()))).collect();
        all_wait().await;
        drop(running);
        for waiting in waiting {
            waiting.await.unwrap();
        }
        assert_eq!(MADE.load(Ordering::Relaxed), 1);
        work(queue).await;
        assert_eq!(MADE.load(Ordering::Relaxed), 2);
    }
}
