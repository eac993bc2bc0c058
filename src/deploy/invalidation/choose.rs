//! Which wildcards to write: the exact optimum over the trie.
//!
//! A choice is a set of nodes, none above another, that become wildcards; every other address is a path of its own.
//! Three things are limited: paths, wildcards, and collateral. The optimum under them is a knapsack on a tree, which
//! a Pareto frontier per node would solve, at O(nodes · wildcards² · collateral²) in the worst case: too slow for
//! 10,000 pages. So the limits are priced first: with a price on each (Lagrange multipliers), the cheapest choice is
//! one pass over the trie, and it bounds the true optimum from below. A choice that differs from the cheapest in some
//! node by more than the gap between that bound and the best choice known cannot be optimal, wherever it stands:
//! such points are dropped from the frontiers, and few remain. Several prices are looked from, since each drops others.
//! The gap searched starts small and grows until the choice found proves itself, so what comes out is exact whatever
//! the prices were.
//!
//! Cost: O(nodes) for each of at most [`ROUNDS`] price rounds, then O(nodes + Σ frontier²) for each gap, where the
//! frontiers are as wide as the gap asks. Where no limit binds, one pass and no search. The worst case stays that of
//! the knapsack. Measured for 10,000 pages: 1 to 5 ms for one changed, 5 to 35 ms for all, 15 to 115 ms on average for
//! 3,000 at random; half a second where the quotas force a choice among directories of very different size.

use super::Collateral;
use super::trie::{Node, Own};

/// Beyond these the prices hardly improve, and a worse price only widens the search.
const ROUNDS: usize = 64;

/// The prices to look from besides the best, in per cent of it.
const GUIDES: [i128; 4] = [50, 80, 125, 200];

/// What a plan may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) paths: u64,
    pub(super) wildcards: u64,
    /// Clean objects purged.
    pub(super) objects: u64,
}

/// The chosen wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The nodes, in order.
    pub(super) wildcards: Vec<usize>,
    /// Whether more had to be purged than the limit allows.
    pub(super) relaxed: bool,
}

/// The fewest items within the limits; if there are none, those that purge least; if the quotas leave nothing, `None`.
pub(super) fn choose(nodes: &[Node], limits: Limits) -> Option<Choice> {
    choose_after(ROUNDS, nodes, limits)
}

/// As [`choose`], after so many rounds of pricing. The answer does not depend on them, the time does.
pub(super) fn choose_after(rounds: usize, nodes: &[Node], limits: Limits) -> Option<Choice> {
    let count = |own| nodes.iter().filter(|node| node.own == own).count() as u64;
    let (addresses, wholes) = (count(Own::Address), count(Own::Whole));
    let Some(root) = nodes.first() else { return Some(Choice { wildcards: Vec::new(), relaxed: false }) };

    let fewest = Search { nodes, limits, weights: Weights::FEWEST, rounds };
    if addresses <= limits.paths && wholes <= limits.wildcards {
        // Every address by itself is a choice to begin with: it purges nothing that could be spared.
        let paths = Tally { paths: addresses, wildcards: wholes, ..Tally::default() };
        return Some(Choice { wildcards: fewest.best(paths), relaxed: false });
    }
    let everything = root.cut.filter(|_| limits.wildcards > 0)?.collateral;
    let everything = Tally { wildcards: 1, objects: everything.objects, bytes: everything.bytes, ..Tally::default() };
    let unlimited = Limits { objects: everything.objects, ..limits };
    let least = Search { nodes, limits: unlimited, weights: Weights::LEAST, rounds };
    let wildcards = least.best(everything);
    let tally = tally(nodes, addresses, &wildcards);
    if tally.objects > limits.objects {
        return Some(Choice { wildcards, relaxed: true });
    }
    Some(Choice { wildcards: fewest.best(tally), relaxed: false })
}

/// What a set of wildcards uses.
fn tally(nodes: &[Node], addresses: u64, wildcards: &[usize]) -> Tally {
    let mut tally = Tally { paths: addresses, wildcards: wildcards.len() as u64, ..Tally::default() };
    let mut covered = vec![false; nodes.len()];
    for &node in wildcards {
        covered[node] = true;
        if let Some(cut) = nodes[node].cut {
            tally.objects += cut.collateral.objects;
            tally.bytes += cut.collateral.bytes;
        }
    }
    for (id, node) in nodes.iter().enumerate() {
        covered[id] |= covered[node.parent];
        tally.paths -= u64::from(covered[id] && node.own == Own::Address);
    }
    tally
}

