//go:build handoff_assert || race

package codec

// poisons: what was made of a Block ends with each task, and its addresses are never used
// again, so that a use after the task is a fault at its own line.
const poisons = true
