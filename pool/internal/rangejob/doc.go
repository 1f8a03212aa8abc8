// Package rangejob does the bookkeeping of one range of indices that workers share: which
// blocks there are, who has them, what is given out again after a death, and which
// indices are left out. A [Job] is a machine without processes, locks, clocks or shared
// memory: what happens goes in, what is to be done comes out. It is guarded by its owner's
// lock.
//
// # Recovery
//
// Workers take blocks from a counter in shared memory, next, and each says in a word of
// its own what it claims: that it is choosing a block, or the block that it has.
//
// When a worker dies in its share, the blocks that it has taken and not done go
// to others. They are found like this, after the death is certain, in this order:
//
//  1. read next;
//  2. look at each worker that lives and has begun its share, until it is seen
//     not choosing: what it claims then is its own, and what it takes later is
//     not below what was read;
//  3. take what is in all rings;
//  4. the blocks below next that are not done, not claimed by the living and not
//     given out by a recovery before are nobody's: each becomes a share of its own.
//
// The first three are the owner's, the last is [Job.Recovered]. A block that the dead
// worker had claimed has lost an attempt ([Job.Died]). The model in model_test.go goes
// through all orders of the steps of workers, deaths and recoveries, and shows that each
// step here is needed; walk_test.go takes the machine itself through all orders of what is
// reported, of deaths, overruns and stores to the counter.
package rangejob