/// What part of a choice uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    paths: u64,
    wildcards: u64,
    objects: u64,
    bytes: u64,
}

impl Tally {
    fn priced(&self, weights: &Weights) -> i128 {
        i128::from(self.paths + self.wildcards) * weights.item
            + i128::from(self.objects) * weights.object
            + i128::from(self.bytes) * Weights::BYTE
            + i128::from(self.wildcards)
    }

    fn within(&self, limits: &Limits) -> bool {
        self.paths <= limits.paths && self.wildcards <= limits.wildcards && self.objects <= limits.objects
    }

    fn plus(&self, other: &Tally) -> Tally {
        Tally {
            paths: self.paths + other.paths,
            wildcards: self.wildcards + other.wildcards,
            objects: self.objects + other.objects,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// An order of aims as one number: the first aim in the highest digits. Integers, so that nothing is rounded.
/// The digits hold 4 million objects, as many items, 2⁴⁸ bytes and 4,096 wildcards before one spills into the next.
#[derive(Clone, Copy)]
struct Weights {
    item: i128,
    object: i128,
}

impl Weights {
    /// Items, then objects, then bytes, then wildcards.
    const FEWEST: Self = Self { item: Self::FIRST, object: Self::SECOND };
    /// Objects, then items, then bytes, then wildcards.
    const LEAST: Self = Self { item: Self::SECOND, object: Self::FIRST };
    const FIRST: i128 = 1 << 82;
    const SECOND: i128 = 1 << 60;
    const BYTE: i128 = 1 << 12;
    /// Prices above this many of the first aim could overflow, and none that high is needed.
    const HIGHEST_PRICE: f64 = 262_144.0;
}

/// What a path, a wildcard and a purged object cost on top while the limits are only priced.
#[derive(Clone, Copy, Default)]
struct Prices {
    path: i128,
    wildcard: i128,
    object: i128,
}

impl Prices {
    fn of(&self, tally: &Tally) -> i128 {
        i128::from(tally.paths) * self.path + i128::from(tally.wildcards) * self.wildcard + i128::from(tally.objects) * self.object
    }

    fn of_limits(&self, limits: &Limits) -> i128 {
        i128::from(limits.paths) * self.path
            + i128::from(limits.wildcards) * self.wildcard
            + i128::from(limits.objects) * self.object
    }
}

/// No choice can cost this much.
const NEVER: i128 = i128::MAX / 4;

/// The cheapest choices when limits are priced.
struct Relaxed {
    prices: Prices,
    /// At the root, less what the limits allow: no choice within the limits costs less.
    bound: i128,
    /// For each node, the cheapest of its subtree.
    cheapest: Vec<i128>,
    /// For each node, the cheapest of its subtree without a wildcard at the node itself.
    apart: Vec<i128>,
    /// What the cheapest choice uses.
    tally: Tally,
}

/// What the cheapest choice under some prices says of all others.
struct Guide {
    prices: Prices,
    bound: i128,
    /// For each node, the cheapest of its subtree.
    cheapest: Vec<i128>,
    /// For each node, the cheapest of its subtree and those of its later siblings.
    with_later: Vec<i128>,
    /// For each node, what is lost already when no node above is a wildcard.
    lost: Vec<i128>,
}

impl Guide {
    fn new(nodes: &[Node], Relaxed { prices, bound, cheapest, apart, .. }: Relaxed) -> Self {
        let (mut with_later, mut lost, mut later) = (cheapest.clone(), vec![0; nodes.len()], vec![0; nodes.len()]);
        for (id, node) in nodes.iter().enumerate().skip(1) {
            let above = node.parent;
            lost[id] = (lost[above] + apart[above] - cheapest[above]).min(NEVER);
        }
        for (id, node) in nodes.iter().enumerate().skip(1).rev() {
            later[node.parent] += cheapest[id];
            with_later[id] = later[node.parent];
        }
        Self { prices, bound, cheapest, with_later, lost }
    }
}

/// The most that a point may cost when the limits are priced so.
struct Cap {
    prices: Prices,
    most: i128,
}

/// One choice within a subtree.
#[derive(Clone, Copy)]
struct Point {
    tally: Tally,
    cost: i128,
    /// Two trails into the log, whose wildcards come in this order.
    trail: (usize, usize),
    /// Where it stands in the order of wildcards, among the points of its subtree.
    place: usize,
}

/// The log of where a point's wildcards came from.
#[derive(Clone, Copy)]
enum Trail {
    Wildcard(usize),
    Both(usize, usize),
}

const NO_TRAIL: usize = usize::MAX;

struct Search<'a> {
    nodes: &'a [Node],
    limits: Limits,
    weights: Weights,
    rounds: usize,
}

impl Search<'_> {
    /// The best choice, when one is known that uses this.
    fn best(&self, known: Tally) -> Vec<usize> {
        let (relaxed, mut known) = self.price(known);
        let bound = relaxed.bound;
        let guides = self.guides(relaxed);
        let mut gap = (known - bound).min(Weights::FIRST);
        loop {
            if let Some((cost, wildcards)) = self.explore(&guides, bound + gap) {
                known = known.min(cost);
                if known - bound <= gap {
                    return wildcards;
                }
            }
            gap = (gap * 2).min(known - bound);
        }
    }

    /// Prices around the best ones. Each bounds what a part of a choice can still become, and where the part uses
    /// much more or much less than the cheapest choice would, other prices than the best bound it more sharply.
    fn guides(&self, best: Relaxed) -> Vec<Guide> {
        let Prices { path, wildcard, object } = best.prices;
        let around = |price: i128| GUIDES.map(|percent| price / 100 * percent).into_iter().filter(|other| *other > 0);
        let mut prices: Vec<Prices> = Vec::new();
        prices.extend(around(path).map(|path| Prices { path, ..best.prices }));
        prices.extend(around(wildcard).map(|wildcard| Prices { wildcard, ..best.prices }));
        prices.extend(around(object).map(|object| Prices { object, ..best.prices }));
        let others = prices.into_iter().map(|prices| self.relax(prices));
        [best].into_iter().chain(others).map(|relaxed| Guide::new(self.nodes, relaxed)).collect()
    }

    fn wildcard(&self, node: usize) -> Option<Tally> {
        let Collateral { objects, bytes } = self.nodes[node].cut?.collateral;
        Some(Tally { wildcards: 1, objects, bytes, paths: 0 })
    }

    fn relax(&self, prices: Prices) -> Relaxed {
        let count = self.nodes.len();
        let (mut cheapest, mut apart, mut tallies) = (vec![0; count], vec![0; count], vec![Tally::default(); count]);
        for (id, node) in self.nodes.iter().enumerate().rev() {
            match node.own {
                Own::Nothing => {}
                Own::Address => {
                    apart[id] += self.weights.item + prices.path;
                    tallies[id].paths += 1;
                }
                Own::Whole => apart[id] = NEVER,
            }
            cheapest[id] = apart[id];
            if let Some(wildcard) = self.wildcard(id) {
                let cost = wildcard.priced(&self.weights) + prices.of(&wildcard);
                if cost < cheapest[id] {
                    cheapest[id] = cost;
                    tallies[id] = wildcard;
                }
            }
            if id != 0 {
                apart[node.parent] += cheapest[id];
                tallies[node.parent] = tallies[node.parent].plus(&tallies[id]);
            }
        }
        Relaxed { bound: cheapest[0] - prices.of_limits(&self.limits), prices, tally: tallies[0], cheapest, apart }
    }

    /// The prices with the highest bound found, and the cost of the best choice met on the way.
    ///
    /// The bound is concave in the prices: its maximum is a linear program whose columns are choices, solved by the
    /// revised simplex method with the trie as the oracle for the next column. Floating point is enough here: a price
    /// that is a little off gives a bound that is a little lower, and still a bound.
    fn price(&self, first: Tally) -> (Relaxed, i128) {
        let mut known = first.priced(&self.weights);
        let unit = Weights::FIRST as f64;
        let limits = [self.limits.paths, self.limits.wildcards, self.limits.objects].map(|limit| limit as f64);
        let column = |tally: &Tally| {
            let used = [tally.paths, tally.wildcards, tally.objects].map(|used| used as f64);
            [1.0, used[0] - limits[0], used[1] - limits[1], used[2] - limits[2]]
        };
        let mut best = self.relax(Prices::default());
        // The first basis: the known choice, and the slack it leaves in each limit.
        let [_, paths, wildcards, objects] = column(&first);
        let mut inverse = [[1.0, 0.0, 0.0, 0.0], [-paths, 1.0, 0.0, 0.0], [-wildcards, 0.0, 1.0, 0.0], [-objects, 0.0, 0.0, 1.0]];
        let mut costs = [known as f64 / unit, 0.0, 0.0, 0.0];
        let mut values = [1.0, -paths, -wildcards, -objects];
        for _ in 0..self.rounds {
            let dual: [f64; 4] = std::array::from_fn(|at| (0..4).map(|row| costs[row] * inverse[row][at]).sum());
            let slack = (1..4).max_by(|&one, &other| dual[one].total_cmp(&dual[other])).unwrap_or(1);
            let (enters, cost) = if dual[slack] > 1e-9 {
                (std::array::from_fn(|at| f64::from(u8::from(at == slack))), 0.0)
            } else {
                let [path, wildcard, object] =
                    [dual[1], dual[2], dual[3]].map(|dual| ((-dual).clamp(0.0, Weights::HIGHEST_PRICE) * unit) as i128);
                let relaxed = self.relax(Prices { path, wildcard, object });
                let tally = relaxed.tally;
                let cost = tally.priced(&self.weights);
                if tally.within(&self.limits) {
                    known = known.min(cost);
                }
                if relaxed.bound > best.bound {
                    best = relaxed;
                }
                (column(&tally), cost as f64 / unit)
            };
            let reduced = cost - (0..4).map(|at| dual[at] * enters[at]).sum::<f64>();
            if best.bound >= known || reduced > -1e-9 * (1.0 + dual[0].abs()) {
                break;
            }
            let change: [f64; 4] = std::array::from_fn(|row| (0..4).map(|at| inverse[row][at] * enters[at]).sum());
            let ratio = |row: usize| if change[row] > 1e-9 { values[row] / change[row] } else { f64::INFINITY };
            let leaves = (0..4).min_by(|&one, &other| ratio(one).total_cmp(&ratio(other))).unwrap_or(0);
            if ratio(leaves).is_infinite() {
                break;
            }
            let pivot = change[leaves];
            inverse[leaves] = inverse[leaves].map(|cell| cell / pivot);
            values[leaves] /= pivot;
            costs[leaves] = cost;
            let (pivot_row, pivot_value) = (inverse[leaves], values[leaves]);
            for row in (0..4).filter(|&row| row != leaves) {
                for (cell, pivot) in inverse[row].iter_mut().zip(pivot_row) {
                    *cell -= change[row] * pivot;
                }
                values[row] -= change[row] * pivot_value;
            }
        }
        (best, known)
    }

    /// The best of all choices that cost no more than this.
    ///
    /// Frontiers are merged from the last child to the first, so that the order in which points stand is the order of
    /// their wildcards: of equal points the first is kept, and the choice is the first in the order of paths.
    fn explore(&self, guides: &[Guide], most: i128) -> Option<(i128, Vec<usize>)> {
        let mut log = Vec::new();
        let mut children: Vec<Option<Vec<Point>>> = vec![None; self.nodes.len()];
        let mut caps = Vec::with_capacity(guides.len());
        for (id, node) in self.nodes.iter().enumerate().rev() {
            let room = |guide: &Guide| most - guide.bound - guide.lost[id];
            if guides.iter().any(|guide| room(guide) < 0) {
                continue;
            }
            caps.clear();
            caps.extend(guides.iter().map(|guide| Cap { prices: guide.prices, most: guide.cheapest[id] + room(guide) }));
            let mut points = Vec::new();
            if let Some(tally) = self.wildcard(id) {
                let point = Point { tally, cost: tally.priced(&self.weights), trail: (log.len(), NO_TRAIL), place: 0 };
                if self.keeps(&caps, &point) {
                    log.push(Trail::Wildcard(id));
                    points.push(point);
                }
            }
            if node.own != Own::Whole {
                let nothing = Point { tally: Tally::default(), cost: 0, trail: (NO_TRAIL, NO_TRAIL), place: 0 };
                let mut beneath = match children[id].take() {
                    Some(points) => points,
                    None if node.leaf => vec![nothing],
                    None => Vec::new(),
                };
                for point in &mut beneath {
                    point.place += 1;
                    if node.own == Own::Address {
                        point.tally.paths += 1;
                        point.cost += self.weights.item;
                    }
                }
                beneath.retain(|point| self.keeps(&caps, point));
                points.append(&mut beneath);
            }
            let points = self.frontier(points, &mut log);
            if id == 0 {
                let best = points.iter().min_by_key(|point| point.cost)?;
                return Some((best.cost, wildcards(&log, best.trail)));
            }
            let above = node.parent;
            for (cap, guide) in caps.iter_mut().zip(guides) {
                cap.most = guide.with_later[id] + room(guide);
            }
            children[above] = Some(match children[above].take() {
                None => points,
                Some(right) => {
                    let joined = self.join(&points, &right, &caps);
                    self.frontier(joined, &mut log)
                }
            });
        }
        None
    }

    /// Whether a point is within the limits, and by no guide costs more than its cap.
    fn keeps(&self, caps: &[Cap], point: &Point) -> bool {
        point.tally.within(&self.limits) && caps.iter().all(|cap| point.cost + cap.prices.of(&point.tally) <= cap.most)
    }

    /// Every pair of a left and a right point that is worth keeping.
    fn join(&self, left: &[Point], right: &[Point], caps: &[Cap]) -> Vec<Point> {
        let Some(Cap { prices, most }) = caps.first() else { return Vec::new() };
        let price = |point: &Point| point.cost + prices.of(&point.tally);
        // Most pairs cost too much: in the order of cost they need not be looked at.
        let mut cheap_first: Vec<(i128, usize)> = right.iter().enumerate().map(|(at, point)| (price(point), at)).collect();
        cheap_first.sort_unstable();
        let mut joined = Vec::new();
        for (row, one) in left.iter().enumerate() {
            let rest = most - price(one);
            for &(_, at) in cheap_first.iter().take_while(|other| other.0 <= rest) {
                let other = &right[at];
                let point = Point {
                    tally: one.tally.plus(&other.tally),
                    cost: one.cost + other.cost,
                    trail: (one.trail.0, other.trail.0),
                    place: row * right.len() + at,
                };
                if self.keeps(caps, &point) {
                    joined.push(point);
                }
            }
        }
        joined
    }

    /// The points that no other makes pointless, in the order of their places, each with its trails made one.
    ///
    /// One point makes another pointless if it uses no more of anything limited and costs no more.
    fn frontier(&self, mut points: Vec<Point>, log: &mut Vec<Trail>) -> Vec<Point> {
        if points.len() > 1 {
            let key = |(at, Point { tally, place, .. }): (usize, &Point)| {
                (tally.wildcards, tally.objects, tally.paths, tally.bytes, *place, at)
            };
            let mut order: Vec<_> = points.iter().enumerate().map(key).collect();
            order.sort_unstable();
            // Of all with fewer wildcards: paths fall as objects rise.
            let mut stairs: Vec<(u64, u64)> = Vec::new();
            let mut keep = vec![false; points.len()];
            for (_, objects, paths, _, _, at) in order {
                let higher = stairs.partition_point(|stair| stair.0 <= objects);
                if higher > 0 && stairs[higher - 1].1 <= paths {
                    continue;
                }
                keep[at] = true;
                let from = stairs.partition_point(|stair| stair.0 < objects);
                let to = from + stairs[from..].partition_point(|stair| stair.1 >= paths);
                stairs.splice(from..to, [(objects, paths)]);
            }
            let mut keep = keep.into_iter();
            points.retain(|_| keep.next() == Some(true));
            points.sort_unstable_by_key(|point| point.place);
        }
        for point in &mut points {
            point.trail = match point.trail {
                (NO_TRAIL, one) | (one, NO_TRAIL) => (one, NO_TRAIL),
                (one, other) => {
                    log.push(Trail::Both(one, other));
                    (log.len() - 1, NO_TRAIL)
                }
            };
        }
        points
    }
}

fn wildcards(log: &[Trail], (one, other): (usize, usize)) -> Vec<usize> {
    let mut found = Vec::new();
    let mut open = vec![other, one];
    while let Some(at) = open.pop() {
        match log.get(at) {
            None => {}
            Some(Trail::Wildcard(node)) => found.push(*node),
            Some(Trail::Both(one, other)) => open.extend([*other, *one]),
        }
    }
    found
}
