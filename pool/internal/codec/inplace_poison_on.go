//go:build handoff_assert || race

package codec

// Poisons: what was made of a Block ends with each task, as does the mapping that its values
// lie in, which is the task's own. Their addresses are never used again, so that a use after
// the task is a fault at its own line, and other tasks do not notice.
const Poisons = true
